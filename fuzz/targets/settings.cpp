/// The target of settings. An input is a text: its first line names an allocator of the registry, the others
/// are settings of it as `--set` takes them; or the first line is `tlb`, and the others describe translation
/// caches, or `tlb NAME` of those that are built in.
///
///     slub                        tlb
///     slub.max_order=11           name=x
///     slub.debug=FZ,settings      l1=4K 8/8 lru
///
/// Bytes above 127 stand for words: names of allocators in the first line, keys of that allocator before the
/// '=', and behind it values that its tunable might take. Control characters end lines. So most inputs mean
/// something, and each can be written as a plain text, which means the same.
///
/// Each line is taken, or refused by one line that says what is wrong with it. What those that are taken make
/// is refused by one line, or works.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string>

#include "allocators/contract/registry.hpp"
#include "fuzz/targets/exercise.hpp"
#include "fuzz/targets/target.hpp"

namespace kmemlab::fuzz {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Words = std::vector<std::string>;

constexpr std::string_view tlb_name = "tlb";
constexpr std::string_view file_name = "input";
/// What a machine has if nothing is said. A small one is made quickly.
constexpr std::string_view small_arena = "4M";
/// A larger one is not made: each 4 MiB of it cost a page of descriptors.
constexpr std::size_t largest_arena = std::size_t{16} << 20;
constexpr std::size_t most_lines = 40;

const Words tlb_words{"name=x\n", "source=", "l1=",    "l2=",     "walk=", "l1=4K ",  "l2=4K ",
                      "4K",       "2M",      "1G",     "pde",     "pdpte", "pml4e",   "pml5e",
                      ",",        "8/8",     "64/4",   "1536/12", "1/1",   "32768/1", "32768/32768",
                      "64/64",    "12/12",   " lru\n", " plru\n"};

/// What a first line can be.
const Words& first_lines() {
    static const Words lines = [] {
        Words all = model_names();
        all.emplace_back(tlb_name);
        for (const TlbGeometry& tlb : known_tlbs()) all.push_back(fmt::format("{} {}", tlb_name, tlb.name));
        for (std::string& line : all) line += '\n';
        return all;
    }();
    return lines;
}

struct Bounds {
    std::uint64_t least = 0;
    std::uint64_t largest = 0;
};

/// Those in a text like "1..256" or "auto or 0..1000"; nothing if there are none.
std::optional<Bounds> bounds_in(std::string_view accepted) {
    const auto dots = accepted.find("..");
    if (dots == std::string_view::npos) return {};
    const std::size_t begin = accepted.substr(0, dots).find_last_of(' ') + 1;
    Bounds bounds;
    const char* const end = accepted.data() + accepted.size();
    const auto least = std::from_chars(accepted.data() + begin, end, bounds.least);
    const auto largest = std::from_chars(accepted.data() + dots + 2, end, bounds.largest);
    if (least.ec != std::errc{} || largest.ec != std::errc{}) return {};
    return bounds;
}

/// The bounds of what a tunable accepts, one beyond, and what texts of its kind consist of.
Words words_for(const TunableValue& tunable) {
    Words words{"0", "1", "2", "7", "100"};
    if (const auto bounds = bounds_in(tunable.accepted)) {
        for (const std::uint64_t number :
             {bounds->least, bounds->largest, bounds->largest + 1, bounds->largest / 2 + 1}) {
            words.push_back(fmt::to_string(number));
        }
    }
    const auto add = [&](std::initializer_list<std::string_view> some) {
        words.insert(words.end(), some.begin(), some.end());
    };
    if (tunable.accepted.starts_with("auto")) add({"auto"});
    if (tunable.accepted.find("bytes") != std::string::npos)
        add({"64K", "256K", "1M", "2M", "3M", "16M", "20M", "K", "G", "T", "18446744073709551615"});
    if (tunable.key == "machine.start_pfn") add({"4000", "4096", "1048000", "1048576", "262144"});
    if (tunable.key == "machine.cpus") add({"3", "4", "8", "16", "64"});
    if (tunable.key == "zone.layout")
        add({"single", "x86-64", "DMA:", "DMA32:", "Normal:", "highmem:", "DMA", "DMA32", "Normal", "HighMem",
             "movable", ",", "128", "512", "1024"});
    if (tunable.key == "zone.lowmem_reserve_ratio") add({"/", "256/256/32", "0/0/0/0/0/0", "32"});
    if (tunable.key == "slub.debug")
        add({"F", "Z", "P", "U", "T", "O", "-", "fzput", ",", ";", "*", ",kmalloc-*", ",aligned",
             ",constructed"});
    if (tunable.key == "kstack.arch") {
        for (const ThreadLayout& layout : thread_layouts) words.emplace_back(layout.architecture);
    }
    return words;
}

/// The words of an allocator's settings.
struct Vocabulary {
    Words keys;                           ///< each with '='
    std::map<std::string, Words> values;  ///< by key
};

/// By the allocator's name.
const std::map<std::string, Vocabulary>& vocabularies() {
    static const auto all = [] {
        std::map<std::string, Vocabulary> some;
        for (const std::string& name : model_names()) {
            for (const TunableValue& tunable : tunables_of(name)) {
                some[name].keys.push_back(tunable.key + "=");
                some[name].values[tunable.key] = words_for(tunable);
            }
        }
        return some;
    }();
    return all;
}

/// Writes an input as a plain text.
class Writer {
  public:
    explicit Writer(Bytes input) {
        for (const std::uint8_t byte : input) {
            if (byte > 127) {
                add_word(byte - 128U);
            } else if (byte < ' ' && byte != '\t' && byte != '\r') {
                text_ += '\n';
            } else {
                text_ += static_cast<char>(byte);
            }
        }
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    void add_word(unsigned number) {
        const Words& words = words_here();
        if (!words.empty()) text_ += words[number % words.size()];
    }
    [[nodiscard]] const Words& words_here() const {
        static const Words none;
        const auto first_end = text_.find('\n');
        if (first_end == std::string::npos) return first_lines();
        if (text_.starts_with(tlb_name)) return tlb_words;
        const auto known = vocabularies().find(text_.substr(0, first_end));
        if (known == vocabularies().end()) return none;
        const std::size_t begin = text_.rfind('\n') + 1;
        const std::size_t equals = text_.find('=', begin);
        if (equals == std::string::npos) return known->second.keys;
        const auto values = known->second.values.find(text_.substr(begin, equals - begin));
        return values == known->second.values.end() ? none : values->second;
    }
    std::string text_;
};

std::string text_of(Bytes input) {
    return Writer{input}.take();
}

template <class... Args>
MaybeFinding broken(fmt::format_string<Args...> format, Args&&... args) {
    return Finding{.law = "settings", .what = fmt::format(format, std::forward<Args>(args)...)};
}
MaybeFinding finding_of(const MaybeViolation& violation) {
    if (!violation) return {};
    return Finding{.law = std::string{violation->law}, .what = violation->what};
}

/// What was said when `make` refused; nothing if it did not.
template <class Make>
std::optional<std::string> refusal_of(Make&& make) {
    try {
        make();
        return {};
    } catch (const UsageError& error) {
        return error.what();
    }
}

/// A refusal is one line that has `words`.
MaybeFinding judge_refusal(const std::string& said, std::string_view words) {
    if (said.find('\n') != std::string::npos) return broken("a refusal of several lines: {}", said);
    if (said.find(words) == std::string::npos) return broken("a refusal without '{}': {}", words, said);
    return {};
}

std::vector<Setting> as_settings(const std::vector<TunableValue>& values) {
    std::vector<Setting> settings;
    settings.reserve(values.size());
    for (const TunableValue& value : values) settings.push_back({value.key, value.value});
    return settings;
}

const std::string& value_of(const std::vector<TunableValue>& values, std::string_view key) {
    static const std::string none = "1";
    const auto found =
        std::find_if(values.begin(), values.end(), [&](const TunableValue& v) { return v.key == key; });
    return found == values.end() ? none : found->value;
}

std::uint64_t number_of(const std::vector<TunableValue>& values, std::string_view key) {
    std::size_t number = 0;
    static_cast<void>(parse_bytes(value_of(values, key), number));
    return number;
}

/// What is printed of settings is taken again, and prints the same.
MaybeFinding judge_values(const std::string& name, const std::vector<TunableValue>& values) {
    std::vector<TunableValue> again;
    const auto said = refusal_of([&] {
        const std::vector<Setting> settings = as_settings(values);
        again = tunables_of(name, settings);
        check_settings(settings, std::span{&name, 1});
    });
    if (said) return broken("a value that was taken is refused when it is given again: {}", *said);
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (again[i].value != values[i].value)
            return broken("{}={} reads as {}", values[i].key, values[i].value, again[i].value);
        if (values[i].help.empty() || values[i].accepted.empty())
            return broken("{} does not say what it is and takes", values[i].key);
        const auto bounds = bounds_in(values[i].accepted);
        std::uint64_t number = 0;
        if (bounds && parse_bytes(values[i].value, number) &&
            (number < bounds->least || number > bounds->largest)) {
            return broken("{}={} is taken, but said to be {}", values[i].key, number, values[i].accepted);
        }
    }
    return {};
}

/// SLUB writes a line on stderr for each operation on a cache with the letter T.
bool traces(std::string_view debug) {
    bool in_letters = true;
    for (const char c : debug) {
        if (in_letters && (c == 'T' || c == 't')) return true;
        in_letters = c == ';' || (in_letters && c != ',');
    }
    return false;
}

MaybeFinding judge_allocator(const std::string& name, const std::vector<TunableValue>& values) {
    if (number_of(values, "machine.arena") > largest_arena || traces(value_of(values, "slub.debug")))
        return {};
    std::optional<AnyAllocator> made;
    if (const auto said = refusal_of([&] { made.emplace(make_allocator(name, as_settings(values))); }))
        return judge_refusal(*said, ": ");
    if (made->info().name != name) return broken("{} was asked, {} made", name, made->info().name);
    MaybeViolation found;
    const auto cpus = static_cast<unsigned>(number_of(values, "machine.cpus"));
    // Caches of settings that leave no room for one of their objects are refused.
    if (const auto said = refusal_of([&] { found = exercise(*made, cpus); }))
        return judge_refusal(*said, ": ");
    return finding_of(found);
}

/// One line of settings: it is added to `settings`, or refused.
MaybeFinding read_setting(const std::string& name, std::string_view line, std::vector<Setting>& settings) {
    std::optional<Setting> setting;
    if (const auto said = refusal_of([&] { setting = parse_setting(line); }))
        return judge_refusal(*said, "expected key=value");
    const std::span one{&*setting, 1};
    if (const auto said = refusal_of([&] { static_cast<void>(tunables_of(name, one)); }))
        return judge_refusal(*said, fmt::format("{}={}: expected ", setting->key, setting->value));
    if (const auto said = refusal_of([&] { check_settings(one, std::span{&name, 1}); }))
        return judge_refusal(*said, fmt::format("{}: no such tunable; valid: ", setting->key));
    settings.push_back(std::move(*setting));
    return {};
}

/// Lines that are refused are left out, so that what the others mean can be seen.
MaybeFinding read_settings(const std::string& name, std::span<const std::string_view> lines) {
    if (const auto said = refusal_of([&] { static_cast<void>(tunables_of(name)); }))
        return judge_refusal(*said, fmt::format("no allocator '{}'; there are: ", name));
    std::vector<Setting> settings{{"machine.arena", std::string{small_arena}}};
    for (const std::string_view line : lines) {
        if (line.empty()) continue;
        if (auto found = read_setting(name, line, settings)) return found;
    }
    const auto values = tunables_of(name, settings);
    if (auto found = judge_values(name, values)) return found;
    return judge_allocator(name, values);
}

std::string joined(std::span<const std::string_view> lines) {
    std::string text;
    for (const std::string_view line : lines) text.append(line).append("\n");
    return text;
}

/// The line of a description that a refusal is about: "input:3: ..." is about the third.
std::size_t line_refused(std::string_view said) {
    std::size_t line = 0;
    said.remove_prefix(std::min(said.size(), file_name.size() + 1));
    std::from_chars(said.data(), said.data() + said.size(), line);
    return line;
}

/// Lines that are refused are left out here too.
MaybeFinding read_tlb(std::vector<std::string_view> lines) {
    while (!lines.empty()) {
        TlbGeometry geometry;
        const auto said = refusal_of([&] { geometry = parse_tlb(joined(lines), file_name); });
        if (!said) return finding_of(exercise(geometry));
        if (auto found = judge_refusal(*said, fmt::format("{}:", file_name))) return found;
        const std::size_t line = line_refused(*said);
        if (line == 0 || line > lines.size()) return broken("the refusal names no line: {}", *said);
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(line) - 1);
    }
    return {};
}

MaybeFinding use_known_tlb(std::string_view name) {
    TlbGeometry geometry;
    if (const auto said = refusal_of([&] { geometry = known_tlb(name); }))
        return judge_refusal(*said, fmt::format("tlb: there is no '{}'; valid: ", name));
    return finding_of(exercise(geometry));
}

MaybeFinding read(Bytes input) {
    const std::string text = text_of(input);
    std::vector<std::string_view> lines;
    for (std::size_t begin = 0; begin <= text.size() && lines.size() < most_lines;) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(std::string_view{text}.substr(begin, end - begin));
        begin = end + 1;
    }
    const std::string_view first = lines.front();
    lines.erase(lines.begin());
    if (first == tlb_name) return read_tlb(std::move(lines));
    if (first.starts_with("tlb ")) return use_known_tlb(first.substr(tlb_name.size() + 1));
    return read_settings(std::string{first}, lines);
}

}  // namespace

std::vector<Target> settings_targets() {
    return {{.name = "settings",
             .what = "settings of the registry's allocators, and descriptions of TLBs",
             .read = read,
             .print = text_of}};
}

}  // namespace kmemlab::fuzz
