#include "bench/scale/pattern.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allocators/base/check.hpp"
#include "bench/measure/recorded_draws.hpp"

namespace kmemlab::scale {
namespace {

/// On which CPUs a pattern works.
class Places {
  public:
    Places(Pattern pattern, unsigned cpus) : pattern_{pattern}, cpus_{cpus} {}

    [[nodiscard]] CpuId of_allocation(std::uint64_t operation, std::uint64_t draw) const {
        const auto number = static_cast<unsigned>(draw & 255);
        if (pattern_ == Pattern::local) return CpuId{number % cpus_};
        const unsigned pair = number % ((cpus_ + 1) / 2);
        return side(pair, pattern_ == Pattern::pingpong ? turn(operation) : 0);
    }
    [[nodiscard]] CpuId of_free(std::uint64_t operation, CpuId allocated_on) const {
        if (pattern_ == Pattern::local) return allocated_on;
        const unsigned pair = allocated_on.value() / 2;
        return side(pair, pattern_ == Pattern::pingpong ? 1 - turn(operation) : 1);
    }

  private:
    [[nodiscard]] static unsigned turn(std::uint64_t operation) { return operation >> 8 & 1; }
    [[nodiscard]] CpuId side(unsigned pair, unsigned which) const {
        return CpuId{std::min(2 * pair + which, cpus_ - 1)};
    }

    Pattern pattern_;
    unsigned cpus_;
};

}  // namespace

std::string_view to_string(Pattern pattern) {
    constexpr std::array<std::string_view, all_patterns.size()> names{"local", "prodcons", "pingpong"};
    return names[static_cast<std::size_t>(pattern)];
}

Pattern pattern_of(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Pattern pattern : all_patterns) {
        if (to_string(pattern) == name) return pattern;
        names.push_back(to_string(pattern));
    }
    throw UsageError::of("no pattern '{}'; there are: {}", name, fmt::join(names, ", "));
}

std::vector<Step> steps_of(Pattern pattern, unsigned cpus, std::uint64_t operations, std::uint64_t seed) {
    const Places places{pattern, cpus};
    Draws draws{seed};
    std::vector<Step> steps;
    std::vector<Step> live;  // the allocations not ended yet
    std::uint32_t allocations = 0;
    const auto end = [&](std::size_t which) {
        const Step& begin = live[which];
        steps.push_back({false, places.of_free(steps.size(), begin.cpu), begin.object});
        live[which] = live.back();
        live.pop_back();
    };
    while (steps.size() < operations) {
        const std::uint64_t r = draws.next();
        const std::uint64_t q = draws.next();
        if (!live.empty() && !wants_allocation(r, steps.size(), operations)) {
            end(static_cast<std::size_t>((r >> 8) % live.size()));
            continue;
        }
        live.push_back({true, places.of_allocation(steps.size(), q), allocations++});
        steps.push_back(live.back());
    }
    while (!live.empty()) end(live.size() - 1);
    return steps;
}

}  // namespace kmemlab::scale
