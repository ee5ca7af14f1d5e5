#include "allocators/slab/config.hpp"

#include <charconv>
#include <string_view>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab {
namespace {

constexpr std::uint64_t largest_limit = 65536;
constexpr std::uint64_t largest_shared = 1024;
/// Of all arrays of a cache: there are dozens of caches, and each entry is memory of the process.
constexpr std::uint64_t most_entries = std::uint64_t{1} << 19;
constexpr std::size_t small_memory = std::size_t{32} << 20;

Tunable auto_tunable(Literal key, Literal help, std::string& variable, std::uint64_t largest) {
    auto set = [&variable, largest](std::string_view text) {
        std::uint64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto [rest, error] = std::from_chars(text.data(), end, value);
        const bool fits = error == std::errc{} && rest == end && value <= largest;
        if (text != "auto" && !fits) return false;
        variable = text;
        return true;
    };
    auto get = [&variable] { return variable; };
    return {key, help, fmt::format("auto or 0..{}", largest), set, get};
}

/// A tunable that is "auto" or a number.
std::uint32_t value_or(const std::string& text, std::uint32_t automatic) {
    std::uint32_t value = automatic;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

std::vector<Tunable> SlabConfig::tunables() {
    return {
        integer_tunable("slab.limit", "objects that a CPU's array holds; 0: by size", limit, 0,
                        largest_limit),
        integer_tunable("slab.batchcount", "objects moved at once; 0: half of the limit", batchcount, 0,
                        largest_limit),
        auto_tunable("slab.shared", "batches that the shared array holds; auto: by size and CPUs", shared,
                     largest_shared),
        auto_tunable("slab.max_order", "largest order of a slab with several objects; auto: by memory",
                     max_order, kmemlab::max_order.value()),
        switch_tunable("slab.merge", "let alike caches share slabs", merge),
        switch_tunable("slab.freelist_random", "new slabs hand out their objects in random order",
                       freelist_random),
        integer_tunable("slab.seed", "of random orders and of first reaping", seed, 0, ~std::uint64_t{0}),
    };
}

SlabGeometryRules SlabConfig::rules(unsigned cpus, std::size_t memory) const {
    return {cpus, value_or(max_order, memory <= small_memory ? 0 : 1)};
}

void apply_config(const SlabConfig& config, unsigned cpus, SlabGeometry& geometry) {
    if (config.limit != 0) geometry.limit = static_cast<std::uint32_t>(config.limit);
    geometry.batchcount = (geometry.limit + 1) / 2;
    if (config.batchcount != 0) geometry.batchcount = static_cast<std::uint32_t>(config.batchcount);
    if (geometry.batchcount > geometry.limit) {
        throw UsageError::of("slab.batchcount: {} is above the limit of {} objects for caches of {} bytes",
                             geometry.batchcount, geometry.limit, geometry.object_size);
    }
    geometry.shared = value_or(config.shared, geometry.shared);
    const std::uint64_t entries =
        std::uint64_t{geometry.limit} * cpus + std::uint64_t{geometry.shared} * geometry.batchcount;
    if (entries > most_entries) {
        throw UsageError::of(
            "slab.limit and slab.shared: {} objects for each of {} CPUs and {} batches of {} are above {} "
            "for a cache",
            geometry.limit, cpus, geometry.shared, geometry.batchcount, most_entries);
    }
}

}  // namespace kmemlab
