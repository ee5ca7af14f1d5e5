#include "fuzz/program/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab::fuzz {
namespace {

constexpr std::array<std::size_t, 4> arena_choices{8, 4, 16, 32};  // MiB
/// Aligned to all orders, to none, to some; where DMA, DMA32 and NORMAL begin.
constexpr std::array<std::uint64_t, 8> start_choices{0, 1, 4096, 1000, 0x100000, 0x100003, 512, 3071};
/// Borders of zones that no order but the least is aligned to.
constexpr std::array<std::string_view, 7> layout_choices{
    "single",
    "x86-64",
    "DMA:333,NORMAL",
    "DMA:256,DMA32:517,NORMAL",
    "NORMAL:600,MOVABLE",
    "DMA:512,NORMAL",
    "DMA:333,DMA32:0,NORMAL",
};

/// The kinds of a language, ascending.
std::vector<OpKind> kinds_of(OpSet set) {
    std::vector<OpKind> kinds;
    kinds.reserve(op_kind_count);
    for (const OpInfo& info : op_infos) {
        if ((set & bit(info.kind)) != 0) kinds.push_back(info.kind);
    }
    return kinds;
}

/// Only what the operation reads.
Operation canonical(Operation op) {
    const OpFields& reads = info_of(op.kind).fields;
    const bool by_slot = reads.cache && !reads.slot;
    op.cpu %= 4;
    op.slot = reads.slot ? op.slot % slot_count : by_slot ? op.slot % cache_count : 0;
    op.gfp = reads.gfp ? op.gfp % gfp_choices.size() : 0;
    if (!reads.size) op.size = 0;
    if (!reads.count) op.count = 0;
    op.align = reads.cache && reads.slot ? op.align % cache_count : reads.align ? op.align % 16 : 0;
    if (!info_of(op.kind).concurrent || op.strike_count == 0 || op.strike_at == 0) {
        op.strike_at = op.strike_count = 0;
    }
    return op;
}

// --- Bytes ---

std::uint32_t load32(const std::uint8_t* from) {
    std::uint32_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
}

Operation decode_operation(const std::uint8_t* p, const std::vector<OpKind>& kinds) {
    return canonical({.kind = kinds[p[0] % kinds.size()],
                      .cpu = p[1],
                      .slot = p[2],
                      .gfp = p[3],
                      .size = load32(p + 4),
                      .count = p[8],
                      .align = p[9],
                      .strike_at = p[10],
                      .strike_count = p[11]});
}

void encode_operation(const Operation& op, const std::vector<OpKind>& kinds, std::uint8_t* p) {
    const auto index = std::find(kinds.begin(), kinds.end(), op.kind) - kinds.begin();
    p[0] = static_cast<std::uint8_t>(index);
    p[1] = op.cpu;
    p[2] = op.slot;
    p[3] = op.gfp;
    std::memcpy(p + 4, &op.size, sizeof op.size);
    p[8] = op.count;
    p[9] = op.align;
    p[10] = op.strike_at;
    p[11] = op.strike_count;
}

/// A set-up's numbers with the names that texts give them, and how many choices each has.
struct SetupNumber {
    std::string_view name;
    std::uint8_t Setup::*number;
    std::uint8_t choices;
};
constexpr std::array<SetupNumber, 5> setup_numbers{{
    {"cpus", &Setup::cpus, 4},
    {"arena", &Setup::arena, arena_choices.size()},
    {"start", &Setup::start, start_choices.size()},
    {"layout", &Setup::layout, layout_choices.size()},
    {"walk", &Setup::walk, 4},
}};

Setup canonical(Setup setup, const Language& language) {
    for (const auto& [name, number, choices] : setup_numbers) {
        setup.*number = static_cast<std::uint8_t>(setup.*number % choices);
    }
    setup.features &= language.operations;
    for (std::size_t i = 0; i < knob_count; ++i) {
        const std::size_t values = i < language.knobs.size() ? language.knobs[i].values.size() : 0;
        setup.knobs[i] = static_cast<std::uint8_t>(setup.knobs[i] % (values + 1));
    }
    return setup;
}

// --- Text ---

template <class Number>
bool parse_number(std::string_view text, Number& number) {
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
    return error == std::errc{} && rest == text.data() + text.size();
}

/// A line as its words; what stands behind `#` is left out.
std::vector<std::string_view> words_of(std::string_view line) {
    line = line.substr(0, line.find('#'));
    std::vector<std::string_view> words;
    while (!line.empty()) {
        const std::size_t begin = line.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos) break;
        const std::size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
        words.push_back(line.substr(begin, end - begin));
        line.remove_prefix(end);
    }
    return words;
}

