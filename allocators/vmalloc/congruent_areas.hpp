/// The areas of per-CPU memory: a chunk is one area for each group of CPUs, at the same distances in every
/// chunk, so that a variable of one CPU is found from another's by adding a constant.
///
///     chunk 1     |group 0|          |group 1|      base 1 + offset of the group
///     chunk 0               |group 0|          |group 1|
///     from the top of the window downwards, while vmalloc grows upwards
///
/// Follows Linux 6.1 (VM-60); no area has a guard page. Law V13: each chunk's areas lie where the pattern
/// wants them. Lock: one, for the list of chunks. find_violation needs everybody outside.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "allocators/vmalloc/vmap_space.hpp"

namespace kmemlab {

template <class Cpus>
class CongruentAreas {
  public:
    /// The pattern of every chunk. Throws UsageError unless `align` is a power of two and at least a page,
    /// offsets and sizes are its multiples, and the parts, which must not be empty, lie one after the other.
    CongruentAreas(VmapSpace<Cpus>& space, Cpus& cpus, AddressRange window, std::vector<AreaPart> parts,
                   std::uint64_t align);

    /// The base of a new chunk (pcpu_get_vm_areas); nothing: no space, not even after a purge.
    [[nodiscard]] std::optional<VirtAddr> take(CpuId cpu);
    /// A chunk's areas, whose mappings are gone, wait for a flush (pcpu_free_vm_areas). True: a purge is due;
    /// nothing: no chunk has this base.
    [[nodiscard]] std::optional<bool> give(VirtAddr base, CpuId cpu);

    [[nodiscard]] std::size_t chunks() const { return chunks_.size(); }
    [[nodiscard]] MaybeViolation find_violation() const;

    struct Inside;  ///< for tests that break it

  private:
    VmapSpace<Cpus>& space_;
    Cpus& cpus_;
    AddressRange window_;
    std::vector<AreaPart> parts_;
    std::uint64_t align_;
    typename Cpus::Lock lock_;
    std::map<std::uint64_t, std::vector<VmapArea*>> chunks_;  ///< by base
};

extern template class CongruentAreas<OwnedCpus>;
extern template class CongruentAreas<SimulatedCpus>;

}  // namespace kmemlab
