/// The operations of a program as a trace: lines as ftrace writes them, which `kmemlab replay` reads.
/// call_site is where the program called us; bytes_alloc what it may use of the block.
#pragma once

#include <array>
#include <cstddef>

#include "allocators/machine/cpus.hpp"

namespace kmemlab {

class Recorder {
  public:
    /// False: the file cannot be made; errno tells why.
    [[nodiscard]] bool open(const char* path);
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }
    void allocated(const void* p, std::size_t asked, std::size_t usable, const void* caller, CpuId cpu);
    void freed(const void* p, const void* caller, CpuId cpu);
    /// Writes what is buffered.
    void flush();
    /// In a child the file is the parent's, and what was buffered too.
    void stop();

  private:
    void head(CpuId cpu);

    int fd_ = -1;
    SpinLock lock_;
    std::size_t used_ = 0;
    std::array<char, 1 << 16> buffer_{};
};

}  // namespace kmemlab
