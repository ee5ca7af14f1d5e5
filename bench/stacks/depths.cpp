#include "bench/stacks/depths.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab::stacks {
namespace {

/// "4096" or "kstack_4k"; nothing if it is neither.
std::optional<std::size_t> bound_of(std::string_view text) {
    constexpr std::string_view prefix = "kstack_";
    const bool named = text.starts_with(prefix) && text.ends_with('k');
    if (named) text = text.substr(prefix.size(), text.size() - prefix.size() - 1);
    std::size_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    constexpr std::size_t most = std::size_t{1} << 20;
    if (error != std::errc{} || rest != text.data() + text.size() || number == 0 || number > most) return {};
    return named ? number << 10 : number;
}

std::uint64_t stride_for(std::uint64_t tasks) {
    // Near the golden section, so that neighbours lie far apart.
    std::uint64_t stride = std::max<std::uint64_t>(1, tasks * 618 / 1000);
    while (std::gcd(stride, tasks) != 1) ++stride;
    return stride;
}

}  // namespace

Depths::Depths()
    : Depths{{{0, 1024, 3}, {1024, 2048, 188}, {2048, 4096, 11391}, {4096, 8192, 243}, {8192, 16384, 0}}} {}

Depths::Depths(std::vector<Bucket> buckets) : buckets_{std::move(buckets)} {
    for (const Bucket& bucket : buckets_) tasks_ += bucket.tasks;
    stride_ = stride_for(tasks_);
}

Depths Depths::read(const std::string& path) {
    std::ifstream file{path};
    if (!file) throw UsageError::of("{}: cannot be read", path);
    return parse(file, path);
}

Depths Depths::parse(std::istream& text, const std::string& name) {
    std::vector<Bucket> buckets;
    std::size_t number = 0;
    for (std::string line; std::getline(text, line);) {
        ++number;
        std::istringstream words{line.substr(0, line.find('#'))};
        std::string bound;
        if (!(words >> bound)) continue;
        const auto up_to = bound_of(bound);
        const std::size_t above = buckets.empty() ? 0 : buckets.back().up_to;
        std::uint64_t tasks = 0;
        std::string rest;
        if (!up_to || *up_to <= above || !(words >> tasks) || words >> rest) {
            throw UsageError::of(
                "{}:{}: '{}': expected a depth above {} bytes and a number of tasks, like 'kstack_4k 11391' "
                "or "
                "'3000 12'",
                name, number, line, above);
        }
        buckets.push_back({above, *up_to, tasks});
    }
    Depths depths{std::move(buckets)};
    if (depths.tasks() == 0) throw UsageError::of("{}: expected at least one task", name);
    return depths;
}

std::size_t Depths::of_task(std::uint64_t i) const {
    std::uint64_t position = i % tasks_ * stride_ % tasks_;
    for (const Bucket& bucket : buckets_) {
        if (position >= bucket.tasks) {
            position -= bucket.tasks;
            continue;
        }
        const std::size_t width = bucket.up_to - bucket.above;
        return bucket.above + 1 + (width - 1) * position / bucket.tasks;
    }
    return 0;
}

}  // namespace kmemlab::stacks
