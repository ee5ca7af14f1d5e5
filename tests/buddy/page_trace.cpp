#include "tests/buddy/page_trace.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "allocators/buddy/state.hpp"
#include "tests/support/golden.hpp"

namespace kmemlab::test {
namespace {

using Row = std::vector<std::string_view>;
using Keys = std::map<std::string_view, std::int64_t>;

Order order_from(std::string_view text) {
    return Order{static_cast<unsigned>(number(text))};
}
Pfn pfn_from(std::string_view text) {
    return Pfn{static_cast<std::uint64_t>(number(text))};
}
CpuId cpu_from(std::string_view text) {
    return CpuId{static_cast<unsigned>(number(text))};
}
MigrateType type_from(std::string_view text) {
    return MigrateType{static_cast<std::uint8_t>(number(text))};
}

/// The fields of the form key=value whose value is a number.
Keys keys_of(const Row& row) {
    Keys keys;
    for (const std::string_view field : row) {
        const auto equals = field.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string_view value = field.substr(equals + 1);
        if (value.find_first_not_of("-0123456789") == std::string_view::npos)
            keys[field.substr(0, equals)] = number(value);
    }
    return keys;
}

std::uint64_t positive(const Keys& keys, std::string_view key) {
    return static_cast<std::uint64_t>(keys.at(key));
}

/// What the S or E rows of one zone say.
struct RecordedZone {
    ZoneSpec spec;
    ZoneState state;
};

/// The rows of one letter, S or E. Files of one CPU name no zone and no CPU; theirs get both.
class RecordedState {
  public:
    explicit RecordedState(bool several_cpus) : several_cpus_{several_cpus} {}

    void add(const Row& row) {
        const std::string_view what = row[1];
        if (what == "const") {
            constants_ = keys_of(row);
        } else if (what == "zone") {
            add_zone(row);
        } else if (!zones_.empty()) {
            add_to_zone(what, row, zones_.back().state);
        }
    }
    [[nodiscard]] std::vector<RecordedZone>& zones() { return zones_; }
    [[nodiscard]] std::uint64_t pageblock_order() const { return positive(constants_, "pageblock_order"); }

  private:
    void add_zone(const Row& row) {
        const Keys keys = keys_of(row);
        RecordedZone zone;
        const Pfn start{positive(keys, "start_pfn")};
        zone.spec.type =
            several_cpus_ ? ZoneType{static_cast<std::uint8_t>(keys.at("idx"))} : ZoneType::normal;
        zone.spec.span = {start, start + positive(keys, "spanned")};
        zone.spec.memory = {zone.spec.span};
        zone.spec.managed = positive(keys, "managed");
        if (!several_cpus_) zone.state.free_pages = keys.at("free");
        zones_.push_back(zone);
    }

    void add_to_zone(std::string_view what, const Row& row, ZoneState& zone) const {
        // Behind the zone's name, where there is one.
        const Row f(row.begin() + (several_cpus_ ? 3 : 2), row.end());
        if (what == "wmark") {
            const Keys keys = keys_of(row);
            zone.marks = {positive(keys, "min"), positive(keys, "low"), positive(keys, "high")};
            zone.boost = positive(keys, several_cpus_ ? "boost" : "promo_boost");
            zone.reserved_highatomic = positive(keys, "highatomic");
        } else if (what == "reserve") {
            for (std::size_t i = 0; i < f.size(); ++i)
                zone.lowmem_reserve[i] = static_cast<std::uint64_t>(number(f[i]));
        } else if (what == "nrfreepages") {
            const Keys keys = keys_of(row);
            zone.free_pages = keys.at("global");
            for (unsigned cpu = 0; keys.contains(fmt::format("diff{}", cpu)); ++cpu) {
                page_set(zone, CpuId{cpu}).free_pages_difference = keys.at(fmt::format("diff{}", cpu));
            }
        } else if (what == "pcp") {
            const Keys keys = keys_of(row);
            PageSetState& set =
                page_set(zone, CpuId{several_cpus_ ? static_cast<unsigned>(keys.at("cpu")) : 0});
            set.high = keys.at("high");
            set.batch = keys.at("batch");
            set.free_factor = positive(keys, "free_factor");
        } else if (what == "PB") {
            zone.pageblocks.push_back({pfn_from(f[0]), type_from(f[1])});
        } else if (what == "FL") {
            zone.free_lists.push_back({order_from(f[0]), type_from(f[1]), pfn_from(f[3])});
        } else if (what == "PCP") {
            const CpuId cpu = several_cpus_ ? cpu_from(f[0]) : CpuId{0};
            const Row g(f.begin() + (several_cpus_ ? 1 : 0), f.end());
            zone.page_set_entries.push_back(
                {cpu, static_cast<unsigned>(number(g[0])), pfn_from(g[2]), type_from(g[3])});
        } else if (what == "LRU") {
            zone.lru.push_back(pfn_from(f[0]));
        }
    }

