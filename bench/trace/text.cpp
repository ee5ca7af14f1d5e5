#include "bench/trace/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "bench/trace/numbers.hpp"

namespace kmemlab::trace {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

void skip_blanks(std::string_view& text) {
    std::size_t count = 0;
    while (count < text.size() && text[count] == ' ') ++count;
    text.remove_prefix(count);
}

/// Takes the next word off `text`; empty at the end.
std::string_view take_word(std::string_view& text) {
    skip_blanks(text);
    const std::string_view word = text.substr(0, std::min(text.find(' '), text.size()));
    text.remove_prefix(word.size());
    return word;
}

std::string_view trim_end(std::string_view text) {
    while (!text.empty() && (text.back() == ' ' || text.back() == '\r' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

// ---- The head of a line ------------------------------------------------------------------------------

/// "[012] " at the begin of `text`: the CPU, and `text` moves behind it.
std::optional<std::uint32_t> take_cpu(std::string_view& text) {
    std::size_t at = 1;
    std::uint32_t cpu = 0;
    while (at < text.size() && is_digit(text[at]) && at <= 5)
        cpu = cpu * 10 + static_cast<std::uint32_t>(text[at++] - '0');
    if (at == 1 || at + 1 >= text.size() || text[at] != ']' || text[at + 1] != ' ') return std::nullopt;
    text.remove_prefix(at + 2);
    return cpu;
}

/// "SECONDS.FRACTION:" as nanoseconds; up to nine digits of fraction, and no more seconds than 64 bits hold.
std::optional<std::uint64_t> parse_time(std::string_view word) {
    constexpr std::uint64_t second = 1'000'000'000;
    constexpr std::uint64_t last_second = std::numeric_limits<std::uint64_t>::max() / second - 1;
    std::uint64_t seconds = 0;
    std::size_t at = 0;
    while (at < word.size() && is_digit(word[at]) && at <= 10)
        seconds = seconds * 10 + static_cast<unsigned>(word[at++] - '0');
    if (at == 0 || at >= word.size() || word[at] != '.' || seconds > last_second) return std::nullopt;
    std::uint64_t fraction = 0;
    std::uint64_t unit = second;
    for (++at; at < word.size() && is_digit(word[at]) && unit > 1; ++at, unit /= 10)
        fraction = fraction * 10 + static_cast<unsigned>(word[at] - '0');
    if (at + 1 != word.size() || word[at] != ':') return std::nullopt;
    return seconds * second + fraction * unit;
}

/// Behind [CPU]: the time, perhaps after a column of flags.
std::optional<std::uint64_t> take_time(std::string_view& text) {
    std::string_view word = take_word(text);
    if (word.empty()) return std::nullopt;
    if (!is_digit(word[0]) || word.back() != ':') word = take_word(text);
    return parse_time(word);
}

/// Finds [CPU] and the time; `text` moves behind them. A COMM may look like "[1] ", so every bracket is
/// tried.
bool take_head(std::string_view& text, Record& record) {
    std::size_t bracket = text.find('[');
    while (bracket != std::string_view::npos) {
        std::string_view rest = text.substr(bracket);
        if (const auto cpu = take_cpu(rest)) {
            if (const auto time = take_time(rest)) {
                record.cpu = *cpu;
                record.time = *time;
                text = rest;
                return true;
            }
        }
        bracket = text.find('[', bracket + 1);
    }
    return false;
}

// ---- The name of the event ---------------------------------------------------------------------------

/// The numbers of Event, in its order.
constexpr std::array<std::string_view, event_count> event_names{
    "kmalloc",
    "kmalloc_node",
    "kmem_cache_alloc",
    "kmem_cache_alloc_node",
    "kfree",
    "kmem_cache_free",
    "mm_page_alloc",
    "mm_page_free",
    "mm_page_free_batched",
    "alloc_vmap_area",
    "free_vmap_area_noflush",
    "purge_vmap_area_lazy",
};

std::optional<Event> event_of(std::string_view name) {
    for (unsigned i = 0; i < event_count; ++i)
        if (event_names[i] == name) return static_cast<Event>(i);
    return std::nullopt;
}

/// Takes "EVENT:" or "SYSTEM:EVENT:" off `text`. Other systems may name an event as ours do.
std::optional<Event> take_event(std::string_view& text) {
    std::string_view word = take_word(text);
    if (word.empty() || word.back() != ':') return std::nullopt;
    word.remove_suffix(1);
    if (const std::size_t colon = word.find(':'); colon != std::string_view::npos) {
        const std::string_view system = word.substr(0, colon);
        if (system != "kmem" && system != "vmalloc") return std::nullopt;
        word.remove_prefix(colon + 1);
    }
    return event_of(word);
}

// ---- Fields ------------------------------------------------------------------------------------------

enum class Field : std::uint8_t {
    call_site,
    ptr,
    name,
    bytes_req,
    bytes_alloc,
    gfp_flags,
    page,
    pfn,
    order,
    migratetype,
    va_start,
    size,
    align,
    failed,
    num_purged,
    npurged,
};
constexpr std::array<std::string_view, 16> field_names{
    "call_site", "ptr",         "name",     "bytes_req", "bytes_alloc", "gfp_flags", "page",       "pfn",
    "order",     "migratetype", "va_start", "size",      "align",       "failed",    "num_purged", "npurged",
};

constexpr std::uint32_t bit(Field field) {
    return std::uint32_t{1} << static_cast<unsigned>(field);
}

template <class... Fields>
constexpr std::uint32_t set_of(Fields... fields) {
    return (bit(fields) | ...);
}

constexpr std::uint32_t allocation_needs =
    set_of(Field::call_site, Field::ptr, Field::bytes_req, Field::bytes_alloc, Field::gfp_flags);

constexpr std::array<std::uint32_t, event_count> needs{
    allocation_needs,
    allocation_needs,
    allocation_needs,
    allocation_needs,
    set_of(Field::call_site, Field::ptr),
    set_of(Field::call_site, Field::ptr),
    set_of(Field::pfn, Field::order, Field::migratetype, Field::gfp_flags),
    set_of(Field::pfn, Field::order),
    set_of(Field::pfn),
    set_of(Field::va_start, Field::size, Field::align, Field::failed),
    set_of(Field::va_start),
    set_of(Field::num_purged),
};

/// Length and first letter tell the names of our fields apart, but for one pair.
std::optional<Field> field_of(std::string_view key) {
    const auto is = [&](Field field) {
        return key == field_names[static_cast<unsigned>(field)] ? std::optional{field} : std::nullopt;
    };
    if (key.size() < 3) return std::nullopt;
    switch (key.size() << 8 | static_cast<unsigned char>(key[0])) {
        case 9 << 8 | 'c':
            return is(Field::call_site);
        case 3 << 8 | 'p':
            return key[1] == 't' ? is(Field::ptr) : is(Field::pfn);
        case 4 << 8 | 'n':
            return is(Field::name);
        case 9 << 8 | 'b':
            return is(Field::bytes_req);
        case 11 << 8 | 'b':
            return is(Field::bytes_alloc);
        case 9 << 8 | 'g':
            return is(Field::gfp_flags);
        case 4 << 8 | 'p':
            return is(Field::page);
        case 5 << 8 | 'o':
            return is(Field::order);
        case 11 << 8 | 'm':
            return is(Field::migratetype);
        case 8 << 8 | 'v':
            return is(Field::va_start);
        case 4 << 8 | 's':
            return is(Field::size);
        case 5 << 8 | 'a':
            return is(Field::align);
        case 6 << 8 | 'f':
            return is(Field::failed);
        case 10 << 8 | 'n':
            return is(Field::num_purged);
        case 7 << 8 | 'n':
            return is(Field::npurged);
        default:
            return std::nullopt;
    }
}

bool set_number(std::uint64_t& target, std::string_view value) {
    const auto number = parse_number(value);
    if (number) target = *number;
    return number.has_value();
}

/// ptr= of an object may be ZERO_SIZE_PTR, what kmalloc(0) gives: it is none.
constexpr std::uint64_t zero_size_ptr = 16;

/// ptr= and page=; no thing has an address up to `last_null`.
bool set_address(Record& record, std::string_view value, std::uint64_t last_null) {
    record.address_kind = Record::Address::known;
    if (value == "(null)" || value == "(nil)") {
        record.address_kind = Record::Address::null;
    } else if (value == "(____ptrval____)" || value == "(ptrval)") {
        record.address_kind = Record::Address::hidden;
    } else {
        const auto address = parse_hex(value);
        if (!address) return false;
        record.address = *address;
        if (*address <= last_null) record.address_kind = Record::Address::null;
    }
    return true;
}

/// False if the value is not of the form that the field has.
bool set_field(Record& record, Field field, std::string_view value) {
    switch (field) {
        case Field::call_site:
            record.call_site = value;
            return !value.empty();
        case Field::name:
            record.name = value;
            return !value.empty();
        case Field::gfp_flags:
            record.gfp_flags = value;
            return !value.empty();
        case Field::ptr:
            return set_address(record, value, zero_size_ptr);
        case Field::page:
            return set_address(record, value, 0);
        case Field::pfn:
            return set_number(record.pfn, value);
        case Field::bytes_req:
        case Field::size:
            return set_number(record.bytes_req, value);
        case Field::bytes_alloc:
            return set_number(record.bytes_alloc, value);
        case Field::order:
            return set_number(record.order, value);
        case Field::migratetype:
            return set_number(record.migrate_type, value);
        case Field::va_start:
            return set_number(record.address, value);
        case Field::align:
            return set_number(record.align, value);
        case Field::num_purged:
        case Field::npurged:
            return set_number(record.purged, value);
        case Field::failed:
            record.failed = value != "0";
            return value == "0" || parse_number(value);
    }
    return false;
}

std::string_view expected_form(Field field) {
    switch (field) {
        case Field::ptr:
        case Field::page:
            return "an address in hexadecimal, (null) or (____ptrval____)";
        case Field::call_site:
        case Field::name:
        case Field::gfp_flags:
            return "a name";
        default:
            return "a number";
    }
}

/// Walks over the fields of an event of ours.
class FieldParser {
  public:
    FieldParser(std::string_view text, Record& record) : text_{text}, record_{record} {}

    [[nodiscard]] std::uint32_t present() const { return present_; }
    [[nodiscard]] const std::string& error() const { return error_; }

    /// False if a value is malformed: error() tells.
    bool parse() {
        while (true) {
            skip_blanks(text_);
            if (text_.empty()) return true;
            if (!take_field()) return false;
        }
    }

  private:
    bool take_field() {
        std::size_t at = 0;
        while (at < text_.size() && text_[at] != '=' && text_[at] != ' ' && text_[at] != ':') ++at;
        const std::string_view key = text_.substr(0, at);
        if (at == text_.size() || text_[at] == ' ') return take_bare_word(key);
        const bool colon = text_[at] == ':';
        text_.remove_prefix(at + 1);
        if (colon && !text_.empty() && text_[0] != ' ') return take_word(text_), true;
        std::string_view value = take_value(colon);
        const auto field = field_of(key);
        if (!field) return true;
        present_ |= bit(*field);
        if (set_field(record_, *field, value)) return true;
        error_ = fmt::format("{}={}: expected {}", key, excerpt(value), expected_form(*field));
        return false;
    }

    /// A word without a value is skipped; but the module of a call site belongs to it: "f+0x1/0x2 [ext4]".
    bool take_bare_word(std::string_view word) {
        text_.remove_prefix(word.size());
        const char* site_end = record_.call_site.data() + record_.call_site.size();
        if (word.starts_with('[') && !record_.call_site.empty() && site_end + 1 == word.data())
            record_.call_site = {record_.call_site.data(), record_.call_site.size() + 1 + word.size()};
        return true;
    }

    std::string_view take_value(bool after_blanks) {
        if (after_blanks) skip_blanks(text_);
        std::size_t end = 0;
        while (end < text_.size() && text_[end] != ' ') ++end;
        std::string_view value = text_.substr(0, end);
        text_.remove_prefix(end);
        if (value.ends_with(',')) value.remove_suffix(1);
        return value;
    }

    std::string_view text_;
    Record& record_;
    std::uint32_t present_ = 0;
    std::string error_;
};

// ---- What the values must be -------------------------------------------------------------------------

constexpr std::uint64_t largest_order = 31;
constexpr std::uint64_t largest_migrate_type = 15;
constexpr std::uint64_t largest_area = std::uint64_t{0xffffffff} << page_shift;

std::string range_error(const Record& record, std::uint32_t present) {
    if (record.cpu >= max_cpus) return fmt::format("CPU {}: expected 0..{}", record.cpu, max_cpus - 1);
    if (record.order > largest_order)
        return fmt::format("order={}: expected 0..{}", record.order, largest_order);
    if (record.migrate_type > largest_migrate_type)
        return fmt::format("migratetype={}: expected 0..{}", record.migrate_type, largest_migrate_type);
    if ((present & bit(Field::bytes_req)) != 0 && record.bytes_req > 0xffffffff && !record.failed)
        return fmt::format("bytes_req={}: expected less than 4 GiB", record.bytes_req);
    // All ones is no address: it is how an error looks.
    const bool no_frame = record.pfn == ~std::uint64_t{0} && !record.failed;
    if (record.address == ~std::uint64_t{0} || no_frame)
        return "an address of all ones: expected an object's";
    if (record.bytes_req > largest_area)
        return fmt::format("size={}: larger than any area", record.bytes_req);
    return {};
}

/// The kernel prints no failure in its own right for what is not an area: it prints a null address.
/// Without page= (perf cannot always compute it) a failed page allocation has the pfn 0 or ~0.
void settle_failure(Record& record, std::uint32_t present) {
    const bool has_address = (present & set_of(Field::ptr, Field::page)) != 0;
    if (has_address && record.address_kind == Record::Address::null) record.failed = true;
    if (record.event != Event::mm_page_alloc) return;
    if (record.pfn == ~std::uint64_t{0}) record.failed = true;
    if (!has_address && record.pfn == 0) record.failed = true;
}

std::string missing_error(Event event, std::uint32_t missing) {
    std::string list;
    for (unsigned i = 0; i < field_names.size(); ++i)
        if ((missing >> i & 1) != 0) list += fmt::format(" {}=", field_names[i]);
    return fmt::format("{} lacks{}", to_string(event), list);
}

ParsedLine malformed(std::string error) {
    return {LineKind::malformed, 0, std::move(error)};
}

ParsedLine parse_fields(Event event, std::string_view text, Record& record) {
    record.event = event;
    FieldParser fields{text, record};
    if (!fields.parse()) return malformed(fmt::format("{}: {}", to_string(event), fields.error()));
    std::uint32_t present = fields.present();
    if ((present & bit(Field::npurged)) != 0) present |= bit(Field::num_purged);
    if (const std::uint32_t missing = needs[static_cast<unsigned>(event)] & ~present; missing != 0)
        return malformed(missing_error(event, missing));
    settle_failure(record, present);
    if (std::string error = range_error(record, present); !error.empty())
        return malformed(fmt::format("{}: {}", to_string(event), error));
    return {LineKind::record, 0, {}};
}

// ---- Lines that are no events ------------------------------------------------------------------------

/// "CPU:1 [LOST 12 EVENTS]", "CPU:1 [LOST EVENTS]", "CPU:1 [12 EVENTS DROPPED]", "CPU:1 [EVENTS DROPPED]".
std::optional<std::uint64_t> parse_lost(std::string_view line) {
    const std::size_t bracket = line.find(" [");
    if (!line.starts_with("CPU:") || bracket == std::string_view::npos || !line.ends_with(']'))
        return std::nullopt;
    std::string_view what = line.substr(bracket + 2, line.size() - bracket - 3);
    if (what.starts_with("LOST")) what.remove_prefix(4);
    if (what.ends_with("DROPPED")) what.remove_suffix(7);
    const std::string_view first = take_word(what);
    if (first == "EVENTS") return 0;
    return take_word(what) == "EVENTS" ? parse_digits(first, 10) : std::nullopt;
}

/// "# entries-in-buffer/entries-written: 35811/40000   #P:2": the rest was overwritten.
std::optional<std::uint64_t> parse_overwritten(std::string_view line) {
    constexpr std::string_view head = "# entries-in-buffer/entries-written:";
    if (!line.starts_with(head)) return std::nullopt;
    line.remove_prefix(head.size());
    const std::string_view word = take_word(line);
    const std::size_t slash = std::min(word.find('/'), word.size());
    const auto kept = parse_digits(word.substr(0, slash), 10);
    const auto written = parse_digits(word.substr(std::min(slash + 1, word.size())), 10);
    if (!kept || !written || *kept >= *written) return std::nullopt;
    return *written - *kept;
}

/// ftrace: " => f"; perf: an address, a symbol and where it is in parentheses.
bool is_stack_line(std::string_view line) {
    if (line.starts_with(" => ") || line.starts_with("=> ")) return true;
    if (!line.starts_with(' ') && !line.starts_with('\t')) return false;
    const std::size_t begin = line.find_first_not_of(" \t");
    line.remove_prefix(std::min(begin, line.size()));
    const std::string_view address = take_word(line);
    return parse_digits(address, 16).has_value() && line.ends_with(')');
}

/// What trace-cmd prints above the events.
bool is_head_line(std::string_view line) {
    return line.starts_with("cpus=") || line.starts_with("version = ") || line.starts_with("trace-cmd") ||
           ((line.starts_with("CPU ") || line.starts_with("cpu ")) && line.ends_with(" is empty"));
}

ParsedLine parse_other_line(std::string_view line) {
    if (const auto lost = parse_lost(line)) return {LineKind::lost, *lost, {}};
    if (const auto lost = parse_overwritten(line)) return {LineKind::lost, *lost, {}};
    if (line.empty() || line[0] == '#' || is_head_line(line) || is_stack_line(line)) return {};
    return malformed(fmt::format(
        "cannot be parsed: expected \"COMM-PID [CPU] SECONDS.FRACTION: EVENT: FIELDS\", found \"{}\"",
        excerpt(line)));
}

}  // namespace

std::string_view to_string(Event event) {
    return event_names[static_cast<unsigned>(event)];
}

std::string excerpt(std::string_view text) {
    constexpr std::size_t longest = 60;
    std::string result{text.substr(0, longest)};
    std::replace_if(
        result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return text.size() > longest ? result + "..." : result;
}

ParsedLine parse_line(std::string_view line, Record& record) {
    line = trim_end(line);
    if (line.empty() || line[0] == '#') return parse_other_line(line);
    record = Record{};
    std::string_view rest = line;
    if (!take_head(rest, record)) return parse_other_line(line);
    const auto event = take_event(rest);
    if (!event) return {LineKind::other_event, 0, {}};
    return parse_fields(*event, rest, record);
}

}  // namespace kmemlab::trace
