#include "bench/peers/kernel_times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "allocators/base/units.hpp"
#include "allocators/objects/kmalloc_classes.hpp"
#include "bench/measure/summary.hpp"

namespace kmemlab::peers {
namespace {

using golden::GoldenFile;

struct Known {
    std::string_view test;
    KernelWork work;
};
constexpr std::array<Known, 18> known_works{{
    {"calib-empty_loop", KernelWork::empty_loop},
    {"calib-lfence_rdtsc_lfence", KernelWork::fenced_rdtsc},
    {"calib-cmpxchg16b_no_lock", KernelWork::cmpxchg16b},
    {"calib-lock_cmpxchg16b", KernelWork::lock_cmpxchg16b},
    {"calib-lock_inc", KernelWork::lock_inc},
    {"calib-pushf_pop_push_popf", KernelWork::pushf_popf},
    {"pair-kmem_cache_alloc_free", KernelWork::cache_pair},
    {"pair-kmem_cache_alloc_free_none_held", KernelWork::cache_pair_none_held},
    {"pair-kmalloc_const_kfree", KernelWork::constant_kmalloc_pair},
    {"pair-kmalloc_var_kfree", KernelWork::kmalloc_pair},
    {"kmalloc-kmalloc_kfree_uniform_8_8192", KernelWork::uniform_kmallocs},
    {"kmalloc-kmalloc_kfree_loguniform_8_8192", KernelWork::loguniform_kmallocs},
    {"batch-kmem_cache", KernelWork::batch},
    {"bulk-kmem_cache_bulk", KernelWork::bulk},
    {"pages-alloc_pages_free_pages_pair", KernelWork::page_pair},
    {"pages-alloc_pages_batch", KernelWork::page_batch},
    {"pages-pair_pcp_disabled", KernelWork::page_pair_without_pcp},
    {"pages-batch_pcp_disabled", KernelWork::page_batch_without_pcp},
}};

/// Primitives are those of one processor, and a size that the compiler knows is this one.
bool can_be_done(KernelWork work, std::string_view size) {
#if !defined(__x86_64__)
    if (is_calibration(work) && work != KernelWork::empty_loop) return false;
#endif
    return work != KernelWork::constant_kmalloc_pair || size == fmt::format("{}", constant_kmalloc_size);
}

bool has_sequence(KernelWork work) {
    return work == KernelWork::batch || work == KernelWork::page_batch ||
           work == KernelWork::page_batch_without_pcp;
}
bool has_random_sizes(KernelWork work) {
    return work == KernelWork::uniform_kmallocs || work == KernelWork::loguniform_kmallocs;
}

/// The columns that count, wherever they stand.
class Columns {
  public:
    enum Name : std::size_t { group, test, size, n, free_order, ns_median };

    Columns(const GoldenFile& file, std::size_t line) : count_{fields(file, line).size()} {
        const std::vector<std::string_view> found = fields(file, line);
        for (std::size_t name = 0; name < names.size(); ++name) {
            const auto at = std::find(found.begin(), found.end(), names[name]);
            if (at == found.end()) throw file.bad(line, "expected a column {}", names[name]);
            places_[name] = static_cast<std::size_t>(at - found.begin());
        }
    }
    /// Each file's line of names begins so; a file may have several, of parts that were put together.
    static bool are_named(std::string_view line) { return line.starts_with("group,"); }

    [[nodiscard]] std::array<std::string_view, 6> of(const GoldenFile& file, std::size_t line) const {
        const std::vector<std::string_view> found = fields(file, line);
        if (found.size() != count_) {
            throw file.bad(line, "{} fields; expected {}, as there are columns", found.size(), count_);
        }
        std::array<std::string_view, 6> result;
        for (std::size_t name = 0; name < names.size(); ++name) result[name] = found[places_[name]];
        return result;
    }

  private:
    static constexpr std::array<std::string_view, 6> names{"group", "test",       "size",
                                                           "n",     "free_order", "ns_median"};
    static std::vector<std::string_view> fields(const GoldenFile& file, std::size_t line) {
        return golden::fields_of(file.lines()[line]);
    }

