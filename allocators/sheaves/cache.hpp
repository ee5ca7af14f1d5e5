/// A cache with sheaves: SLUB's, with what each CPU and the node keep of its free objects above the slabs.
///
///     CPU c:  sheaves[c]  main   [o o o . .]    taken from and put on by c alone
///                         spare  [o o o o o]    none, empty or full
///     node:   barn      full and empty sheaves (barn.hpp)
///     slabs:  of the SlubCache that it is: on the node's partial list, or full and nowhere (SHEAF-7)
///
/// A debug cache has no sheaves (SHEAF-6): capacity 0, so that its main is empty and full at once and every
/// operation takes the slow way, to the slabs.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "allocators/machine/cpus.hpp"
#include "allocators/objects/cache.hpp"
#include "allocators/sheaves/barn.hpp"
#include "allocators/sheaves/config.hpp"
#include "allocators/sheaves/sheaf.hpp"
#include "allocators/slub/cache.hpp"

namespace kmemlab {

/// What is counted for each CPU of a cache. alloc_* and free_* are objects, the others sheaves.
enum class SheafEvent : std::uint8_t {
    alloc_fastpath,
    free_fastpath,
    alloc_slowpath,
    free_slowpath,
    free_refused,  ///< found on the way to the slabs: nobody's to free
    sheaf_alloc,   ///< made
    sheaf_swap,    ///< main and spare exchanged
    sheaf_refill,  ///< filled from the slabs
    sheaf_flush,   ///< emptied into the slabs
    barn_get,      ///< a full one taken
    barn_put,      ///< a full one put
};
inline constexpr std::size_t sheaf_event_count = static_cast<std::size_t>(SheafEvent::barn_put) + 1;

/// What one CPU holds of a cache; what fast paths need in the first cache line.
struct alignas(cache_line_size) SheafSlot {
    Sheaf main;
    std::array<std::uint64_t, sheaf_event_count> events{};
    Sheaf spare;
    bool busy = false;           ///< preemptible: this CPU is on a slow path of this cache
    bool flush_pending = false;  ///< preemptible: flush when it leaves that

    void count(SheafEvent event, std::uint64_t n = 1) { events[static_cast<std::size_t>(event)] += n; }
    [[nodiscard]] std::uint64_t counted(SheafEvent event) const {
        return events[static_cast<std::size_t>(event)];
    }
};

/// Where the slots of the first caches lie: those of one CPU beside each other, in the order in which the
/// caches were made, as in a kernel's per-CPU area. So a CPU's hot lines are in few pages and in different
/// sets of its cache. The first slot of each CPU is nobody's: nothing to take, no room to put.
class SheafArea {
  public:
    static constexpr std::size_t slots = 96;
    static constexpr std::size_t stride = slots * sizeof(SheafSlot);

    explicit SheafArea(unsigned cpus) : memory_{new (std::align_val_t{page_size}) std::byte[cpus * stride]} {
        for (unsigned c = 0; c < cpus; ++c) new (memory_.get() + c * stride) SheafSlot;
    }
    /// Room for one more cache: its slot of CPU 0, the others `stride` bytes behind each other; nullptr:
    /// none.
    [[nodiscard]] std::byte* take() {
        const std::size_t number = taken_.fetch_add(1, std::memory_order_relaxed);
        return number < slots ? memory_.get() + number * sizeof(SheafSlot) : nullptr;
    }
    /// The first slot of a CPU.
    [[nodiscard]] SheafSlot* slots_of(CpuId cpu) {
        return std::launder(reinterpret_cast<SheafSlot*>(memory_.get() + cpu.value() * stride));
    }

  private:
    struct Free {
        void operator()(std::byte* memory) const { operator delete[](memory, std::align_val_t{page_size}); }
    };
    std::unique_ptr<std::byte[], Free> memory_;
    std::atomic<std::size_t> taken_{1};
};

/// The slots of one cache: in an area, or of its own.
class SheafSlots {
  public:
    SheafSlots(unsigned cpus, std::byte* place) : count_{cpus} {
        if (place == nullptr) {
            own_ = std::make_unique<SheafSlot[]>(cpus);
            first_ = reinterpret_cast<std::byte*>(own_.get());
            stride_ = sizeof(SheafSlot);
            return;
        }
        first_ = place;
        stride_ = SheafArea::stride;
        for (unsigned c = 0; c < cpus; ++c) new (place + c * SheafArea::stride) SheafSlot;
    }
    ~SheafSlots() {
        for (unsigned c = 0; c < count_ && own_ == nullptr; ++c) (*this)[CpuId{c}].~SheafSlot();
    }
    SheafSlots(const SheafSlots&) = delete;
    SheafSlots& operator=(const SheafSlots&) = delete;

