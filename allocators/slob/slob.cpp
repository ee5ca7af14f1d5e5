#include "allocators/slob/slob.hpp"

#include "allocators/slob/impl/blocks.hpp"
#include "allocators/slob/impl/caches.hpp"
#include "allocators/slob/impl/check.hpp"
#include "allocators/slob/impl/free.hpp"
#include "allocators/slob/impl/heap.hpp"

namespace kmemlab {

template class Slob<OwnedCpus>;
template class Slob<SimulatedCpus>;

}  // namespace kmemlab
