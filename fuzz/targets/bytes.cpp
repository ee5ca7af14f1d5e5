/// Targets of readers, which take bytes as they are: whatever they get, they refuse it by one line or read
/// it, and what they read survives being written and read again.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

#include "bench/trace/describe.hpp"
#include "bench/trace/packed.hpp"
#include "bench/trace/text_reader.hpp"
#include "fuzz/targets/target.hpp"
#include "fuzz/targets/trace_lines.hpp"

namespace kmemlab::fuzz {
namespace {

using Bytes = std::span<const std::uint8_t>;

MaybeFinding broken(std::string what) {
    return Finding{.law = "trace", .what = std::move(what)};
}

struct Outcome {
    std::optional<trace::Trace> trace;
    std::string refusal;
    [[nodiscard]] bool is_one_line() const { return refusal.find('\n') == std::string::npos; }
};

/// Reads a trace, or takes down the refusal.
template <class Read>
Outcome outcome_of(Read&& read) {
    try {
        return {read(), {}};
    } catch (const UsageError& error) {
        return {std::nullopt, error.what()};
    }
}

Outcome read_text(std::string_view text, std::size_t piece) {
    return outcome_of([&] {
        trace::TextReader reader{"input"};
        for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
            reader.feed(text.substr(0, piece));
        }
        return reader.finish();
    });
}

/// The text of a recording. What comes of it does not depend on how the bytes were cut into pieces.
MaybeFinding read_trace_text(Bytes input) {
    const std::string_view text{reinterpret_cast<const char*>(input.data()), input.size()};
    const Outcome whole = read_text(text, text.size() + 1);
    const Outcome cut = read_text(text, 1 + text.size() % 97);
    if (whole.refusal != cut.refusal)
        return broken("cut into pieces the text is refused otherwise: " + cut.refusal);
    if (!whole.is_one_line()) return broken("a refusal of several lines: " + whole.refusal);
    if (!whole.trace || !cut.trace) return {};
    const auto packed = trace::pack(*whole.trace);
    if (packed != trace::pack(*cut.trace)) return broken("cut into pieces the text is another trace");
    if (packed != trace::pack(trace::unpack(packed, "input")))
        return broken("a trace does not survive its packed form");
    return {};
}

MaybeFinding read_trace_packed(Bytes input) {
    const Outcome read = outcome_of([&] { return trace::unpack(std::as_bytes(input), "input"); });
    if (!read.is_one_line()) return broken("a refusal of several lines: " + read.refusal);
    if (!read.trace) return {};
    const auto written = trace::pack(*read.trace);
    if (trace::pack(trace::unpack(written, "input")) != written)
        return broken("what is written is not read alike");
    if (trace::describe(*read.trace).empty()) return broken("a trace without a description");
    return {};
}

/// The refusal, or the trace packed.
std::string text_of(const Outcome& outcome) {
    if (!outcome.trace) return outcome.refusal;
    const auto packed = trace::pack(*outcome.trace);
    return {reinterpret_cast<const char*>(packed.data()), packed.size()};
}
std::string outcome_of_text(Bytes input) {
    return text_of(read_text({reinterpret_cast<const char*>(input.data()), input.size()}, input.size() + 1));
}
std::string outcome_of_packed(Bytes input) {
    return text_of(outcome_of([&] { return trace::unpack(std::as_bytes(input), "input"); }));
}

/// Length and checksum are set right, or nothing behind them would ever be reached.
void repair_packed(std::span<std::uint8_t> bytes) {
    constexpr std::size_t length_at = 16;  // packed.hpp: bytes of the whole file
    if (bytes.size() < length_at + 2 * sizeof(std::uint64_t)) return;
    const std::uint64_t length = bytes.size();
    std::memcpy(bytes.data() + length_at, &length, sizeof length);
    const std::uint64_t sum = XXH3_64bits(bytes.data(), bytes.size() - sizeof(std::uint64_t));
    std::memcpy(bytes.data() + bytes.size() - sizeof sum, &sum, sizeof sum);
}

/// A recording of some lines that its reader takes, packed; nothing if there was none among a few.
std::vector<std::byte> random_packed(Random& random) {
    constexpr int trials = 8;
    for (int i = 0; i < trials; ++i) {
        std::string text;
        for (std::uint64_t lines = 1 + random.below(24); lines > 0; --lines)
            text += random_trace_line(random);
        if (const Outcome read = read_text(text, text.size() + 1); read.trace)
            return trace::pack(*read.trace);
    }
    return {};
}

/// A number of the head, of an operation or of anything behind becomes another that may be accepted.
void change_number(std::span<std::uint8_t> bytes, Random& random) {
    constexpr std::size_t head = 64;  // packed.hpp
    constexpr std::array<std::uint32_t, 10> edges{0,      1,       2,          3,          0xff,
                                                  0xffff, 0x10000, 0x7fffffff, 0xfffffff0, 0xffffffff};
    const std::size_t words =
        std::min(random.one_in(2) ? head : bytes.size(), bytes.size()) / sizeof(std::uint32_t);
    if (words == 0) return;
    std::uint8_t* const at = bytes.data() + random.below(words) * sizeof(std::uint32_t);
    if (random.one_in(2)) {  // fields of operations are smaller than a word
        std::uint8_t& field = at[random.below(sizeof(std::uint32_t))];
        field = static_cast<std::uint8_t>(field + (random.one_in(2) ? 1 : 0xff));
        return;
    }
    const std::uint32_t value = edges[random.below(edges.size())];
    std::memcpy(at, &value, sizeof value);
}

/// From nothing, and now and then anew, a packed trace of lines; else some numbers of the one that is there.
std::string mutate_packed(std::string bytes, Random& random) {
    if (!trace::is_packed(bytes) || random.one_in(6)) {
        const auto made = random_packed(random);
        bytes.assign(reinterpret_cast<const char*>(made.data()), made.size());
    }
    const std::span<std::uint8_t> changed{reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    for (std::uint64_t changes = random.below(3); changes > 0; --changes) change_number(changed, random);
    repair_packed(changed);
    return bytes;
}

}  // namespace

std::vector<Target> byte_targets() {
    return {{.name = "trace_text",
             .what = "the text of a recording",
             .read = read_trace_text,
             .mutate = mutate_trace,
             .outcome = outcome_of_text},
            {.name = "trace_packed",
             .what = "a packed trace",
             .read = read_trace_packed,
             .repair = repair_packed,
             .mutate = mutate_packed,
             .outcome = outcome_of_packed}};
}

}  // namespace kmemlab::fuzz
