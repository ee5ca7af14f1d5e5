/// Blocks beyond the largest of the page allocator: each a mapping of its own.
///
///     base            p
///     | ... | Head     | bytes of the caller ...   |
///
/// The head lies at the end of the page before p, so p is aligned to pages, or more if asked.
#pragma once

#include <cstddef>

namespace kmemlab::big_blocks {

/// `align`: a power of two. nullptr: no memory. Its bytes are zero.
[[nodiscard]] void* allocate(std::size_t size, std::size_t align);
void deallocate(void* p);
[[nodiscard]] std::size_t usable_size(const void* p);
/// The block with `size` bytes, elsewhere perhaps; nullptr: no memory, it stays as it was.
[[nodiscard]] void* resize(void* p, std::size_t size);
/// False: `p` is nothing that allocate() gave. Aligned to a page, its page before must be readable.
[[nodiscard]] bool is_one(const void* p);

}  // namespace kmemlab::big_blocks
