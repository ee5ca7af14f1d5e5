/// The bytes of a file, a pipe or standard input, decompressed: a second thread reads ahead, so that
/// decompression and parsing share two CPUs.
///
///     file --read--> [magic?] --zstd | gzip | as is--> chunks (4 of 256 KiB, recycled) --> next()
///
/// Locks: `mutex_` guards the two queues, `failure_`, `ended_` and `stop_`; a chunk belongs to whoever
/// took it from a queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace kmemlab::trace {

/// The stream cannot be read further: the message says why, without the name of the file.
class StreamError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class ByteStream {
  public:
    /// "-" is standard input. Throws UsageError if the file cannot be opened.
    explicit ByteStream(const std::string& path);
    ~ByteStream();
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;

    /// The next bytes, valid until the next call; empty at the end. The first chunk has at least 64 bytes
    /// unless the whole is shorter. Throws StreamError for a failed read, a truncated or damaged
    /// compressed stream, after all bytes before that place were given.
    [[nodiscard]] std::string_view next();

    /// Bytes read from the file so far, before decompression.
    [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_.load(std::memory_order_relaxed); }
    /// Bytes of the file; 0 for what has no size.
    [[nodiscard]] std::uint64_t bytes_total() const { return bytes_total_; }

  private:
    using Chunk = std::vector<char>;
    class Input;
    class Output;
    struct Stopped {};

    void run();
    void transfer();
    void copy(Input& input, Output& output);
    void unzstd(Input& input, Output& output);
    void ungzip(Input& input, Output& output);
    void wait_for_input();
    [[nodiscard]] Chunk take_empty();
    void put_full(Chunk chunk);

    int fd_ = -1;
    bool owned_ = false;
    int wake_ = -1;  ///< an eventfd that ends a wait for a silent pipe
    std::uint64_t bytes_total_ = 0;
    std::atomic<std::uint64_t> bytes_read_{0};

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Chunk> empty_;
    std::deque<Chunk> full_;
    std::string failure_;
    bool ended_ = false;
    bool stop_ = false;
    Chunk current_;  ///< what next() gave last
    std::thread thread_;
};

}  // namespace kmemlab::trace
