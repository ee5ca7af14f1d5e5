#include "allocators/vmalloc/vmap_blocks.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace kmemlab {

std::uint64_t vmap_block_pages(unsigned cpus) {
    constexpr std::uint64_t vmalloc_pages = std::uint64_t{1} << 25;  // 128 GiB
    constexpr std::uint64_t most = 1024;
    const std::uint64_t share = vmalloc_pages / (16 * std::bit_ceil(std::uint64_t{cpus}));
    return std::min(most, std::max(2 * largest_block_request, share));
}

template <class Cpus>
VmapBlocks<Cpus>::VmapBlocks(VmapSpace<Cpus>& space, Cpus& cpus, AddressRange window)
    : space_{space},
      cpus_{cpus},
      window_{window},
      block_pages_{vmap_block_pages(cpus.count())},
      queues_{cpus.count()} {}

template <class Cpus>
VmapBlocks<Cpus>::~VmapBlocks() {
    for (Block* block : all_) delete block;
}

template <class Cpus>
std::uint64_t VmapBlocks<Cpus>::rounded(std::uint64_t pages) {
    return std::bit_ceil(pages);
}

template <class Cpus>
std::optional<VirtAddr> VmapBlocks<Cpus>::take(std::uint64_t pages, CpuId cpu) {
    Queue& queue = queues_[cpu];
    {
        const LockGuard<Cpus> guard{cpus_, queue.lock, cpu};
        const auto at = std::find_if(queue.blocks.begin(), queue.blocks.end(),
                                     [&](const Block* block) { return block->free >= rounded(pages); });
        if (at != queue.blocks.end()) return cut(queue, at, pages);
    }
    // Without the lock: a search that fails drops blocks, also of this queue (VM-33).
    Block* const fresh = new_block(cpu);
    if (fresh == nullptr) return {};
    const LockGuard<Cpus> guard{cpus_, queue.lock, cpu};
    return cut(queue, queue.blocks.insert(queue.blocks.end(), fresh), pages);
}

template <class Cpus>
VirtAddr VmapBlocks<Cpus>::cut(Queue& queue, typename std::list<Block*>::iterator at, std::uint64_t pages) {
    Block* const block = *at;
    const VirtAddr address = VirtAddr{block->area->start}.plus_pages(block_pages_ - block->free);
    block->live[block_pages_ - block->free] = static_cast<std::uint8_t>(pages);
    block->free -= rounded(pages);
    if (block->free == 0) {
        queue.blocks.erase(at);
        queue.full.insert(block);
    }
    return address;
}

template <class Cpus>
typename VmapBlocks<Cpus>::Block* VmapBlocks<Cpus>::new_block(CpuId cpu) {
    const std::uint64_t bytes = block_pages_ << page_shift;
    VmapArea* const area = space_.alloc(bytes, bytes, window_, cpu);
    if (area == nullptr) return nullptr;
    auto* const block = new Block{.area = area,
                                  .home = cpu,
                                  .free = block_pages_,
                                  .dirty_begin = block_pages_,
                                  .live = std::vector<std::uint8_t>(block_pages_)};
    area->owner = block;
    area->use = AreaUse::block;
    const LockGuard<Cpus> guard{cpus_, all_lock_, cpu};
    all_.insert(block);
    return block;
}

template <class Cpus>
bool VmapBlocks<Cpus>::retire(Block* block, CpuId cpu) {
    VmapArea* const area = block->area;
    {
        const LockGuard<Cpus> guard{cpus_, all_lock_, cpu};
        all_.erase(block);
    }
    delete block;
    return space_.free_lazily(area, cpu);
}

template <class Cpus>
typename VmapBlocks<Cpus>::Block* VmapBlocks<Cpus>::block_around(VirtAddr at, CpuId cpu) {
    const std::uint64_t bytes = block_pages_ << page_shift;
    VmapArea* const area = space_.find_busy(at.value() & ~(bytes - 1), cpu);
    if (area == nullptr || area->use != AreaUse::block) return nullptr;
    return static_cast<Block*>(area->owner);
}

template <class Cpus>
auto VmapBlocks<Cpus>::claim(VirtAddr at, std::uint64_t pages, CpuId cpu) -> Claim {
    Block* const block = block_around(at, cpu);
    if (block == nullptr) return {MisuseKind::foreign_pointer};
    const std::uint64_t page = (at.value() - block->area->start) >> page_shift;
    const LockGuard<Cpus> guard{cpus_, queues_[block->home].lock, cpu};
    std::uint8_t& live = block->live[page];
    if (live == 0) return {fault_at(*block, page)};
    if (at.offset() != 0) return {MisuseKind::interior_pointer};
    if (live != pages) return {MisuseKind::wrong_order};
    live = 0;
    return {.block = block, .first = page, .pages = pages};
}

