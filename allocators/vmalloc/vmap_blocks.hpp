/// vm_map_ram's address space: small mappings cut from blocks that each CPU keeps, without a search.
///
///     a block of B pages, aligned to its size      |used and gone|used and live|never used    |
///                                                  0          position = B - free            B
///
/// A request takes 2^k pages from the oldest block of its CPU that has as many left; the position only
/// advances: what was unmapped is not used again, and a block goes when all of it is dirty (VM-40..45). A
/// block with nothing left is on no queue.
///
/// Follows Linux 6.1. Difference: the dirty range has full blocks too, as since Linux 6.5; 6.1 overlooks them
/// (VM-45), so that after vm_unmap_aliases CPUs still know what was unmapped there. And a block knows which
/// mappings live in it, so that what nobody gave is told before it does damage; 6.1 believes its callers.
/// Laws: V9. Locks: one per CPU's queue, which also guards the blocks on it and those that left it; one for
/// the set of all. The locks of the space come after these.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_set>
#include <vector>

#include "allocators/base/misuse.hpp"
#include "allocators/vmalloc/vmap_space.hpp"

namespace kmemlab {

/// The largest mapping that is cut from a block; larger ones are areas of their own (VM-40).
inline constexpr std::uint64_t largest_block_request = 64;

/// Pages of a block on a 64-bit kernel configured for `cpus` (VM-41).
[[nodiscard]] std::uint64_t vmap_block_pages(unsigned cpus);

template <class Cpus>
class VmapBlocks {
    struct Block;

  public:
    /// A mapping whose pages are about to come back, or why there is none.
    struct Claim {
        std::optional<MisuseKind> fault{};
        Block* block = nullptr;
        std::uint64_t first = 0;  ///< page of the block
        std::uint64_t pages = 0;  ///< as taken
    };

    VmapBlocks(VmapSpace<Cpus>& space, Cpus& cpus, AddressRange window);
    ~VmapBlocks();
    VmapBlocks(const VmapBlocks&) = delete;
    VmapBlocks& operator=(const VmapBlocks&) = delete;

    /// Address of `pages` pages, at most largest_block_request, to be mapped; nothing: no address space.
    [[nodiscard]] std::optional<VirtAddr> take(std::uint64_t pages, CpuId cpu);
    /// To be asked before the translations go: from now on nothing lives at an address that take() gave for
    /// as many pages. A fault, if there is no such mapping: then nothing has changed.
    [[nodiscard]] Claim claim(VirtAddr at, std::uint64_t pages, CpuId cpu);
    /// Takes back what was claimed, its translations gone. True: a purge of the space is due.
    [[nodiscard]] bool give(const Claim& claimed, CpuId cpu);

    /// Blocks in which nothing lives and some space was never used go lazy (VM-45).
    void drop_fragmented(CpuId cpu);
    /// The range that the dirty pages of all blocks lie in (VM-34); empty: there are none.
    [[nodiscard]] AddressRange dirty_range(CpuId cpu);

    [[nodiscard]] std::uint64_t block_pages() const { return block_pages_; }
    /// Alive. Nobody may be inside.
    [[nodiscard]] std::uint64_t blocks() const { return all_.size(); }
    [[nodiscard]] std::uint64_t metadata_bytes() const { return blocks() * (sizeof(Block) + block_pages_); }
    /// V9. Nobody may be inside.
    [[nodiscard]] MaybeViolation find_violation() const;

    struct Inside;

  private:
    struct Block {
        VmapArea* area = nullptr;
        CpuId home;                 ///< whose queue it is or was on
        std::uint64_t free = 0;     ///< pages never used
        std::uint64_t dirty = 0;    ///< pages used and unmapped
        std::uint64_t dirty_begin;  ///< pages of the block; empty range: begin >= end
        std::uint64_t dirty_end = 0;
        std::vector<std::uint8_t> live;  ///< pages of the mapping that begins at a page; 0: none does
    };
    struct Queue {
        typename Cpus::Lock lock;
        std::list<Block*> blocks;         ///< oldest first
        std::unordered_set<Block*> full;  ///< off the queue, with pages that live
    };

    [[nodiscard]] Block* new_block(CpuId cpu);
    /// The next pages of a queued block. Under the lock.
    [[nodiscard]] VirtAddr cut(Queue& queue, typename std::list<Block*>::iterator at, std::uint64_t pages);
    [[nodiscard]] bool retire(Block* block, CpuId cpu);
    [[nodiscard]] Block* block_around(VirtAddr at, CpuId cpu);
    /// What is wrong with a page where no mapping begins. Under the lock.
    [[nodiscard]] static MisuseKind fault_at(const Block& block, std::uint64_t page);
    [[nodiscard]] MaybeViolation find_bad(const Block& block, bool queued) const;
    [[nodiscard]] static std::uint64_t rounded(std::uint64_t pages);

    VmapSpace<Cpus>& space_;
    Cpus& cpus_;
    AddressRange window_;
    std::uint64_t block_pages_;
    PerCpu<Queue> queues_;
    typename Cpus::Lock all_lock_;
    std::unordered_set<Block*> all_;
};

extern template class VmapBlocks<OwnedCpus>;
extern template class VmapBlocks<SimulatedCpus>;

}  // namespace kmemlab
