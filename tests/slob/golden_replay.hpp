/// Replays a golden trace of SLOB on the model, from the recorded state of the shared lists on, and compares
/// every row.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/slob/slob.hpp"
#include "tests/support/page_sources.hpp"

namespace kmemlab::test {

/// Numbers pages in the order in which they are taken, and notes which went back.
class NumberedPages {
  public:
    explicit NumberedPages(Arena& arena) : pages_{arena} {}

    std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) {
        const auto pfn = pages_.take(order, gfp, cpu);
        if (pfn) numbers_[*pfn] = next_++;
        return pfn;
    }
    void give(Pfn pfn, Order order, CpuId cpu) {
        gone_.insert(numbers_.at(pfn));
        numbers_.erase(pfn);
        pages_.give(pfn, order, cpu);
    }
    [[nodiscard]] Arena& arena() { return pages_.arena(); }

    [[nodiscard]] std::int64_t number_of(Pfn pfn) const { return numbers_.at(pfn); }
    [[nodiscard]] std::int64_t taken() const { return next_; }
    /// Pages that went back since the call before.
    [[nodiscard]] std::set<std::int64_t> take_gone() { return std::exchange(gone_, {}); }

  private:
    BumpPages pages_;
    std::map<Pfn, std::int64_t> numbers_;
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
    GoldenReplay(std::string_view text, const SlobConfig& config);

    /// Compares all rows and asks find_violation() every 1000 operations and at the end.
    [[nodiscard]] ReplayResult run();

  private:
    using Row = std::vector<std::string_view>;

    std::size_t restore_state(const std::vector<std::string_view>& lines);
    void single_row(const Row& row);
    void bulk_rows();
    void finish_operation();
    void compare(const Row& row, void* object);
    void check_laws();
    void differ(std::string what) {
        if (result_.difference.empty()) result_.difference = std::move(what);
    }

    std::string_view text_;
    Arena arena_;
    NumberedPages pages_;
    Cpus cpus_;
    MisuseLog log_;
    Slob<Cpus> slob_;
    typename Slob<Cpus>::Cache* cache_;
    std::map<std::int64_t, void*> live_;
    std::vector<Row> bulk_;
    std::set<std::int64_t> expected_gone_;
    std::string_view operation_;
    ReplayResult result_;
};

extern template class GoldenReplay<OwnedCpus>;
extern template class GoldenReplay<SimulatedCpus>;

}  // namespace kmemlab::test
