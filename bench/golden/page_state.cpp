#include "bench/golden/page_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace kmemlab::golden {
namespace {

using Row = std::vector<std::string_view>;
/// New values of fields key=value.
using Values = std::map<std::string, std::int64_t, std::less<>>;

constexpr std::uint64_t most_frames = std::uint64_t{1} << 32;  ///< the arena's limit, 16 TiB
constexpr std::uint64_t any_number = ~std::uint64_t{0} >> 1;

std::optional<std::string_view> find_value(const Row& row, std::string_view key) {
    for (const std::string_view field : row) {
        const auto equals = field.find('=');
        if (equals != std::string_view::npos && field.substr(0, equals) == key)
            return field.substr(equals + 1);
    }
    return std::nullopt;
}

/// `row` with `letter` in front and the values of the keys in `values` replaced.
std::string with_values(std::string_view row, char letter, const Values& values) {
    std::string text{letter};
    for (const std::string_view field : fields_of(row.substr(2))) {
        const auto key = field.substr(0, field.find('='));
        const auto found = key.size() == field.size() ? values.end() : values.find(key);
        text += found == values.end() ? fmt::format(",{}", field) : fmt::format(",{}={}", key, found->second);
    }
    return text;
}

/// Fields of a row for one entry, behind those that name zone and CPU; nothing for other rows.
std::optional<std::size_t> fields_of_entry(std::string_view what) {
    if (what == "PB" || what == "NRFREE") return 2;
    if (what == "FL" || what == "PCP") return 4;
    if (what == "LRU") return 1;
    return std::nullopt;
}

std::int64_t as_signed(std::uint64_t n) {
    return static_cast<std::int64_t>(n);
}

/// A row `reserve` with other numbers; as many as it has.
std::string reserve_row(char letter, std::string_view row, const ZoneCounts& reserve) {
    const Row fields = fields_of(row);
    std::string text = fmt::format("{},reserve,{}", letter, fields[2]);
    for (std::size_t i = 3; i < fields.size(); ++i) text += fmt::format(",{}", reserve.at(i - 3));
    return text;
}

}  // namespace

// --- reading ---

RecordedState::RecordedState(const GoldenFile& file)
    : file_{file},
      several_cpus_{file.number("nr_cpu_ids", 1, max_cpus) > 1},
      cpus_{static_cast<unsigned>(file.number("nr_cpu_ids", 1, max_cpus))} {
    for (; line_ < file.lines().size(); ++line_) {
        if (!file.lines()[line_].starts_with("S,")) continue;
        add(fields_of(file.lines()[line_]));
    }
    line_ = 0;
    if (zones_.empty() || pageblock_order_ == 0) {
        throw file.bad(0, "expected rows S,zone and S,const with pageblock_order");
    }
}

void RecordedState::add(const Row& row) {
    const std::string_view what = row[1];
    if (what == "const") {
        pageblock_order_ = value(row, "pageblock_order");
        if (pageblock_order_ > max_order.value()) throw file_.bad(line_, "expected pageblock_order up to 10");
        settings_.push_back({line_, file_.lines()[line_], std::nullopt});
        return;
    }
    if (what == "zone") {
        add_zone(row);
    } else if (zones_.empty()) {
        throw file_.bad(line_, "expected a row S,zone before it");
    } else if (const auto fields = fields_of_entry(what)) {
        const std::size_t expected = 2 + names_of_entry(what) + *fields;
        if (row.size() != expected) throw file_.bad(line_, "expected {} fields", expected);
        return add_entry(what, row, zones_.back());
    } else {
        add_settings(what, row, zones_.back().state);
    }
    settings_.push_back({line_, file_.lines()[line_], zones_.size() - 1});
}

/// Fields that name zone and CPU.
std::size_t RecordedState::names_of_entry(std::string_view what) const {
    if (!several_cpus_) return 0;
    return what == "PCP" ? 2 : 1;
}

