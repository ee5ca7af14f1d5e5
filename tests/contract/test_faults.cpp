// The laws notice faults: a model with one fault planted is refused by the law that the fault breaks.
#include <catch2/catch.hpp>

#include <memory>

#include "tests/contract/allocator_laws.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

enum class Fault {
    none,
    overlap,         ///< a block that is large enough is given twice
    not_aligned,     ///< alignment is forgotten
    not_natural,     ///< a few bytes for itself in front of each size
    too_small,       ///< less usable than asked
    scribble,        ///< writes into a block that somebody has
    not_zero,        ///< __GFP_ZERO is forgotten
    early_null,      ///< no memory though there is
    absurd_size,     ///< the size wraps round
    leak,            ///< now and then a free is forgotten
    uncounted,       ///< an operation is not counted
    sticky_path,     ///< reading the path does not forget it
    remembers,       ///< a second instance behaves differently
    spends_at_null,  ///< a request that fails takes something
};

/// slub with a fault. Blocks that the fault makes useless stay where they are.
class FaultyModel {
  public:
    FaultyModel(Fault fault, unsigned instance, const std::vector<Setting>& settings)
        : fault_{fault}, instance_{instance}, inner_{configure<SlubModel>(settings)} {}

    void* allocate(Request request) {
        ++calls_;
        const bool now = calls_ % 40 == 30;
        if (fault_ == Fault::overlap && last_ != nullptr && inner_.usable_size(last_) >= request.size)
            return last_;
        if (fault_ == Fault::not_aligned) request.align = 0;
        if (fault_ == Fault::not_natural && request.size > 0) request.size += 8;
        if (fault_ == Fault::not_zero) request.gfp = request.gfp.without(__GFP_ZERO);
        if (fault_ == Fault::early_null && now) return nullptr;
        if (fault_ == Fault::absurd_size) request.size = static_cast<std::uint32_t>(request.size);
        if (fault_ == Fault::remembers && instance_ > 0 && now) (void)inner_.allocate(request);
        void* const p = inner_.allocate(request);
        if (fault_ == Fault::scribble && now) *static_cast<unsigned char*>(last_) ^= 1;
        if (fault_ == Fault::spends_at_null && p == nullptr)
            (void)inner_.allocate({.size = 8, .gfp = GFP_ATOMIC});
        if (p != nullptr && request.size > 0) last_ = p;
        return p;
    }
    void deallocate(void* p, CpuId cpu) {
        if (p == last_) last_ = nullptr;
        if (fault_ == Fault::leak && p != nullptr && ++frees_ % 40 == 30) return;
        inner_.deallocate(p, cpu);
    }
    [[nodiscard]] std::size_t usable_size(void* p) const {
        const std::size_t usable = inner_.usable_size(p);
        return fault_ == Fault::too_small ? usable - 1 : usable;
    }
    [[nodiscard]] AllocatorStats stats() const {
        AllocatorStats stats = inner_.stats();
        if (fault_ == Fault::uncounted) stats.frees[0] -= std::min<std::uint64_t>(stats.frees[0], 1);
        return stats;
    }
    [[nodiscard]] Path last_path(CpuId cpu) {
        if (fault_ == Fault::sticky_path) return Path::new_slab;
        return inner_.last_path(cpu);
    }
    void drain(CpuId cpu) { inner_.drain(cpu); }
    [[nodiscard]] MaybeViolation find_violation() const { return {}; }
    [[nodiscard]] std::vector<Text> snapshot() const { return inner_.snapshot(); }
    [[nodiscard]] FreeBlocks free_blocks() const { return inner_.free_blocks(); }

  private:
    Fault fault_;
    unsigned instance_;
    SlubModel inner_;
    std::uint64_t calls_ = 0;
    std::uint64_t frees_ = 0;
    void* last_ = nullptr;
};
static_assert(Allocator<FaultyModel>);

Subject<FaultyModel> with(Fault fault) {
    auto instances = std::make_shared<unsigned>(0);
    return {"slub with a fault", SlubModel::info, [=](const std::vector<Setting>& settings) {
                return std::make_unique<FaultyModel>(fault, (*instances)++, settings);
            }};
}

/// The number of the law that was broken; "" if none.
std::string law_of(const MaybeViolation& found) {
    return found ? std::string{found->law} : "";
}

}  // namespace

TEST_CASE("a model without a fault keeps all laws") {
    const auto subject = with(Fault::none);
    CHECK(text(serves_all_sizes(subject)) == "");
    CHECK(text(survives_absurd_sizes(subject)) == "");
    CHECK(text(aligns(subject)) == "");
    CHECK(text(zeroes_what_was_dirty(subject)) == "");
    CHECK(text(fills_and_empties(subject)) == "");
    CHECK(text(survives_churn(subject)) == "");
    CHECK(text(tells_the_last_path(subject)) == "");
    CHECK(text(repeats_itself(subject)) == "");
}
TEST_CASE("a block given twice breaks G1") {
    CHECK(law_of(serves_all_sizes(with(Fault::overlap))) == "G1");
}
TEST_CASE("a forgotten alignment breaks G2") {
    CHECK(law_of(aligns(with(Fault::not_aligned))) == "G2");
}
TEST_CASE("a header before a power of two breaks G2") {
    CHECK(law_of(serves_all_sizes(with(Fault::not_natural))) == "G2");
}
TEST_CASE("a block smaller than asked breaks G3") {
    CHECK(law_of(serves_all_sizes(with(Fault::too_small))) == "G3");
}
TEST_CASE("a byte changed in somebody's block breaks G4") {
    CHECK(law_of(serves_all_sizes(with(Fault::scribble))) == "G4");
}
TEST_CASE("dirty memory breaks G5") {
    CHECK(law_of(zeroes_what_was_dirty(with(Fault::not_zero))) == "G5");
}
TEST_CASE("null while there is memory breaks M1") {
    CHECK(law_of(survives_churn(with(Fault::early_null))) == "M1");
    CHECK(law_of(fills_and_empties(with(Fault::early_null))) == "M1");
}
TEST_CASE("a size that wraps round breaks G3 or G6") {
    const std::string law = law_of(survives_absurd_sizes(with(Fault::absurd_size)));
    CHECK((law == "G3" || law == "G6"));
}
TEST_CASE("a forgotten free breaks the counts or B16") {
    CHECK(law_of(fills_and_empties(with(Fault::leak))) == "B16");
    CHECK(law_of(survives_churn(with(Fault::leak))) == "stats");
}
TEST_CASE("an operation that is not counted is missed") {
    CHECK(law_of(survives_churn(with(Fault::uncounted))) == "stats");
}
TEST_CASE("a path that is told twice is noticed") {
    CHECK(law_of(tells_the_last_path(with(Fault::sticky_path))) == "last_path");
}
TEST_CASE("a second instance that behaves differently breaks G12") {
    CHECK(law_of(repeats_itself(with(Fault::remembers))) == "G12");
}
TEST_CASE("a failed request that takes something breaks B16") {
    CHECK(law_of(fills_and_empties(with(Fault::spends_at_null))) == "B16");
}
