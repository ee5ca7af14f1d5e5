#include "bench/trace/text_reader.hpp"

#include <utility>

namespace kmemlab::trace {
namespace {

/// No kernel prints longer ones: a page bounds what one event can print.
constexpr std::size_t longest_line = 65536;

}  // namespace

void TextReader::feed(std::string_view bytes) {
    std::size_t newline = bytes.find('\n');
    if (!unfinished_.empty() && newline != std::string_view::npos) {
        keep_unfinished(bytes.substr(0, newline));
        take_line(std::exchange(unfinished_, {}));
        bytes.remove_prefix(newline + 1);
        newline = bytes.find('\n');
    }
    while (newline != std::string_view::npos) {
        take_line(bytes.substr(0, newline));
        bytes.remove_prefix(newline + 1);
        newline = bytes.find('\n');
    }
    keep_unfinished(bytes);
}

Trace TextReader::finish() {
    if (!unfinished_.empty())
        throw error(
            fmt::format("the last line is truncated: expected a newline after \"{}\"", excerpt(unfinished_)));
    if (line_ == 1) throw UsageError::of("{}: empty: expected a recorded trace", file_);
    Trace trace = resolver_.finish();
    if (trace.counts.kernel_events() == 0)
        throw UsageError::of(
            "{}:{}: the trace ends without a single kmem or vmalloc event, expected some "
            "of kmem:{{kmalloc,kmem_cache_alloc,mm_page_alloc,...}}",
            file_, line_);
    return trace;
}

UsageError TextReader::error(std::string_view what) const {
    return UsageError::of("{}:{}: {}", file_, line_, what);
}

void TextReader::take_line(std::string_view line) {
    check_length(line.size());
    TraceCounts& counts = resolver_.counts();
    const ParsedLine parsed = parse_line(line, record_);
    switch (parsed.kind) {
        case LineKind::record:
            resolver_.add(record_);
            break;
        case LineKind::other_event:
            ++counts.other_events;
            break;
        case LineKind::no_event:
            break;
        case LineKind::lost:
            ++counts.lost_reports;
            counts.lost_events += parsed.lost;
            break;
        case LineKind::malformed:
            throw error(parsed.error);
    }
    ++counts.lines;
    ++line_;
}

void TextReader::keep_unfinished(std::string_view bytes) {
    check_length(unfinished_.size() + bytes.size());
    unfinished_ += bytes;
}

void TextReader::check_length(std::size_t bytes) const {
    if (bytes > longest_line)
        throw error(fmt::format("a line longer than {} bytes: expected the text of a trace", longest_line));
}

}  // namespace kmemlab::trace