    static PageSetState& page_set(ZoneState& zone, CpuId cpu) {
        const auto same = [&](const PageSetState& set) { return set.cpu == cpu; };
        const auto found = std::find_if(zone.page_sets.begin(), zone.page_sets.end(), same);
        return found != zone.page_sets.end() ? *found
                                             : zone.page_sets.emplace_back(PageSetState{cpu, 0, 1, 0, 0});
    }

    bool several_cpus_;
    Keys constants_;
    std::vector<RecordedZone> zones_;
};

/// The generator of the recording, needed for what the rows do not tell: which requests were atomic.
class Draws {
  public:
    explicit Draws(std::uint64_t seed) : state_{seed} {}
    std::uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        return state_ ^= state_ << 17;
    }

  private:
    std::uint64_t state_;
};

class PageTrace {
  public:
    explicit PageTrace(std::string_view text)
        : lines_{lines_of(text)},
          several_cpus_{text.find(" ncpu=") != std::string_view::npos},
          atomic_{text.find(" mode=atomic") != std::string_view::npos},
          operations_{static_cast<std::uint64_t>(number(parameter(text, "nops")))},
          draws_{std::stoull(parameter(text, "seed"), nullptr, 16)},
          cpus_{several_cpus_ ? static_cast<std::uint64_t>(number(parameter(text, "ncpu"))) : 1},
          before_{several_cpus_},
          after_{several_cpus_} {
        for (const std::string_view line : lines_) {
            if (line.starts_with("S,")) before_.add(fields_of(line));
            if (line.starts_with("E,")) after_.add(fields_of(line));
        }
    }

    PageTraceResult run() {
        build();
        check_settings();
        for (std::size_t i = 0; i < lines_.size() && result_.difference.empty(); ++i) {
            if (lines_[i].starts_with("T,")) step(fields_of(lines_[i]));
        }
        if (result_.difference.empty()) check_end();
        if (auto found = buddy_->find_violation()) result_.violation = found->message();
        return result_;
    }

  private:
    void build() {
        std::vector<ZoneSpec> specs;
        for (const RecordedZone& zone : before_.zones()) specs.push_back(zone.spec);
        const Pfn end = specs.back().span.end;
        if (several_cpus_) specs.push_back({ZoneType::movable, {end, end}, {}, 0});
        arena_ = std::make_unique<Arena>(end.value() << page_shift);
        BuddyConfig config;
        config.pageblock_order = before_.pageblock_order();
        buddy_ = std::make_unique<Buddy<OwnedCpus>>(*arena_, cpus_, config, misuse_, specs);
    }

    /// Watermarks, reserves and batches as computed equal those recorded; then the recorded state goes in.
    void check_settings() {
        for (std::size_t i = 0; i < before_.zones().size(); ++i) {
            ZoneState& recorded = before_.zones()[i].state;
            Zone<OwnedCpus>& zone = buddy_->zone(i);
            const ZoneSettings& ours = zone.settings();
            if (!several_cpus_) recorded.lowmem_reserve = ours.lowmem_reserve;
            compare(std::tuple{ours.marks.min, ours.marks.low, ours.marks.high},
                    std::tuple{recorded.marks.min, recorded.marks.low, recorded.marks.high}, "watermarks");
            compare(ours.lowmem_reserve, recorded.lowmem_reserve, "lowmem_reserve");
            for (const PageSetState& set : recorded.page_sets) {
                if (set.high == 0) continue;  // the recording switched the lists off
                compare(std::tuple{ours.pcp_high, ours.pcp_batch}, std::tuple{set.high, set.batch}, "pcp");
            }
            restore(zone, *arena_, recorded);
        }
    }

    void step(const Row& row) {
        const auto operation = static_cast<std::uint64_t>(number(row[1]));
        const Row f(row.begin() + (several_cpus_ ? 4 : 3), row.end());  // id, order, type, ...
        const CpuId cpu = several_cpus_ ? cpu_from(row[3]) : CpuId{0};
        const bool atomic = draw(operation);
        if (row[2] == "A") {
            allocate(row, f, cpu, atomic);
        } else {
            const auto [pfn, order] = live_.at(number(f[0]));
            buddy_->give(pfn, order, cpu);
            live_.erase(number(f[0]));
        }
        compare_counts(row, f, cpu);
    }

    /// Draws for this operation; true if it is an atomic request.
    bool draw(std::uint64_t operation) {
        if (!several_cpus_ || operation >= operations_) return false;
        draws_.next();
        const std::uint64_t q = draws_.next();
        return atomic_ && ((q >> 16) & 3) == 0;
    }

