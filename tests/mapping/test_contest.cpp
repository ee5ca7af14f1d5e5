// The runner that rows are measured by.
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "allocators/base/check.hpp"
#include "bench/measure/contest.hpp"
#include "bench/measure/keep.hpp"
#include "bench/measure/self_check.hpp"

using namespace kmemlab;

namespace {

/// Writes down what is asked of it.
class Recorder final : public Contest {
  public:
    Recorder(std::string name, std::string& log, Units units)
        : name_{std::move(name)}, log_{log}, units_{units} {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] Units units() override { return units_; }
    void prepare(std::size_t count) override { prepared_ = count; }
    void finish() override {
        CHECK(prepared_ == 0);
        log_ += name_.back();
    }
    void run(std::size_t count) override {
        REQUIRE(count <= prepared_);
        prepared_ -= count;
    }
    [[nodiscard]] std::string verify() override { return fault_; }
    [[nodiscard]] Counts counts() override { return {{"seven", 7}}; }
    void break_it() { fault_ = "broken"; }

  private:
    std::string name_;
    std::string& log_;
    Units units_;
    std::size_t prepared_ = 0;
    std::string fault_;
};

Recorder& add_recorder(Contests& contests, const std::string& name, std::string& log, Contest::Units units) {
    auto one = std::make_unique<Recorder>(name, log, units);
    Recorder& recorder = *one;
    contests.push_back(std::move(one));
    return recorder;
}

ContestOptions options(const std::string& filter) {
    ContestOptions options;
    options.repetitions = 3;
    options.filter = filter;
    options.milliseconds = 0.001;
    return options;
}

}  // namespace

TEST_CASE("rows take turns, in one direction and the other, and run what was prepared") {
    Contests contests;
    std::string log;
    for (const char* name : {"w/1/a", "w/1/b", "w/1/c"}) add_recorder(contests, name, log, {5, 5});
    const auto rows = measure(contests, options(""), "test");
    CHECK(log == "abcacbcab");
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].iterations == 5);
    CHECK(rows[0].nanoseconds.size() == 3);
    CHECK(rows[0].counts == Counts{{"seven", 7}});
    CHECK(median_of(rows, "w/1/b"));
    CHECK_FALSE(median_of(rows, "w/1/d"));
    CHECK(benchmark_rows(rows).size() == 9);
}

TEST_CASE("rows are compared turn by turn") {
    ContestRow row;
    ContestRow other;
    row.nanoseconds = row.cpu_nanoseconds = {10, 40, 12, 44, 11};
    other.nanoseconds = other.cpu_nanoseconds = {20, 50, 60, 50, 20};
    CHECK(*ratio(row, &other) == Approx(0.55));  // by the medians of each it would be 12 / 50
    other.cpu_nanoseconds = {0, 50, 0, 50, 20};
    CHECK(*ratio(row, &other) == Approx(0.8));
    CHECK_FALSE(ratio(row, nullptr));
    other.cpu_nanoseconds = {0};
    CHECK_FALSE(ratio(row, &other));
}

TEST_CASE("a repetition stays within the units that a row allows") {
    Contests contests;
    std::string log;
    add_recorder(contests, "w/1/a", log, {3, 40});
    const std::size_t units = measure(contests, options(""), "test")[0].iterations;
    CHECK(units >= 3);
    CHECK(units <= 40);
}

TEST_CASE("a filter that finds nothing, or is none, is refused, and so is a row that does not work") {
    Contests contests;
    std::string log;
    Recorder& row = add_recorder(contests, "w/1/a", log, {});
    CHECK(names(contests, "a$", "test") == std::vector<std::string>{"w/1/a"});
    CHECK_THROWS_WITH(measure(contests, options("b$"), "test"),
                      "--filter: no row matches 'b$'; see test --list");
    CHECK_THROWS_AS(measure(contests, options("("), "test"), UsageError);
    row.break_it();
    CHECK_THROWS_WITH(measure(contests, options(""), "test"), "w/1/a: broken");
}

namespace {

/// Its second call of thousand units or more is held up for longer than a repetition lasts.
class Interrupted final : public Contest {
  public:
    [[nodiscard]] const std::string& name() const override { return name_; }
    void run(std::size_t count) override {
        for (std::size_t i = 0; i < count; ++i) keep(i);
        if (count >= 1000 && ++long_calls_ == 2) std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    [[nodiscard]] std::string verify() override { return {}; }

  private:
    std::string name_ = "w/1/a";
    int long_calls_ = 0;
};

}  // namespace

TEST_CASE("a row that is interrupted while its units are counted does not get few of them") {
    Contests contests;
    contests.push_back(std::make_unique<Interrupted>());
    ContestOptions how = options("");
    how.milliseconds = 5;
    CHECK(measure(contests, how, "test")[0].iterations > 10000);
}

namespace {

class Counter final : public Contest {
  public:
    [[nodiscard]] const std::string& name() const override { return name_; }
    void run(std::size_t count) override { runs.push_back(count); }
    [[nodiscard]] std::string verify() override { return {}; }
    std::vector<std::size_t> runs;

  private:
    std::string name_ = "w/1/a";
};

}  // namespace

TEST_CASE("a row becomes three for a self-check, all of which run it in the same stretches") {
    Contests contests;
    auto one = std::make_unique<Counter>();
    Counter& counter = *one;
    contests.push_back(std::move(one));
    const Contests parties = self_check_contests(contests, {"w/1/a"});
    REQUIRE(parties.size() == 3);
    const SelfCheckRow row = self_check_rows({"w/1/a"})[0];
    CHECK(parties[0]->name() == row.name);
    CHECK(parties[1]->name() == row.again);
    CHECK(parties[2]->name() == row.delayed);
    for (const auto& party : parties) {
        counter.runs.clear();
        party->run(10000);
        CHECK(counter.runs == std::vector<std::size_t>{4096, 4096, 1808});
    }
}
