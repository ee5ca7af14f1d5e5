#include "allocators/machine/arena.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "allocators/base/check.hpp"

namespace kmemlab {
namespace {

/// The largest natural alignment that anything in the arena may rely on: a 1 GiB mapping.
constexpr std::size_t direct_map_alignment = std::size_t{1} << 30;
constexpr std::size_t largest_arena = std::size_t{1} << (32 + page_shift);

std::byte* reserve(std::size_t bytes) {
    void* p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        throw UsageError::of("arena: no address space for {} bytes: {}", bytes, std::strerror(errno));
    }
    return static_cast<std::byte*>(p);
}

Page* map_pages(std::size_t bytes) {
    void* p =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        throw UsageError::of("arena: no memory for {} bytes of page descriptors: {}", bytes,
                             std::strerror(errno));
    }
    return static_cast<Page*>(p);
}

/// The first address in `range` that is `start` pages beyond a multiple of the alignment.
std::byte* align_like(std::byte* range, Pfn start) {
    const auto address = reinterpret_cast<std::uintptr_t>(range);
    const std::size_t wanted = (start.value() << page_shift) % direct_map_alignment;
    const std::size_t is = address % direct_map_alignment;
    return range + (wanted + direct_map_alignment - is) % direct_map_alignment;
}

}  // namespace

Arena::Arena(std::size_t bytes, Pfn start, Backing backing) : start_{start}, frames_{bytes >> page_shift} {
    if (frames_ == 0) throw UsageError::of("arena: {} bytes hold no page of {}", bytes, page_size);
    if (bytes >= largest_arena) throw UsageError::of("arena: {} bytes are not below 16 TiB", bytes);
    if (backing == Backing::file) memfd_ = memfd_create("kmemlab-arena", MFD_CLOEXEC);
    map_memory(backing);
    pages_ = map_pages(metadata_bytes());
}

Arena::Arena(const Arena& memory, std::size_t bytes, Pfn start)
    : start_{start},
      frames_{std::min(bytes, memory.bytes()) >> page_shift},
      view_{true},
      memfd_{memory.memfd_},
      pages_{memory.pages_} {
    map_memory(Backing::file);
}

void Arena::map_memory(Backing backing) {
    const std::size_t reserved = bytes() + direct_map_alignment;
    reserved_ = {reserve(reserved), reserved};
    memory_ = align_like(reserved_.data(), start_);
    pfn0_ = reinterpret_cast<std::uintptr_t>(memory_) - (start_.value() << page_shift);
    const bool file = backing == Backing::file;
    const bool made = !file || view_ || (memfd_ >= 0 && ftruncate(memfd_, static_cast<off_t>(bytes())) == 0);
    const int kind = (file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS) | MAP_FIXED | MAP_NORESERVE;
    if (!made || mmap(memory_, bytes(), PROT_READ | PROT_WRITE, kind, memfd_, 0) == MAP_FAILED) {
        const int error = errno;
        if (!view_ && memfd_ >= 0) close(memfd_);
        munmap(reserved_.data(), reserved_.size());
        throw UsageError::of("arena: cannot map {} bytes: {}", bytes(), std::strerror(error));
    }
}

Arena::~Arena() {
    munmap(reserved_.data(), reserved_.size());
    if (view_) return;
    munmap(pages_, metadata_bytes());
    if (memfd_ >= 0) close(memfd_);
}

}  // namespace kmemlab
