/// The address space of vmalloc: which ranges are in use, which wait to be flushed, which are free.
///
///     busy   an area each, [start, end) with its guard page
///     lazy   freed, but a TLB may still know them: joined with lazy neighbours, given to nobody
///     free   joined with free neighbours; searched for the next request
///
///     alloc: free -> busy        free_lazily: busy -> lazy        purge: one flush, then lazy -> free
///
/// Together the three cover every address from 1 on (VM-2); requests are limited to a window (VM-20). A purge
/// is due when more than lazy_max_pages wait (VM-31), and comes by itself when a search fails (VM-26).
///
/// Follows Linux 6.1 (VM-2, VM-20..26, VM-30..35). Laws: V1..V4, V15. Difference: descriptors of areas come
/// from the C++ heap and never run out, so that nothing is preloaded (VM-25).
/// Locks: one for busy, one for lazy, one for free areas; one that lets purges wait for each other. The order
/// is purge, then any one of the others, which are never held together.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "allocators/base/check.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/mmu/mmu.hpp"
#include "allocators/vmalloc/area_tree.hpp"

namespace kmemlab {

/// VM-31: 32 MiB for each bit of the number of CPUs.
[[nodiscard]] std::uint64_t lazy_max_pages(unsigned cpus);

template <class Cpus>
class VmapSpace {
  public:
    /// Forgets in all TLBs what lies in [begin, end).
    using Flush = std::function<void(std::uint64_t begin, std::uint64_t end, CpuId cpu)>;

    /// Everything is free. `flush` is called by each purge that has something to flush.
    VmapSpace(Cpus& cpus, std::uint64_t lazy_max, Flush flush);
    ~VmapSpace();
    VmapSpace(const VmapSpace&) = delete;
    VmapSpace& operator=(const VmapSpace&) = delete;

    /// An area of `size` bytes (its guard included) in `window`, aligned to `align`; busy from now on.
    /// nullptr: no space, not even after a purge. `size` and `align` are multiples of the page size, `align`
    /// a power of two.
    [[nodiscard]] VmapArea* alloc(std::uint64_t size, std::uint64_t align, AddressRange window, CpuId cpu);
    /// Makes exactly [start, end) busy, which must be free: what is there from the start.
    VmapArea* occupy(std::uint64_t start, std::uint64_t end, CpuId cpu);
    /// The busy area that `address` lies in; nullptr: none.
    [[nodiscard]] VmapArea* find_busy(std::uint64_t address, CpuId cpu);
    /// Takes back an area that nothing was ever mapped in (VM-35).
    void free_at_once(VmapArea* area, CpuId cpu);
    /// The area, whose mappings are gone, waits for a flush (VM-30). True: a purge is due.
    [[nodiscard]] bool free_lazily(VmapArea* area, CpuId cpu);
    /// Flushes once and frees everything that was lazy; at least [begin, end) is flushed (VM-32, 34).
    void purge(CpuId cpu, std::uint64_t begin = ~std::uint64_t{0}, std::uint64_t end = 0);

    [[nodiscard]] std::uint64_t lazy_pages() const { return lazy_pages_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t lazy_max() const { return lazy_max_; }
    /// Purges that had something to free.
    [[nodiscard]] std::uint64_t purges() const { return purges_; }

    // For those who look; nobody may be inside.
    [[nodiscard]] const AreaTree& busy() const { return busy_; }
    [[nodiscard]] const AreaTree& lazy() const { return lazy_; }
    [[nodiscard]] const AreaTree& free() const { return free_; }
    /// Descriptors of all areas, in bytes.
    [[nodiscard]] std::uint64_t metadata_bytes() const {
        return (busy_.count() + lazy_.count() + free_.count()) * sizeof(VmapArea);
    }
    [[nodiscard]] MaybeViolation find_violation() const;

    struct Inside;  ///< for tests that break it, and recorded states

  private:
    /// Cuts the request out of the free areas (VM-24). Under the lock. Returns its start, or nothing.
    [[nodiscard]] std::optional<std::uint64_t> cut(std::uint64_t size, std::uint64_t align,
                                                   AddressRange window);
    void cut_out(VmapArea* area, std::uint64_t start, std::uint64_t end);
    VmapArea* make_busy(std::uint64_t start, std::uint64_t end, CpuId cpu);
    void insert_free(VmapArea* area);

    Cpus& cpus_;
    std::uint64_t lazy_max_;
    Flush flush_;
    typename Cpus::Lock busy_lock_;
    typename Cpus::Lock lazy_lock_;
    typename Cpus::Lock free_lock_;
    typename Cpus::Lock purge_lock_;
    AreaTree busy_;
    AreaTree lazy_;
    AreaTree free_;
    std::atomic<std::uint64_t> lazy_pages_{0};
    std::uint64_t purges_ = 0;
};

extern template class VmapSpace<OwnedCpus>;
extern template class VmapSpace<SimulatedCpus>;

}  // namespace kmemlab