    std::size_t count_;
    std::array<std::size_t, names.size()> places_{};
};

double nanoseconds(const GoldenFile& file, std::size_t line, std::string_view field) {
    double value = 0;
    const char* const end = field.data() + field.size();
    const auto [rest, error] = std::from_chars(field.data(), end, value);
    if (error != std::errc{} || rest != end || !std::isfinite(value) || value <= 0) {
        throw file.bad(line, "ns_median '{}': expected nanoseconds, more than 0", field);
    }
    return value;
}

Sequence sequence(const GoldenFile& file, std::size_t line, std::string_view field) {
    for (const Sequence each : {Sequence::lifo, Sequence::fifo, Sequence::random}) {
        if (to_string(each) == field) return each;
    }
    throw file.bad(line, "free_order '{}': expected lifo, fifo or random", field);
}

/// `row.size` and `row.count`, as far as the work has them.
void read_numbers(const GoldenFile& file, std::size_t line, std::string_view size, std::string_view n,
                  RecordedRow& row) {
    constexpr std::uint64_t most_objects = 65536;
    const bool pages = is_of_pages(row.work);
    row.size = file.number_at(line, size, pages ? max_order.value() : kmalloc_max_cache_size);
    row.count = file.number_at(line, n, most_objects);
    if (is_calibration(row.work)) return;
    if (row.size == 0 && !pages && !has_random_sizes(row.work)) {
        throw file.bad(line, "size 0: expected bytes");
    }
    if (row.count == 0) throw file.bad(line, "n 0: expected a number of objects");
}

}  // namespace

bool is_calibration(KernelWork work) {
    return work <= KernelWork::pushf_popf;
}
bool is_of_pages(KernelWork work) {
    return work >= KernelWork::page_pair;
}
std::string count_name(std::string_view kind, Path path) {
    return fmt::format("{}.{}", kind, to_string(path));
}

KernelTimes::KernelTimes(const GoldenFile& file)
    : file_{file.name()}, allocator_{file.parameter("allocator")} {
    if (allocator_ != "slub" && allocator_ != "slab" && allocator_ != "slob") {
        throw file.bad(file.line_of_parameter("allocator"), "allocator={}: expected slub, slab or slob",
                       allocator_);
    }
    std::optional<Columns> columns;
    std::map<std::string, std::size_t> lines_of_names;
    for (std::size_t line = 0; line < file.lines().size(); ++line) {
        const std::string_view text = file.lines()[line];
        if (text.starts_with('#')) continue;
        if (Columns::are_named(text) || !columns) {
            columns.emplace(file, line);
            continue;
        }
        const auto fields = columns->of(file, line);
        const std::string test = fmt::format("{}-{}", fields[Columns::group], fields[Columns::test]);
        const auto* const known = std::find_if(known_works.begin(), known_works.end(),
                                               [&](const Known& each) { return each.test == test; });
        if (known == known_works.end() || !can_be_done(known->work, fields[Columns::size])) {
            if (std::find(left_out_.begin(), left_out_.end(), test) == left_out_.end())
                left_out_.push_back(test);
            continue;
        }
        RecordedRow row;
        row.work = known->work;
        row.ns = nanoseconds(file, line, fields[Columns::ns_median]);
        read_numbers(file, line, fields[Columns::size], fields[Columns::n], row);
        if (has_sequence(row.work)) row.sequence = sequence(file, line, fields[Columns::free_order]);
        row.who = is_calibration(row.work) ? "machine" : is_of_pages(row.work) ? "buddy" : allocator_;
        const std::string batch =
            row.count > 1 ? fmt::format("-{}-{}", row.count, fields[Columns::free_order]) : "";
        row.name = fmt::format("kernel-{}{}/{}/{}", test, batch, row.size, row.who);
        const auto [first, fresh] = lines_of_names.try_emplace(row.name, line);
        if (!fresh) throw file.bad(line, "the work of line {} again", first->second + 1);
        rows_.push_back(std::move(row));
    }
    if (!columns) throw UsageError::of("{}: expected a line that names columns: group,test,...", file_);
    const bool calibrated = std::any_of(rows_.begin(), rows_.end(),
                                        [](const RecordedRow& row) { return is_calibration(row.work); });
    if (!calibrated) throw UsageError::of("{}: expected rows of group calib, as calib,empty_loop", file_);
}

std::size_t KernelComparison::met() const {
    return static_cast<std::size_t>(
        std::count_if(rows.begin(), rows.end(), [](const KernelRatio& row) { return row.met(); }));
}
double KernelComparison::median_ratio() const {
    std::vector<double> ratios;
    for (const KernelRatio& row : rows) ratios.push_back(row.ratio);
    return median(ratios);
}
const KernelRatio& KernelComparison::worst() const {
    return *std::max_element(rows.begin(), rows.end(),
                             [](const KernelRatio& a, const KernelRatio& b) { return a.ratio < b.ratio; });
}

namespace {

const ContestRow* measured(const std::vector<ContestRow>& rows, const std::string& name) {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const ContestRow& row) {
        return row.name == name && !row.cpu_nanoseconds.empty();
    });
    return found == rows.end() ? nullptr : &*found;
}

