/// The address space of vmalloc: which ranges are in use, which wait to be flushed, which are free.
///
///     busy   an area each, [start, end) with its guard page
///     lazy   freed, but a TLB may still know them: given to nobody
///     free   joined with free neighbours; searched for the next request
///
///     alloc: free -> busy        free_lazily: busy -> lazy        purge: one flush, then lazy -> free
///
/// Together the three cover every address from 1 on (VM-2); requests are limited to a window (VM-20). A purge
/// is due when more than lazy_max pages wait (VM-31), and comes by itself when a search fails (VM-26);
/// whoever keeps areas that nobody uses gives them up first (VM-33).
///
/// Linux 6.1 has one set of each (VM-2, VM-20..26, VM-30..35). Linux 6.9 has vmap nodes (VM-90..95): busy and
/// lazy areas lie in the node of their address, and each node also has
///
///     pools  what was lazy, by size (area_pools.hpp): taken from without a search, purge: lazy -> pools
///
/// so that the free areas, which all CPUs share, are rarely touched. With one node there are no pools, and
/// all is as in 6.1.
///
/// Laws: V1..V4, V8, V15. Difference: descriptors of areas come from the C++ heap and never run out, so that
/// nothing is preloaded (VM-25).
/// Locks: three for each node's busy, lazy and pooled areas; one for free areas; one that lets purges wait
/// for each other. The order is purge, then any one of the others, which are never held together.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/mmu/mmu.hpp"
#include "allocators/vmalloc/area_pools.hpp"
#include "allocators/vmalloc/area_tree.hpp"
#include "allocators/vmalloc/congruent_fit.hpp"

namespace kmemlab {

/// VM-31: 32 MiB for each bit of the number of CPUs.
[[nodiscard]] std::uint64_t lazy_max_pages(unsigned cpus);

/// VM-90: the most nodes that Linux 6.9 makes.
inline constexpr unsigned most_vmap_nodes = 128;

template <class Cpus>
class VmapSpace {
  public:
    /// Forgets in all TLBs what lies in [begin, end).
    using Flush = std::function<void(std::uint64_t begin, std::uint64_t end, CpuId cpu)>;
    /// Frees lazily what is kept and not used.
    using GiveUp = std::function<void(CpuId cpu)>;

    /// Everything is free. `flush` is called by each purge that has something to flush, `give_up`, if any,
    /// before the purge of a search that failed, without a lock. A node for each CPU, at most `most_nodes`.
    VmapSpace(Cpus& cpus, std::uint64_t lazy_max, Flush flush, unsigned most_nodes = 1, GiveUp give_up = {});
    ~VmapSpace();
    VmapSpace(const VmapSpace&) = delete;
    VmapSpace& operator=(const VmapSpace&) = delete;

    /// An area of `size` bytes (its guard included) in `window`, aligned to `align`; busy from now on.
    /// nullptr: no space, not even after a purge. `size` and `align` are multiples of the page size, `align`
    /// a power of two.
    [[nodiscard]] VmapArea* alloc(std::uint64_t size, std::uint64_t align, AddressRange window, CpuId cpu);
    /// An area for each part, at the same distance from the highest base that can be (VM-60; arguments as of
    /// find_congruent). Empty: no space, not even after a purge.
    [[nodiscard]] std::vector<VmapArea*> alloc_congruent(std::span<const AreaPart> parts, std::uint64_t align,
                                                         AddressRange window, CpuId cpu);
    /// Makes exactly [start, end) busy, which must be free: what is there from the start.
    VmapArea* occupy(std::uint64_t start, std::uint64_t end, CpuId cpu);
    /// The busy area that `address` lies in; nullptr: none. Found at once if it is the area's first.
    [[nodiscard]] VmapArea* find_busy(std::uint64_t address, CpuId cpu) const;
    /// Takes back an area that nothing was ever mapped in (VM-35).
    void free_at_once(VmapArea* area, CpuId cpu);
    /// The area, whose mappings are gone, waits for a flush (VM-30). True: a purge is due.
    [[nodiscard]] bool free_lazily(VmapArea* area, CpuId cpu);
    /// Flushes once and frees or pools everything that was lazy; at least [begin, end) is flushed (VM-32,
    /// 34).
    void purge(CpuId cpu, std::uint64_t begin = ~std::uint64_t{0}, std::uint64_t end = 0);
    /// Frees what the pools keep.
    void drain_pools(CpuId cpu);