class Parser {
  public:
    Parser(const Language& language, std::string source) : language_{language}, source_{std::move(source)} {}

    Program parse(std::string_view text) {
        for (std::size_t begin = 0; begin <= text.size();) {
            const std::size_t end = std::min(text.find('\n', begin), text.size());
            ++line_;
            read_line(words_of(text.substr(begin, end - begin)));
            begin = end + 1;
        }
        if (!begun_) refuse("a line `target NAME ...`", "the end of the text");
        return std::move(program_);
    }

  private:
    [[noreturn]] void refuse(std::string_view expected, std::string_view got) const {
        throw UsageError::of("{}:{}: expected {}, got {}", source_, line_, expected, got);
    }
    void read_line(const std::vector<std::string_view>& words) {
        if (words.empty()) return;
        if (!begun_) return read_target(words);
        const auto* const info = std::find_if(op_infos.begin(), op_infos.end(),
                                              [&](const OpInfo& i) { return i.name == words[0]; });
        if (info == op_infos.end() || (language_.operations & bit(info->kind)) == 0) {
            refuse(fmt::format("an operation of {}", language_.target), words[0]);
        }
        if (program_.operations.size() == most_operations) refuse("at most 4096 operations", "another");
        Operation op{.kind = info->kind};
        for (std::size_t i = 1; i < words.size(); ++i) read_field(words[i], op);
        program_.operations.push_back(canonical(op));
    }
    [[nodiscard]] std::pair<std::string_view, std::string_view> split(std::string_view word) const {
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) refuse("NAME=VALUE", word);
        return {word.substr(0, equals), word.substr(equals + 1)};
    }
    template <class Number>
    void read_number(std::string_view word, std::string_view value, Number& number) const {
        if (!parse_number(value, number)) refuse("a number", word);
    }
    void read_target(const std::vector<std::string_view>& words) {
        if (words.size() < 2 || words[0] != "target" || words[1] != language_.target)
            refuse(fmt::format("`target {} ...`", language_.target), words[0]);
        begun_ = true;
        for (std::size_t i = 2; i < words.size(); ++i) read_setting(words[i]);
    }
    void read_setting(std::string_view word) {
        const auto [name, value] = split(word);
        Setup& setup = program_.setup;
        if (name == "features") return read_number(word, value, setup.features);
        for (const SetupNumber& known : setup_numbers) {
            if (known.name == name) return read_number(word, value, setup.*known.number);
        }
        for (std::size_t i = 0; i < language_.knobs.size(); ++i) {
            const auto& values = language_.knobs[i].values;
            const auto chosen = std::find(values.begin(), values.end(), value);
            if (language_.knobs[i].key != name || chosen == values.end()) continue;
            setup.knobs[i] = static_cast<std::uint8_t>(chosen - values.begin() + 1);
            return;
        }
        refuse(fmt::format("a setting of {}, with one of its values", language_.target), word);
    }
    void read_field(std::string_view word, Operation& op) const {
        const auto [name, value] = split(word);
        const OpFields& reads = info_of(op.kind).fields;
        if (name == "cpu") return read_number(word, value, op.cpu);
        if (name == "slot" && reads.slot) return read_number(word, value, op.slot);
        if (name == "cache" && reads.cache) return read_number(word, value, reads.slot ? op.align : op.slot);
        if (name == "size" && reads.size) return read_number(word, value, op.size);
        if (name == "count" && reads.count) return read_number(word, value, op.count);
        if (name == "align" && reads.align) return read_number(word, value, op.align);
        if (name == "strike") {
            const std::size_t x = value.find('x');
            if (x == std::string_view::npos) refuse("strike=POINTxCOUNT", word);
            read_number(word, value.substr(0, x), op.strike_at);
            return read_number(word, value.substr(x + 1), op.strike_count);
        }
        if (name == "gfp" && reads.gfp) {
            const auto* const known =
                std::find_if(gfp_choices.begin(), gfp_choices.end(),
                             [&name = value](const GfpChoice& c) { return c.name == name; });
            if (known == gfp_choices.end()) refuse("a known gfp", word);
            op.gfp = static_cast<std::uint8_t>(known - gfp_choices.begin());
            return;
        }
        refuse(fmt::format("a number of {}", info_of(op.kind).name), word);
    }

    const Language& language_;
    std::string source_;
    std::size_t line_ = 0;
    bool begun_ = false;
    Program program_;
};

}  // namespace

