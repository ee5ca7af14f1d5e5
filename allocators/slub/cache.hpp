/// A SLUB cache: its layout, what each CPU holds of it, and the node's lists.
///
///     CPU c:  slots[c]   freelist -> o -> o     objects of `slab`, taken and given by c alone
///                        partial -> S -> S      frozen slabs, linked by Page::next
///     slab S: Page::word freelist -> o -> o     objects freed from elsewhere (slab_word.hpp)
///     node:   partial    S <-> S <-> S          slabs with free objects, of no CPU; under `lock`
///             full       S <-> S                only with STORE_USER
///
/// A slab is in exactly one place: slab of a CPU, on a CPU's partial list, on the node's partial list, or
/// full and nowhere (U2, U3). slots[c] is CPU c's own; Page::word is changed by exchange; Page::next and prev
/// belong to whoever has the slab: the CPU while it is frozen, the lock's holder while it is on a node list.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/machine/page_list.hpp"
#include "allocators/objects/cache.hpp"
#include "allocators/slub/geometry.hpp"

namespace kmemlab {

/// What the kernel counts with SLUB_STATS, under its names. alloc_* count objects that were handed out,
/// free_* objects that came back: bulk operations count each object (U9), failed ones none.
enum class SlubEvent : std::uint8_t {
    alloc_fastpath,
    free_fastpath,
    alloc_slowpath,
    free_slowpath,
    free_frozen,
    free_add_partial,
    free_remove_partial,
    alloc_from_partial,
    alloc_slab,
    alloc_refill,
    free_slab,
    cpuslab_flush,
    deactivate_full,
    deactivate_empty,
    deactivate_to_head,
    deactivate_to_tail,
    deactivate_remote_frees,
    deactivate_bypass,
    order_fallback,
    cmpxchg_double_fail,
    cmpxchg_double_cpu_fail,
    cpu_partial_alloc,
    cpu_partial_free,
    cpu_partial_node,
    cpu_partial_drain,
};
inline constexpr std::size_t slub_event_count = static_cast<std::size_t>(SlubEvent::cpu_partial_drain) + 1;
using SlubEvents = std::array<std::uint64_t, slub_event_count>;
[[nodiscard]] std::string_view to_string(SlubEvent event);

/// What one CPU holds of a cache.
struct CpuSlot {
    void* freelist = nullptr;
    /// The memory of `slab`, empty without one: objects there go back to `freelist` without a look at
    /// anything else.
    std::uintptr_t slab_begin = 0;
    std::size_t slab_bytes = 0;
    FrameIndex slab = no_frame;
    std::uint64_t tid = 0;  ///< steps with each change of (slab, freelist) in preemptible contexts (U6)
    FrameIndex partial = no_frame;
    std::uint32_t partial_count = 0;
    bool busy = false;           ///< preemptible: this CPU is on a slow path of this cache
    bool flush_pending = false;  ///< preemptible: flush when it leaves that
    SlubEvents events{};

    void count(SlubEvent event, std::uint64_t n = 1) { events[static_cast<std::size_t>(event)] += n; }
    [[nodiscard]] std::uint64_t counted(SlubEvent event) const {
        return events[static_cast<std::size_t>(event)];
    }
};

/// All of a cache but its lock, which depends on the context.
struct SlubCacheCore {
    SlubCacheCore(std::string cache_name, const Geometry& cache_geometry, unsigned cpus)
        : slots{cpus},
          free_offset{static_cast<std::uint32_t>(cache_geometry.free_offset)},
          debug{has(cache_geometry.flags, debug_flags)},
          size_inverse{~std::uint64_t{0} / cache_geometry.size + 1},
          geometry{cache_geometry},
          name{std::move(cache_name)} {}

    /// Is that many bytes a whole number of objects? Exact below 4 GiB.
    [[nodiscard]] bool is_whole(std::uint32_t bytes) const {
        return bytes * size_inverse <= size_inverse - 1;
    }
    [[nodiscard]] bool store_user() const { return has(geometry.flags, CacheFlags::store_user); }
    [[nodiscard]] std::uint64_t total(SlubEvent event) const;
    /// Objects handed out and not yet given back.
    [[nodiscard]] std::uint64_t live() const;
    [[nodiscard]] CacheTraffic traffic() const;
    [[nodiscard]] std::size_t metadata_bytes() const;

