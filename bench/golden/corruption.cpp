/// Planted corruptions of SLUB objects (slub_debug): the kernel's self-test and some more. Each case is made
/// again on the model; then the number of reports of each step, the layout of the cache, and the reports are
/// compared.
///
/// Of a report's text these elements count: the reason, the taint, places as offsets in their page, counts,
/// owners without address and time, each dumped byte, and what was repaired. Stack traces and process
/// numbers are the kernel's own.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "allocators/slub/slub.hpp"
#include "bench/golden/checks.hpp"
#include "bench/golden/numbered_pages.hpp"

namespace kmemlab::golden {
namespace {

constexpr CpuId cpu{0};
constexpr std::size_t object_bytes = 64;
constexpr std::size_t kmalloc_bytes = 18;
constexpr std::size_t kmalloc_class_bytes = 32;

/// What one step of a case did, and what was reported in it.
struct Step {
    std::string what;
    std::string report;
    unsigned other = 0;  ///< reports in other words: a cache that cannot be destroyed

    [[nodiscard]] std::ptrdiff_t lines(std::string_view beginning) const {
        const auto all = fields_of(report, '\n');
        return std::count_if(all.begin(), all.end(),
                             [&](std::string_view line) { return line.starts_with(beginning); });
    }
    [[nodiscard]] std::ptrdiff_t bugs() const { return lines("BUG "); }
    [[nodiscard]] std::ptrdiff_t fixes() const { return lines("FIX "); }
};

CacheFlags flags_of(std::string_view letters) {
    CacheFlags flags = CacheFlags::none;
    for (const auto& [letter, flag] :
         {std::pair{'F', CacheFlags::consistency_checks}, std::pair{'Z', CacheFlags::red_zone},
          std::pair{'P', CacheFlags::poison}, std::pair{'U', CacheFlags::store_user}}) {
        if (letters.find(letter) != std::string_view::npos) flags = flags | flag;
    }
    return flags;
}

/// A machine with one cache, on which a case is played step by step.
class Stage {
  public:
    /// `cache`: the name of the cache; `letters` as slub_debug has them.
    Stage(const std::string& cache, std::string_view letters, bool kmalloc)
        : slub_{pages_, cpus_, {.debug = kmalloc ? std::string{letters} : ""}, misuse_},
          cache_{kmalloc ? slub_.kmalloc_cache(kmalloc_bytes, GFP_KERNEL)
                         : *slub_.kmem_cache_create(
                               {.name = cache, .size = object_bytes, .flags = flags_of(letters)})} {}

    std::byte* alloc() { return static_cast<std::byte*>(slub_.kmem_cache_alloc(cache_, GFP_KERNEL, cpu)); }
    std::byte* freed() {
        std::byte* const p = alloc();
        slub_.kmem_cache_free(cache_, p, cpu);
        return p;
    }
    std::byte* kmalloc() { return static_cast<std::byte*>(slub_.kmalloc(kmalloc_bytes, GFP_KERNEL, cpu)); }
    /// Where the free pointer of a free object lies.
    std::byte* free_pointer(std::byte* p) const { return p + cache_.geometry.free_offset; }

    /// Its offset in a free object, if it lies within.
    [[nodiscard]] std::optional<std::size_t> inner_free_pointer() const {
        if (cache_.geometry.free_pointer_outside()) return std::nullopt;
        return cache_.geometry.free_offset;
    }
    /// Makes the next object of the cache that at `offset` in its slab, the `used`th in use. False if it
    /// cannot be.
    bool occupy(std::size_t used, std::size_t offset) {
        const Geometry& g = cache_.geometry;
        const std::size_t index = (offset - g.left_pad) / g.size;
        if (used > g.objects || index >= used) return false;
        std::vector<std::byte*> others(used);
        for (std::byte*& p : others) p = alloc();
        slub_.kmem_cache_free(cache_, others[index], cpu);
        return true;
    }

    void validate(std::string what) {
        slub_.validate(cache_, cpu);
        end_step(std::move(what));
    }
    void free(void* p, std::string what) {
        slub_.kmem_cache_free(cache_, p, cpu);
        end_step(std::move(what));
    }
    void kfree(void* p) {
        slub_.kfree(p, cpu);
        end_step("kfree");
    }
    void destroy() {
        const bool destroyed = slub_.kmem_cache_destroy(cache_, cpu);
        end_step("kmem_cache_destroy");
        if (!destroyed) steps_.back().other = 1;
    }
    [[nodiscard]] std::vector<Step> take_steps() { return std::move(steps_); }

  private:
    void end_step(std::string what) { steps_.push_back({std::move(what), std::exchange(report_, {}), 0}); }

