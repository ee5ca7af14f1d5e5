/// The kernel's text files about page allocation: buddyinfo, pagetypeinfo, zoneinfo (BUDDY-100..102) and the
/// fragmentation indexes (BUDDY-103), of node 0.

#include <fmt/ranges.h>

#include <iterator>

#include "allocators/buddy/buddy.hpp"
#include "allocators/buddy/fragmentation.hpp"

namespace kmemlab {
namespace {

constexpr std::array<std::string_view, migrate_types> type_names{"Unmovable", "Movable", "Reclaimable",
                                                                 "HighAtomic"};
/// Node counters of 6.1 before and after those of slab pages; nothing here changes them.
constexpr std::array<std::string_view, 5> first_node_counters{
    "nr_inactive_anon", "nr_active_anon", "nr_inactive_file", "nr_active_file", "nr_unevictable"};
constexpr std::array<std::string_view, 34> more_node_counters{"nr_isolated_anon",
                                                              "nr_isolated_file",
                                                              "workingset_nodes",
                                                              "workingset_refault_anon",
                                                              "workingset_refault_file",
                                                              "workingset_activate_anon",
                                                              "workingset_activate_file",
                                                              "workingset_restore_anon",
                                                              "workingset_restore_file",
                                                              "workingset_nodereclaim",
                                                              "nr_anon_pages",
                                                              "nr_mapped",
                                                              "nr_file_pages",
                                                              "nr_dirty",
                                                              "nr_writeback",
                                                              "nr_writeback_temp",
                                                              "nr_shmem",
                                                              "nr_shmem_hugepages",
                                                              "nr_shmem_pmdmapped",
                                                              "nr_file_hugepages",
                                                              "nr_file_pmdmapped",
                                                              "nr_anon_transparent_hugepages",
                                                              "nr_vmscan_write",
                                                              "nr_vmscan_immediate_reclaim",
                                                              "nr_dirtied",
                                                              "nr_written",
                                                              "nr_throttled_written",
                                                              "nr_kernel_misc_reclaimable",
                                                              "nr_foll_pin_acquired",
                                                              "nr_foll_pin_released",
                                                              "nr_kernel_stack",
                                                              "nr_page_table_pages",
                                                              "nr_sec_page_table_pages",
                                                              "nr_swapcached"};
/// Zone counters of 6.1 that nothing here changes.
constexpr std::array<std::string_view, 10> idle_counters{"nr_zone_inactive_anon",
                                                         "nr_zone_active_anon",
                                                         "nr_zone_inactive_file",
                                                         "nr_zone_active_file",
                                                         "nr_zone_unevictable",
                                                         "nr_zone_write_pending",
                                                         "nr_mlock",
                                                         "nr_bounce",
                                                         "nr_zspages",
                                                         "nr_free_cma"};

using Out = std::back_insert_iterator<std::string>;

std::string head(ZoneType type) {
    return fmt::format("Node 0, zone {:>8}", to_string(type));
}

template <class Cpus>
std::array<std::uint64_t, order_count> blocks_of(const Zone<Cpus>& zone) {
    std::array<std::uint64_t, order_count> blocks{};
    for (unsigned order = 0; order < order_count; ++order)
        blocks[order] = zone.free_area(Order{order}).blocks;
    return blocks;
}

template <class Cpus>
std::string buddyinfo(const Buddy<Cpus>& buddy) {
    std::string text;
    for (const auto& zone : buddy.zones()) {
        if (!zone->populated()) continue;
        text += head(zone->type()) + ' ';
        for (const std::uint64_t blocks : blocks_of(*zone)) text += fmt::format("{:>6} ", blocks);
        text += '\n';
    }
    return text;
}

template <class Cpus>
std::string pagetypeinfo(const Buddy<Cpus>& buddy, const Arena& arena) {
    const Order pageblock = buddy.zones().front()->pageblock_order();
    std::string text =
        fmt::format("Page block order: {}\nPages per block:  {}\n\n", pageblock.value(), pageblock.pages());
    text += fmt::format("{:<43} ", "Free pages count per migrate type at order");
    for (unsigned order = 0; order < order_count; ++order) text += fmt::format("{:>6} ", order);
    text += '\n';
    for (const auto& zone : buddy.zones()) {
        for (unsigned type = 0; zone->populated() && type < migrate_types; ++type) {
            text += fmt::format("Node {:>4}, zone {:>8}, type {:>12} ", 0, to_string(zone->type()),
                                type_names[type]);
            for (Order order; order <= max_order; ++order) {
                std::uint64_t blocks = 0;
                zone->free_area(order).lists[type].walk(arena, zone->present(),
                                                        [&](FrameIndex) { return ++blocks, true; });
                text += blocks < 100000 ? fmt::format("{:>6} ", blocks) : std::string{">100000 "};
            }
            text += '\n';
        }
    }
    text += fmt::format("\n{:<23}", "Number of blocks type ");
    for (const auto type : type_names) text += fmt::format("{:>12} ", type);
    text += '\n';
    for (const auto& zone : buddy.zones()) {
        if (!zone->populated()) continue;
        text += head(zone->type()) + ' ';
        for (const std::uint64_t blocks : zone->pageblocks_by_type()) text += fmt::format("{:>12} ", blocks);
        text += '\n';
    }
    return text;
}

template <class Cpus>
void print_pagesets(const Zone<Cpus>& zone, unsigned cpus, Out out) {
    fmt::format_to(out, "\n  pagesets");
    for (CpuId cpu; cpu.value() < cpus; ++cpu) {
        const PerCpuPages& pcp = zone.per_cpu(cpu);
        fmt::format_to(
            out, "\n    cpu: {}\n              count: {}\n              high:  {}\n              batch: {}",
            cpu.value(), pcp.count(), pcp.high, pcp.batch);
        if (cpus > 1) fmt::format_to(out, "\n  vm stats threshold: {}", zone.counter_threshold());
    }
}

std::uint64_t slab_pages(const Arena& arena) {
    std::uint64_t pages = 0;
    for (FrameIndex frame = 0; frame < arena.frames(); ++frame) {
        const PageState state = arena.page_at(frame).load_state();
        if (state.kind == PageKind::slab) pages += Order{state.order}.pages();
    }
    return pages;
}

/// Slabs all count as unreclaimable: only the object layer knows which caches are not.
void print_node_counters(const Arena& arena, Out out) {
    const auto print = [&](std::string_view name, std::uint64_t value) {
        fmt::format_to(out, "\n      {:<12} {}", name, value);
    };
    fmt::format_to(out, "\n  per-node stats");
    for (const auto name : first_node_counters) print(name, 0);
    print("nr_slab_reclaimable", 0);
    print("nr_slab_unreclaimable", slab_pages(arena));
    for (const auto name : more_node_counters) print(name, 0);
}

template <class Cpus>
std::string zoneinfo(const Buddy<Cpus>& buddy, const Arena& arena) {
    std::string text;
    const Out out{text};
    bool first = true;
    for (const auto& zone : buddy.zones()) {
        text += head(zone->type());
        if (zone->populated() && std::exchange(first, false)) print_node_counters(arena, out);
        const auto& marks = zone->settings().marks;
        const auto free = static_cast<std::uint64_t>(std::max<std::int64_t>(zone->free_pages(), 0));
        const std::uint64_t boost = zone->boost();
        fmt::format_to(
            out,
            "\n  pages free     {}\n        boost    {}\n        min      {}\n        low      {}\n"
            "        high     {}\n        spanned  {}\n        present  {}\n        managed  {}\n"
            "        cma      0\n        protection: ({})",
            free, boost, marks.min + boost, marks.low + boost, marks.high + boost, zone->span().frames(),
            zone->present(), zone->managed(),
            fmt::join(std::span{zone->settings().lowmem_reserve}.first(buddy.zones().size()), ", "));
        if (zone->populated()) {
            fmt::format_to(out, "\n      {:<12} {}", "nr_free_pages", free);
            for (const auto counter : idle_counters) fmt::format_to(out, "\n      {:<12} 0", counter);
            print_pagesets(*zone, buddy.cpu_count(), out);
            fmt::format_to(out, "\n  node_unreclaimable:  0\n  start_pfn:           {}",
                           zone->span().start.value());
        }
        text += '\n';
    }
    return text;
}

/// -1.000 and 0.123 as the kernel prints thousandths; `width` columns before the point.
std::string thousandths(std::int64_t value, int width) {
    const std::string sign = value < 0 ? "-" : "";
    const std::int64_t size = value < 0 ? -value : value;
    return fmt::format("{:>{}}.{:03} ", fmt::format("{}{}", sign, size / 1000), width, size % 1000);
}

template <class Cpus, class Index>
std::string index_text(const Buddy<Cpus>& buddy, Index index, int width) {
    std::string text;
    for (const auto& zone : buddy.zones()) {
        if (!zone->populated()) continue;
        text += head(zone->type()) + ' ';
        for (Order order; order <= max_order; ++order)
            text += thousandths(index(blocks_of(*zone), order), width);
        text += '\n';
    }
    return text;
}

}  // namespace

template <class Cpus>
std::vector<Text> Buddy<Cpus>::snapshot() const {
    return {{"buddyinfo", buddyinfo(*this)},
            {"pagetypeinfo", pagetypeinfo(*this, arena_)},
            {"zoneinfo", zoneinfo(*this, arena_)},
            {"extfrag_index", index_text(*this, extfrag_index, 2)},
            {"unusable_index", index_text(*this, unusable_index, 1)}};
}

template std::vector<Text> Buddy<OwnedCpus>::snapshot() const;
template std::vector<Text> Buddy<SimulatedCpus>::snapshot() const;

}  // namespace kmemlab
