/// Any bytes as the text of a recording: they are refused by one line, or give a trace. Which, and what
/// trace, must not depend on how the bytes were cut into pieces, and the trace must survive its packed form.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "allocators/base/check.hpp"
#include "bench/trace/packed.hpp"
#include "bench/trace/text_reader.hpp"

namespace {

using namespace kmemlab;

struct Outcome {
    std::optional<trace::Trace> trace;
    std::string refusal;
};

Outcome read(std::string_view text, std::size_t piece) {
    try {
        trace::TextReader reader{"input"};
        for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
            reader.feed(text.substr(0, piece));
        }
        return {reader.finish(), {}};
    } catch (const UsageError& error) {
        return {std::nullopt, error.what()};
    }
}

void demand(bool condition, const char* what) {
    if (!condition) check_failed(what, "fuzz/trace_text.cpp", 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const Outcome whole = read(text, text.size() + 1);
    const Outcome cut = read(text, 1 + size % 97);
    demand(whole.refusal == cut.refusal, "the same refusal however the text is cut");
    demand(whole.refusal.find('\n') == std::string::npos, "a refusal is one line");
    if (!whole.trace || !cut.trace) return 0;

    const auto packed = trace::pack(*whole.trace);
    demand(packed == trace::pack(*cut.trace), "the same trace however the text is cut");
    demand(packed == trace::pack(trace::unpack(packed, "input")), "a trace survives its packed form");
    return 0;
}
