#include "allocators/slab/slab.hpp"

#include "allocators/slab/impl/alloc.hpp"
#include "allocators/slab/impl/check.hpp"
#include "allocators/slab/impl/create.hpp"
#include "allocators/slab/impl/free.hpp"
#include "allocators/slab/impl/kmalloc.hpp"
#include "allocators/slab/impl/reap.hpp"
#include "allocators/slab/impl/slabs.hpp"
#include "allocators/slab/impl/text.hpp"

namespace kmemlab {

template class Slab<OwnedCpus>;
template class Slab<SimulatedCpus>;

}  // namespace kmemlab
