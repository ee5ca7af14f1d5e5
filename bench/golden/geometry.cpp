/// geometry files, and the listings of caches that follow from the same formulas.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "allocators/slab/geometry.hpp"
#include "allocators/slob/geometry.hpp"
#include "allocators/slub/geometry.hpp"
#include "bench/golden/checks.hpp"

namespace kmemlab::golden {
namespace {

using Row = std::vector<std::string_view>;
/// Our answer to a row, from what the row asks.
using Answer = std::function<std::string(const Row&)>;

/// Largest value of slub_min_objects that is recognised; the default of 256 CPUs is 40.
constexpr unsigned most_min_objects = 64;
constexpr const char* no_slab = "no slab can hold it";

std::size_t size_in(std::string_view field) {
    return static_cast<std::size_t>(parse_integer(field).value_or(0));
}

unsigned cpus_of(const GoldenFile& file) {
    return static_cast<unsigned>(file.number("nr_cpu_ids", 1, max_cpus));
}

/// All rows, by `answer`.
void compare_rows(Comparison& comparison, const Answer& answer) {
    while (!comparison.at_end()) comparison.row(answer(comparison.next_row()));
}

/// Rows that `answer` gets right, of some hundred evenly chosen; for choosing among rules.
std::size_t count_equal(const Comparison& comparison, const Answer& answer) {
    constexpr std::size_t sample = 512;
    const auto& lines = comparison.file().lines();
    const std::size_t step = (lines.size() - comparison.line()) / sample + 1;
    std::size_t equal = 0;
    for (std::size_t i = comparison.line(); i < lines.size(); i += step) {
        if (answer(fields_of(lines[i])) == lines[i]) ++equal;
    }
    return equal;
}

/// Compares by the rules, of those in `candidates`, that explain most rows, the first of equals.
template <class Rules, class AnswerOf>
Rules compare_by_best(Comparison& comparison, const std::vector<Rules>& candidates,
                      const AnswerOf& answer_of) {
    for (std::size_t i = comparison.line(); i < comparison.file().lines().size(); ++i) {
        comparison.check_form(i);
    }
    std::vector<std::size_t> equal;
    equal.reserve(candidates.size());
    for (const Rules& rules : candidates) equal.push_back(count_equal(comparison, answer_of(rules)));
    const auto best = std::max_element(equal.begin(), equal.end()) - equal.begin();
    const Rules& rules = candidates[static_cast<std::size_t>(best)];
    compare_rows(comparison, answer_of(rules));
    return rules;
}

// --- geometry files ---

CacheFlags flags_of(const Row& row) {
    return row[2] == "1" ? CacheFlags::hwcache_align : CacheFlags::none;
}

/// What was asked, as the row says it.
std::string asked(const Row& row) {
    return fmt::format("{},{},{}", row[0], row[1], row[2]);
}

Answer slub_answer(const GeometryRules& rules) {
    return [rules](const Row& row) {
        if (row.size() < 3) return std::string{no_slab};
        const auto g = slub_geometry({size_in(row[0]), size_in(row[1]), flags_of(row)}, rules);
        if (!g) return std::string{no_slab};
        const std::string partial =
            rules.cpus == 1
                ? "none"
                : fmt::format("{},{}", g->cpu_partial, cpu_partial_slabs(g->cpu_partial, g->objects));
        return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}", asked(row), g->size, g->object_size,
                           g->align, g->order.value(), g->objects, g->min_order.value(), g->min_objects,
                           g->inuse, g->free_offset, g->min_partial, partial);
    };
}

Answer slab_answer(unsigned cpus) {
    return [cpus](const Row& row) {
        const auto g =
            slab_geometry({size_in(row[0]), size_in(row[1]), flags_of(row), false}, {.cpus = cpus});
        if (!g) return std::string{no_slab};
        const std::string shared = cpus == 1 ? "" : fmt::format(",{}", g->shared * g->batchcount);
        return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}{}", asked(row), g->size, g->object_size,
                           g->align, g->order.value(), g->objects, g->colours, g->colour_off, g->batchcount,
                           g->limit, g->shared, to_string(g->place), g->objects,
                           slab_free_limit(cpus, g->batchcount, g->objects), shared);
    };
}

std::string slob_answer(const Row& row) {
    const SlobGeometry g = slob_geometry(size_in(row[0]), size_in(row[1]), flags_of(row));
    const auto list = g.pages() ? "pages" : to_string(slob_list(g.size));
    return fmt::format("{},{},{},{},{}", asked(row), g.size, g.object_size, g.align, list);
}

/// A kernel may have been booted with another slub_min_objects, and its file does not say it.
std::string check_slub_geometry(Comparison& comparison) {
    const unsigned cpus = cpus_of(comparison.file());
    comparison.set_forms({cpus == 1 ? "0,0,0,0,0,0,0,0,0,0,0,0,0,none" : "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"});
    std::vector<GeometryRules> candidates{{.cpus = cpus}};
    if (comparison.file().find_parameter("slub_min_objects")) {
        const auto least = comparison.file().number("slub_min_objects", 0, max_slab_objects);
        candidates = {{.cpus = cpus, .min_objects = static_cast<unsigned>(least)}};
    } else {
        for (unsigned least = 1; least <= most_min_objects; ++least) {
            candidates.push_back({.cpus = cpus, .min_objects = least});
        }
    }
    const GeometryRules rules = compare_by_best(comparison, candidates, slub_answer);
    return rules.min_objects == 0 ? "" : fmt::format("slub_min_objects={}", rules.min_objects);
}

// --- listings of caches ---

/// One number of CPUs for each least number of objects that the formula can give (SLUB-4).
std::vector<GeometryRules> rules_by_cpus() {
    std::vector<GeometryRules> rules;
    for (unsigned cpus = 1; cpus <= max_cpus; cpus *= 2) rules.push_back({.cpus = cpus});
    return rules;
}

