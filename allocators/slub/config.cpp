#include "allocators/slub/config.hpp"

#include <charconv>
#include <optional>

#include "allocators/base/units.hpp"

namespace kmemlab {
namespace {

constexpr std::uint64_t largest_partial = 1000;

Tunable auto_tunable(Literal key, Literal help, std::string& variable) {
    auto set = [&variable](std::string_view text) {
        std::uint64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto [rest, error] = std::from_chars(text.data(), end, value);
        const bool number = error == std::errc{} && rest == end && value <= largest_partial;
        if (text != "auto" && !number) return false;
        variable = text;
        return true;
    };
    auto get = [&variable] { return variable; };
    return {key, help, "auto or 0..1000", set, get};
}

Tunable debug_tunable(std::string& variable) {
    auto set = [&variable](std::string_view text) {
        if (!valid_debug_option(text)) return false;
        variable = text;
        return true;
    };
    auto get = [&variable] { return variable; };
    return {"slub.debug", "checks, as slub_debug: F sanity, Z red zones, P poison, U owners, T trace",
            "letters of FZPUTO or -, each list with caches after commas (a final * matches any rest), "
            "lists parted by ';'",
            set, get};
}

std::optional<DebugChoice> parse_letters(std::string_view letters) {
    DebugChoice choice;
    if (letters == "-") return choice;
    for (const char letter : letters) {
        switch (letter) {
            case 'F':
            case 'f':
                choice.flags = choice.flags | CacheFlags::consistency_checks;
                break;
            case 'Z':
            case 'z':
                choice.flags = choice.flags | CacheFlags::red_zone;
                break;
            case 'P':
            case 'p':
                choice.flags = choice.flags | CacheFlags::poison;
                break;
            case 'U':
            case 'u':
                choice.flags = choice.flags | CacheFlags::store_user;
                break;
            case 'T':
            case 't':
                choice.flags = choice.flags | CacheFlags::trace;
                break;
            case 'O':
            case 'o':
                choice.keep_small = true;
                break;
            default:
                return {};
        }
    }
    if (letters.empty() || letters == "O" || letters == "o") {  // none named: the usual four
        choice.flags = CacheFlags::consistency_checks | CacheFlags::red_zone | CacheFlags::poison |
                       CacheFlags::store_user;
    }
    return choice;
}

/// Cuts the part before `separator` off `text`.
std::string_view next_part(std::string_view& text, char separator) {
    const auto end = text.find(separator);
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return part;
}

bool matches(std::string_view pattern, std::string_view name) {
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == name;
}

}  // namespace

std::vector<Tunable> SlubConfig::tunables() {
    return {
        integer_tunable("slub.max_order", "largest order of a slab with several objects", max_order, 0,
                        kmemlab::max_order.value()),
        integer_tunable("slub.min_order", "least order of a slab", min_order, 0, kmemlab::max_order.value()),
        integer_tunable("slub.min_objects", "objects a slab should hold; 0: by the number of CPUs",
                        min_objects, 0, max_slab_objects),
        auto_tunable("slub.cpu_partial", "objects on a CPU's partial list; auto: by size", cpu_partial),
        auto_tunable("slub.min_partial", "empty slabs the node keeps; auto: by size", min_partial),
        debug_tunable(debug),
        switch_tunable("slub.merge", "let alike caches share slabs", merge),
        switch_tunable("slub.freelist_random", "free lists of new slabs in random order", freelist_random),
        switch_tunable("slub.freelist_hardened", "encode free pointers", freelist_hardened),
        switch_tunable("slub.cpu_partial_lists", "partial lists per CPU; 0: as a kernel for one CPU",
                       cpu_partial_lists),
        integer_tunable("slub.seed", "of random orders and encodings", seed, 0, ~std::uint64_t{0}),
    };
}

GeometryRules SlubConfig::rules(unsigned cpus) const {
    return {cpus, static_cast<unsigned>(max_order), static_cast<unsigned>(min_order),
            static_cast<unsigned>(min_objects)};
}

bool valid_debug_option(std::string_view option) {
    while (!option.empty()) {
        std::string_view section = next_part(option, ';');
        if (!parse_letters(next_part(section, ','))) return false;
    }
    return true;
}

DebugChoice debug_choice(std::string_view option, std::string_view name) {
    DebugChoice for_all;
    while (!option.empty()) {
        std::string_view section = next_part(option, ';');
        const bool names = section.find(',') != std::string_view::npos;
        const auto choice = parse_letters(next_part(section, ',')).value_or(DebugChoice{});
        if (!names) for_all = choice;
        while (!section.empty()) {
            if (matches(next_part(section, ','), name)) return choice;
        }
    }
    return for_all;
}

}  // namespace kmemlab