    PerCpu<CpuSlot> slots;
    std::uint32_t free_offset;
    bool encoded = false;  ///< free pointers are stored as SLUB-71 says
    const bool debug;      ///< SLUB-72
    /// 2^64 / geometry.size, rounded up: what takes the place of a division.
    const std::uint64_t size_inverse;
    bool cpu_partial_lists = false;
    bool kmalloc = false;
    bool mergeable = false;    ///< SLUB-64: may serve further descriptions
    std::uint64_t secret = 0;  ///< of the encoding
    Geometry geometry;
    Constructor constructor = nullptr;
    std::string name;
    std::uint32_t references = 1;          ///< descriptions served (U12); 0: it is being destroyed
    std::uint32_t partial_slab_limit = 0;  ///< of a CPU's partial list (SLUB-6)
    std::uint32_t min_partial = 0;
    std::uint32_t most_empty = 0;  ///< the largest min_partial it ever had: bounds empty slabs kept (U3)
    /// A CPU kept an empty slab that was surplus by the time it had the lock (U3); written under that.
    bool kept_late = false;
    std::vector<std::uint32_t> random_order;  ///< SLUB-70; empty: ascending
    std::atomic<std::uint64_t> random_draws{0};
    /// A layer above keeps free objects per CPU: a free here comes from there, and is no operation.
    bool fronted = false;
    /// Debugging found misuse here: lists cut by it, and slabs given up (SLUB-75), may have lost objects, so
    /// counts are not judged any more.
    bool damaged = false;

    // The node, under the lock; the atomics may be read without it.
    PageList partial;
    PageList full;
    std::atomic<std::uint64_t> nr_partial{0};
    std::atomic<std::uint64_t> nr_full{0};
    std::atomic<std::uint64_t> nr_slabs{0};
    std::atomic<std::uint64_t> total_objects{0};
};

/// What stands in an object for a free pointer: itself, or as SLUB-71 encodes it at the address `at`.
[[nodiscard]] inline std::uintptr_t encode_free_pointer(const SlubCacheCore& cache, std::uintptr_t value,
                                                        std::uintptr_t at) {
    return value ^ cache.secret ^ __builtin_bswap64(at);
}

/// The free object after `object`, or nullptr.
[[nodiscard, gnu::always_inline]] inline void* get_free_pointer(const SlubCacheCore& cache,
                                                                const void* object) {
    const auto* const at = static_cast<const std::byte*>(object) + cache.free_offset;
    std::uintptr_t value = 0;
    std::memcpy(&value, at, sizeof value);
    if (cache.encoded) [[unlikely]] {
        value = encode_free_pointer(cache, value, reinterpret_cast<std::uintptr_t>(at));
    }
    return reinterpret_cast<void*>(value);
}

[[gnu::always_inline]] inline void set_free_pointer(const SlubCacheCore& cache, void* object,
                                                    const void* next) {
    auto* const at = static_cast<std::byte*>(object) + cache.free_offset;
    auto value = reinterpret_cast<std::uintptr_t>(next);
    if (cache.encoded) [[unlikely]] {
        if (object == next) check_failed("an object's free pointer names itself", __FILE__, __LINE__);
        value = encode_free_pointer(cache, value, reinterpret_cast<std::uintptr_t>(at));
    }
    std::memcpy(at, &value, sizeof value);
}

/// A layer above may derive its own from it (Slub's constructor).
template <class Cpus>
struct SlubCache : SlubCacheCore {
    using SlubCacheCore::SlubCacheCore;
    virtual ~SlubCache() = default;
    SlubCache(const SlubCache&) = delete;
    SlubCache& operator=(const SlubCache&) = delete;
    typename Cpus::Lock lock;
};

}  // namespace kmemlab
