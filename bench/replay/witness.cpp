#include "bench/replay/witness.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "allocators/base/units.hpp"

namespace kmemlab::replay {
namespace {

/// Bytes of the pattern at each end, so that both fit.
std::size_t pattern_width(std::size_t usable) {
    return usable < 2 ? usable : std::min(sizeof(std::uint64_t), usable / 2);
}

void write_pattern(void* memory, std::size_t usable, std::uint64_t pattern) {
    const std::size_t width = pattern_width(usable);
    std::memcpy(memory, &pattern, width);
    std::memcpy(static_cast<std::byte*>(memory) + usable - width, &pattern, width);
}

bool has_pattern(const void* memory, std::size_t usable, std::uint64_t pattern) {
    const std::size_t width = pattern_width(usable);
    return std::memcmp(memory, &pattern, width) == 0 &&
           std::memcmp(static_cast<const std::byte*>(memory) + usable - width, &pattern, width) == 0;
}

bool all_zero(const void* memory, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(memory);
    return bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

/// No two births have the same, and few bytes of it are zero.
std::uint64_t pattern_of(std::uint64_t birth) {
    return (birth + 1) * 0x9e3779b97f4a7c15U;
}

}  // namespace

void* MappedMemory::do_allocate(std::size_t bytes, std::size_t) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc{};
    return p;
}

void MappedMemory::do_deallocate(void* p, std::size_t bytes, std::size_t) {
    munmap(p, bytes);
}

// The pool asks for chunks of growing size; a few large ones are cheaper to map than many small ones.
Witness::Witness()
    : pool_{std::pmr::pool_options{.max_blocks_per_chunk = 1U << 16, .largest_required_pool_block = 256},
            &mapped_},
      lives_{&pool_} {}

MaybeViolation Witness::overlap(std::uintptr_t begin, std::uintptr_t end) const {
    const auto after = lives_.lower_bound(begin);
    if (after != lives_.end() && after->first < end) {
        return violation("G1",
                         "memory given out overlaps a live object that begins {} bytes behind its begin",
                         after->first - begin);
    }
    if (after == lives_.begin()) return {};
    const auto before = std::prev(after);
    if (before->second.end <= begin) return {};
    return violation("G1", "memory given out begins {} bytes before the end of a live object",
                     before->second.end - begin);
}

MaybeViolation Witness::born(const Birth& birth) {
    const auto begin = reinterpret_cast<std::uintptr_t>(birth.memory);
    if (birth.usable < birth.requested) {
        return violation("G3", "{} bytes asked for, {} may be written", birth.requested, birth.usable);
    }
    if (begin % birth.alignment != 0) {
        return violation("G2", "an address is not a multiple of {}", birth.alignment);
    }
    if (auto found = overlap(begin, begin + birth.usable)) return found;
    if (birth.zeroed && !all_zero(birth.memory, birth.requested)) {
        return violation("G5", "{} bytes asked to be zero are not", birth.requested);
    }
    const std::uint64_t pattern = pattern_of(births_++);
    write_pattern(birth.memory, birth.usable, pattern);
    lives_.emplace(begin, Life{begin + birth.usable, pattern, birth.requested});
    requested_ += birth.requested;
    handed_out_ += birth.usable;
    return {};
}

MaybeViolation Witness::dies(const void* memory) {
    const auto found = lives_.find(reinterpret_cast<std::uintptr_t>(memory));
    if (found == lives_.end()) return {};
    const Life life = found->second;
    const std::size_t usable = life.end - found->first;
    lives_.erase(found);
    requested_ -= life.requested;
    handed_out_ -= usable;
    if (has_pattern(memory, usable, life.pattern)) return {};
    return violation("G4", "an object of {} bytes ({} usable) changed while it was live", life.requested,
                     usable);
}

}  // namespace kmemlab::replay