/// The rows of `who` in the file, if there are any.
void add_comparison(const KernelTimes& times, std::string_view who, const std::vector<ContestRow>& rows,
                    std::vector<KernelComparison>& comparisons) {
    KernelComparison comparison;
    comparison.file = times.file();
    comparison.who = who;
    std::vector<double> scales;
    for (const RecordedRow& recorded : times.rows()) {
        const ContestRow* const row = measured(rows, recorded.name);
        if (row == nullptr) continue;
        const double ns = median(row->cpu_nanoseconds);
        if (is_calibration(recorded.work)) {
            scales.push_back(ns / recorded.ns);
        } else if (recorded.who == who) {
            comparison.rows.push_back({recorded.name, recorded.sequence, ns, recorded.ns, 0, 0, row->counts});
        }
    }
    if (scales.empty() || comparison.rows.empty()) return;
    comparison.scale = median(scales);
    comparison.calibrations = scales.size();
    for (KernelRatio& row : comparison.rows) {
        row.scaled_ns = row.recorded_ns * comparison.scale;
        row.ratio = row.ns / row.scaled_ns;
    }
    comparisons.push_back(std::move(comparison));
}

/// The rows of `who` in the file that `kernel` did too, if there are any.
void add_same_run(const KernelTimes& times, std::string_view who, const std::string& kernel,
                  const std::vector<ContestRow>& rows, std::vector<KernelComparison>& comparisons) {
    KernelComparison comparison;
    comparison.file = guests::as_allocator(kernel);
    comparison.who = who;
    for (const RecordedRow& recorded : times.rows()) {
        const ContestRow* const row = measured(rows, recorded.name);
        const ContestRow* const theirs = measured(rows, recorded.work_and_size() + comparison.file);
        if (recorded.who != who || row == nullptr || theirs == nullptr) continue;
        const std::optional<double> found = ratio(*row, theirs);
        if (!found) continue;
        const double ns = median(theirs->cpu_nanoseconds);
        comparison.rows.push_back(
            {recorded.name, recorded.sequence, median(row->cpu_nanoseconds), ns, ns, *found, {}});
    }
    if (!comparison.rows.empty()) comparisons.push_back(std::move(comparison));
}

std::uint64_t count_of(const Counts& counts, std::string_view name) {
    const auto found =
        std::find_if(counts.begin(), counts.end(), [&](const auto& each) { return each.first == name; });
    return found == counts.end() ? 0 : found->second;
}

/// "frees 2 % fast, 90 % slab, 8 % discard": those of `counts` whose names begin with `kind`.
std::string shares(std::string_view kind, const Counts& counts) {
    double sum = 0;
    for (std::size_t path = 0; path < path_count; ++path)
        sum += static_cast<double>(count_of(counts, count_name(kind, static_cast<Path>(path))));
    std::string text;
    for (std::size_t path = 0; path < path_count; ++path) {
        const auto which = static_cast<Path>(path);
        const auto count = static_cast<double>(count_of(counts, count_name(kind, which)));
        if (count == 0) continue;
        text += fmt::format("{}{:.1f} % {}", text.empty() ? "" : ", ", 100 * count / sum, to_string(which));
    }
    return fmt::format("{} {}", kind, text);
}

Counts sum_of_batches(const KernelComparison& comparison, Sequence sequence, std::vector<double>& ratios) {
    std::map<std::string, std::uint64_t> sums;
    for (const KernelRatio& row : comparison.rows) {
        if (row.counts.empty() || row.sequence != sequence) continue;
        ratios.push_back(row.ratio);
        for (const auto& [name, count] : row.counts) sums[name] += count;
    }
    return {sums.begin(), sums.end()};
}

