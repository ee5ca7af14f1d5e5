#include "bench/trace/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab::trace {
namespace {

[[noreturn]] void fail(const std::string& path) {
    throw UsageError::of("{}: cannot be written: {}", path, std::strerror(errno));
}

/// A descriptor that is closed, and a temporary file that is removed, unless told otherwise.
class OutputFile {
  public:
    explicit OutputFile(const std::string& path) : path_{path} {
        struct stat status {};
        if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
            fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        } else {
            temporary_ = path + ".XXXXXX";
            fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
            if (fd_ < 0) temporary_.clear();
        }
        if (fd_ < 0) fail(path_);
    }
    ~OutputFile() {
        if (fd_ >= 0) ::close(fd_);
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    void write(Bytes bytes) {
        while (!bytes.empty()) {
            const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) fail(path_);
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
    }

    void commit() {
        if (!temporary_.empty()) {
            const mode_t mask = ::umask(0);
            ::umask(mask);
            if (::fchmod(fd_, 0666 & ~mask) != 0 || ::fsync(fd_) != 0) fail(path_);
        }
        if (::close(std::exchange(fd_, -1)) != 0) fail(path_);
        if (temporary_.empty()) return;
        if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_);
        temporary_.clear();
    }

  private:
    std::string path_;
    std::string temporary_;  ///< empty when written in place, or renamed
    int fd_ = -1;
};

}  // namespace

void write_whole_file(const std::string& path, std::span<const Bytes> parts) {
    OutputFile file{path};
    for (const Bytes part : parts) file.write(part);
    file.commit();
}

}  // namespace kmemlab::trace
