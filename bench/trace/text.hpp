/// One line of a recording's text -> a Record. Three programs print such lines; what differs is the head:
///
///     ftrace            COMM-PID    [CPU] FLAGS SECONDS.MICROS: EVENT: FIELDS
///     trace-cmd report  COMM-PID    [CPU] [FLAGS] SECONDS.MICROS: EVENT:   FIELDS
///     perf script       COMM PID[/TID] [CPU] SECONDS.MICROS: SYSTEM:EVENT: FIELDS
///
/// ftrace may print "(TGID)" before [CPU]; a COMM may hold blanks and brackets. Fields are KEY=VALUE or
/// "KEY: VALUE", in any order, with or without a comma behind; words without a value are skipped. Lines
/// that are no events: comments (#), "cpus=N" and "version = N" (trace-cmd), "CPU N is empty",
/// "CPU:N [LOST M EVENTS]" (ftrace), "CPU:N [M EVENTS DROPPED]" (trace-cmd), the lines of a stack trace.
///
/// Fields that an event needs; more are ignored. Addresses may be hashed, hexadecimal with or without 0x,
/// (null), or (____ptrval____):
///
/// | event                                   | needs                                                 |
/// |-----------------------------------------|-------------------------------------------------------|
/// | kmalloc[_node], kmem_cache_alloc[_node] | call_site ptr bytes_req bytes_alloc gfp_flags         |
/// | kfree, kmem_cache_free                  | call_site ptr (name: since 5.12; of allocations: 6.1) |
/// | mm_page_alloc                           | pfn order migratetype gfp_flags (page: null if failed)|
/// | mm_page_free                            | pfn order                                             |
/// | mm_page_free_batched                    | pfn                                                   |
/// | alloc_vmap_area                         | va_start size align failed                            |
/// | free_vmap_area_noflush                  | va_start                                              |
/// | purge_vmap_area_lazy                    | num_purged (raw: npurged)                             |
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/trace/trace.hpp"

namespace kmemlab::trace {

/// Views point into the line.
struct Record {
    /// What an address field says beside a number.
    enum class Address : std::uint8_t { known, null, hidden };

    Event event{};
    Address address_kind = Address::known;
    std::uint32_t cpu = 0;
    std::uint64_t time = 0;     ///< nanoseconds of the recording's clock
    std::uint64_t address = 0;  ///< ptr or va_start
    std::uint64_t pfn = 0;
    std::uint64_t bytes_req = 0;  ///< size= of an area, too
    std::uint64_t bytes_alloc = 0;
    std::uint64_t align = 0;  ///< bytes
    std::uint64_t order = 0;
    std::uint64_t migrate_type = 0;
    std::uint64_t purged = 0;
    bool failed = false;
    std::string_view call_site;
    std::string_view gfp_flags;
    std::string_view name;  ///< empty if the kernel prints none
};

enum class LineKind : std::uint8_t {
    record,       ///< an event of ours, in the Record
    other_event,  ///< an event of another kind
    no_event,     ///< a comment, a head, a line of a stack trace
    lost,         ///< says that events were lost; how many is in ParsedLine::lost, 0 if it does not say
    malformed,    ///< ParsedLine::error says what was expected
};

struct ParsedLine {
    LineKind kind = LineKind::no_event;
    std::uint64_t lost = 0;
    std::string error;
};

/// `line` has no newline. Fills `record` only for LineKind::record.
[[nodiscard]] ParsedLine parse_line(std::string_view line, Record& record);

/// At most 60 characters of `text`, printable: for messages.
[[nodiscard]] std::string excerpt(std::string_view text);

}  // namespace kmemlab::trace
