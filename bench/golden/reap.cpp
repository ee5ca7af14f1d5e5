/// reap and reapsleep files: objects are allocated and most of them freed at random, then the reaper comes,
/// by calls (`reap`) or by the clock (`reapsleep`), and the state of the cache is looked at.
///
///     call,before|after|pair,node_due,<state>        sample,sample,jiffies_since,<state>
#include <fmt/format.h>

#include <set>
#include <utility>
#include <vector>

#include "allocators/slab/slab.hpp"
#include "bench/golden/checks.hpp"
#include "bench/golden/draws.hpp"
#include "bench/golden/numbered_pages.hpp"

namespace kmemlab::golden {
namespace {

constexpr CpuId cpu{0};
constexpr Jiffies reap_interval = 2 * jiffies_per_second;
constexpr std::uint64_t most_objects = 1'000'000;
constexpr const char* state_form = "0,0,0,0,0,0,0";

class Experiment {
  public:
    explicit Experiment(const GoldenFile& file)
        : draws_{file.number("seed", 1, ~std::uint64_t{0})},
          cache_{*slab_.kmem_cache_create(
              {.name = "reaped", .size = file.number("size", 1, kmalloc_max_size)})} {
        const std::uint64_t load = file.number("load", 1, most_objects);
        const std::uint64_t keep = file.find_parameter("keep") ? file.number("keep", 0, load) : load / 8;
        for (std::uint64_t i = 0; i < load; ++i) {
            live_.push_back(slab_.kmem_cache_alloc(cache_, GFP_KERNEL, cpu));
            if (live_.back() == nullptr) {
                throw file.bad(file.line_of_parameter("load"), "load={}: expected what 1 GiB holds", load);
            }
        }
        while (live_.size() > keep) {
            void*& victim = live_[draws_.next() % live_.size()];
            slab_.kmem_cache_free(cache_, std::exchange(victim, live_.back()), cpu);
            live_.pop_back();
        }
    }

    void compare_layout(Comparison& comparison) const {
        const SlabGeometry& g = cache_.geometry;
        comparison.parameter("order", g.order.value());
        comparison.parameter("num", g.objects);
        comparison.parameter("batchcount", g.batchcount);
        comparison.parameter("limit", g.limit);
        comparison.parameter("shared", g.shared);
        comparison.parameter("free_limit", slab_free_limit(1, g.batchcount, g.objects));
    }

    /// The last columns of a row.
    [[nodiscard]] std::string state() const {
        const ArrayCache& array = cache_.arrays[cpu];
        const SlabNode& node = cache_.node;
        const std::string shared = node.shared.limit == 0 ? "-1" : fmt::to_string(node.shared.avail);
        return fmt::format("{},{},{},{},{},{},{}", array.avail, array.touched ? 1 : 0,
                           node.free_touched ? 1 : 0, shared, node.free_objects.load(), node.total_slabs,
                           node.free_slabs);
    }
    /// One object given and taken.
    void pair() { slab_.kmem_cache_free(cache_, slab_.kmem_cache_alloc(cache_, GFP_KERNEL, cpu), cpu); }
    void reap(Jiffies now) { slab_.reap(now, cpu); }
    void set_next_reap(Jiffies when) { cache_.node.next_reap = when; }
    [[nodiscard]] std::uint64_t draw() { return draws_.next(); }
    [[nodiscard]] MaybeViolation find_violation() const { return slab_.find_violation(); }

  private:
    OwnedCpus cpus_{1};
    NumberedPages<OwnedCpus> pages_{cpus_};
    MisuseLog misuse_;
    Slab<OwnedCpus> slab_{pages_, cpus_, {}, misuse_};
    Draws draws_;
    Slab<OwnedCpus>::Cache& cache_;
    std::vector<void*> live_;
};

/// What the model answers to each row if the first round of the reaper comes `first` jiffies after the load.
std::vector<std::string> sleeping_rows(const GoldenFile& file, std::size_t begin, Jiffies first) {
    Experiment experiment{file};
    std::vector<std::string> rows;
    Jiffies next = first;
    for (std::size_t line = begin; line < file.lines().size(); ++line) {
        const auto fields = fields_of(file.lines()[line]);
        const auto since = static_cast<Jiffies>(parse_integer(fields[2]).value_or(0));
        for (; next <= since; next += reap_interval) experiment.reap(next);
        rows.push_back(fmt::format("{},{},{},{}", rows.size(), fields[1], fields[2], experiment.state()));
    }
    return rows;
}

/// Every time of the first round that makes a difference: rounds fall between other samples only if the
/// first passes a sample's time.
std::set<Jiffies> first_rounds(const GoldenFile& file, std::size_t begin) {
    std::set<Jiffies> times;
    for (std::size_t line = begin; line < file.lines().size(); ++line) {
        const std::uint64_t since = file.number_at(line, fields_of(file.lines()[line])[2], most_operations);
        times.insert(since % reap_interval + (since % reap_interval == 0 ? reap_interval : 0));
    }
    return times;
}

}  // namespace

void check_reap(Comparison& comparison) {
    comparison.set_forms({fmt::format("0,before,0,{}", state_form), fmt::format("0,after,0,{}", state_form),
                          fmt::format("0,pair,0,{}", state_form)});
    Experiment experiment{comparison.file()};
    experiment.compare_layout(comparison);
    comparison.pass_header("call");
    const std::uint64_t calls = comparison.file().number("ncalls", 1, most_operations);
    for (std::uint64_t call = 0; call < calls; ++call) {
        const std::uint64_t r = experiment.draw();
        const bool due = (r >> 8 & 1) != 0;
        const auto row = [&](std::string_view when) {
            comparison.row(fmt::format("{},{},{},{}", call, when, due ? 1 : 0, experiment.state()));
        };
        if ((r & 3) == 0) {
            experiment.pair();
            row("pair");
        }
        const Jiffies now = (call + 1) * reap_interval;
        experiment.set_next_reap(due ? now : now + 100 * jiffies_per_second);
        row("before");
        experiment.reap(now);
        row("after");
    }
    comparison.end();
    comparison.lawful(experiment.find_violation());
}

/// When the first round came is the machine's and not in the file; that they come every two seconds is
/// SLAB's. So the first round is put where most rows agree.
void check_reap_sleep(Comparison& comparison) {
    comparison.set_forms({fmt::format("0,sample,0,{}", state_form)});
    comparison.pass_header("sample");
    const GoldenFile& file = comparison.file();
    const std::uint64_t samples = file.number("nsamples", 1, most_operations);
    if (file.lines().size() < comparison.line() + samples) {
        throw file.bad(file.lines().size(), "the file ends here; expected {} samples", samples);
    }
    for (std::size_t i = comparison.line(); i < file.lines().size(); ++i) comparison.check_form(i);
    const Experiment experiment{file};
    experiment.compare_layout(comparison);
    std::vector<std::string> best;
    std::size_t most = 0;
    for (const Jiffies first : first_rounds(file, comparison.line())) {
        std::vector<std::string> rows = sleeping_rows(file, comparison.line(), first);
        std::size_t equal = 0;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (rows[i] == file.lines()[comparison.line() + i]) ++equal;
        }
        if (best.empty() || equal > most) most = equal, best = std::move(rows);
    }
    for (const std::string& row : best) comparison.row(row);
}

}  // namespace kmemlab::golden