template <class Cpus>
MisuseKind VmapBlocks<Cpus>::fault_at(const Block& block, std::uint64_t page) {
    if (page >= block.live.size() - block.free) return MisuseKind::foreign_pointer;
    for (std::uint64_t back = 1; back < largest_block_request && back <= page; ++back) {
        if (rounded(block.live[page - back]) > back) return MisuseKind::interior_pointer;
    }
    return MisuseKind::double_free;
}

template <class Cpus>
bool VmapBlocks<Cpus>::give(const Claim& claimed, CpuId cpu) {
    Block* const block = claimed.block;
    const std::uint64_t given = rounded(claimed.pages);
    {
        const LockGuard<Cpus> guard{cpus_, queues_[block->home].lock, cpu};
        block->dirty += given;
        block->dirty_begin = std::min(block->dirty_begin, claimed.first);
        block->dirty_end = std::max(block->dirty_end, claimed.first + given);
        if (block->dirty < block_pages_) return false;
        queues_[block->home].full.erase(block);
    }
    return retire(block, cpu);
}

template <class Cpus>
void VmapBlocks<Cpus>::drop_fragmented(CpuId cpu) {
    for (CpuId c{0}; c.value() < queues_.count(); ++c) {
        std::vector<Block*> dropped;
        {
            const LockGuard<Cpus> guard{cpus_, queues_[c].lock, cpu};
            queues_[c].blocks.remove_if([&](Block* block) {
                const bool fragmented = block->free + block->dirty == block_pages_ && block->dirty > 0;
                if (fragmented) dropped.push_back(block);
                return fragmented;
            });
        }
        for (Block* block : dropped) (void)retire(block, cpu);  // whoever asked purges anyway
    }
}

template <class Cpus>
AddressRange VmapBlocks<Cpus>::dirty_range(CpuId cpu) {
    AddressRange range{VirtAddr{~std::uint64_t{0}}, VirtAddr{0}};
    const auto widen = [&](const Block* block) {
        if (block->dirty == 0) return;
        const VirtAddr start{block->area->start};
        range.begin = std::min(range.begin, start.plus_pages(block->dirty_begin));
        range.end = std::max(range.end, start.plus_pages(block->dirty_end));
    };
    for (CpuId c{0}; c.value() < queues_.count(); ++c) {
        const LockGuard<Cpus> guard{cpus_, queues_[c].lock, cpu};
        std::for_each(queues_[c].blocks.begin(), queues_[c].blocks.end(), widen);
        std::for_each(queues_[c].full.begin(), queues_[c].full.end(), widen);
    }
    return range;
}

template <class Cpus>
MaybeViolation VmapBlocks<Cpus>::find_violation() const {
    std::unordered_set<const Block*> queued;
    for (CpuId c{0}; c.value() < queues_.count(); ++c) {
        for (Block* block : queues_[c].blocks) {
            if (all_.count(block) == 0)
                return violation("V9", "CPU {} has a block that is no more", c.value());
            if (block->home != c || !queued.insert(block).second) {
                return violation("V9", "block {:#x} is on another queue too", block->area->start);
            }
        }
        for (Block* block : queues_[c].full) {
            if (all_.count(block) == 0 || block->home != c || block->free != 0)
                return violation("V9", "CPU {} has a full block that is none", c.value());
        }
    }
    for (const Block* block : all_) {
        if (auto found = find_bad(*block, queued.count(block) > 0)) return found;
    }
    MaybeViolation found;
    space_.for_each_busy([&](const VmapArea& area) {
        if (area.use == AreaUse::block && all_.count(static_cast<Block*>(area.owner)) == 0)
            found = violation("V9", "area {:#x} is kept for a block that is no more", area.start);
    });
    return found;
}

template <class Cpus>
MaybeViolation VmapBlocks<Cpus>::find_bad(const Block& block, bool queued) const {
    const auto broken = [&](const char* what) {
        return violation("V9", "block {:#x} {}", block.area->start, what);
    };
    if (block.area->owner != &block) return broken("is not its area's");
    if ((block.free > 0) != queued) return broken("is on a queue iff it has room: not so");
    std::uint64_t live = 0;
    for (const std::uint8_t pages : block.live) live += pages > 0 ? rounded(pages) : 0;
    if (block.free + block.dirty + live != block_pages_)
        return broken("has other pages than those that are free, dirty and live");
    if (block.dirty >= block_pages_) return broken("is dirty all over and lives");
    if (block.dirty == 0) return {};
    const bool covered = block.dirty_begin + block.dirty <= block.dirty_end;
    if (!covered || block.dirty_end > block_pages_ - block.free)
        return broken("is dirty elsewhere than it says");
    return {};
}

template class VmapBlocks<OwnedCpus>;
template class VmapBlocks<SimulatedCpus>;

}  // namespace kmemlab