std::string cpus_note(const GeometryRules& rules) {
    return fmt::format("{} to {} CPUs", rules.cpus, 2 * rules.cpus - 1);
}

/// cache,size,objects of a slab,pages of a slab
Answer slabinfo_answer(const GeometryRules& rules) {
    return [rules](const Row& row) {
        const auto g = slub_geometry({.size = size_in(row[1])}, rules);
        if (!g) return std::string{no_slab};
        return fmt::format("{},{},{},{}", row[0], g->size, g->objects, g->order.pages());
    };
}

/// Columns of a sysfs listing that are asked for, not answered, or facts of the run: copied.
enum SysfsColumn : std::size_t {
    name,
    object_size,
    slab_size,
    align,
    objects,
    order,
    cpu_partial,
    min_partial,
    sheaf_capacity,
    hwcache_align,
    reclaim_account,
    destroy_by_rcu,
    cache_dma,
    usersize,
    aliases,
    has_constructor,
    sysfs_columns
};

bool is_set(const Row& row, SysfsColumn column) {
    return row[column] != "0";
}

GeometryRequest sysfs_request(const Row& row) {
    GeometryRequest request{size_in(row[object_size]), size_in(row[align])};
    if (is_set(row, destroy_by_rcu)) request.flags = request.flags | CacheFlags::typesafe_by_rcu;
    request.constructor = is_set(row, has_constructor);
    return request;
}

std::string sysfs_row(const Row& row, const Geometry& g) {
    return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}", row[name], g.object_size, g.size,
                       g.align, g.objects, g.order.value(), g.cpu_partial, g.min_partial, row[sheaf_capacity],
                       row[hwcache_align], row[reclaim_account], row[destroy_by_rcu], row[cache_dma],
                       row[usersize], row[aliases], row[has_constructor]);
}

/// A rule that kernels after 6.1 have, as tests/golden/DIFFERENCES.md tells by its number. A row that 6.1's
/// rules do not give may be what they give with it.
struct LaterRule {
    const char* number;
    /// Does it concern the cache? Then the request is as if 6.1 had been asked for the same layout.
    bool (*apply)(GeometryRequest& request);
};

constexpr LaterRule later_rules[]{
    {"L1",
     [](GeometryRequest& request) {  // the free pointer lies in an object freed by RCU, where its cache says
         if (!has(request.flags, CacheFlags::typesafe_by_rcu)) return false;
         request.flags = CacheFlags::none;
         request.constructor = false;
         return true;
     }},
};

std::string sysfs_row(const Row& row, const GeometryRequest& request, const GeometryRules& rules) {
    const auto g = slub_geometry(request, rules);
    return g ? sysfs_row(row, *g) : std::string{no_slab};
}

/// The later rule without which our answer would not be the file's; nothing if there is none.
const LaterRule* later_rule_for(const Row& row, std::string_view line, const GeometryRules& rules) {
    for (const LaterRule& rule : later_rules) {
        GeometryRequest request = sysfs_request(row);
        if (rule.apply(request) && sysfs_row(row, request, rules) == line) return &rule;
    }
    return nullptr;
}

Answer sysfs_answer(const GeometryRules& rules) {
    return [rules](const Row& row) {
        std::string ours = sysfs_row(row, sysfs_request(row), rules);
        const std::string line = fmt::format("{}", fmt::join(row, ","));
        return ours != line && later_rule_for(row, line, rules) != nullptr ? line : ours;
    };
}

/// "1 row by L1": how many rows of the file agree by later rules alone.
std::string later_rules_note(const GoldenFile& file, std::size_t begin, const GeometryRules& rules) {
    std::map<std::string, int> rows;
    for (std::size_t i = begin; i < file.lines().size(); ++i) {
        const std::string_view line = file.lines()[i];
        const Row row = fields_of(line);
        if (sysfs_row(row, sysfs_request(row), rules) == line) continue;
        if (const LaterRule* rule = later_rule_for(row, line, rules)) ++rows[rule->number];
    }
    std::string note;
    for (const auto& [number, count] : rows) note += fmt::format(", rule {}: {} row", number, count);
    return note;
}

}  // namespace

std::string check_geometry(Comparison& comparison) {
    const GoldenFile& file = comparison.file();
    const std::string_view allocator = file.parameter("allocator");
    comparison.pass_header("size");
    if (allocator == "slub") return check_slub_geometry(comparison);
    if (allocator == "slab") {
        const unsigned cpus = cpus_of(file);
        comparison.set_forms({fmt::format("0,0,0,0,0,0,0,0,0,0,0,0,0,*,0,0{}", cpus == 1 ? "" : ",0")});
        compare_rows(comparison, slab_answer(cpus));
    } else if (allocator == "slob") {
        comparison.set_forms({"0,0,0,0,0,0,*"});
        compare_rows(comparison, slob_answer);
    } else {
        throw file.bad(file.line_of_parameter("allocator"), "allocator={}: expected slub, slab or slob",
                       allocator);
    }
    return "";
}

std::string check_slabinfo(Comparison& comparison) {
    comparison.set_forms({"*,0,0,0"});
    comparison.pass_header("cache");
    return cpus_note(compare_by_best(comparison, rules_by_cpus(), slabinfo_answer));
}

std::string check_sysfs(Comparison& comparison) {
    comparison.set_forms({"*,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"});
    comparison.pass_header("cache");
    const std::size_t begin = comparison.line();
    const GeometryRules rules = compare_by_best(comparison, rules_by_cpus(), sysfs_answer);
    return cpus_note(rules) + later_rules_note(comparison.file(), begin, rules);
}

}  // namespace kmemlab::golden
