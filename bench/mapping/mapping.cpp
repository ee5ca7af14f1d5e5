#include "bench/mapping/mapping.hpp"

namespace kmemlab::mapping {

Contests all_contests(const Setup& setup) {
    Contests contests;
    add_calls(contests, setup);
    add_kernel_tests(contests, setup);
    add_access(contests, setup);
    add_faults(contests, setup);
    add_shootdown(contests, setup);
    add_areas(contests, setup);
    add_stacks(contests, setup);
    return contests;
}

}  // namespace kmemlab::mapping