void RecordedState::add_zone(const Row& row) {
    RecordedZone zone;
    const Pfn start{value(row, "start_pfn")};
    const std::uint64_t frames = value(row, "spanned");
    if (start.value() > most_frames || frames > most_frames) throw file_.bad(line_, "a zone beyond 16 TiB");
    if (!zones_.empty() && start < zones_.back().spec.span.end) {
        throw file_.bad(line_, "expected zones one behind the other");
    }
    if (several_cpus_) {
        zone.name = row[2];
        zone.spec.type = ZoneType{static_cast<std::uint8_t>(number(find_value(row, "idx").value_or(""), 2))};
    }
    zone.spec.span = {start, start + frames};
    zone.spec.memory = {zone.spec.span};
    zone.spec.managed = value(row, "managed");
    if (!several_cpus_) zone.state.free_pages = as_signed(value(row, "free"));
    zones_.push_back(zone);
}

void RecordedState::add_settings(std::string_view what, const Row& row, ZoneState& zone) {
    if (what == "wmark") {
        zone.marks = {value(row, "min"), value(row, "low"), value(row, "high")};
        zone.boost = value(row, several_cpus_ ? "boost" : "promo_boost");
        zone.reserved_highatomic = value(row, "highatomic");
    } else if (what == "reserve") {
        if (row.size() > 3 + zone.lowmem_reserve.size()) throw file_.bad(line_, "expected at most 8 fields");
        for (std::size_t i = 3; i < row.size(); ++i) {
            zone.lowmem_reserve[i - 3] = number(row[i], any_number);
        }
    } else if (what == "nrfreepages") {
        const auto integer = [&](const std::string& key) {
            const auto found = parse_integer(find_value(row, key).value_or(""));
            if (!found) throw file_.bad(line_, "expected {}=NUMBER", key);
            return *found;
        };
        zone.free_pages = integer("global");
        for (CpuId cpu; cpu.value() < cpus_; ++cpu) {
            page_set(zone, cpu).free_pages_difference = integer(fmt::format("diff{}", cpu.value()));
        }
    } else if (what == "pcp") {
        const auto cpu = several_cpus_ ? number(find_value(row, "cpu").value_or(""), cpus_ - 1) : 0;
        PageSetState& set = page_set(zone, CpuId{static_cast<unsigned>(cpu)});
        set.high = as_signed(value(row, "high"));
        set.batch = as_signed(value(row, "batch"));
        set.free_factor = value(row, "free_factor");
    } else {
        throw file_.bad(
            line_, "'{}': expected zone, wmark, reserve, nrfreepages, pcp, PB, FL, PCP, LRU or NRFREE", what);
    }
}

void RecordedState::add_entry(std::string_view what, const Row& row, RecordedZone& zone) {
    const Row f(row.begin() + 2 + static_cast<std::ptrdiff_t>(names_of_entry(what)), row.end());
    const auto type = [&](std::string_view field) {
        return MigrateType{static_cast<std::uint8_t>(number(field, migrate_types - 1))};
    };
    if (what == "PB") {
        const Pfn pfn{number(f[0], most_frames)};
        const Order block{static_cast<unsigned>(pageblock_order_)};
        if (pfn < zone.spec.span.start.align_down(block) || pfn >= zone.spec.span.end) {
            throw file_.bad(line_, "expected a pageblock of its zone");
        }
        zone.state.pageblocks.push_back({pfn, type(f[1])});
    } else if (what == "FL") {
        const Order order{static_cast<unsigned>(number(f[0], max_order.value()))};
        const Pfn pfn = frame(zone, f[3]);
        claim(zone, pfn, order);
        zone.state.free_lists.push_back({order, type(f[1]), pfn});
    } else if (what == "PCP") {
        const CpuId cpu{static_cast<unsigned>(several_cpus_ ? number(row[3], cpus_ - 1) : 0)};
        const auto list = static_cast<unsigned>(number(f[0], pcp_lists - 1));
        const Pfn pfn = frame(zone, f[2]);
        claim(zone, pfn, Order{list / request_types});
        zone.state.page_set_entries.push_back({cpu, list, pfn, type(f[3])});
    } else if (what == "LRU") {
        zone.state.lru.push_back(frame(zone, f[0]));
    }
}

