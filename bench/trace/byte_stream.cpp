#include "bench/trace/byte_stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab::trace {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{256} << 10;
constexpr std::size_t chunk_count = 4;
constexpr std::size_t input_bytes = std::size_t{128} << 10;

std::string reason() {
    return std::strerror(errno);
}

bool is_zstd(std::string_view head) {
    return head.starts_with("\x28\xb5\x2f\xfd");
}
bool is_gzip(std::string_view head) {
    return head.starts_with("\x1f\x8b");
}

}  // namespace

/// What was read and not yet used.
class ByteStream::Input {
  public:
    explicit Input(ByteStream& stream) : stream_{stream}, buffer_(input_bytes) {}

    [[nodiscard]] std::string_view rest() const { return {buffer_.data() + begin_, end_ - begin_}; }
    void use(std::size_t count) { begin_ += count; }

    /// Reads once; false at the end of the file. Keeps what is not used.
    bool more() {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
        const ssize_t got = read_once();
        end_ += static_cast<std::size_t>(got);
        stream_.bytes_read_.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
        return got > 0;
    }

  private:
    ssize_t read_once() {
        while (true) {
            stream_.wait_for_input();
            const ssize_t got = ::read(stream_.fd_, buffer_.data() + end_, buffer_.size() - end_);
            if (got >= 0) return got;
            if (errno != EINTR && errno != EAGAIN) throw StreamError{"cannot be read: " + reason()};
        }
    }

    ByteStream& stream_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// Where decompressed bytes go: a chunk that is handed over when it is full.
class ByteStream::Output {
  public:
    explicit Output(ByteStream& stream) : stream_{stream}, chunk_{stream.take_empty()} {}

    [[nodiscard]] char* at() { return chunk_.data() + used_; }
    [[nodiscard]] std::size_t room() const { return chunk_.size() - used_; }
    void add(std::size_t count) {
        used_ += count;
        if (room() == 0) flush();
    }
    void flush() {
        if (used_ == 0) return;
        chunk_.resize(std::exchange(used_, 0));
        stream_.put_full(std::move(chunk_));
        chunk_ = stream_.take_empty();
    }

  private:
    ByteStream& stream_;
    Chunk chunk_;
    std::size_t used_ = 0;
};

ByteStream::ByteStream(const std::string& path) : empty_(chunk_count) {
    owned_ = path != "-";
    fd_ = owned_ ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (fd_ < 0) throw UsageError::of("{}: cannot be opened: {}", path, reason());
    struct stat status {};
    if (::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode))
        bytes_total_ = static_cast<std::uint64_t>(status.st_size);
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread{[this] { run(); }};
}

ByteStream::~ByteStream() {
    {
        const std::lock_guard lock{mutex_};
        stop_ = true;
    }
    changed_.notify_all();
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
    thread_.join();
    ::close(wake_);
    if (owned_) ::close(fd_);
}

std::string_view ByteStream::next() {
    std::unique_lock lock{mutex_};
    if (!current_.empty()) {
        empty_.push_back(std::move(current_));
        current_.clear();
        changed_.notify_all();
    }
    changed_.wait(lock, [this] { return ended_ || !full_.empty(); });
    if (full_.empty()) {
        if (!failure_.empty()) throw StreamError{failure_};
        return {};
    }
    current_ = std::move(full_.front());
    full_.pop_front();
    return {current_.data(), current_.size()};
}

void ByteStream::run() {
    std::string failure;
    try {
        transfer();
    } catch (const StreamError& error) {
        failure = error.what();
    } catch (const Stopped&) {  // nobody listens any more
    } catch (const std::exception& error) {
        failure = error.what();
    }
    const std::lock_guard lock{mutex_};
    failure_ = std::move(failure);
    ended_ = true;
    changed_.notify_all();
}

