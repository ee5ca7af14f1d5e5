#include "allocators/mmu/tlb_geometry.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <utility>

namespace kmemlab {
namespace {

constexpr std::array<std::pair<std::string_view, Cached>, 7> kind_names{{{"4K", Cached::page_4k},
                                                                         {"2M", Cached::page_2m},
                                                                         {"1G", Cached::page_1g},
                                                                         {"pde", Cached::pde},
                                                                         {"pdpte", Cached::pdpte},
                                                                         {"pml4e", Cached::pml4e},
                                                                         {"pml5e", Cached::pml5e}}};
constexpr unsigned most_entries = 1U << 15;
constexpr unsigned most_tree_ways = 64;

/// What stands in `text` before `separator`, which is taken away; all of it without one.
std::string_view take_word(std::string_view& text, char separator) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// A number from 1 to most_entries; 0 if it is none.
unsigned parse_count(std::string_view text) {
    unsigned count = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool whole = error == std::errc{} && rest == text.data() + text.size();
    return whole && count <= most_entries ? count : 0;
}

class Parser {
  public:
    Parser(std::string_view text, std::string_view file) : text_{text}, file_{file} {}

    TlbGeometry run() {
        while (!text_.empty()) {
            ++line_;
            std::string_view line = take_word(text_, '\n');
            line = trimmed(take_word(line, '#'));
            if (!line.empty()) read_line(line);
        }
        check_whole();
        return std::move(result_);
    }

  private:
    template <class... Args>
    [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
        throw UsageError::of("{}:{}: {}", file_, line_, fmt::format(format, std::forward<Args>(args)...));
    }

    void read_line(std::string_view line) {
        if (line.find('=') == std::string_view::npos) fail("expected key=value, found '{}'", line);
        const std::string_view key = trimmed(take_word(line, '='));
        const std::string_view value = trimmed(line);
        if (key == "name") {
            result_.name = value;
        } else if (key == "source") {
            result_.source = value;
        } else if (key == "l1") {
            add_cache(result_.l1, value, true, false);
        } else if (key == "l2") {
            add_cache(result_.l2, value, true, true);
        } else if (key == "walk") {
            add_cache(result_.walk, value, false, true);
        } else {
            fail("no such key '{}'; valid: name, source, l1, l2, walk", key);
        }
    }

    void add_cache(std::vector<CacheGeometry>& level, std::string_view value, bool pages, bool pointers) {
        CacheGeometry cache;
        std::string_view kinds = take_word(value, ' ');
        while (!kinds.empty()) cache.kinds.push_back(read_kind(take_word(kinds, ','), pages, pointers));
        std::string_view size = take_word(value, ' ');
        cache.entries = parse_count(take_word(size, '/'));
        cache.ways = parse_count(size);
        cache.replacement = read_replacement(trimmed(value));
        check_cache(cache);
        level.push_back(std::move(cache));
        check_kinds(level);
    }

    void check_kinds(const std::vector<CacheGeometry>& level) const {
        std::array<bool, cached_kinds> held{};
        for (const CacheGeometry& cache : level) {
            for (const Cached kind : cache.kinds) {
                if (std::exchange(held[static_cast<std::size_t>(kind)], true)) {
                    fail("one level holds each kind in one place only");
                }
            }
        }
    }

    [[nodiscard]] Cached read_kind(std::string_view word, bool pages, bool pointers) const {
        for (const auto& [name, kind] : kind_names) {
            if (name == word && (is_page(kind) ? pages : pointers)) return kind;
        }
        fail("'{}' cannot be held here; expected {}", word,
             !pointers ? "4K, 2M, 1G"
             : !pages  ? "pde, pdpte, pml4e, pml5e"
                       : "4K, 2M, 1G, pde, pdpte, pml4e, pml5e");
    }

    [[nodiscard]] Replacement read_replacement(std::string_view word) const {
        if (word == "lru") return Replacement::lru;
        if (word == "plru") return Replacement::tree_plru;
        fail("expected KINDS ENTRIES/WAYS lru or plru, found '{}'", word);
    }

