/// The inside of the MMUs, for tests, which break it.
#pragma once

#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"

namespace kmemlab {

struct PageTable::Inside {
    static std::uint64_t& table_pages(PageTable& table) { return table.table_pages_; }
};

struct Tlb::Inside {
    static std::vector<TranslationCache>& l1(Tlb& tlb) { return tlb.l1_.caches; }
    static std::vector<TranslationCache>& l2(Tlb& tlb) { return tlb.l2_.caches; }
};

struct SoftMmu::Inside {
    static PageTable& table(SoftMmu& mmu) { return mmu.table_; }
    static Tlb& tlb(SoftMmu& mmu, CpuId cpu) { return mmu.cpus_[cpu.value()].tlb; }
    static PageRanges& lazy(SoftMmu& mmu) { return mmu.lazy_; }
    static MmuStats& stats(SoftMmu& mmu) { return mmu.stats_; }
};

struct HostMmu::Inside {
    static Extents& extents(HostMmu& mmu) { return mmu.extents_; }
    static MmuStats& stats(HostMmu& mmu) { return mmu.stats_; }
    using Extent = HostMmu::Extent;
};

}  // namespace kmemlab