    [[nodiscard]] std::uint64_t lazy_pages() const { return lazy_pages_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t lazy_max() const { return lazy_max_; }
    /// Purges that had something to free.
    [[nodiscard]] std::uint64_t purges() const { return purges_; }

    // For those who look; nobody may be inside.
    [[nodiscard]] unsigned nodes() const { return node_count_; }
    [[nodiscard]] const AreaTree& busy(unsigned node = 0) const { return nodes_[node].busy; }
    [[nodiscard]] const AreaTree& lazy(unsigned node = 0) const { return nodes_[node].lazy; }
    [[nodiscard]] const AreaPools& pools(unsigned node) const { return nodes_[node].pools; }
    [[nodiscard]] const AreaTree& free() const { return free_; }
    /// Calls visit(const VmapArea&) for all busy areas, node by node, ascending in each.
    template <class Visit>
    void for_each_busy(Visit&& visit) const {
        for (unsigned n = 0; n < node_count_; ++n) {
            for (const VmapArea* area = busy(n).first(); area != nullptr; area = AreaTree::next(area)) {
                visit(*area);
            }
        }
    }
    /// How often locks were taken that all CPUs share: those of free areas and of purges, and if there is but
    /// one node, also its own.
    [[nodiscard]] std::uint64_t shared_locks_taken() const;
    /// Descriptors of all areas, and the nodes, in bytes.
    [[nodiscard]] std::uint64_t metadata_bytes() const;
    [[nodiscard]] MaybeViolation find_violation() const;

    struct Inside;  ///< for tests that break it, and recorded states

  private:
    struct alignas(cache_line_size) Node {
        mutable typename Cpus::Lock busy_lock;
        typename Cpus::Lock lazy_lock;
        typename Cpus::Lock pool_lock;
        AreaTree busy;
        AreaTree lazy;
        AreaPools pools;
    };

    [[nodiscard]] bool has_pools() const { return node_count_ > 1; }
    /// Where an area that begins at `address` lies while it is busy or lazy (VM-91).
    [[nodiscard]] Node& node_of(std::uint64_t address) const;
    [[nodiscard]] std::uint16_t home_of(CpuId cpu) const {
        return static_cast<std::uint16_t>(cpu.value() % node_count_);
    }

    [[nodiscard]] VmapArea* take_pooled(std::uint64_t size, std::uint64_t align, AddressRange window,
                                        CpuId cpu);
    /// Calls `take`, under the lock of free areas; if it returns nothing once more after a purge (VM-26).
    template <class Take>
    [[nodiscard]] std::optional<std::uint64_t> take_or_purge(Take&& take, CpuId cpu);
    /// Cuts the request out of the free areas (VM-24). Under the lock. Returns its start, or nothing.
    [[nodiscard]] std::optional<std::uint64_t> cut(std::uint64_t size, std::uint64_t align,
                                                   AddressRange window);
    /// Remembers if a request that got nothing fits into a free area after all (V8). Under the lock.
    void confirm_failure(std::uint64_t size, std::uint64_t align, AddressRange window);
    void confirm_congruent_failure(std::span<const AreaPart> parts, std::uint64_t align, AddressRange window);
    void cut_out(VmapArea* area, std::uint64_t start, std::uint64_t end);
    VmapArea* make_busy(VmapArea* area, CpuId cpu);
    void leave_busy(VmapArea* area, CpuId cpu);
    /// Empties the sets of lazy areas; ascending in each node.
    [[nodiscard]] std::vector<VmapArea*> take_lazy(CpuId cpu);
    /// Takes one in `part` out of each pool (VM-94).
    void decay_pools(std::uint64_t part, std::vector<VmapArea*>& out, CpuId cpu);
    void insert_free(const std::vector<VmapArea*>& areas, CpuId cpu);

    [[nodiscard]] MaybeViolation find_fault_of_trees() const;
    [[nodiscard]] MaybeViolation find_uncovered() const;

    Cpus& cpus_;
    std::uint64_t lazy_max_;
    Flush flush_;
    GiveUp give_up_;
    unsigned node_count_;
    std::unique_ptr<Node[]> nodes_;
    typename Cpus::Lock free_lock_;
    typename Cpus::Lock purge_lock_;
    AreaTree free_;
    MaybeViolation wrong_failure_;
    std::atomic<std::uint64_t> lazy_pages_{0};
    std::uint64_t purges_ = 0;
};

extern template class VmapSpace<OwnedCpus>;
extern template class VmapSpace<SimulatedCpus>;

}  // namespace kmemlab