    void check_cache(const CacheGeometry& cache) const {
        if (cache.entries == 0 || cache.ways == 0) fail("expected ENTRIES/WAYS, each 1..{}", most_entries);
        if (cache.entries % cache.ways != 0 || !std::has_single_bit(cache.sets())) {
            fail("{}/{}: the number of sets is no power of two", cache.entries, cache.ways);
        }
        const bool tree = cache.replacement == Replacement::tree_plru;
        if (tree && (!std::has_single_bit(cache.ways) || cache.ways > most_tree_ways)) {
            fail("plru needs a power of two of ways, at most {}", most_tree_ways);
        }
    }

    void check_whole() const {
        const auto holds_small = [](const CacheGeometry& cache) {
            return std::count(cache.kinds.begin(), cache.kinds.end(), Cached::page_4k) != 0;
        };
        if (result_.name.empty()) fail("the name is missing");
        if (std::none_of(result_.l1.begin(), result_.l1.end(), holds_small)) fail("l1 holds no 4K pages");
        if (!result_.l2.empty() && std::none_of(result_.l2.begin(), result_.l2.end(), holds_small)) {
            fail("l2 holds no 4K pages");
        }
    }

    std::string_view text_;
    std::string_view file_;
    int line_ = 0;
    TlbGeometry result_;
};

constexpr std::array<std::string_view, 6> built_in{
    "name=intel-skylake-server\n"
    "source=Intel 64 and IA-32 Architectures Optimization Reference Manual (248966), TLB parameters of "
    "Skylake; "
    "walk and lru assumed\n"
    "l1=4K 64/4 lru\n"
    "l1=2M 32/4 lru\n"
    "l1=1G 4/4 lru\n"
    "l2=4K,2M 1536/12 lru\n"
    "l2=1G 16/4 lru\n"
    "walk=pde 32/4 lru\n"
    "walk=pdpte 4/4 lru\n"
    "walk=pml4e,pml5e 2/2 lru\n",

    "name=intel-golden-cove\n"
    "source=Hennessy and Patterson, Computer Architecture, 7th edition, on the Core i9-12900; walk assumed\n"
    "l1=4K 96/6 lru\n"
    "l1=2M 32/4 plru\n"
    "l1=1G 8/8 plru\n"
    "l2=4K,2M,1G 2048/16 plru\n"
    "walk=pde 32/4 lru\n"
    "walk=pdpte 4/4 lru\n"
    "walk=pml4e,pml5e 2/2 lru\n",

    "name=amd-zen2\n"
    "source=AMD Software Optimization Guide for family 17h models 30h and later (56305), and WikiChip; ways "
    "of l2 "
    "and lru assumed\n"
    "l1=4K,2M,1G 64/64 lru\n"
    "l2=4K,2M,pde 2048/16 lru\n"
    "walk=pdpte,pml4e,pml5e 64/64 lru\n",

    "name=amd-zen3\n"
    "source=from memory, to be checked against AMD's guide for family 19h (56665); lru assumed\n"
    "l1=4K,2M,1G 64/64 lru\n"
    "l2=4K,2M,pde 2048/16 lru\n"
    "walk=pdpte,pml4e,pml5e 64/64 lru\n",

    "name=amd-zen4\n"
    "source=from memory, to be checked against AMD's guide for Zen 4 (57647); lru assumed\n"
    "l1=4K,2M,1G 72/72 lru\n"
    "l2=4K,2M,pde 3072/24 lru\n"
    "walk=pdpte,pml4e,pml5e 64/64 lru\n",

    "name=arm-neoverse-n1\n"
    "source=Arm Neoverse N1 Core Technical Reference Manual (100616), memory management unit; walk and lru "
    "assumed\n"
    "l1=4K,2M 48/48 lru\n"
    "l2=4K,2M,1G 1280/5 lru\n"
    "walk=pde,pdpte,pml4e 64/64 lru\n",
};

}  // namespace

TlbGeometry parse_tlb(std::string_view text, std::string_view file) {
    return Parser{text, file}.run();
}

std::vector<TlbGeometry> known_tlbs() {
    std::vector<TlbGeometry> all;
    all.reserve(built_in.size());
    for (const std::string_view text : built_in) all.push_back(parse_tlb(text, "built in"));
    return all;
}

TlbGeometry known_tlb(std::string_view name) {
    std::vector<std::string> names;
    for (TlbGeometry& tlb : known_tlbs()) {
        if (tlb.name == name) return std::move(tlb);
        names.push_back(tlb.name);
    }
    throw UsageError::of("tlb: there is no '{}'; valid: {}", name, fmt::join(names, ", "));
}

}  // namespace kmemlab
