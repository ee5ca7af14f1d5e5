/// Parameters: what is not valid is told in one line that lists what is.
#include <catch2/catch.hpp>

#include <charconv>

#include "allocators/base/check.hpp"
#include "tests/workloads/workload_support.hpp"

using namespace kmemlab;
using namespace kmemlab::workloads;
using Catch::Contains;

namespace {

std::string refusal(const std::string& text) {
    try {
        (void)made(text);
    } catch (const UsageError& error) {
        const std::string message = error.what();
        CHECK(message.find('\n') == message.npos);
        return message;
    }
    return "accepted";
}

}  // namespace

TEST_CASE("an unknown workload, parameter or value is refused with what is valid") {
    CHECK_THAT(refusal("nothing"), Contains("no workload 'nothing'; there are: llfree-bulk, ") &&
                                       Contains("larson") && Contains("long-run"));
    CHECK_THAT(refusal(""), Contains("no workload ''"));
    CHECK_THAT(refusal("larson,size=8"),
               Contains("workload larson: no parameter 'size'; there are: ops, threads, seed, objects"));
    CHECK_THAT(refusal("larson,threads"), Contains("'threads': expected key=value"));
    CHECK_THAT(refusal("larson,"), Contains("'': expected key=value"));
    CHECK_THAT(refusal("larson,=1"), Contains("expected key=value"));
    CHECK_THAT(refusal("larson,threads=many"), Contains("workload larson: threads=many: expected 1..256"));
    CHECK_THAT(refusal("larson,threads=-1"), Contains("expected 1..256"));
    CHECK_THAT(refusal("larson,min=100,max=99"), Contains("min=100 is above max=99"));
    CHECK_THAT(refusal("slab-pattern,frees=backwards"), Contains("expected fifo, lifo or random"));
    CHECK_THAT(refusal("xmalloc,seed=1"), Contains("no parameter 'seed'"));  // it draws nothing
    CHECK_THAT(refusal("long-run,from="), Contains("expected a file"));
    CHECK_THAT(refusal("long-run,from=absent.trace"), Contains("absent.trace"));
}

TEST_CASE("each parameter's bounds are accepted, and nothing beyond them") {
    for (const Workload& workload : all_workloads()) {
        for (const Parameter& parameter : workload.parameters()) {
            const auto dots = parameter.accepted.find("..");
            if (dots == parameter.accepted.npos) continue;
            const std::string name{workload.info.name};
            CAPTURE(name, parameter.key, parameter.accepted);
            const std::string least = parameter.accepted.substr(0, dots);
            const std::string most = parameter.accepted.substr(dots + 2);
            const auto with = [&](const std::string& value) {
                return name + ",ops=1," + parameter.key + "=" + value;
            };
            const std::string expected = "expected " + parameter.accepted;
            if (least != "0")
                CHECK_THAT(refusal(with(std::to_string(std::stoull(least) - 1))), Contains(expected));
            CHECK_THAT(refusal(with(most + "0")), Contains(expected));
            CHECK_THAT(refusal(with(parameter.value + "x")), Contains(expected));
            // What is large takes long, or is more than another parameter's bound.
            const std::string at_least = refusal(with(least));
            if (parameter.key != "max") CHECK(at_least == "accepted");
        }
    }
}

TEST_CASE("a parameter's usual value, given, changes nothing") {
    for (const Workload& workload : all_workloads()) {
        const std::string name{workload.info.name};
        std::string all = name;
        for (const Parameter& parameter : workload.parameters()) {
            all += "," + parameter.key + "=" + (parameter.key == "ops" ? "5000" : parameter.value);
        }
        CAPTURE(all);
        CHECK((made(all).operations == made(name + ",ops=5000").operations));
    }
}
