#include "bench/mapping/mapping.hpp"

namespace kmemlab::mapping {

Contests all_contests(const Setup& setup) {
    Contests contests;
    add_calls(contests, setup);
    return contests;
}

}  // namespace kmemlab::mapping
