/// Replays golden slab traces (slabtrace, bulktrace) on an object allocator and compares every row. What
/// differs between the allocators is behind SlabTraceTarget.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/base/check.hpp"
#include "tests/support/page_sources.hpp"

namespace kmemlab::test {

/// Numbers slabs in the order in which they are made, and notes which went back.
class NumberedPages {
  public:
    explicit NumberedPages(Arena& arena) : pages_{arena} {}

    std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) {
        const auto pfn = pages_.take(order, gfp, cpu);
        if (pfn) numbers_[pages_.arena().index(*pfn)] = next_++;
        return pfn;
    }
    void give(Pfn pfn, Order order, CpuId cpu) {
        const FrameIndex index = pages_.arena().index(pfn);
        gone_.insert(numbers_.at(index));
        numbers_.erase(index);
        pages_.give(pfn, order, cpu);
    }
    [[nodiscard]] Arena& arena() { return pages_.arena(); }

    [[nodiscard]] std::int64_t number_of(FrameIndex slab) const {
        return slab == no_frame ? -1 : numbers_.at(slab);
    }
    /// How many slabs were made.
    [[nodiscard]] std::int64_t made() const { return next_; }
    /// Slabs that went back since the call before.
    [[nodiscard]] std::set<std::int64_t> take_gone() { return std::exchange(gone_, {}); }

  private:
    BumpPages pages_;
    std::map<FrameIndex, std::int64_t> numbers_;
    std::set<std::int64_t> gone_;
    std::int64_t next_ = 0;
};

/// Where an object lies: number of its slab, its index there, and the slab's colour in bytes.
struct ObjectPlace {
    std::int64_t slab = -1;
    std::int64_t index = -1;
    std::int64_t colour = 0;
};

/// An allocator with one cache, as a trace needs it.
class SlabTraceTarget {
  public:
    virtual ~SlabTraceTarget() = default;

    virtual void* alloc(CpuId cpu) = 0;
    virtual void free(void* object, CpuId cpu) = 0;
    /// All or nothing.
    virtual bool alloc_bulk(std::span<void*> objects, CpuId cpu) = 0;
    virtual void free_bulk(std::span<void*> objects, CpuId cpu) = 0;
    /// Rows K and H.
    virtual void flush_cpu(CpuId cpu) = 0;
    virtual void shrink(CpuId cpu) = 0;

    [[nodiscard]] virtual ObjectPlace place_of(const void* object) const = 0;
    /// The last columns of a row: the state after the operation.
    [[nodiscard]] virtual std::vector<std::int64_t> after(CpuId cpu) const = 0;
    /// The whole state, in the words of X rows behind the operation's number.
    [[nodiscard]] virtual std::vector<std::string> dump() const = 0;
    [[nodiscard]] virtual MaybeViolation find_violation() const = 0;
    [[nodiscard]] virtual NumberedPages& pages() = 0;
};

/// What a replay saw. `difference` is empty if every row agreed.
struct ReplayResult {
    std::uint64_t rows = 0;
    std::string difference;
};

/// The columns of a trace that are not in all of them.
struct TraceForm {
    bool cpu = false;     ///< which CPU: traces of several
    bool colour = false;  ///< colour of the slab; only rows A tell it
};

class SlabTrace {
  public:
    SlabTrace(std::string_view text, TraceForm form, SlabTraceTarget& target)
        : text_{text}, form_{form}, target_{target} {}

    /// Compares all rows; `check` asks find_violation() every 1000 operations and at the end.
    [[nodiscard]] ReplayResult run(bool check);

  private:
    using Row = std::vector<std::string_view>;

    void row(const Row& row);
    void trace_row(const Row& row);
    void bulk_rows();
    void begin_operation(std::string_view operation);
    void compare_place(const Row& row, std::size_t at, const void* object, bool allocated);
    void compare_after(const Row& row, std::size_t at, CpuId cpu);
    void compare_dump();
    void check_laws();
    void expect(std::string_view what, const Row& row, std::int64_t expected, std::int64_t found);
    void differ(std::string what) {
        if (result_.difference.empty()) result_.difference = std::move(what);
    }

    std::string_view text_;
    TraceForm form_;
    SlabTraceTarget& target_;
    bool bulk_trace_ = false;
    std::map<std::int64_t, void*> live_;
    std::set<std::int64_t> seen_;  ///< slabs that gave an object already
    std::vector<std::string_view> dump_rows_;
    std::vector<Row> bulk_;
    std::set<std::int64_t> expected_gone_;
    std::string_view operation_;
    ReplayResult result_;
};

}  // namespace kmemlab::test
