/// Files, pipes and compressed streams, whole and broken, through read_trace.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <thread>

#include "bench/trace/byte_stream.hpp"
#include "tests/trace/trace_support.hpp"

using namespace kmemlab;
using namespace kmemlab::trace;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

namespace {

/// Longer than all chunks together, so that buffers are used again.
std::string long_text() {
    std::string text = "# tracer: nop\n";
    for (unsigned i = 0; i < 12000; ++i)
        text += kmalloc_line(fmt::format("{:x}", 0x1000 + i)) + kfree_line(fmt::format("{:x}", 0x1000 + i));
    return text;
}

std::string zstd_of(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

std::string gzip_of(const std::string& text) {
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string in = text;
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string error_of_file(const TemporaryFolder& folder, std::string_view content) {
    const std::string path = folder.write("x.trace", content);
    return error_of([&] { static_cast<void>(read_trace(path)); });
}

}  // namespace

TEST_CASE("plain, zstd and gzip give the same trace, told apart by their content") {
    const TemporaryFolder folder;
    const std::string text = long_text();
    const Trace plain = read_trace(folder.write("a.trace", text));
    CHECK(plain.operations.size() == 24000);
    CHECK(plain.name == "a");
    for (const std::string& content :
         {zstd_of(text), gzip_of(text), zstd_of(text.substr(0, 1000)) + zstd_of(text.substr(1000)),
          gzip_of(text.substr(0, 1000)) + gzip_of(text.substr(1000))}) {
        const Trace trace = read_trace(folder.write("b.trace.zst", content));
        CHECK(trace.operations == plain.operations);
        CHECK(trace.counts == plain.counts);
        CHECK(trace.name == "b");
    }
}

TEST_CASE("a pipe is read to its end") {
    const TemporaryFolder folder;
    const std::string text = long_text();
    for (const std::string& content : {text, zstd_of(text), gzip_of(text)}) {
        const std::string path = folder.file("pipe");
        REQUIRE(mkfifo(path.c_str(), 0600) == 0);
        std::thread writer{[&] { std::ofstream{path, std::ios::binary} << content; }};
        CHECK(read_trace(path).operations.size() == 24000);
        writer.join();
        unlink(path.c_str());
    }
}

TEST_CASE("an error ends the reading of a pipe whose writer stays silent") {
    const TemporaryFolder folder;
    const std::string path = folder.file("pipe");
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    // Open at both ends, so that the end of the file never comes.
    const int keeper = open(path.c_str(), O_RDWR);
    const std::string text = "nonsense\n" + std::string(300'000, '\n');
    std::thread writer{[&] {
        const int fd = open(path.c_str(), O_WRONLY);
        std::string_view rest = text;
        while (!rest.empty()) {
            const ssize_t written = write(fd, rest.data(), rest.size());
            if (written <= 0) break;
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
        close(fd);
    }};
    CHECK_THAT(error_of([&] { static_cast<void>(read_trace(path)); }), Contains("pipe:1: cannot be parsed"));
    // What the reader left fits into the pipe, so the writer does not wait for ever.
    writer.join();
    close(keeper);
}

TEST_CASE("a truncated compressed stream is an error at the line where it ends") {
    const TemporaryFolder folder;
    const std::string text = long_text();
    for (const std::string& whole : {zstd_of(text), gzip_of(text)}) {
        for (const std::size_t size : {whole.size() - 1, whole.size() / 2, std::size_t{40}, std::size_t{5}}) {
            const std::string error = error_of_file(folder, whole.substr(0, size));
            CHECK_THAT(error, Contains("x.trace:") && Contains("truncated"));
        }
    }
}

TEST_CASE("a damaged compressed stream is an error") {
    const TemporaryFolder folder;
    std::string zstd = zstd_of(long_text());
    for (std::size_t i = 20; i < 60; ++i) zstd[i] = '\x55';
    CHECK_THAT(error_of_file(folder, zstd), Contains("damaged zstd stream"));
    std::string gzip = gzip_of(long_text());
    gzip[gzip.size() - 6] ^= '\x01';
    CHECK_THAT(error_of_file(folder, gzip), Contains("damaged gzip stream"));
}

TEST_CASE("empty, binary, missing files and folders are refused, tools' own forms with advice") {
    const TemporaryFolder folder;
    CHECK_THAT(error_of_file(folder, ""), EndsWith("x.trace: empty: expected a recorded trace"));
    CHECK_THAT(error_of_file(folder, zstd_of("")), EndsWith("x.trace: empty: expected a recorded trace"));
    CHECK_THAT(error_of_file(folder, std::string("\x7f"
                                                 "ELF\0\0\0",
                                                 7)),
               Contains("x.trace:1: is binary"));
    CHECK_THAT(error_of_file(folder, "PERFILE2hello"), Contains("perf script"));
    CHECK_THAT(error_of_file(folder, "\x17\x08\x44tracing6"), Contains("trace-cmd report"));
    CHECK_THAT(error_of([&] { static_cast<void>(read_trace(folder.file("none"))); }),
               EndsWith("none: cannot be opened: No such file or directory"));
    CHECK_THAT(error_of([&] { static_cast<void>(read_trace(folder.file(""))); }),
               EndsWith("cannot be read: Is a directory"));
}

TEST_CASE("progress grows to the size of the file") {
    const TemporaryFolder folder;
    std::string text = long_text();
    while (text.size() < (std::size_t{12} << 20)) text += text;
    const std::string path = folder.write("a.trace", text);
    std::vector<Progress> told;
    static_cast<void>(read_trace(path, {[&](const Progress& progress) { told.push_back(progress); }}));
    REQUIRE(told.size() >= 3);
    for (std::size_t i = 1; i < told.size(); ++i) CHECK(told[i].done >= told[i - 1].done);
    for (const Progress& progress : told) CHECK(progress.total == text.size());
    CHECK(told.back().done == text.size());
}

TEST_CASE("a stream may be dropped before its end") {
    const TemporaryFolder folder;
    const std::string path = folder.write("a.trace", std::string(std::size_t{4} << 20, 'x'));
    ByteStream stream{path};
    CHECK(stream.next().size() >= 64);
}