    OwnedCpus cpus_{1};
    NumberedPages<OwnedCpus> pages_{cpus_};
    std::string report_;
    MisuseLog misuse_ = MisuseLog::keep_going([this](const Misuse& m) { report_ += m.report; });
    Slub<OwnedCpus> slub_;
    Slub<OwnedCpus>::Cache& cache_;
    std::vector<Step> steps_;
};

struct Case {
    std::string_view name;
    std::string_view self_test;                     ///< in the kernel's self-test; empty: not there
    std::string_view self_test_letters;             ///< flags of its cache there
    std::vector<std::ptrdiff_t> self_test_reports;  ///< BUG and FIX lines that it demands of each validation
    bool kmalloc = false;
    void (*play)(Stage&);
};

void play_next_ptr(Stage& stage) {
    std::byte* const at = stage.free_pointer(stage.freed());
    void* before = nullptr;
    std::memcpy(&before, at, sizeof before);
    *at = ~*at;
    stage.validate("validate after first byte of the free pointer complemented");
    std::memcpy(at, &before, sizeof before);  // all of it: the validation cut the list off there
    stage.validate("validate after it was put back");
    stage.validate("validate again");
    stage.destroy();
}

void play_rz_alloc(Stage& stage) {
    std::byte* const p = stage.alloc();
    p[64] = std::byte{0x12};
    stage.validate("validate after p[64]=0x12");
    stage.free(p, "kmem_cache_free");
    stage.destroy();
}

/// Of a freed object the byte at `at` becomes `value`.
void play_write_after_free(Stage& stage, std::size_t at, unsigned char value, std::string what) {
    stage.freed()[at] = std::byte{value};
    stage.validate(std::move(what));
    stage.destroy();
}
void play_first_word(Stage& stage) {
    play_write_after_free(stage, 0, 0x78, "validate after *p=0x78 of a free object");
}
void play_byte50(Stage& stage) {
    play_write_after_free(stage, 50, 0x9a, "validate after p[50]=0x9a of a free object");
}
void play_rz_free(Stage& stage) {
    play_write_after_free(stage, object_bytes, 0xab, "validate after p[64]=0xab of a free object");
}

void play_double_free(Stage& stage) {
    stage.free(stage.freed(), "second kmem_cache_free");
    stage.validate("validate");
    stage.destroy();
}

void play_kmalloc_rz(Stage& stage) {
    std::byte* const p = stage.kmalloc();
    p[kmalloc_class_bytes] = std::byte{0xab};
    stage.validate("validate after p[object_size]=0xab of kmalloc(18)");
    stage.kfree(p);
}

void play_kmalloc_tail(Stage& stage) {
    std::byte* const p = stage.kmalloc();
    p[18] = p[19] = std::byte{0xab};
    stage.validate("validate after p[18]=p[19]=0xab of kmalloc(18)");
    stage.kfree(p);
}

/// In the order of the kernel's self-test.
const std::vector<Case>& cases() {
    static const std::vector<Case> all{
        {"rz_alloc", "test_clobber_zone", "Z", {2}, false, play_rz_alloc},
        {"next_ptr", "test_next_pointer", "P", {3, 2, 0}, false, play_next_ptr},
        {"first_word", "test_first_word", "P", {2}, false, play_first_word},
        {"byte50", "test_clobber_50th_byte", "P", {2}, false, play_byte50},
        {"rz_free", "test_clobber_redzone_free", "Z", {2}, false, play_rz_free},
        {"double_free", "", "", {}, false, play_double_free},
        {"kmalloc_rz", "", "", {}, true, play_kmalloc_rz},
        {"kmalloc_tail", "", "", {}, true, play_kmalloc_tail},
    };
    return all;
}

const Case& case_named(const GoldenFile& file, std::size_t line, std::string_view name) {
    const auto found =
        std::find_if(cases().begin(), cases().end(), [&](const Case& c) { return c.name == name; });
    if (found == cases().end()) throw file.bad(line, "no case '{}' is known", name);
    return *found;
}

std::string_view letters_of(const Case& which, std::string_view flags) {
    return flags == "kunit" ? which.self_test_letters : flags;
}

/// `flags`: letters of slub_debug, or kunit for those of the self-test.
std::vector<Step> play(const Case& which, const std::string& cache, std::string_view flags) {
    Stage stage{cache, letters_of(which, flags), which.kmalloc};
    which.play(stage);
    return stage.take_steps();
}

// --- the text of reports ---

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/// Addresses, 16 hexadecimal digits each, become offsets in their page: the kernel's pages lie elsewhere.
std::string without_places(std::string_view line) {
    std::string text;
    for (std::size_t i = 0; i < line.size();) {
        std::size_t end = i;
        while (end < line.size() && is_hex(line[end])) ++end;
        if (end - i == 16) {
            const std::string_view digits = line.substr(i, 16);
            text += digits.find_first_not_of('0') == std::string_view::npos ? "0" : digits.substr(13);
            i = end;
        } else {
            text += line.substr(i, end - i + (end < line.size() ? 1 : 0));
            i = end + 1;
        }
    }
    return text;
}

/// The part of `line` from `from` up to `to`, both included as far as they are there.
std::string_view between(std::string_view line, std::string_view from, std::string_view to) {
    line.remove_prefix(std::min(line.find(from), line.size()));
    return line.substr(0, line.find(to));
}

/// The decimal number behind `key`, or nothing.
std::optional<std::size_t> number_behind(std::string_view line, std::string_view key) {
    const auto at = line.find(key);
    if (at == std::string_view::npos) return std::nullopt;
    line.remove_prefix(at + key.size());
    const auto found = parse_integer(line.substr(0, line.find_first_not_of("0123456789")));
    return found ? std::optional{static_cast<std::size_t>(*found)} : std::nullopt;
}

/// Reads a report and tells of each line what counts.
class ReportReader {
  public:
    /// `free_pointer`: its offset in a free object if it lies within; it is an address, which differs.
    explicit ReportReader(std::optional<std::size_t> free_pointer) : free_pointer_{free_pointer} {}

