#include "allocators/vmalloc/vmalloc.hpp"

#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc_impl.hpp"
#include "allocators/vmalloc/vmalloc_look_impl.hpp"

namespace kmemlab {

std::vector<Tunable> VmallocConfig::tunables() {
    return {
        integer_tunable("vmalloc.lazy_max_pages",
                        "pages that wait for a flush before all go; 0: 32 MiB for each bit "
                        "of the number of CPUs",
                        lazy_max_pages, 0, std::uint64_t{1} << 40),
        switch_tunable("vmalloc.lazy", "freed addresses wait for a common flush", lazy),
        switch_tunable("vmalloc.huge", "large requests that allow it are mapped by 2 MiB", huge),
    };
}

template class Vmalloc<OwnedCpus, SoftMmu>;
template class Vmalloc<SimulatedCpus, SoftMmu>;
template class Vmalloc<OwnedCpus, HostMmu>;

}  // namespace kmemlab
