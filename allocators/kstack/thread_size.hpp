/// How large a kernel stack is, and how aligned: THREAD_SIZE and THREAD_ALIGN by architecture (VM-70).
///
///     architecture   THREAD_SIZE   THREAD_ALIGN   mapped with a guard (VMAP_STACK)
///     x86-64         16 KiB        16 KiB         since 4.9
///     arm64          16 KiB        32 KiB         since 4.14
///     riscv64        16 KiB        32 KiB         since 5.14
///     arm             8 KiB        16 KiB         since 5.18
///     i386, riscv32   8 KiB         8 KiB         not in 6.1
///
/// KASAN needs twice as much; the alignment follows.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allocators/base/units.hpp"

namespace kmemlab {

struct ThreadLayout {
    std::string_view architecture;
    std::size_t size = 0;   ///< THREAD_SIZE, bytes
    std::size_t align = 0;  ///< THREAD_ALIGN of mapped stacks, bytes
    bool mapped = false;    ///< Linux 6.1 can map them

    /// THREAD_ORDER: the block of the direct map that holds one.
    [[nodiscard]] constexpr Order order() const { return order_of(size); }
    [[nodiscard]] constexpr std::uint64_t pages() const { return size >> page_shift; }
};

inline constexpr std::array<ThreadLayout, 6> thread_layouts{{
    {"x86-64", 16 << 10, 16 << 10, true},
    {"arm64", 16 << 10, 32 << 10, true},
    {"riscv64", 16 << 10, 32 << 10, true},
    {"arm", 8 << 10, 16 << 10, true},
    {"i386", 8 << 10, 8 << 10, false},
    {"riscv32", 8 << 10, 8 << 10, false},
}};

enum class Kasan : std::uint8_t { off, on };

/// Nothing: no such architecture.
[[nodiscard]] constexpr std::optional<ThreadLayout> thread_layout(std::string_view architecture,
                                                                  Kasan kasan = Kasan::off) {
    for (ThreadLayout layout : thread_layouts) {
        if (layout.architecture != architecture) continue;
        const std::size_t factor = kasan == Kasan::on ? 2 : 1;
        layout.size *= factor;
        layout.align *= factor;
        return layout;
    }
    return {};
}

/// Pages of the largest stack of the table.
inline constexpr std::size_t most_stack_pages = 8;
static_assert(thread_layout("arm64", Kasan::on)->pages() == most_stack_pages);
static_assert(thread_layout("x86-64")->order() == Order{2});

}  // namespace kmemlab