    /// Empty: nothing counts.
    std::string element(std::string_view line) {
        if (line.starts_with("Slab 0x")) {
            return "Slab " + without_places(between(line, "objects=", " flags="));
        }
        if (line.starts_with("Object 0x")) object_ = number_behind(line, "@offset=").value_or(0);
        for (const std::string_view owner : {"Allocated in ", "Freed in "}) {
            if (line.starts_with(owner)) {
                return std::string{owner} + std::string{between(line, "cpu=", " pid=")};
            }
        }
        for (const std::string_view dump : {"Object   ", "Redzone  ", "Padding  ", "Bytes b4 "}) {
            if (line.starts_with(dump)) return dumped(line);
        }
        for (const std::string_view kept : {"kmemref: ", "BUG ", "FIX ", "0x", "Object 0x"}) {
            if (line.starts_with(kept)) return without_places(line);
        }
        if (line.starts_with("kmem_cache_destroy ")) {
            return std::string{between(line, "kmem_cache", " when called")};
        }
        return "";
    }

  private:
    /// `Object   ADDRESS: 6b 6b .. (16 bytes)  text`: place and bytes, of a free pointer its offset.
    [[nodiscard]] std::string dumped(std::string_view line) const {
        constexpr std::size_t bytes_at = 9 + 16 + 2;
        constexpr std::size_t byte_width = 3;
        constexpr std::size_t bytes_width = 16 * byte_width;
        std::string text{line.substr(0, bytes_at + bytes_width)};
        const auto place = parse_integer(fmt::format("0x{}", line.substr(bytes_at - 5, 3)));
        if (free_pointer_ && line.starts_with("Object") && place) {
            const std::size_t in_line = object_ + *free_pointer_ - static_cast<std::size_t>(*place);
            if (in_line < 16) {
                const std::string low =
                    text.substr(bytes_at + in_line * byte_width, 5);  // two bytes, lowest first
                text.replace(bytes_at + in_line * byte_width, 8 * byte_width,
                             fmt::format("free pointer {}{} ", low.substr(4), low.substr(0, 2)));
            }
        }
        return without_places(text);
    }

    std::optional<std::size_t> free_pointer_;
    std::size_t object_ = 0;  ///< offset of the object reported on
};

/// The model's text of a case, in the words of the kernel's module.
std::string text_of(const std::vector<Step>& steps, std::string_view cache) {
    std::string text;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        text += fmt::format("kmemref: step {} {}\n{}", i, steps[i].what, steps[i].report);
        if (steps[i].other > 0) {
            text += fmt::format("kmem_cache_destroy {}: Slab cache still has objects\n", cache);
        }
    }
    return text;
}

/// Objects of others that were in the slab: of a kmalloc cache the kernel has some. The report tells them.
void prepare(Stage& stage, const GoldenFile& file) {
    for (std::size_t i = 0; i + 1 < file.lines().size(); ++i) {
        const auto used = number_behind(file.lines()[i], " used=");
        const auto offset = number_behind(file.lines()[i + 1], "@offset=");
        if (!used || !offset) continue;
        if (!stage.occupy(*used, *offset)) throw file.bad(i, "no state of the slab is like that");
        return;
    }
}

/// The value of a field `key=` of a line with blanks.
std::string_view word_of(std::string_view line, std::string_view key) {
    for (const std::string_view word : fields_of(line, ' ')) {
        if (word.starts_with(key)) return word.substr(key.size());
    }
    return "";
}

}  // namespace

