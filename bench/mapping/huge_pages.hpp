/// Whether this machine maps memory by entries of 2 MiB for an ordinary user: tried, not assumed.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace kmemlab::mapping {

struct HugePages {
    bool available = false;
    std::string how;  ///< or why not
};

/// Anonymous memory that asks for them (madvise).
[[nodiscard]] HugePages huge_anonymous();
/// An arena's memory, mapped a second time by HostMmu::map_huge.
[[nodiscard]] HugePages huge_mappings_of_arena();

/// Anonymous memory aligned to 2 MiB, touched, with huge pages as far as the kernel gives them.
class HugeMemory {
  public:
    explicit HugeMemory(std::size_t bytes);
    ~HugeMemory();
    HugeMemory(const HugeMemory&) = delete;
    HugeMemory& operator=(const HugeMemory&) = delete;
    [[nodiscard]] std::byte* begin() const { return begin_; }

  private:
    std::span<std::byte> reserved_;
    std::byte* begin_ = nullptr;
};

/// Bytes of huge entries in the mapping that `address` lies in: a member of /proc/self/smaps as
/// "AnonHugePages" or "ShmemPmdMapped".
[[nodiscard]] std::size_t huge_bytes(const void* address, const std::string& member);

}  // namespace kmemlab::mapping
