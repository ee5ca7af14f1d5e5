#include "allocators/vmalloc/congruent_areas.hpp"

#include <bit>
#include <utility>

namespace kmemlab {
namespace {

void check_pattern(const std::vector<AreaPart>& parts, std::uint64_t align) {
    if (!std::has_single_bit(align) || align < page_size)
        throw UsageError::of("per-CPU areas: {} bytes are no alignment of whole pages", align);
    std::uint64_t end = 0;
    for (const AreaPart& part : parts) {
        if (part.size == 0 || part.offset < end || (part.offset | part.size) % align != 0)
            throw UsageError::of(
                "per-CPU areas: {} bytes at {} overlap the part before, or are no multiples of {}", part.size,
                part.offset, align);
        end = part.end();
    }
    if (parts.empty()) throw UsageError{"per-CPU areas: a chunk without areas"};
}

}  // namespace

template <class Cpus>
CongruentAreas<Cpus>::CongruentAreas(VmapSpace<Cpus>& space, Cpus& cpus, AddressRange window,
                                     std::vector<AreaPart> parts, std::uint64_t align)
    : space_{space}, cpus_{cpus}, window_{window}, parts_{std::move(parts)}, align_{align} {
    check_pattern(parts_, align);
}

template <class Cpus>
std::optional<VirtAddr> CongruentAreas<Cpus>::take(CpuId cpu) {
    std::vector<VmapArea*> areas = space_.alloc_congruent(parts_, align_, window_, cpu);
    if (areas.empty()) return {};
    const std::uint64_t base = areas.front()->start - parts_.front().offset;
    const LockGuard<Cpus> guard{cpus_, lock_, cpu};
    chunks_.emplace(base, std::move(areas));
    return VirtAddr{base};
}

template <class Cpus>
std::optional<bool> CongruentAreas<Cpus>::give(VirtAddr base, CpuId cpu) {
    std::vector<VmapArea*> areas;
    {
        const LockGuard<Cpus> guard{cpus_, lock_, cpu};
        const auto chunk = chunks_.find(base.value());
        if (chunk == chunks_.end()) return {};
        areas = std::move(chunk->second);
        chunks_.erase(chunk);
    }
    bool purge_is_due = false;
    for (VmapArea* const area : areas) purge_is_due = space_.free_lazily(area, cpu) || purge_is_due;
    return purge_is_due;
}

template <class Cpus>
MaybeViolation CongruentAreas<Cpus>::find_violation() const {
    for (const auto& [base, areas] : chunks_) {
        if (areas.size() != parts_.size())
            return violation("V13", "chunk {:#x} has {} areas of {}", base, areas.size(), parts_.size());
        for (std::size_t i = 0; i < areas.size(); ++i) {
            const VmapArea& area = *areas[i];
            if (area.start != base + parts_[i].offset || area.size() != parts_[i].size)
                return violation("V13", "area {} of chunk {:#x} is {:#x}-{:#x}", i, base, area.start,
                                 area.end);
            if (space_.find_busy(area.start, CpuId{0}) != &area)
                return violation("V13", "area {} of chunk {:#x} is not in use", i, base);
        }
    }
    return {};
}

template class CongruentAreas<OwnedCpus>;
template class CongruentAreas<SimulatedCpus>;

}  // namespace kmemlab