void check_corruption_counts(Comparison& comparison) {
    comparison.set_forms({"*,*,0,*,0,0,0,0"});
    comparison.pass_header("case");
    while (!comparison.at_end()) {
        const auto first = comparison.next_row();
        const Case& which = case_named(comparison.file(), comparison.line(), first[0]);
        const std::vector<Step> steps = play(which, "kmr_" + std::string{which.name}, first[1]);
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const Step& s = steps[i];
            comparison.row(fmt::format("{},{},{},{},{},{},{},{}", which.name, first[1], i, s.what, s.bugs(),
                                       s.fixes(), s.other, s.bugs() + s.fixes()));
        }
    }
}

void check_corruption_layout(Comparison& comparison) {
    comparison.set_forms({"*,0,0,0,0,0,0,0,0"});
    comparison.pass_header("cache");
    while (!comparison.at_end()) {
        const auto row = comparison.next_row();
        const auto flags = static_cast<std::uint64_t>(*parse_integer(row[1]));
        GeometryRequest request{static_cast<std::size_t>(*parse_integer(row[3]))};
        for (const auto& [bit, flag] :
             {std::pair{0x100U, CacheFlags::consistency_checks}, std::pair{0x400U, CacheFlags::red_zone},
              std::pair{0x800U, CacheFlags::poison}, std::pair{0x10000U, CacheFlags::store_user}}) {
            if ((flags & bit) != 0) request.flags = request.flags | flag;
        }
        request.kmalloc = row[0].starts_with("kmalloc-");
        if (request.kmalloc) request.align = request.size;
        const auto g = slub_geometry(request, {.cpus = 1});
        comparison.row(!g ? "no slab can hold it"
                          : fmt::format("{},{},{},{},{},{},{},{},{}", row[0], row[1], g->size, g->object_size,
                                        g->inuse, g->free_offset, g->left_pad, g->order.value(), g->objects));
    }
}

void check_corruption_text(Comparison& comparison) {
    const GoldenFile& file = comparison.file();
    comparison.set_forms({"**"});
    const std::string_view first = file.lines()[0];
    const auto words = fields_of(first, ' ');
    const Case& which = case_named(file, 0, words.size() > 2 ? words[2] : "");
    const std::string cache{word_of(first, "cache=")};
    Stage stage{cache, word_of(first, "flags="), which.kmalloc};
    if (which.kmalloc) prepare(stage, file);
    const auto free_pointer = stage.inner_free_pointer();  // of a cache that is gone at the end
    which.play(stage);
    const std::string text =
        fmt::format("kmemref: case {} flags={} cache={} begin\n{}kmemref: case {} end", which.name,
                    word_of(first, "flags="), cache, text_of(stage.take_steps(), cache), which.name);
    std::vector<std::string> ours;
    ReportReader our_reader{free_pointer};
    for (const std::string_view line : fields_of(text, '\n')) {
        if (std::string found = our_reader.element(line); !found.empty()) ours.push_back(std::move(found));
    }
    ReportReader their_reader{free_pointer};
    std::size_t next = 0;
    for (std::size_t line = 0; line < file.lines().size(); ++line) {
        const std::string theirs = their_reader.element(file.lines()[line]);
        if (theirs.empty()) continue;
        comparison.same_at(line, theirs, next < ours.size() ? ours[next] : "nothing further");
        ++next;
    }
    if (next < ours.size())
        throw file.bad(file.lines().size(), "the file ends here; expected {}", ours[next]);
}

void check_self_test(Comparison& comparison) {
    comparison.set_forms({"**"});
    std::vector<std::string> results;
    for (const Case& c : cases()) {
        if (c.self_test.empty()) continue;
        const std::vector<Step> steps = play(c, "self_test", "kunit");
        bool good = true;
        for (std::size_t i = 0; i < c.self_test_reports.size(); ++i) {
            good = good && steps[i].bugs() + steps[i].fixes() == c.self_test_reports[i];
        }
        results.push_back(
            fmt::format("    {} {} {}", good ? "ok" : "not ok", results.size() + 1, c.self_test));
    }
    for (const char* line : {"KTAP version 1", "1..1", "    KTAP version 1", "    # Subtest: slub_test"}) {
        comparison.row(line);
    }
    comparison.row(fmt::format("    1..{}", results.size()));
    for (const std::string& result : results) comparison.row(result);
    const auto passed = std::count_if(results.begin(), results.end(),
                                      [](const std::string& line) { return line.starts_with("    ok"); });
    for (const char* name : {"slub_test", "Totals"}) {
        comparison.row(fmt::format("# {}: pass:{} fail:{} skip:0 total:{}", name, passed,
                                   static_cast<std::ptrdiff_t>(results.size()) - passed, results.size()));
    }
}

}  // namespace kmemlab::golden
