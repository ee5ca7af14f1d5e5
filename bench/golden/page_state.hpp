/// The rows S and E of buddytrace and info files: all state of the page allocator, before and after.
///
///     S,const,MAX_ORDER=..,pageblock_order=..          constants
///     S,zone,..  S,wmark,..  S,reserve,..              zones: span, watermarks, lowmem reserve
///     S,nrfreepages,..  S,pcp,..                       counters, settings of the CPUs' lists
///     S,PB,[zone,]pfn,type                             type of a pageblock
///     S,FL,[zone,]order,type,position,pfn              a free block; position 0 is the head of its list
///     S,PCP,[zone,cpu,]list,position,pfn,type          a block on a CPU's list
///     S,LRU,[zone,]pfn  S,NRFREE,[zone,]order,count    a frame that counts as movable; blocks of an order
///
/// Files of one CPU name neither zone nor CPU: theirs are Normal and 0. RecordedState reads the rows S;
/// PageStateRows says what the model's rows are, line by line.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/buddy/state.hpp"
#include "bench/golden/comparison.hpp"

namespace kmemlab::golden {

struct RecordedZone {
    std::string name;
    ZoneSpec spec;
    ZoneState state;
};

/// A row with fields key=value: const, zone, wmark, reserve, nrfreepages, pcp.
struct SettingsRow {
    std::size_t line = 0;  ///< of the file, from 0 on
    std::string_view text;
    std::optional<std::size_t> zone;  ///< index; const has none
};

class RecordedState {
  public:
    /// Reads the rows S of the file. Throws UsageError for what no page allocator's state can be: frames
    /// outside their zone, blocks that overlap, orders and types that do not exist.
    explicit RecordedState(const GoldenFile& file);

    [[nodiscard]] bool several_cpus() const { return several_cpus_; }
    [[nodiscard]] unsigned cpus() const { return cpus_; }
    [[nodiscard]] std::uint64_t pageblock_order() const { return pageblock_order_; }
    [[nodiscard]] const std::vector<RecordedZone>& zones() const { return zones_; }
    /// The rows with settings, in the order of the file.
    [[nodiscard]] const std::vector<SettingsRow>& settings() const { return settings_; }

  private:
    using Row = std::vector<std::string_view>;

    void add(const Row& row);
    void add_zone(const Row& row);
    void add_settings(std::string_view what, const Row& row, ZoneState& zone);
    void add_entry(std::string_view what, const Row& row, RecordedZone& zone);
    [[nodiscard]] std::size_t names_of_entry(std::string_view what) const;
    void claim(const RecordedZone& zone, Pfn pfn, Order order);
    [[nodiscard]] std::uint64_t number(std::string_view field, std::uint64_t most) const;
    [[nodiscard]] std::uint64_t value(const Row& row, std::string_view key) const;
    [[nodiscard]] Pfn frame(const RecordedZone& zone, std::string_view field) const;
    PageSetState& page_set(ZoneState& zone, CpuId cpu);

    const GoldenFile& file_;
    bool several_cpus_;
    unsigned cpus_;
    std::uint64_t pageblock_order_ = 0;
    std::vector<RecordedZone> zones_;
    std::vector<SettingsRow> settings_;
    std::map<Pfn, Pfn> claimed_;  ///< free blocks: first frame, and the one behind the last
    std::size_t line_ = 0;        ///< being read
};

/// The rows of `letter`, S or E, that the model's state gives. What the model does not have (names, frames
/// present, flags) is as in the recorded rows.
[[nodiscard]] std::vector<std::string> state_rows(char letter, const RecordedState& recorded,
                                                  Buddy<OwnedCpus>& buddy, const Arena& arena);
/// A row of a zone's settings with the values that follow from the zones' sizes: watermarks, reserves, limits
/// of the CPUs' lists (unless the recording switched these off).
[[nodiscard]] std::string computed_row(std::string_view row, const ZoneSettings& settings);

}  // namespace kmemlab::golden
