/// libc_malloc: the C library's malloc behind the contract, as the yardstick that everybody knows.
///
/// It is the process's own allocator: held_bytes is its whole heap, free memory in it included, without what
/// was in use when the model was made; it counts whatever else the process has allocated since. It tells
/// neither paths nor violations.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "allocators/contract/model.hpp"
#include "allocators/contract/opaque_counts.hpp"

namespace kmemlab {

class LibcMalloc {
  public:
    static constexpr ModelInfo info{
        .name = "malloc",
        .follows = "the C library of this machine",
        .what = "malloc, aligned_alloc and free of the process itself",
        .capabilities = {.smallest = 1,
                         .largest = std::size_t{1} << 40,
                         .largest_align = std::size_t{1} << 22,
                         .thread_safe = true},
    };

    struct Config {
        std::uint64_t cpus = 2;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return {integer_tunable("machine.cpus", "number of CPUs", cpus, 1, max_cpus)};
        }
    };

    explicit LibcMalloc(const Config& config) : counts_{config.cpus}, in_use_at_start_{heap().used} {}

    [[nodiscard]] void* allocate(const Request& request) {
        counts_.allocated(request.cpu);
        if (request.align > alignof(std::max_align_t)) return allocate_aligned(request);
        return request.gfp.has(__GFP_ZERO) ? std::calloc(1, request.size) : std::malloc(request.size);
    }
    void deallocate(void* p, CpuId cpu) {
        if (p == nullptr) return;
        counts_.freed(cpu);
        std::free(p);
    }
    [[nodiscard]] std::size_t usable_size(void* p) const { return malloc_usable_size(p); }

    [[nodiscard]] AllocatorStats stats() const {
        AllocatorStats stats;
        const std::uint64_t whole = heap().whole;
        stats.held_bytes = whole - std::min(whole, in_use_at_start_);  // others may have given back since
        counts_.add_to(stats);
        return stats;
    }
    [[nodiscard]] Path last_path(CpuId) { return Path::opaque; }
    void drain(CpuId) { malloc_trim(0); }
    [[nodiscard]] MaybeViolation find_violation() const { return {}; }
    [[nodiscard]] std::vector<Text> snapshot() const { return {}; }
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }

  private:
    /// Bytes taken from the system, and those of them that are not free.
    struct Heap {
        std::uint64_t whole = 0;
        std::uint64_t used = 0;
    };
    static Heap heap() {
        const auto facts = mallinfo2();
        return {facts.arena + facts.hblkhd, facts.uordblks + facts.hblkhd};
    }

    [[nodiscard]] static void* allocate_aligned(const Request& request) {
        void* p = nullptr;
        if (posix_memalign(&p, request.align, request.size) != 0) return nullptr;
        if (request.size > 0 && request.gfp.has(__GFP_ZERO)) std::memset(p, 0, malloc_usable_size(p));
        return p;
    }

    OpaqueCounts counts_;
    std::uint64_t in_use_at_start_;
};

}  // namespace kmemlab
