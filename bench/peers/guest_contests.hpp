/// Rows of real kernels (`kmemlab kernel build`): the works of our allocators, done by a guest inside of
/// itself, its own processor time. kernel:NAME is by caches, kernel:NAME-kmalloc by kmalloc,
/// kernel:NAME-pages by alloc_pages; kernel:NAME-floor is the bare list of `floor`, which both sides run:
/// where these differ, the machine does. Works of recorded times keep their names, WORK/SIZE/kernel:NAME.
#pragma once

#include <span>

#include "bench/guests/kernels.hpp"
#include "bench/measure/contest.hpp"
#include "bench/peers/kernel_times.hpp"

namespace kmemlab::peers {

/// Boots one guest for each kernel, which lives as long as its contests. Of the works of `times` each does
/// those of its own allocator and of pages that it can: no bulks, no random sizes. Throws UsageError.
void add_guest_contests(Contests& contests, std::span<const guests::Kernel> kernels,
                        std::span<const KernelTimes> times = {});

}  // namespace kmemlab::peers