    [[nodiscard]] SheafSlot& operator[](CpuId cpu) {
        return *std::launder(reinterpret_cast<SheafSlot*>(first_ + cpu.value() * stride_));
    }
    [[nodiscard]] const SheafSlot& operator[](CpuId cpu) const {
        return *std::launder(reinterpret_cast<const SheafSlot*>(first_ + cpu.value() * stride_));
    }
    [[nodiscard]] unsigned count() const { return count_; }
    [[nodiscard]] std::size_t metadata_bytes() const { return count_ * sizeof(SheafSlot); }

  private:
    std::byte* first_;
    std::size_t stride_;  ///< bytes from a CPU's to the next one's
    unsigned count_;
    std::unique_ptr<SheafSlot[]> own_;
};

template <class Cpus>
struct SheafCache final : SlubCache<Cpus> {
    SheafCache(const std::string& cache_name, const Geometry& layout, const SheavesConfig& config,
               unsigned cpus, SheafArea& area)
        : SlubCache<Cpus>{cache_name, layout, cpus},
          sheaves{cpus, area.take()},
          capacity{capacity_of(config, *this)},
          barn{most_full_sheaves(config, capacity, layout.size),
               static_cast<std::size_t>(config.barn_empty)} {
        if (this->debug) return;
        this->fronted = true;
        for (unsigned c = 0; c < cpus; ++c) sheaves[CpuId{c}].main = Sheaf{capacity};
    }

    [[nodiscard]] std::uint64_t total(SheafEvent event) const {
        std::uint64_t sum = 0;
        for (unsigned c = 0; c < sheaves.count(); ++c) sum += sheaves[CpuId{c}].counted(event);
        return sum;
    }
    /// Objects out of the slabs: handed out or in sheaves.
    [[nodiscard]] std::uint64_t out_of_slabs() const { return SlubCacheCore::live(); }
    /// Objects handed out and not yet given back.
    [[nodiscard]] std::uint64_t live() const {
        if (this->debug) return out_of_slabs();
        return total(SheafEvent::alloc_fastpath) + total(SheafEvent::alloc_slowpath) +
               total(SheafEvent::free_refused) - total(SheafEvent::free_fastpath) -
               total(SheafEvent::free_slowpath);
    }
    [[nodiscard]] CacheTraffic traffic() const {
        return {.refills = total(SheafEvent::barn_get) + total(SheafEvent::sheaf_refill),
                .flushes = total(SheafEvent::barn_put) + total(SheafEvent::sheaf_flush)};
    }
    /// Of the sheaves alone; SLUB counts the rest.
    [[nodiscard]] std::size_t sheaf_bytes() const {
        std::size_t bytes = sizeof *this - sizeof(SlubCache<Cpus>);
        for (unsigned c = 0; c < sheaves.count(); ++c) {
            for (const Sheaf* sheaf : {&sheaves[CpuId{c}].main, &sheaves[CpuId{c}].spare}) {
                if (!sheaf->none()) bytes += Sheaf::metadata_bytes(capacity);
            }
        }
        return bytes + sheaves.metadata_bytes() + barn.metadata_bytes(capacity);
    }

    SheafSlots sheaves;
    const std::uint32_t capacity;  ///< objects of each sheaf; 0: the cache has none
    Barn<Cpus> barn;

  private:
    [[nodiscard]] static std::uint32_t capacity_of(const SheavesConfig& config,
                                                   const SlubCache<Cpus>& cache) {
        if (cache.debug) return 0;
        const std::uint64_t by_size = config.scale * sheaf_capacity(cache.geometry.size);
        return static_cast<std::uint32_t>(config.capacity != 0 ? config.capacity : by_size);
    }
};

}  // namespace kmemlab
