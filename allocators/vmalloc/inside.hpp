/// The inside of a VmapSpace, for tests, which break it.
#pragma once

#include "allocators/vmalloc/vmap_space.hpp"

namespace kmemlab {

template <class Cpus>
struct VmapSpace<Cpus>::Inside {
    static AreaTree& busy(VmapSpace& space) { return space.busy_; }
    static AreaTree& lazy(VmapSpace& space) { return space.lazy_; }
    static AreaTree& free(VmapSpace& space) { return space.free_; }
    static std::atomic<std::uint64_t>& lazy_pages(VmapSpace& space) { return space.lazy_pages_; }
};

}  // namespace kmemlab
