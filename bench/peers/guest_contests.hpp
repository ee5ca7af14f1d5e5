/// Rows of real kernels (`kmemlab kernel build`): the works of our allocators, done by a guest inside of
/// itself, its own processor time. kernel:NAME is by caches, kernel:NAME-kmalloc by kmalloc,
/// kernel:NAME-pages by alloc_pages; kernel:NAME-floor is the bare list of `floor`, which both sides run:
/// where these differ, the machine does.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/contest.hpp"

namespace kmemlab::peers {

/// Boots one guest for each name, which lives as long as its contests. Throws UsageError.
void add_guest_contests(Contests& contests, const std::vector<std::string>& kernels);

}  // namespace kmemlab::peers
