#include "bench/mapping/huge_pages.hpp"

#include <sys/mman.h>

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "allocators/mmu/host_mmu.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::size_t huge_size = order_2m.bytes();
constexpr const char* settings = "/sys/kernel/mm/transparent_hugepage/";

std::string setting(const char* name) {
    std::ifstream file{std::string{settings} + name};
    std::string text;
    std::getline(file, text);
    return text.empty() ? "not there" : text;
}

HugePages answer(bool available, const char* name) {
    return {available, fmt::format("transparent_hugepage/{}: {}", name, setting(name))};
}

}  // namespace

HugeMemory::HugeMemory(std::size_t bytes) {
    void* const p = mmap(nullptr, bytes + huge_size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw UsageError::of("mapping: no {} bytes of memory", bytes);
    reserved_ = {static_cast<std::byte*>(p), bytes + huge_size};
    const auto address = (reinterpret_cast<std::uintptr_t>(p) + huge_size - 1) & ~(huge_size - 1);
    begin_ = reinterpret_cast<std::byte*>(address);
    madvise(begin_, bytes, MADV_HUGEPAGE);
    for (std::size_t i = 0; i < bytes; i += page_size) begin_[i] = std::byte{1};
}

HugeMemory::~HugeMemory() {
    munmap(reserved_.data(), reserved_.size());
}

std::size_t huge_bytes(const void* address, const std::string& member) {
    std::ifstream file{"/proc/self/smaps"};
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        unsigned long begin = 0;
        unsigned long end = 0;
        std::istringstream words{line};
        char dash = 0;
        if (line.find('-') < line.find(' ') && words >> std::hex >> begin >> dash >> end) {
            inside = wanted >= begin && wanted < end;
        } else if (inside && line.starts_with(member + ":")) {
            return std::stoull(line.substr(member.size() + 1)) << 10;
        }
    }
    return 0;
}

HugePages huge_anonymous() {
    const HugeMemory memory{2 * huge_size};
    return answer(huge_bytes(memory.begin(), "AnonHugePages") > 0, "enabled");
}

HugePages huge_mappings_of_arena() {
    Arena arena{2 * huge_size};
    HostMmu mmu{arena, {.window_bytes = order_1g.bytes()}};
    const VirtAddr at = mmu.window().begin;
    const bool mapped = mmu.map_huge(at, arena.start().align_up(order_2m), order_2m, CpuId{0});
    const bool huge = mapped && huge_bytes(HostMmu::pointer(at), "ShmemPmdMapped") > 0;
    return answer(huge, "shmem_enabled");
}

}  // namespace kmemlab::mapping
