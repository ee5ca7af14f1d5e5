#include <algorithm>
#include <string>

#include "allocators/contract/registry.hpp"
#include "bench/experiments/experiments.hpp"

namespace kmemlab::experiments {
namespace {

constexpr CpuId cpu{0};
constexpr std::size_t object_bytes = 16;

struct Object {
    std::uint64_t number;
    std::uint64_t other;
};
static_assert(sizeof(Object) == object_bytes);

template <class M>
void two_objects(Outcome& outcome) {
    M model{typename M::Config{}};
    const std::string name{M::info.name};
    auto* const cache = model.kmem_cache_create({.name = "two_objects", .size = sizeof(Object)});
    const std::uint64_t held = model.stats().held_bytes;
    const auto take = [&] { return static_cast<Object*>(model.kmem_cache_alloc(*cache, GFP_KERNEL, cpu)); };
    Object* const first = take();
    Object* const second = take();
    *first = {1, 11};
    *second = {2, 22};
    const bool kept = first->number == 1 && first->other == 11 && second->number == 2 && second->other == 22;
    const auto [low, high] = std::minmax(first, second);
    outcome.expect_equal(name + ": bytes from one object to the other",
                         static_cast<std::size_t>(high - low) * sizeof(Object), object_bytes);
    outcome.expect(name + ": both hold what was written", kept ? "yes" : "no", "yes", kept);
    outcome.expect_equal(name + ": memory taken for the two", model.stats().held_bytes - held,
                         std::uint64_t{page_size}, "bytes");
    model.kmem_cache_free(*cache, first, cpu);
    model.kmem_cache_free(*cache, second, cpu);
    const Object* const again = take();
    outcome.expect(name + ": the next allocation gets", again == second ? "the last freed" : "the lowest",
                   "one of the two", again == first || again == second);
}

}  // namespace

Outcome object_cache(const Options&) {
    Outcome outcome{
        "A module that makes a cache for a structure of 16 bytes, takes two objects, writes and frees them:\n"
        "the two lie 16 bytes apart in one page.",
        "A cache packs objects of one size into pages of its own, without headers. SLUB and SLAB hand out\n"
        "the object freed last, which is still in the CPU's cache; SLOB takes the first place that fits,\n"
        "by address. The page stays with the cache for the next objects."};
    for_each_model([&]<class M>() {
        if constexpr (M::info.capabilities.object_caches) two_objects<M>(outcome);
    });
    return outcome;
}

}  // namespace kmemlab::experiments
