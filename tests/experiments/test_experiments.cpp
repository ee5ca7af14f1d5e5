/// The outcome of each experiment, by numbers of its own.
#include <catch2/catch.hpp>
#include <string>

#include "bench/experiments/experiment.hpp"

using namespace kmemlab::experiments;

namespace {

Outcome outcome_of(const char* name) {
    Outcome outcome = run(find_experiment(name));
    for (const Finding& finding : outcome.findings()) {
        INFO(name << ": " << finding.what << ": " << finding.value << ", expected: " << finding.expected);
        CHECK(finding.met);
    }
    return outcome;
}

std::string value(const Outcome& outcome, const char* what) {
    const Finding* const finding = outcome.find(what);
    return finding == nullptr ? "no such finding" : finding->value;
}

}  // namespace

TEST_CASE("kmalloc-limits: 4 MiB is the last size that every object allocator gives") {
    const Outcome outcome = outcome_of("kmalloc-limits");
    for (const char* name : {"slub", "slub-sheaves", "slab", "slob"}) {
        CHECK(value(outcome, (std::string{name} + ": last size that succeeds").c_str()) == "4194304 bytes");
    }
}

TEST_CASE("struct-page-overhead: 64 bytes a frame in Linux, 32 here") {
    const Outcome outcome = outcome_of("struct-page-overhead");
    CHECK(value(outcome, "Linux, of memory") == "1.56 %");
    CHECK(value(outcome, "ours, of memory") == "0.78 %");
}
