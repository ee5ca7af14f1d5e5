#include "bench/trace/trace.hpp"

#include <numeric>
#include <optional>

#include "allocators/base/check.hpp"
#include "bench/measure/result_file.hpp"
#include "bench/trace/byte_stream.hpp"
#include "bench/trace/packed.hpp"
#include "bench/trace/text_reader.hpp"

namespace kmemlab::trace {
namespace {

/// The name without folder and the endings of traces: "a/make-j2.trace.zst" -> "make-j2".
std::string name_of(const std::string& path) {
    if (path == "-") return "stdin";
    std::string name = path.substr(path.rfind('/') + 1);
    bool changed = true;
    while (changed) {
        changed = false;
        for (const std::string_view ending : {".zst", ".gz", ".trace", ".txt", ".kmt"}) {
            if (name.size() <= ending.size() || !name.ends_with(ending)) continue;
            name.resize(name.size() - ending.size());
            changed = true;
        }
    }
    return name;
}

/// Tells how far it is, at most once in `step` bytes of text.
class ProgressTeller {
  public:
    ProgressTeller(const ReadOptions& options, const ByteStream& stream)
        : options_{options}, stream_{stream} {}

    void add(std::size_t bytes) {
        constexpr std::size_t step = std::size_t{4} << 20;
        since_ += bytes;
        if (since_ < step) return;
        since_ = 0;
        tell(stream_.bytes_read(), stream_.bytes_total());
    }
    void end() { tell(stream_.bytes_read(), stream_.bytes_read()); }

  private:
    void tell(std::uint64_t done, std::uint64_t total) const {
        if (options_.progress) options_.progress({done, total});
    }

    const ReadOptions& options_;
    const ByteStream& stream_;
    std::size_t since_ = 0;
};

/// Binary files of the same trade, which their own tools turn into text.
void refuse_known_binary(std::string_view head, const std::string& file) {
    if (head.starts_with("PERFILE2"))
        throw UsageError::of("{}: is perf's own form (perf.data): expected text, as `perf script` prints it",
                             file);
    if (head.starts_with("\x17\x08\x44tracing"))
        throw UsageError::of(
            "{}: is trace-cmd's own form (trace.dat): expected text, as `trace-cmd report` prints it", file);
    if (head.find('\0') != std::string_view::npos)
        throw UsageError::of("{}:1: is binary: expected the text of ftrace, trace-cmd report or perf script",
                             file);
}

Trace read_packed(ByteStream& stream, std::string_view first, ProgressTeller& progress,
                  const std::string& file) {
    std::vector<std::byte> bytes;
    bytes.reserve(stream.bytes_total());
    for (std::string_view chunk = first; !chunk.empty(); chunk = stream.next()) {
        const auto* data = reinterpret_cast<const std::byte*>(chunk.data());
        bytes.insert(bytes.end(), data, data + chunk.size());
        progress.add(chunk.size());
    }
    return unpack(bytes, file);
}

Trace read_text(ByteStream& stream, std::string_view first, ProgressTeller& progress,
                const std::string& file) {
    refuse_known_binary(first.substr(0, 4096), file);
    TextReader reader{file};
    try {
        for (std::string_view chunk = first; !chunk.empty(); chunk = stream.next()) {
            reader.feed(chunk);
            progress.add(chunk.size());
        }
    } catch (const StreamError& error) {
        throw reader.error(error.what());
    }
    return reader.finish();
}

}  // namespace

std::string_view to_string(Kind kind) {
    constexpr std::array<std::string_view, kind_count> names{
        "kmalloc",   "kfree",      "kmem_cache_alloc", "kmem_cache_free", "page_alloc",
        "page_free", "vmap_alloc", "vmap_free",        "vmap_purge"};
    return names[static_cast<unsigned>(kind)];
}

std::string_view to_string(Layer layer) {
    constexpr std::array<std::string_view, layer_count> names{"objects", "pages", "areas"};
    return names[static_cast<unsigned>(layer)];
}

std::uint64_t TraceCounts::kernel_events() const {
    return std::accumulate(events.begin(), events.end(), std::uint64_t{0});
}

Trace read_trace(const std::string& path, const ReadOptions& options) {
    const std::string file = path == "-" ? "stdin" : path;
    ByteStream stream{path};
    ProgressTeller progress{options, stream};
    Trace trace;
    try {
        const std::string_view first = stream.next();
        trace = is_packed(first) ? read_packed(stream, first, progress, file)
                                 : read_text(stream, first, progress, file);
    } catch (const StreamError& error) {
        throw UsageError::of("{}: {}", file, error.what());
    }
    trace.name = name_of(path);
    progress.end();
    return trace;
}

void write_packed(const Trace& trace, const std::string& path) {
    const std::vector<std::byte> bytes = pack(trace);
    write_result(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace kmemlab::trace