/// A block is aligned, inside its zone, and apart from all others.
void RecordedState::claim(const RecordedZone& zone, Pfn pfn, Order order) {
    const Pfn end = pfn + order.pages();
    const auto next = claimed_.lower_bound(pfn);
    const bool free_behind = next == claimed_.end() || next->first >= end;
    const bool free_before = next == claimed_.begin() || std::prev(next)->second <= pfn;
    if (!pfn.is_aligned(order) || end > zone.spec.span.end || !free_behind || !free_before) {
        throw file_.bad(line_, "expected a block of order {} aligned in its zone and apart from the others",
                        order.value());
    }
    claimed_.emplace(pfn, end);
}

std::uint64_t RecordedState::number(std::string_view field, std::uint64_t most) const {
    return file_.number_at(line_, field, most);
}

std::uint64_t RecordedState::value(const Row& row, std::string_view key) const {
    const auto found = find_value(row, key);
    if (!found) throw file_.bad(line_, "expected {}=NUMBER", key);
    return number(*found, any_number);
}

Pfn RecordedState::frame(const RecordedZone& zone, std::string_view field) const {
    const Pfn pfn{number(field, most_frames)};
    if (pfn < zone.spec.span.start || pfn >= zone.spec.span.end) {
        throw file_.bad(line_, "frame {}: expected one of its zone", field);
    }
    return pfn;
}

PageSetState& RecordedState::page_set(ZoneState& zone, CpuId cpu) {
    const auto found = std::find_if(zone.page_sets.begin(), zone.page_sets.end(),
                                    [&](const PageSetState& set) { return set.cpu == cpu; });
    return found != zone.page_sets.end() ? *found
                                         : zone.page_sets.emplace_back(PageSetState{cpu, 0, 1, 0, 0});
}

// --- writing ---

namespace {

/// Rows of one zone, in the order of the files.
class ZoneRows {
  public:
    ZoneRows(char letter, const RecordedZone& recorded, bool several_cpus, Zone<OwnedCpus>& zone,
             const Arena& arena, unsigned cpus)
        : letter_{letter},
          recorded_{recorded},
          zone_name_{several_cpus ? recorded.name + "," : ""},
          several_cpus_{several_cpus},
          zone_{zone},
          state_{record(zone, arena, cpus)} {}

    /// The model's answer to a row with fields key=value.
    [[nodiscard]] std::string settings(std::string_view row) const {
        const Row fields = fields_of(row);
        const std::string_view what = fields[1];
        if (what == "reserve") return reserve_row(letter_, row, state_.lowmem_reserve);
        Values values;
        if (what == "zone") {
            values = {{"free", state_.free_pages}};
        } else if (what == "wmark") {
            const Watermarks& marks = state_.marks;
            values = {{"min", as_signed(marks.min)},
                      {"low", as_signed(marks.low)},
                      {"high", as_signed(marks.high)},
                      {several_cpus_ ? "boost" : "promo_boost", as_signed(state_.boost)},
                      {"highatomic", as_signed(state_.reserved_highatomic)}};
        } else if (what == "nrfreepages") {
            values = {{"global", state_.free_pages}};
            for (const PageSetState& set : state_.page_sets) {
                values[fmt::format("diff{}", set.cpu.value())] = set.free_pages_difference;
                values[fmt::format("threshold{}", set.cpu.value())] = zone_.counter_threshold();
            }
        } else if (what == "pcp") {
            const auto cpu = parse_integer(find_value(fields, "cpu").value_or("0")).value_or(0);
            const PageSetState& set = state_.page_sets[static_cast<std::size_t>(cpu)];
            values = {{"count", zone_.per_cpu(set.cpu).count()},
                      {"high", set.high},
                      {"batch", set.batch},
                      {"free_factor", as_signed(set.free_factor)}};
        }
        return with_values(row, letter_, values);
    }

