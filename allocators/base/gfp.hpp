/// GFP flags: what a request for memory allows ("get free pages"). Bits and combinations are those of
/// Linux 6.1 (BUDDY-6), under the kernel's own names.
#pragma once

#include <cstdint>

namespace kmemlab {

class Gfp {
  public:
    constexpr Gfp() = default;
    constexpr explicit Gfp(std::uint32_t bits) : bits_{bits} {}

    [[nodiscard]] constexpr std::uint32_t bits() const { return bits_; }
    /// True if any bit of `flags` is set.
    [[nodiscard]] constexpr bool has(Gfp flags) const { return (bits_ & flags.bits_) != 0; }
    [[nodiscard]] constexpr Gfp without(Gfp flags) const { return Gfp{bits_ & ~flags.bits_}; }

    friend constexpr Gfp operator|(Gfp a, Gfp b) { return Gfp{a.bits_ | b.bits_}; }
    friend constexpr Gfp operator&(Gfp a, Gfp b) { return Gfp{a.bits_ & b.bits_}; }
    friend constexpr bool operator==(Gfp, Gfp) = default;

  private:
    std::uint32_t bits_ = 0;
};

// The kernel's names begin with two underscores, which C++ reserves for its implementation; no
// implementation defines these, and a kernel programmer looks for exactly these.
// NOLINTBEGIN(bugprone-reserved-identifier): the names of the kernel
inline constexpr Gfp __GFP_DMA{0x1};
inline constexpr Gfp __GFP_HIGHMEM{0x2};
inline constexpr Gfp __GFP_DMA32{0x4};
inline constexpr Gfp __GFP_MOVABLE{0x8};
inline constexpr Gfp __GFP_RECLAIMABLE{0x10};
inline constexpr Gfp __GFP_HIGH{0x20};
inline constexpr Gfp __GFP_IO{0x40};
inline constexpr Gfp __GFP_FS{0x80};
inline constexpr Gfp __GFP_ZERO{0x100};
inline constexpr Gfp __GFP_ATOMIC{0x200};
inline constexpr Gfp __GFP_DIRECT_RECLAIM{0x400};
inline constexpr Gfp __GFP_KSWAPD_RECLAIM{0x800};
inline constexpr Gfp __GFP_WRITE{0x1000};
inline constexpr Gfp __GFP_NOWARN{0x2000};
inline constexpr Gfp __GFP_RETRY_MAYFAIL{0x4000};
inline constexpr Gfp __GFP_NOFAIL{0x8000};
inline constexpr Gfp __GFP_NORETRY{0x10000};
inline constexpr Gfp __GFP_MEMALLOC{0x20000};
inline constexpr Gfp __GFP_COMP{0x40000};
inline constexpr Gfp __GFP_NOMEMALLOC{0x80000};
inline constexpr Gfp __GFP_HARDWALL{0x100000};
inline constexpr Gfp __GFP_THISNODE{0x200000};
inline constexpr Gfp __GFP_ACCOUNT{0x400000};
inline constexpr Gfp __GFP_ZEROTAGS{0x800000};

inline constexpr Gfp __GFP_RECLAIM = __GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM;

inline constexpr Gfp GFP_ATOMIC = __GFP_HIGH | __GFP_ATOMIC | __GFP_KSWAPD_RECLAIM;
inline constexpr Gfp GFP_KERNEL = __GFP_RECLAIM | __GFP_IO | __GFP_FS;
inline constexpr Gfp GFP_KERNEL_ACCOUNT = GFP_KERNEL | __GFP_ACCOUNT;
inline constexpr Gfp GFP_NOWAIT = __GFP_KSWAPD_RECLAIM;
inline constexpr Gfp GFP_NOIO = __GFP_RECLAIM;
inline constexpr Gfp GFP_NOFS = __GFP_RECLAIM | __GFP_IO;
inline constexpr Gfp GFP_USER = GFP_KERNEL | __GFP_HARDWALL;
inline constexpr Gfp GFP_DMA = __GFP_DMA;
inline constexpr Gfp GFP_DMA32 = __GFP_DMA32;
inline constexpr Gfp GFP_HIGHUSER = GFP_USER | __GFP_HIGHMEM;
inline constexpr Gfp GFP_HIGHUSER_MOVABLE = GFP_HIGHUSER | __GFP_MOVABLE;
// NOLINTEND(bugprone-reserved-identifier)

}  // namespace kmemlab
