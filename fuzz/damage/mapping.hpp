/// What can be damaged in MMUs, in the address space of vmalloc, and in kmap.
#pragma once

#include <span>

#include "allocators/kmap/kmap.hpp"
#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc.hpp"
#include "fuzz/damage/damage.hpp"

namespace kmemlab::fuzz {

struct SoftMmuPart {
    SoftMmu& mmu;
    CpuId cpu;  ///< one that has not left
};
struct HostMmuPart {
    HostMmu& mmu;
    Pfn behind;  ///< the first frame that no arena has
};
template <class M>
struct VmallocPart {
    Vmalloc<OwnedCpus, M>& vmalloc;
};
struct KmapPart {
    Kmap<OwnedCpus, SoftMmu>& kmap;
    Pfn high;  ///< a frame of high memory
    CpuId cpu;
};

[[nodiscard]] std::span<const DamageKind<SoftMmuPart>> soft_mmu_damages();
[[nodiscard]] std::span<const DamageKind<HostMmuPart>> host_mmu_damages();
template <class M>
[[nodiscard]] std::span<const DamageKind<VmallocPart<M>>> vmalloc_damages();
[[nodiscard]] std::span<const DamageKind<KmapPart>> kmap_damages();

}  // namespace kmemlab::fuzz