/// Why batches are dear, and that it is no accident of a model: which paths served them.
std::string batches_text(const KernelComparison& comparison) {
    std::string text;
    for (const Sequence sequence : {Sequence::lifo, Sequence::fifo, Sequence::random}) {
        std::vector<double> ratios;
        const Counts counts = sum_of_batches(comparison, sequence, ratios);
        if (ratios.empty()) continue;
        text += fmt::format("{}, batches freed {}: median ratio {:.2f}; {}; {}\n", comparison.who,
                            to_string(sequence), median(ratios), shares("allocations", counts),
                            shares("frees", counts));
    }
    return text;
}

std::string_view verdict(bool met) {
    return met ? "met" : "missed";
}

std::string table_of(const KernelComparison& comparison) {
    std::string text = fmt::format(
        "{} beside {}: {}\n{:<56} {:>9} {:>9} {:>9}  {}\n", comparison.who, comparison.file,
        comparison.calibrations == 0 ? "in the same run"
                                     : fmt::format("recorded times {:.2f}, the median of {} calib rows",
                                                   comparison.scale, comparison.calibrations),
        "work/size/allocator", "ns", comparison.calibrations == 0 ? "kernel's" : "recorded", "scaled",
        "ratio");
    for (const KernelRatio& row : comparison.rows) {
        text += fmt::format("{:<56} {:>9.2f} {:>9.2f} {:>9.2f}  {:.2f}, at most {:.2f} wanted: {}\n",
                            row.name, row.ns, row.recorded_ns, row.scaled_ns, row.ratio, KernelRatio::wanted,
                            verdict(row.met()));
    }
    return text;
}

std::string summary_of(const KernelComparison& comparison) {
    const KernelRatio& worst = comparison.worst();
    const std::string beside = comparison.calibrations == 0 ? " beside " + comparison.file : "";
    return fmt::format("{}{}: {} of {} rows at most {:.2f}; median {:.2f}; worst {} {:.2f}\n", comparison.who,
                       beside, comparison.met(), comparison.rows.size(), KernelRatio::wanted,
                       comparison.median_ratio(), worst.name, worst.ratio);
}

Json row_json(const KernelRatio& row) {
    Json counts = Json::object();
    for (const auto& [name, count] : row.counts) counts[name] = count;
    return {{"name", row.name},
            {"median_ns", row.ns},
            {"recorded_ns", row.recorded_ns},
            {"scaled_ns", row.scaled_ns},
            {"ratio", row.ratio},
            {"met", row.met()},
            {"counts", counts}};
}

}  // namespace

std::vector<KernelComparison> compare(std::span<const KernelTimes> times, const std::vector<ContestRow>& rows,
                                      std::span<const guests::Kernel> kernels) {
    std::vector<KernelComparison> comparisons;
    for (const KernelTimes& each : times) add_comparison(each, each.allocator(), rows, comparisons);
    if (!times.empty()) add_comparison(times.front(), "buddy", rows, comparisons);
    for (const guests::Kernel& kernel : kernels) {
        for (const KernelTimes& each : times) {
            if (each.allocator() != kernel.allocator) continue;
            add_same_run(each, each.allocator(), kernel.name, rows, comparisons);
            add_same_run(each, "buddy", kernel.name, rows, comparisons);
        }
    }
    return comparisons;
}

std::string to_text(std::span<const KernelComparison> comparisons) {
    std::string text;
    for (const KernelComparison& each : comparisons) text += table_of(each);
    for (const KernelComparison& each : comparisons) text += batches_text(each);
    for (const KernelComparison& each : comparisons) text += summary_of(each);
    return text;
}

Json to_json(std::span<const KernelComparison> comparisons) {
    Json list = Json::array();
    for (const KernelComparison& each : comparisons) {
        Json rows = Json::array();
        for (const KernelRatio& row : each.rows) rows.push_back(row_json(row));
        list.push_back({{"file", each.file},
                        {"allocator", each.who},
                        {"scale", each.scale},
                        {"calibrations", each.calibrations},
                        {"wanted", KernelRatio::wanted},
                        {"met", each.met()},
                        {"median_ratio", each.median_ratio()},
                        {"worst", each.worst().name},
                        {"rows", rows}});
    }
    return list;
}

}  // namespace kmemlab::peers