    void allocate(const Row& row, const Row& f, CpuId cpu, bool atomic) {
        constexpr std::array types{Gfp{}, __GFP_MOVABLE, __GFP_RECLAIMABLE};
        constexpr std::array zones{Gfp{}, __GFP_DMA32, __GFP_DMA};
        Gfp gfp = __GFP_NOWARN | types[static_cast<std::size_t>(number(f[2]))];
        if (several_cpus_) gfp = gfp | zones[static_cast<std::size_t>(number(f[3]))];
        if (atomic) gfp = gfp | __GFP_HIGH | __GFP_ATOMIC;
        const auto pfn = buddy_->take(order_from(f[1]), gfp, cpu);
        const std::int64_t ours = pfn ? static_cast<std::int64_t>(pfn->value()) : -1;
        compare(ours, number(f[several_cpus_ ? 4 : 3]), fmt::format("{} pfn", fmt::join(row, ",")));
        if (pfn) live_[number(f[0])] = {*pfn, order_from(f[1])};
    }

    void compare_counts(const Row& row, const Row& f, CpuId cpu) {
        const std::size_t zones = before_.zones().size();
        const std::size_t first = several_cpus_ ? 5 : 4;
        for (std::size_t i = 0; i < zones; ++i) {
            const auto& zone = buddy_->zone(i);
            compare(std::max<std::int64_t>(zone.free_pages(), 0), number(f[first + i]),
                    fmt::format("{} free pages of zone {}", fmt::join(row, ","), i));
            compare(zone.per_cpu(cpu).count(), number(f[first + zones + i]),
                    fmt::format("{} pcp count of zone {}", fmt::join(row, ","), i));
        }
    }

    void check_end() {
        for (std::size_t i = 0; i < after_.zones().size(); ++i) {
            const ZoneState& theirs = after_.zones()[i].state;
            const ZoneState ours = record(buddy_->zone(i), *arena_, cpus_.count());
            compare(ours.boost, theirs.boost, "boost");
            compare(ours.reserved_highatomic, theirs.reserved_highatomic, "highatomic");
            compare(ours.free_pages, theirs.free_pages, "free pages");
            compare_lists(ours.free_lists, theirs.free_lists, fmt::format("free lists of zone {}", i));
            for (const PageblockEntry& entry : theirs.pageblocks) {  // those in holes are not listed
                compare(static_cast<int>(buddy_->zone(i).pageblock_type(entry.pfn)),
                        static_cast<int>(entry.type), fmt::format("pageblock {}", entry.pfn.value()));
            }
            compare_lists(ours.page_set_entries, theirs.page_set_entries,
                          fmt::format("page lists of zone {}", i));
            for (std::size_t cpu = 0; cpu < theirs.page_sets.size(); ++cpu) {
                compare(ours.page_sets[cpu].free_factor, theirs.page_sets[cpu].free_factor, "free_factor");
                compare(ours.page_sets[cpu].free_pages_difference,
                        theirs.page_sets[cpu].free_pages_difference, "difference");
            }
        }
    }

    template <class Entry>
    void compare_lists(const std::vector<Entry>& ours, const std::vector<Entry>& theirs,
                       const std::string& what) {
        const auto [our, their] = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
        result_.rows += theirs.size();
        if (our == ours.end() && their == theirs.end()) return;
        note(fmt::format("{}: entry {} differs ({} here, {} recorded)", what, our - ours.begin(), ours.size(),
                         theirs.size()));
    }

    template <class A, class B>
    void compare(const A& ours, const B& theirs, const std::string& what) {
        ++result_.rows;
        if (ours == theirs) return;
        if constexpr (std::is_integral_v<A>) {
            note(fmt::format("{}: {} here, {} recorded", what, ours, theirs));
        } else {
            note(what + " differ");
        }
    }
    void note(std::string difference) {
        if (result_.difference.empty()) result_.difference = std::move(difference);
    }

    struct Block {
        Pfn pfn;
        Order order;
    };

    std::vector<std::string_view> lines_;
    bool several_cpus_;
    bool atomic_;
    std::uint64_t operations_;
    Draws draws_;
    OwnedCpus cpus_;
    MisuseLog misuse_;
    RecordedState before_;
    RecordedState after_;
    std::unique_ptr<Arena> arena_;
    std::unique_ptr<Buddy<OwnedCpus>> buddy_;
    std::unordered_map<std::int64_t, Block> live_;
    PageTraceResult result_;
};

}  // namespace

PageTraceResult replay_page_trace(std::string_view text) {
    return PageTrace{text}.run();
}

}  // namespace kmemlab::test