void ByteStream::transfer() {
    Input input{*this};
    Output output{*this};
    while (input.rest().size() < 4 && input.more()) continue;
    try {
        if (is_zstd(input.rest())) {
            unzstd(input, output);
        } else if (is_gzip(input.rest())) {
            ungzip(input, output);
        } else {
            copy(input, output);
        }
    } catch (const StreamError&) {
        output.flush();
        throw;
    }
    output.flush();
}

void ByteStream::copy(Input& input, Output& output) {
    do {
        while (!input.rest().empty()) {
            const std::size_t count = std::min(input.rest().size(), output.room());
            std::memcpy(output.at(), input.rest().data(), count);
            input.use(count);
            output.add(count);
        }
    } while (input.more());
}

void ByteStream::unzstd(Input& input, Output& output) {
    const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context{ZSTD_createDCtx(), ZSTD_freeDCtx};
    if (!context) throw StreamError{"no memory to decompress zstd"};
    std::size_t wanted = 0;  // 0: a frame is complete
    while (true) {
        ZSTD_inBuffer in{input.rest().data(), input.rest().size(), 0};
        ZSTD_outBuffer out{output.at(), output.room(), 0};
        if (in.size != 0 || wanted != 0) {
            wanted = ZSTD_decompressStream(context.get(), &out, &in);
            if (ZSTD_isError(wanted) != 0)
                throw StreamError{fmt::format("damaged zstd stream: {}", ZSTD_getErrorName(wanted))};
        }
        input.use(in.pos);
        const bool output_filled = out.pos == out.size;
        output.add(out.pos);
        if (output_filled || !input.rest().empty()) continue;
        if (input.more()) continue;
        if (wanted != 0) throw StreamError{"truncated zstd stream: it ends before its last frame does"};
        return;
    }
}

void ByteStream::ungzip(Input& input, Output& output) {
    z_stream stream{};
    constexpr int gzip_window = 15 + 16;
    if (inflateInit2(&stream, gzip_window) != Z_OK) throw StreamError{"no memory to decompress gzip"};
    const std::unique_ptr<z_stream, int (*)(z_stream*)> guard{&stream, inflateEnd};
    bool member_open = true;
    bool output_filled = false;  // then there may be more without further input
    while (true) {
        if (!output_filled && input.rest().empty() && !input.more()) break;
        if (!member_open && input.rest().empty()) {
            output_filled = false;
            continue;
        }
        if (!member_open) {
            inflateReset(&stream);
            member_open = true;
        }
        // zlib does not write through next_in, but declares it without const.
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.rest().data()));
        stream.avail_in = static_cast<uInt>(input.rest().size());
        stream.next_out = reinterpret_cast<Bytef*>(output.at());
        stream.avail_out = static_cast<uInt>(output.room());
        const std::size_t room = output.room();
        const int result = inflate(&stream, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            throw StreamError{fmt::format("damaged gzip stream: {}", stream.msg ? stream.msg : "bad data")};
        input.use(input.rest().size() - stream.avail_in);
        output_filled = stream.avail_out == 0;
        output.add(room - stream.avail_out);
        if (result == Z_STREAM_END) member_open = false;
    }
    if (member_open) throw StreamError{"truncated gzip stream: it ends before its checksum"};
}

void ByteStream::wait_for_input() {
    if (bytes_total_ != 0) return;  // a regular file answers at once
    std::array<pollfd, 2> fds{pollfd{fd_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) continue;
    if (fds[1].revents != 0) throw Stopped{};
}

ByteStream::Chunk ByteStream::take_empty() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return stop_ || !empty_.empty(); });
    if (stop_) throw Stopped{};
    Chunk chunk = std::move(empty_.front());
    empty_.pop_front();
    chunk.resize(chunk_bytes);
    return chunk;
}

void ByteStream::put_full(Chunk chunk) {
    const std::lock_guard lock{mutex_};
    full_.push_back(std::move(chunk));
    changed_.notify_all();
}

}  // namespace kmemlab::trace
