/// Counts over the number of CPUs: which ways operations go, how often they leave what a CPU has to itself,
/// and which locks they take then, for patterns of sharing (pattern.hpp). One thread plays all CPUs
/// (machine.hpp), so a laptop answers for 256 of them; counts are the same in every run, and no time is
/// measured.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/tunable.hpp"
#include "allocators/objects/cache.hpp"
#include "bench/scale/pattern.hpp"

namespace kmemlab::scale {

/// The names of the registry's allocators that can run here.
[[nodiscard]] std::vector<std::string> allocator_names();

struct Options {
    std::vector<std::string> allocators;
    std::vector<Pattern> patterns;
    std::vector<unsigned> cpus;
    std::size_t size = 64;                    ///< bytes of the one cache's objects
    std::uint64_t operations_per_cpu = 4000;  ///< without the frees of what lives in the end
    std::uint64_t seed = 0x1234567;
    std::vector<Setting> settings;
    std::function<void(std::size_t done, std::size_t total)> progress;
    std::function<bool()> interrupted;
};

/// What one allocator did in one pattern on so many CPUs, from the first operation to the last.
struct Row {
    std::string allocator;
    std::string follows;
    Pattern pattern{};
    unsigned cpus = 0;
    std::uint64_t operations = 0;  ///< allocations and frees, failures among them
    PathCounts allocations{};
    PathCounts frees{};
    std::uint64_t remote_frees = 0;  ///< on another CPU than that which allocated the object
    CacheTraffic traffic;
    std::uint64_t allocation_node_locks = 0;  ///< taken by allocations, in the object layer
    std::uint64_t free_node_locks = 0;        ///< by frees
    std::uint64_t zone_locks = 0;             ///< in the page allocator below, by either
    std::optional<std::string> violation;     ///< of a law, after everything was freed

    [[nodiscard]] std::uint64_t allocated_by(Path path) const {
        return allocations[static_cast<std::size_t>(path)];
    }
    [[nodiscard]] std::uint64_t freed_by(Path path) const { return frees[static_cast<std::size_t>(path)]; }
    /// Batches taken from or put into a store that CPUs share: SLAB's shared array, the barn of sheaves.
    [[nodiscard]] std::uint64_t shared_batches() const {
        return allocated_by(Path::shared) + freed_by(Path::shared);
    }
};

struct Result {
    Options options;
    std::vector<Row> rows;          ///< by pattern, then allocator, then CPUs, each in the order asked for
    std::vector<Setting> tunables;  ///< of the allocators that ran, but for machine.cpus
    bool interrupted = false;

    [[nodiscard]] bool found_violation() const;
};

/// One row: a fresh allocator takes these steps, on a machine of so many CPUs; row.pattern is left to the
/// caller. Throws UsageError as run() does.
[[nodiscard]] Row count(std::string_view allocator, const std::vector<Step>& steps, unsigned cpus,
                        std::size_t size, std::span<const Setting> settings = {});

/// Throws UsageError: an allocator that is unknown or cannot run here, a number of CPUs out of range, a
/// setting that no allocator here knows.
[[nodiscard]] Result run(const Options& options);

}  // namespace kmemlab::scale