std::size_t Setup::arena_bytes() const {
    return arena_choices[arena % arena_choices.size()] << 20;
}
std::uint64_t Setup::start_pfn() const {
    return start_choices[start % start_choices.size()];
}
std::string_view Setup::zone_layout() const {
    return layout_choices[layout % layout_choices.size()];
}

Program decode(std::span<const std::uint8_t> bytes, const Language& language) {
    std::array<std::uint8_t, setup_bytes> head{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), head.size()), head.begin());
    Program program;
    Setup& setup = program.setup;
    std::size_t at = 0;
    for (const SetupNumber& number : setup_numbers) setup.*number.number = head[at++];
    std::memcpy(&setup.features, head.data() + 8, sizeof setup.features);
    std::copy_n(head.begin() + 16, knob_count, setup.knobs.begin());
    setup = canonical(setup, language);

    const std::vector<OpKind> kinds = kinds_of(language.operations);
    program.operations.reserve(std::min(bytes.size() / operation_bytes, most_operations));
    for (at = setup_bytes;
         at + operation_bytes <= bytes.size() && program.operations.size() < most_operations;
         at += operation_bytes) {
        program.operations.push_back(decode_operation(bytes.data() + at, kinds));
    }
    return program;
}

std::vector<std::uint8_t> encode(const Program& program, const Language& language) {
    std::vector<std::uint8_t> bytes(setup_bytes + program.operations.size() * operation_bytes);
    const Setup& setup = program.setup;
    std::size_t at = 0;
    for (const SetupNumber& number : setup_numbers) bytes[at++] = setup.*number.number;
    std::memcpy(bytes.data() + 8, &setup.features, sizeof setup.features);
    std::copy(setup.knobs.begin(), setup.knobs.end(), bytes.begin() + 16);
    const std::vector<OpKind> kinds = kinds_of(language.operations);
    at = setup_bytes;
    for (const Operation& op : program.operations) {
        encode_operation(op, kinds, bytes.data() + at);
        at += operation_bytes;
    }
    return bytes;
}

std::string to_text(const Operation& op) {
    const OpInfo& info = info_of(op.kind);
    std::string text{info.name};
    const auto add = [&](std::string_view name, const auto& value) {
        text += fmt::format(" {}={}", name, value);
    };
    if (info.fields.slot) add("slot", op.slot % slot_count);
    if (info.fields.cache) add("cache", cache_of(op));
    if (info.fields.size) add("size", op.size);
    if (info.fields.count && op.count != 0) add("count", op.count);
    if (info.fields.align && op.align != 0) add("align", op.align);
    if (info.fields.gfp && op.gfp != 0) add("gfp", gfp_of(op).name);
    if (op.cpu != 0) add("cpu", op.cpu);
    if (op.strike_at != 0) add("strike", fmt::format("{}x{}", op.strike_at, op.strike_count));
    return text;
}

std::string to_text(const Program& program, const Language& language) {
    std::string text = fmt::format("target {}", language.target);
    for (const SetupNumber& number : setup_numbers) {
        const unsigned value = program.setup.*number.number;
        if (value != 0) text += fmt::format(" {}={}", number.name, value);
    }
    if (program.setup.features != 0) text += fmt::format(" features={:#x}", program.setup.features);
    for (const auto& [key, value] : settings_of(program.setup, language)) {
        text += fmt::format(" {}={}", key, value);
    }
    text += '\n';
    for (const Operation& op : program.operations) text += to_text(op) + '\n';
    return text;
}

std::string target_of(std::string_view text, const std::string& source) {
    std::size_t line = 1;
    for (std::size_t begin = 0; begin <= text.size(); ++line) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const auto words = words_of(text.substr(begin, end - begin));
        if (words.size() > 1 && words[0] == "target") return std::string{words[1]};
        if (!words.empty()) break;
        begin = end + 1;
    }
    throw UsageError::of("{}:{}: expected a line `target NAME ...`", source, line);
}

Program parse(std::string_view text, const Language& language, const std::string& source) {
    return Parser{language, source}.parse(text);
}

std::vector<std::pair<std::string, std::string>> settings_of(const Setup& setup, const Language& language) {
    std::vector<std::pair<std::string, std::string>> settings;
    settings.reserve(knob_count);
    for (std::size_t i = 0; i < std::min(knob_count, language.knobs.size()); ++i) {
        const Knob& knob = language.knobs[i];
        const std::size_t choice = setup.knobs[i] % (knob.values.size() + 1);
        if (choice > 0) settings.emplace_back(knob.key, knob.values[choice - 1]);
    }
    return settings;
}

}  // namespace kmemlab::fuzz
