/// Units of memory: page frame numbers, orders and CPU numbers, each a type of its own so that one cannot
/// be passed for another. Byte counts are std::size_t; counts of page frames are std::uint64_t.
#pragma once

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace kmemlab {

inline constexpr unsigned page_shift = 12;
inline constexpr std::size_t page_size = std::size_t{1} << page_shift;
inline constexpr std::size_t cache_line_size = 64;

/// A block of 2^order page frames. Linux 6.1: 0..10 (BUDDY-1).
class Order {
  public:
    constexpr Order() = default;
    constexpr explicit Order(unsigned order) : order_{static_cast<std::uint8_t>(order)} {}

    [[nodiscard]] constexpr unsigned value() const { return order_; }
    /// Page frames in a block of this order.
    [[nodiscard]] constexpr std::uint64_t pages() const { return std::uint64_t{1} << order_; }
    [[nodiscard]] constexpr std::size_t bytes() const { return page_size << order_; }

    constexpr Order& operator++() { return ++order_, *this; }
    constexpr Order& operator--() { return --order_, *this; }
    friend constexpr auto operator<=>(Order, Order) = default;

  private:
    std::uint8_t order_ = 0;
};

inline constexpr Order max_order{10};
inline constexpr unsigned order_count = max_order.value() + 1;
/// Orders above this are "costly" to Linux: it does not try for ever to make them (BUDDY-1).
inline constexpr Order costly_order{3};

/// The least order whose block holds `bytes` (which must be at least 1). May exceed max_order.
[[nodiscard]] constexpr Order order_of(std::size_t bytes) {
    const std::size_t last_page = (bytes - 1) >> page_shift;
    return Order{static_cast<unsigned>(std::bit_width(last_page))};
}

/// A page frame number: physical address / 4096.
class Pfn {
  public:
    constexpr Pfn() = default;
    constexpr explicit Pfn(std::uint64_t pfn) : pfn_{pfn} {}

    [[nodiscard]] constexpr std::uint64_t value() const { return pfn_; }
    [[nodiscard]] constexpr bool is_aligned(Order order) const { return (pfn_ & (order.pages() - 1)) == 0; }
    /// The first frame of the naturally aligned block of `order` that contains this frame.
    [[nodiscard]] constexpr Pfn align_down(Order order) const { return Pfn{pfn_ & ~(order.pages() - 1)}; }
    [[nodiscard]] constexpr Pfn align_up(Order order) const {
        return Pfn{pfn_ + order.pages() - 1}.align_down(order);
    }
    /// The other half of the block of order + 1 in which this block of `order` lies (BUDDY-11).
    [[nodiscard]] constexpr Pfn buddy(Order order) const { return Pfn{pfn_ ^ order.pages()}; }

    friend constexpr Pfn operator+(Pfn pfn, std::uint64_t frames) { return Pfn{pfn.pfn_ + frames}; }
    friend constexpr Pfn operator-(Pfn pfn, std::uint64_t frames) { return Pfn{pfn.pfn_ - frames}; }
    /// Frames from `from` to `to`; `to` must not lie below `from`.
    friend constexpr std::uint64_t operator-(Pfn to, Pfn from) { return to.pfn_ - from.pfn_; }
    constexpr Pfn& operator++() { return ++pfn_, *this; }
    constexpr Pfn& operator+=(std::uint64_t frames) { return pfn_ += frames, *this; }
    friend constexpr auto operator<=>(Pfn, Pfn) = default;

  private:
    std::uint64_t pfn_ = 0;
};

/// The number of a CPU, 0..255. Whoever passes it runs on that CPU: see machine/cpus.hpp.
class CpuId {
  public:
    constexpr CpuId() = default;
    constexpr explicit CpuId(unsigned cpu) : cpu_{cpu} {}

    [[nodiscard]] constexpr unsigned value() const { return cpu_; }
    constexpr CpuId& operator++() { return ++cpu_, *this; }
    friend constexpr auto operator<=>(CpuId, CpuId) = default;

  private:
    unsigned cpu_ = 0;
};

inline constexpr unsigned max_cpus = 256;

}  // namespace kmemlab
