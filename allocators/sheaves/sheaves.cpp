#include "allocators/sheaves/sheaves.hpp"

#include "allocators/sheaves/impl/check.hpp"
#include "allocators/sheaves/impl/create.hpp"
#include "allocators/sheaves/impl/slow.hpp"
#include "allocators/sheaves/impl/text.hpp"

namespace kmemlab {

template class Sheaves<OwnedCpus>;
template class Sheaves<SimulatedCpus>;

}  // namespace kmemlab
