#include "allocators/preload/recorder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <mutex>
#include <string_view>

#include "allocators/preload/write_all.hpp"

namespace kmemlab {
namespace {

constexpr std::size_t longest_line = 512;

}  // namespace

bool Recorder::open(const char* path) {
    fd_ = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) return false;
    constexpr std::string_view title = "# tracer: nop\n#\n";
    return write_all(fd_, title);
}

void Recorder::allocated(const void* p, std::size_t asked, std::size_t usable, const void* caller,
                         CpuId cpu) {
    const std::lock_guard guard{lock_};
    head(cpu);
    char* const at = buffer_.data() + used_;
    const auto end = fmt::format_to_n(at, longest_line,
                                      "kmalloc: call_site={} ptr={} bytes_req={} bytes_alloc={} "
                                      "gfp_flags=GFP_KERNEL\n",
                                      caller, p, asked, usable);
    used_ += static_cast<std::size_t>(end.out - at);
}

void Recorder::freed(const void* p, const void* caller, CpuId cpu) {
    const std::lock_guard guard{lock_};
    head(cpu);
    char* const at = buffer_.data() + used_;
    const auto end = fmt::format_to_n(at, longest_line, "kfree: call_site={} ptr={}\n", caller, p);
    used_ += static_cast<std::size_t>(end.out - at);
}

/// "TASK-PID [CPU] ..... TIME: "
void Recorder::head(CpuId cpu) {
    if (used_ + 2 * longest_line > buffer_.size()) {
        static_cast<void>(write_all(fd_, {buffer_.data(), used_}));
        used_ = 0;
    }
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    char* const at = buffer_.data() + used_;
    const auto end =
        fmt::format_to_n(at, longest_line, "program-{} [{:03}] ..... {}.{:06}: ", syscall(SYS_gettid),
                         cpu.value(), now.tv_sec, now.tv_nsec / 1000);
    used_ += static_cast<std::size_t>(end.out - at);
}

void Recorder::flush() {
    const std::lock_guard guard{lock_};
    if (fd_ >= 0) static_cast<void>(write_all(fd_, {buffer_.data(), used_}));
    used_ = 0;
}

void Recorder::stop() {
    used_ = 0;
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
}

}  // namespace kmemlab
