/// Debugging of a SLUB cache as slub_debug gives it: what is written around objects, how it is checked, how
/// it is reported and repaired (SLUB-74..78). geometry.hpp shows what lies where in an object.
///
/// Everything here runs under the cache's lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/misuse.hpp"
#include "allocators/machine/arena.hpp"
#include "allocators/slub/cache.hpp"
#include "allocators/slub/slab_word.hpp"

namespace kmemlab {

/// Who did something to an object (STORE_USER).
struct OwnerRecord {
    std::uint64_t address = 0;  ///< where in the code; 0: nothing recorded
    std::uint32_t number = 0;   ///< the kernel's number of a stack trace; unused
    std::uint32_t cpu = 0;
    std::uint32_t pid = 0;  ///< unused: threads are not processes here
    std::uint32_t unused = 0;
    std::uint64_t when = 0;  ///< operations on debug caches before
};
static_assert(sizeof(OwnerRecord) == owner_record_bytes);

enum class OwnerKind : std::uint8_t { allocated, freed };

/// Collects what one operation finds and tells it when the operation is over and its lock released: one
/// Misuse per BUG, with the FIX lines that followed it.
class DebugReporter {
  public:
    DebugReporter(MisuseLog& log, SlubCacheCore& cache, std::atomic<bool>& tainted)
        : log_{log}, cache_{cache}, tainted_{tainted} {}
    ~DebugReporter();
    DebugReporter(const DebugReporter&) = delete;
    DebugReporter& operator=(const DebugReporter&) = delete;

    /// Begins a report; `details` are the lines below the reason.
    void bug(MisuseKind kind, const void* address, std::string_view reason, std::string_view details);
    void fix(std::string_view what);

  private:
    void flush();

    MisuseLog& log_;
    SlubCacheCore& cache_;
    std::atomic<bool>& tainted_;
    std::vector<Misuse> found_;
};

/// Writes and checks the bytes and lists of the slabs of one cache.
class SlabChecker {
  public:
    SlabChecker(const Arena& arena, SlubCacheCore& cache, DebugReporter& reporter, std::uint64_t now)
        : arena_{arena}, cache_{cache}, reporter_{reporter}, now_{now} {}

    /// SLUB-74, of a slab just made: all free.
    void init_slab(FrameIndex slab, std::uint32_t objects) const;
    /// Red zones and poison of an object: red_zone_free or red_zone_live.
    void init_object(std::byte* object, std::uint8_t red_zone) const;
    void record(std::byte* object, OwnerKind kind, const OwnerRecord& owner) const;
    void record_size(std::byte* object, std::size_t asked) const;

    /// SLUB-75, 76. False: found something wrong that was not mended.
    [[nodiscard]] bool check_slab(FrameIndex slab);
    [[nodiscard]] bool check_object(FrameIndex slab, std::byte* object, std::uint8_t red_zone);
    /// Is `object` on the slab's free list? Repairs the list and counts on the way. Without an object: true
    /// unless the list was given up.
    [[nodiscard]] bool on_freelist(FrameIndex slab, const void* object);
    /// Null, or the begin of an object of the slab.
    [[nodiscard]] bool valid_pointer(FrameIndex slab, const void* object) const;
    /// All of a slab, until the first object with a fault.
    void validate(FrameIndex slab);

    /// Which bytes of object `i` are not as they must be (U8), or nothing; changes and reports nothing.
    [[nodiscard]] std::string_view find_byte_fault(FrameIndex slab, std::uint32_t i, bool live,
                                                   unsigned cpus) const;
    [[nodiscard]] bool tail_intact(FrameIndex slab) const;

    void slab_bug(MisuseKind kind, FrameIndex slab, const void* address, std::string_view reason,
                  std::string_view more = {});
    void object_bug(MisuseKind kind, FrameIndex slab, const std::byte* object, const void* address,
                    std::string_view reason, std::string_view fault_line = {});
    [[nodiscard]] std::string owners_text(const std::byte* object) const;

  private:
    [[nodiscard]] bool check_bytes(FrameIndex slab, std::byte* object, std::string_view what,
                                   std::span<std::byte> bytes, std::uint8_t expected);
    [[nodiscard]] bool check_poison(FrameIndex slab, std::byte* object);
    [[nodiscard]] bool check_padding(FrameIndex slab, std::byte* object);
    void check_slab_tail(FrameIndex slab);
    [[nodiscard]] bool flag(CacheFlags f) const { return has(cache_.geometry.flags, f); }
    /// Is the content of free objects poisoned? (not with a constructor or RCU)
    [[nodiscard]] bool poisons_objects() const;
    /// Where padding of an object begins.
    [[nodiscard]] std::size_t tracked_end() const;
    [[nodiscard]] OwnerRecord owner_of(const std::byte* object, OwnerKind kind) const;
    [[nodiscard]] std::byte* start(FrameIndex slab) const { return arena_.address_at(slab); }
    [[nodiscard]] std::byte* object_at(FrameIndex slab, std::uint32_t i) const {
        return start(slab) + cache_.geometry.left_pad + i * cache_.geometry.size;
    }
    [[nodiscard]] std::size_t slab_bytes(FrameIndex slab) const;
    [[nodiscard]] std::uint32_t most_objects(FrameIndex slab) const;
    [[nodiscard]] void* first_free(FrameIndex slab, const SlabWord& word) const {
        return word.has_free() ? start(slab) + std::size_t{word.freelist} * 8 : nullptr;
    }
    [[nodiscard]] std::string slab_line(FrameIndex slab) const;
    [[nodiscard]] std::string trailer(FrameIndex slab, const std::byte* object) const;

    const Arena& arena_;
    SlubCacheCore& cache_;
    DebugReporter& reporter_;
    std::uint64_t now_;
};

}  // namespace kmemlab
