#include "bench/trace/describe.hpp"

#include "tests/trace/trace_support.hpp"

using namespace kmemlab;
using namespace kmemlab::trace;
using Catch::Matchers::Contains;

namespace {

Trace sample() {
    return read_text(kmalloc_line("a1", 100, 0, 0) + kmalloc_line("a2", 100, 0, 1) +
                     kmalloc_line("a3", 8, 1, 2) + kfree_line("a1", 1, 12) + kfree_line("a2", 0, 33) +
                     kfree_line("0x0") + kfree_line("ffff") + cache_alloc_line("b1", "filp") +
                     page_alloc_line("0x10", 3) + batched_line("0x99"));
}

}  // namespace

TEST_CASE("the JSON description counts events, sizes, lifetimes, CPUs and what does not match") {
    const nlohmann::json json = describe_json(sample());
    CHECK(json["kernel_events"] == 10);
    CHECK(json["operations"] == 7);
    CHECK(json["events"]["kmalloc"] == 3);
    CHECK(json["events"]["mm_page_free_batched"] == 1);
    const nlohmann::json& objects = json["layers"]["objects"];
    CHECK(objects["allocations"] == 4);
    CHECK(objects["frees"] == 2);
    CHECK(objects["peak_live"] == 3);
    CHECK(objects["cross_cpu_frees"] == 1);
    CHECK(objects["never_freed"] == 2);
    CHECK(objects["frees_without_allocation"] == 1);
    // a1 and a2 live for 12 and 32 us, and 3 operations each.
    CHECK(objects["lifetime_us"] == nlohmann::json::parse("[[8,1],[32,1]]"));
    CHECK(objects["lifetime_operations"] == nlohmann::json::parse("[[2,2]]"));
    CHECK(json["kmalloc_sizes"] == nlohmann::json::parse("[[8,1],[64,2]]"));
    CHECK(json["kmalloc_exact_sizes"] == nlohmann::json::parse("[[8,1],[100,2]]"));
    CHECK(json["page_orders"] == nlohmann::json::parse("[[3,1]]"));
    CHECK(json["caches"][0]["name"] == "filp");
    CHECK(json["caches"][0]["object_size"] == 184);
    CHECK(json["cpus"][1]["remote_frees"] == 1);
    CHECK(json["unmatched"]["null_frees"] == 1);
    CHECK(json["unmatched"]["batched_without_free"] == 1);
}

TEST_CASE("call sites are counted with the bytes they ask for") {
    const nlohmann::json json = describe_json(sample());
    const nlohmann::json& site = json["call_sites"][0];
    CHECK(site["name"] == "f+0x1/0x2");
    CHECK(site["allocations"] == 3);
    CHECK(site["requested_bytes"] == 208);
}

TEST_CASE("the text description shows each part") {
    const std::string text = describe(sample());
    for (const std::string_view part :
         {"10 kernel events", "events\n", "kmalloc by bytes requested", "100 bytes", "order 3", "filp",
          "lifetimes of objects", "f+0x1/0x2", "CPU ", "never freed", "null_frees"})
        CHECK_THAT(text, Contains(std::string{part}));
    CHECK(text.find("INCOMPLETE") == std::string::npos);
}

TEST_CASE("the text description says first that events were lost") {
    CHECK_THAT(describe(read_text(kmalloc_line("a1") + "CPU:1 [LOST 254 EVENTS]\n")),
               Contains("INCOMPLETE: the kernel lost at least 254 events (1 reports)"));
}

TEST_CASE("a trace without operations can be described") {
    CHECK_THAT(describe(read_text(kfree_line("ffff"))), Contains("1 kernel events"));
}
