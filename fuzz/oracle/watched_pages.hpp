/// WatchedPages: a page source between an allocator and the one below, for oracles. It fails where it is told
/// to, poisons what was given back, so that whoever still touches it is caught by AddressSanitizer, and
/// dirties what it gives.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "allocators/machine/page_source.hpp"
#include "fuzz/oracle/poison.hpp"

namespace kmemlab::oracle {

template <PageSource Source>
class WatchedPages {
  public:
    explicit WatchedPages(Source& source) : source_{source} {}
    ~WatchedPages() { unpoison(begin_, static_cast<std::size_t>(end_ - begin_)); }
    WatchedPages(const WatchedPages&) = delete;
    WatchedPages& operator=(const WatchedPages&) = delete;

    // PageSource. Zeroing is done here: below, the memory is still poisoned.
    [[nodiscard]] std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) {
        ++requests_;
        if (order >= least_order_ && requests_ >= fail_from_ && requests_ - fail_from_ < fail_count_) {
            ++refused_;
            return {};
        }
        const std::optional<Pfn> pfn = source_.take(order, gfp.without(__GFP_ZERO), cpu);
        if (!pfn) return {};
        unpoison(touched(*pfn, order), order.bytes());
        std::byte* const memory = arena().address(*pfn);
        if (gfp.has(__GFP_ZERO))
            std::memset(memory, 0, order.bytes());
        else
            make_dirty(memory, order);
        return pfn;
    }
    void give(Pfn pfn, Order order, CpuId cpu) {
        poison(touched(pfn, order), order.bytes());
        source_.give(pfn, order, cpu);
    }
    [[nodiscard]] Arena& arena() const { return source_.arena(); }

    /// Of requests of at least `least`, those numbered from..from + count - 1 fail; 1 is the next.
    void fail(std::uint64_t from, std::uint64_t count, Order least) {
        fail_from_ = requests_ + from;
        fail_count_ = count;
        least_order_ = least;
    }
    void fail_never() { fail_count_ = 0; }
    [[nodiscard]] std::uint64_t requests() const { return requests_; }
    /// Requests that failed because they were told to.
    [[nodiscard]] std::uint64_t refused() const { return refused_; }

  private:
    /// Not zero by chance, and the same in every run: the first page, and the begins and ends of the next.
    static void make_dirty(std::byte* memory, Order order) {
        constexpr int dirt = 0x5a;
        constexpr std::size_t edge = 64;
        constexpr std::size_t most_pages = 16;
        std::memset(memory, dirt, page_size);
        for (std::size_t i = 1; i < std::min(order.pages(), most_pages); ++i) {
            std::memset(memory + i * page_size, dirt, edge);
            std::memset(memory + (i + 1) * page_size - edge, dirt, edge);
        }
    }

    std::byte* touched(Pfn pfn, Order order) {
        std::byte* const at = arena().address(pfn);
        begin_ = end_ == nullptr ? at : std::min(begin_, at);
        end_ = std::max(end_, at + order.bytes());
        return at;
    }

    Source& source_;
    std::uint64_t requests_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t fail_from_ = 0;
    std::uint64_t fail_count_ = 0;
    Order least_order_;
    std::byte* begin_ = nullptr;  ///< of all that was ever taken or given
    std::byte* end_ = nullptr;
};

}  // namespace kmemlab::oracle
