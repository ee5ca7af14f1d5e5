/// Every workload is served by the models that it asks for something, and their laws hold.
#include <catch2/catch.hpp>

#include "bench/replay/replay.hpp"
#include "tests/workloads/workload_support.hpp"

using namespace kmemlab;
using namespace kmemlab::workloads;

namespace {

void check_replays(const trace::Trace& trace, const std::vector<std::string>& allocators) {
    CAPTURE(trace.name);
    replay::Options options;
    options.allocators = allocators;
    options.repetitions = 0;
    options.observe.check_every = 500;
    const replay::Result result = replay::replay(trace, options);
    for (const replay::AllocatorResult& allocator : result.allocators) {
        CAPTURE(allocator.name);
        CHECK(allocator.observed.violation.value_or("") == "");
        CHECK(allocator.observed.failures == 0);
        CHECK(allocator.observed.checks >= 2);
    }
}

}  // namespace

TEST_CASE("each workload replays on every model of what it asks for, and the laws hold") {
    for (const Workload& workload : all_workloads()) {
        const trace::Trace trace = made(std::string{workload.info.name} + ",ops=10000");
        const bool objects = trace.slots(trace::Layer::objects) != 0;
        const bool pages = trace.slots(trace::Layer::pages) != 0;
        const bool areas = trace.slots(trace::Layer::areas) != 0;
        CHECK((objects || pages));
        if (objects) check_replays(trace, {"slub", "slub-sheaves", "slab", "slob", "malloc"});
        if (pages) check_replays(trace, {"buddy"});
        if (areas) check_replays(trace, {"vmalloc", "vmalloc-nodes", "kstack-direct", "kstack-vmap"});
    }
}

TEST_CASE("the laws hold on many CPUs and under long use") {
    check_replays(made("larson,ops=40000,threads=64,objects=100,rounds=50"), {"slub", "slub-sheaves"});
    check_replays(made("messages,ops=40000,threads=100"), {"slub", "slab"});
    check_replays(made("hackbench,ops=40000,threads=32"), {"slub", "slub-sheaves"});
    check_replays(made("long-run,ops=100000,from=bench/traces/compile.trace.zst"), {"slub", "buddy"});
    check_replays(made("llfree-frag,ops=40000,blocks=8000,order=2"), {"buddy"});
}
