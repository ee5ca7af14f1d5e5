/// What run() does with a machine, on machines made for it. That the oracles notice real bugs is what the
/// scoreboard measures (fuzz/mutants).
#include <algorithm>
#include <catch2/catch.hpp>

#include "fuzz/machines/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

namespace {

/// A number that must be 0, and a checker that sees only up to a bound.
class Checked final : public Machine {
  public:
    Checked(int bound, int begin) : bound_{bound}, number_{begin} {}
    void perform(const Operation& op) override {
        static constexpr std::array<DamageKind<Part>, 3> kinds{{
            {"a one", "X1 X2", [](const Part& part, Damage& d) { d.set(part.number, 1); }},
            {"a two", "X1", [](const Part& part, Damage& d) { d.set(part.number, 2); }},
            {"nothing", "X3", [](const Part&, Damage&) {}},
        }};
        std::vector<Part> parts{{number_}};
        damage(op, std::span{parts}, std::span<const DamageKind<Part>>{kinds},
               [&] { return find_violation(); });
    }
    [[nodiscard]] MaybeViolation find_violation() override {
        if (number_ == 0 || number_ > bound_) return {};
        return violation(number_ == 1 ? "X2" : "X4", "{}", number_);
    }
    void tear_down() override { CHECK(number_ == 0); }

  private:
    struct Part {
        int& number;
    };
    int bound_;
    int number_;
};

/// Writes down what it is told, and passes marked points.
class Recorder final : public Machine {
  public:
    explicit Recorder(std::string& log, std::uint64_t points = 3) : log_{log}, points_{points} {}
    void perform(const Operation& op) override {
        log_ += fmt::format("{}{}(", info_of(op.kind).name, op.cpu);
        for (std::uint64_t i = 0; i < points_; ++i) {
            if (schedule_ != nullptr)
                schedule_->at(op.size == 1 ? Point::commit : Point::lock, CpuId{op.cpu});
        }
        log_ += ")";
        if (op.size == 66) break_law("X1", "as asked");
        if (op.size == 77) end();
    }
    [[nodiscard]] MaybeViolation find_violation() override {
        log_ += "W";
        return {};
    }
    void tear_down() override { log_ += "T"; }
    void follow(Schedule* schedule) override { schedule_ = schedule; }

  private:
    std::string& log_;
    std::uint64_t points_;
    Schedule* schedule_ = nullptr;
};

constexpr Language language{
    .target = "recorder", .operations = ~OpSet{0} >> (64 - op_kind_count), .knobs = {}};

struct Told {
    std::string log;
    MaybeFinding found;
};

Told run_recorded(std::vector<Operation> operations, std::uint8_t walk = 3, std::uint64_t points = 3) {
    Told told;
    const MachineMaker make = [&](const Setup&, const Language&) -> std::unique_ptr<Machine> {
        return std::make_unique<Recorder>(told.log, points);
    };
    told.found = run(make, {Setup{.cpus = 3, .walk = walk}, std::move(operations)}, language);
    return told;
}

Operation op(OpKind kind, std::uint8_t cpu, std::uint32_t size = 0, std::uint8_t at = 0,
             std::uint8_t count = 0) {
    return {.kind = kind, .cpu = cpu, .size = size, .strike_at = at, .strike_count = count};
}

}  // namespace

TEST_CASE("operations run in their order, then a walk and the teardown") {
    CHECK(run_recorded({op(OpKind::alloc, 0), op(OpKind::release, 1)}).log == "alloc0()release1()WT");
    CHECK(run_recorded({op(OpKind::alloc, 0), op(OpKind::walk, 0), op(OpKind::alloc, 0)}, 3).log ==
          "alloc0()walk0()Walloc0()WT");
    std::string log = run_recorded(std::vector<Operation>(33, op(OpKind::grace, 0)), 0).log;
    CHECK(log.find('W') == 32 * std::string_view{"grace0()"}.size());
    CHECK(std::count(log.begin(), log.end(), 'W') == 2);
}

TEST_CASE("a strike runs what follows, on other CPUs, inside of the operation") {
    CHECK(run_recorded({op(OpKind::alloc, 0, 0, 2, 2), op(OpKind::release, 1), op(OpKind::alloc, 2)}).log ==
          "alloc0(release1()alloc2())WT");
    CHECK(run_recorded({op(OpKind::alloc, 0, 0, 2, 2), op(OpKind::release, 0)}).log ==
          "alloc0()release0()WT");
    CHECK(run_recorded({op(OpKind::alloc, 0, 0, 9, 1), op(OpKind::release, 1)}).log ==
          "alloc0()release1()WT");
}

TEST_CASE("another task of the same CPU strikes only where its slot is open to it") {
    CHECK(run_recorded({op(OpKind::alloc, 0, 1, 1, 1), op(OpKind::release, 0)}).log ==
          "alloc0(release0())WT");
    CHECK(run_recorded({op(OpKind::alloc, 0, 0, 1, 1), op(OpKind::release, 0)}).log ==
          "alloc0()release0()WT");
}

TEST_CASE("what needs a machine of its own neither strikes nor is struck") {
    CHECK(run_recorded({op(OpKind::alloc, 0, 0, 1, 2), op(OpKind::drain, 1)}).log == "alloc0()drain1()WT");
}

TEST_CASE("strikes strike each other three deep") {
    CHECK(run_recorded({op(OpKind::alloc, 0, 0, 1, 1), op(OpKind::alloc, 1, 0, 1, 1),
                        op(OpKind::alloc, 2, 0, 1, 1), op(OpKind::alloc, 3)})
              .log == "alloc0(alloc1(alloc2()))alloc3()WT");
}

TEST_CASE("the first broken law ends the run, and says after which operation") {
    const Told told = run_recorded({op(OpKind::alloc, 0), op(OpKind::alloc, 0, 66), op(OpKind::alloc, 0)});
    REQUIRE(told.found);
    CHECK(told.found->law == "X1");
    CHECK(told.found->operation == 1);
    CHECK(told.log == "alloc0()alloc0()");
}

TEST_CASE("after a judged misuse nothing more is asked") {
    CHECK(run_recorded({op(OpKind::alloc, 0, 77), op(OpKind::alloc, 0)}).log == "alloc0()");
}

TEST_CASE("damage must be noticed, be named rightly, and be gone after its repair") {
    const auto law_of = [](int bound, int begin, std::uint8_t which) {
        const MachineMaker make = [&](const Setup&, const Language&) -> std::unique_ptr<Machine> {
            return std::make_unique<Checked>(bound, begin);
        };
        const auto found = run(make, {Setup{}, {{.kind = OpKind::damage, .count = which}}}, language);
        return found ? found->law + ": " + found->what : "";
    };
    CHECK(law_of(1, 0, 0).empty());
    CHECK(law_of(0, 0, 0) == "X1: nobody noticed a one");
    CHECK(law_of(9, 0, 1) == "X1: a two was taken for X4: 2");
    CHECK(law_of(9, 7, 0) == "X4: 7");  // it was broken before
    CHECK(law_of(0, 0, 2).empty());     // nothing was damaged
}

TEST_CASE("an operation that passes points without end breaks C4") {
    const Told told = run_recorded({op(OpKind::alloc, 0)}, 3, most_points + 1);
    REQUIRE(told.found);
    CHECK(told.found->law == "C4");
}
