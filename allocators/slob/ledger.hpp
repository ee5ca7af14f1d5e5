/// The ledger: every live object of a Slob by its place, kept beside the heap if `slob.track` is set. SLOB
/// itself stores the size of an object nowhere (but kmalloc's, in a header): only a ledger can tell a double
/// free from an interior pointer, or see that a header was overwritten. Guarded by the heap's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace kmemlab {

struct SlobCache;

struct LedgerEntry {
    enum class Kind : std::uint8_t {
        kmalloc,        ///< heap, with a header
        cache,          ///< heap
        kmalloc_pages,  ///< a compound block of pages
        cache_pages,    ///< a block of pages
        somebody_else,  ///< heap memory in use when a recorded state was put in
    };
    Kind kind{};
    std::size_t asked = 0;  ///< bytes
    std::size_t taken = 0;  ///< bytes, header and rounding included
    std::size_t align = 0;  ///< of the address that the user has
    const SlobCache* cache = nullptr;
};

class Ledger {
  public:
    using Entries = std::map<std::size_t, LedgerEntry>;  ///< by the offset in the arena where it begins

    void add(std::size_t begin, const LedgerEntry& entry) { entries_.insert_or_assign(begin, entry); }
    void remove(std::size_t begin) { entries_.erase(begin); }

    [[nodiscard]] LedgerEntry* find(std::size_t begin) {
        const auto found = entries_.find(begin);
        return found == entries_.end() ? nullptr : &found->second;
    }
    /// Does `offset` lie in a live object?
    [[nodiscard]] bool covers(std::size_t offset) const;
    /// Begins of the live objects of a cache, ascending, one a line.
    [[nodiscard]] std::string list_of(const SlobCache& cache) const;

    [[nodiscard]] const Entries& entries() const { return entries_; }
    [[nodiscard]] Entries& entries() { return entries_; }
    /// An estimate: three links and a colour beside each entry, as trees have.
    [[nodiscard]] std::size_t metadata_bytes() const {
        return entries_.size() * (sizeof(Entries::value_type) + 4 * sizeof(void*));
    }

  private:
    Entries entries_;
};

}  // namespace kmemlab
