/// Film: maps of memory at moments of a replay, spread evenly from its begin, before the first operation, to
/// where it ends; and as the file that `python3 -m plots movie` draws (docs/results.md).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/inspect/inspection.hpp"
#include "bench/measure/environment.hpp"

namespace kmemlab::inspect {

struct Film {
    OwnerTable table;
    std::vector<PageMap> frames;
};

/// So many moments of a replay that ends after `last` operations; a single one is the end. Throws UsageError
/// if there are not so many.
[[nodiscard]] std::vector<std::uint64_t> moments(std::uint64_t last, std::uint64_t frames);

/// The inspection, which is fresh, ends at the last moment; an empty film if interrupted.
struct FilmOptions {
    std::function<void(std::uint64_t done, std::uint64_t total)> progress;
    std::function<bool()> interrupted;
};
[[nodiscard]] Film film(Inspection& inspection, const std::vector<std::uint64_t>& moments,
                        const FilmOptions& options = {});

/// The member `movie`.
[[nodiscard]] Json to_json(const Film& film, Inspection& inspection, const std::string& allocator,
                           const std::string& trace);

}  // namespace kmemlab::inspect
