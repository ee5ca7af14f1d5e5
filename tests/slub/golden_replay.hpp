/// Replays a golden slab trace on the model and compares every row.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/slub/slub.hpp"
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
    /// Slabs that went back since the call before.
    [[nodiscard]] std::set<std::int64_t> take_gone() { return std::exchange(gone_, {}); }

  private:
    BumpPages pages_;
    std::map<FrameIndex, std::int64_t> numbers_;
    std::set<std::int64_t> gone_;
    std::int64_t next_ = 0;
};

/// What a replay saw. `difference` is empty if every row agreed.
struct ReplayResult {
    std::uint64_t rows = 0;
    std::string difference;
};

template <class Cpus>
class GoldenReplay {
  public:
    /// `text` is the file; `cpus` how many CPUs its kernel had.
    GoldenReplay(std::string_view text, unsigned cpus, const SlubConfig& config = {});

    /// Compares all rows; `check` asks find_violation() every 1000 operations and at the end.
    [[nodiscard]] ReplayResult run(bool check);

  private:
    using Row = std::vector<std::string_view>;

    void trace_row(const Row& row);
    void bulk_rows();
    void finish_operation();
    void compare_slab(const Row& row, std::size_t at, void* object, bool is_new);
    void compare_after(const Row& row, std::size_t at, CpuId cpu);
    void compare_dump();
    [[nodiscard]] std::vector<std::string> dump() const;
    [[nodiscard]] std::string free_list(FrameIndex slab, const void* first) const;
    [[nodiscard]] FrameIndex slab_of(const void* object) const;
    void expect(std::string_view what, const Row& row, std::int64_t expected, std::int64_t found);
    void differ(std::string what) {
        if (result_.difference.empty()) result_.difference = std::move(what);
    }

    std::string_view text_;
    Arena arena_;
    NumberedPages pages_;
    Cpus cpus_;
    MisuseLog log_;
    Slub<Cpus> slub_;
    typename Slub<Cpus>::Cache* cache_;
    bool smp_;
    std::map<std::int64_t, void*> live_;
    std::vector<std::string_view> dump_rows_;
    std::vector<Row> bulk_;
    std::set<std::int64_t> expected_gone_;
    std::string_view operation_;
    ReplayResult result_;
};

extern template class GoldenReplay<OwnedCpus>;
extern template class GoldenReplay<SimulatedCpus>;

}  // namespace kmemlab::test
