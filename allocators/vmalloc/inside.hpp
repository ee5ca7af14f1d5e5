/// The inside of the address space and of the blocks, for tests, which break them.
#pragma once

#include "allocators/vmalloc/congruent_areas.hpp"
#include "allocators/vmalloc/vmalloc.hpp"
#include "allocators/vmalloc/vmap_blocks.hpp"
#include "allocators/vmalloc/vmap_space.hpp"

namespace kmemlab {

template <class Cpus>
struct VmapSpace<Cpus>::Inside {
    static AreaTree& busy(VmapSpace& space, unsigned node = 0) { return space.nodes_[node].busy; }
    static AreaTree& lazy(VmapSpace& space, unsigned node = 0) { return space.nodes_[node].lazy; }
    static AreaPools& pools(VmapSpace& space, unsigned node) { return space.nodes_[node].pools; }
    static AreaTree& free(VmapSpace& space) { return space.free_; }
    static std::atomic<std::uint64_t>& lazy_pages(VmapSpace& space) { return space.lazy_pages_; }
};

template <class Cpus>
struct VmapBlocks<Cpus>::Inside {
    static auto& any_block(VmapBlocks& blocks) { return **blocks.all_.begin(); }
    static auto& queue(VmapBlocks& blocks, CpuId cpu) { return blocks.queues_[cpu].blocks; }
    static auto& all(VmapBlocks& blocks) { return blocks.all_; }
};

template <class Cpus>
struct CongruentAreas<Cpus>::Inside {
    static auto& chunks(CongruentAreas& areas) { return areas.chunks_; }
};

template <class Cpus, Mmu M>
struct Vmalloc<Cpus, M>::Inside {
    static VmapSpace<Cpus>& space(Vmalloc& vm) { return vm.space_; }
    static VmapBlocks<Cpus>& blocks(Vmalloc& vm) { return vm.blocks_; }
    static M& mmu(Vmalloc& vm) { return vm.mmu_; }
    static std::atomic<std::uint64_t>& nr_vmalloc_pages(Vmalloc& vm) { return vm.nr_vmalloc_pages_; }
};

}  // namespace kmemlab