    void add_lists(std::vector<std::string>& rows) const {
        for (const PageblockEntry& entry : recorded_.state.pageblocks) {  // those in holes are not listed
            rows.push_back(fmt::format("{},PB,{}{},{}", letter_, zone_name_, entry.pfn.value(),
                                       static_cast<int>(zone_.pageblock_type(entry.pfn))));
        }
        Position free_list;
        for (const FreeListEntry& e : state_.free_lists) {
            const auto type = static_cast<unsigned>(e.type);
            rows.push_back(fmt::format("{},FL,{}{},{},{},{}", letter_, zone_name_, e.order.value(), type,
                                       free_list.next(e.order.value() * migrate_types + type),
                                       e.pfn.value()));
        }
        Position cpu_list;
        for (const PageSetEntry& e : state_.page_set_entries) {
            const std::string cpu = several_cpus_ ? fmt::format("{},", e.cpu.value()) : "";
            rows.push_back(fmt::format("{},PCP,{}{}{},{},{},{}", letter_, zone_name_, cpu, e.list,
                                       cpu_list.next(e.cpu.value() * pcp_lists + e.list), e.pfn.value(),
                                       static_cast<unsigned>(e.type)));
        }
        for (const Pfn pfn : recorded_.state.lru) {
            rows.push_back(fmt::format("{},LRU,{}{}", letter_, zone_name_, pfn.value()));
        }
        for (Order order; order <= max_order; ++order) {
            const auto blocks = std::count_if(state_.free_lists.begin(), state_.free_lists.end(),
                                              [&](const FreeListEntry& e) { return e.order == order; });
            rows.push_back(fmt::format("{},NRFREE,{}{},{}", letter_, zone_name_, order.value(), blocks));
        }
    }

  private:
    /// Counts within each list of a run of entries.
    class Position {
      public:
        unsigned next(unsigned list) {
            position_ = list == list_ ? position_ + 1 : 0;
            list_ = list;
            return position_;
        }

      private:
        std::optional<unsigned> list_;
        unsigned position_ = 0;
    };

    char letter_;
    const RecordedZone& recorded_;
    std::string zone_name_;
    bool several_cpus_;
    Zone<OwnedCpus>& zone_;
    ZoneState state_;
};

}  // namespace

std::vector<std::string> state_rows(char letter, const RecordedState& recorded, Buddy<OwnedCpus>& buddy,
                                    const Arena& arena) {
    std::vector<ZoneRows> zones;
    for (std::size_t i = 0; i < recorded.zones().size(); ++i) {
        zones.emplace_back(letter, recorded.zones()[i], recorded.several_cpus(), buddy.zone(i), arena,
                           recorded.cpus());
    }
    std::vector<std::string> rows;
    std::optional<std::size_t> zone;
    for (const SettingsRow& row : recorded.settings()) {
        if (zone && row.zone && *zone != *row.zone) zones[*zone].add_lists(rows);
        if (row.zone) zone = row.zone;
        rows.push_back(row.zone ? zones[*zone].settings(row.text) : with_values(row.text, letter, {}));
    }
    zones.back().add_lists(rows);
    return rows;
}

std::string computed_row(std::string_view row, const ZoneSettings& settings) {
    const Row fields = fields_of(row);
    Values values;
    if (fields[1] == "reserve") return reserve_row('S', row, settings.lowmem_reserve);
    if (fields[1] == "wmark") {
        values = {{"min", as_signed(settings.marks.min)},
                  {"low", as_signed(settings.marks.low)},
                  {"high", as_signed(settings.marks.high)}};
    }
    if (fields[1] == "pcp" && find_value(fields, "high") != "0") {
        values = {{"high", as_signed(settings.pcp_high)}, {"batch", as_signed(settings.pcp_batch)}};
    }
    return with_values(row, 'S', values);
}

}  // namespace kmemlab::golden
