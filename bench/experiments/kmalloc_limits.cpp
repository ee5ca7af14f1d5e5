#include <string>

#include "allocators/contract/registry.hpp"
#include "bench/experiments/experiments.hpp"

namespace kmemlab::experiments {
namespace {

/// The largest power of two that one allocation gives; 0: none.
template <class Allocator>
std::size_t largest_by_doubling(Allocator& allocator) {
    std::size_t largest = 0;
    for (std::size_t size = 1; size <= allocator.arena().bytes(); size *= 2) {
        void* const p = allocator.allocate({.size = size});
        if (p == nullptr) break;
        allocator.deallocate(p, CpuId{0});
        largest = size;
    }
    return largest;
}

}  // namespace

Outcome kmalloc_limits(const Options&) {
    Outcome outcome{
        "A module that doubles the size it asks kmalloc for: 4 MiB is the last to succeed, 8 MiB fails.",
        "Above its size classes kmalloc takes one block of the page allocator, and the largest block is\n"
        "2^10 pages of 4 KiB (BUDDY-1), however much memory is free. Memory that need not be contiguous\n"
        "comes from vmalloc instead: see vmalloc-limits."};
    for_each_model([&]<class M>() {
        if constexpr (M::info.capabilities.object_caches) {
            M model{typename M::Config{}};
            const std::string name{M::info.name};
            outcome.expect_equal(name + ": last size that succeeds", largest_by_doubling(model),
                                 std::size_t{4} << 20, "bytes");
            const bool fails = model.allocate({.size = std::size_t{8} << 20}) == nullptr;
            outcome.expect(name + ": the next, twice that", fails ? "fails" : "succeeds", "fails", fails);
        }
    });
    return outcome;
}

}  // namespace kmemlab::experiments
