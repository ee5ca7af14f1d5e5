#include "allocators/slub/slub.hpp"

#include "allocators/slub/impl/alloc.hpp"
#include "allocators/slub/impl/check.hpp"
#include "allocators/slub/impl/create.hpp"
#include "allocators/slub/impl/debug.hpp"
#include "allocators/slub/impl/free.hpp"
#include "allocators/slub/impl/hand_out.hpp"
#include "allocators/slub/impl/kmalloc.hpp"
#include "allocators/slub/impl/lists.hpp"
#include "allocators/slub/impl/text.hpp"

namespace kmemlab {

template class Slub<OwnedCpus>;
template class Slub<SimulatedCpus>;

}  // namespace kmemlab
