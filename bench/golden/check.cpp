#include "bench/golden/check.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "bench/golden/checks.hpp"
#include "bench/golden/slab_trace.hpp"

namespace kmemlab::golden {
namespace {

/// What tells a format from all others: the beginning of one of its lines. The first that fits is meant.
struct Format {
    std::string_view mark;
    std::string_view name;
    std::function<std::string(Comparison&)> compare;  ///< nothing: there is no model
};

template <class Check>
std::function<std::string(Comparison&)> silent(Check check) {
    return [check](Comparison& comparison) { return check(comparison), std::string{}; };
}

std::vector<Format> formats(Context context) {
    const auto slab_trace = silent([context](Comparison& c) { check_slab_trace(c, context); });
    return {
        {"# slabtrace ", "slabtrace", slab_trace},
        {"# bulktrace ", "bulktrace", slab_trace},
        {"# buddytrace ", "buddytrace", silent(check_page_trace)},
        {"# reap ", "reap", silent(check_reap)},
        {"# reapsleep ", "reapsleep", silent(check_reap_sleep)},
        {"# corrupt ", "corruption", silent(check_corruption_layout)},
        {"# vmalloctrace ", "vmalloctrace", silent(check_vmalloc_trace)},
        {"# alignvm ", "alignvm", silent(check_aligned_trace)},
        {"# stacktrace ", "stacktrace", silent(check_stack_trace)},
        {"group,test,size,", "timing", {}},
        {"size,align,hwcache,", "geometry", check_geometry},
        {"type,request,result,", "kmalloc", silent(check_kmalloc)},
        {"case,flags,step,", "counts", silent(check_corruption_counts)},
        {"kmemref: case ", "report", silent(check_corruption_text)},
        {"KTAP version ", "self-test", silent(check_self_test)},
        {"cache,size,objs_per_slab,", "slabinfo", check_slabinfo},
        {"cache,object_size,slab_size,", "sysfs", check_sysfs},
        {"S,zone,", "info", silent(check_page_trace)},
    };
}

/// Marks stand at the beginning of a file, but an info's, which may follow another row S.
constexpr std::size_t lines_with_marks = 8;

const Format& format_of(const GoldenFile& file, const std::vector<Format>& known) {
    const auto& lines = file.lines();
    const auto end = lines.begin() + static_cast<std::ptrdiff_t>(std::min(lines.size(), lines_with_marks));
    for (const Format& format : known) {
        const auto marked = [&](std::string_view line) { return line.starts_with(format.mark); };
        if (std::any_of(lines.begin(), end, marked)) return format;
    }
    throw file.bad(0, "of no known format; expected golden data, as tests/golden/README.md describes");
}

}  // namespace

Verdict check(const GoldenFile& file, Context context, Extent extent) {
    const std::vector<Format> known = formats(context);
    const Format& format = format_of(file, known);
    Verdict verdict;
    if (!format.compare) {
        verdict.skipped = fmt::format("no model for this format yet: {}", format.name);
        return verdict;
    }
    Comparison comparison{file, extent};
    bool whole = true;
    try {
        verdict.note = format.compare(comparison);
        verdict.difference = comparison.first_difference();
    } catch (Difference& difference) {
        verdict.difference = std::move(difference);
        whole = false;
    } catch (const UsageError&) {
        // Behind a difference the file's rows may be impossible for our state.
        if (!comparison.first_difference()) throw;
        verdict.difference = comparison.first_difference();
        whole = false;
    }
    verdict.differing = comparison.differing();
    verdict.rows = comparison.rows();
    const auto lines = std::count_if(file.lines().begin(), file.lines().end(),
                                     [](std::string_view line) { return !line.starts_with('#'); });
    verdict.all = whole ? verdict.rows : std::max(verdict.rows, static_cast<std::uint64_t>(lines));
    return verdict;
}

}  // namespace kmemlab::golden
