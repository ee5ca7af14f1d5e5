/// `kmemlab inspect` as a user runs it.
#include <catch2/catch.hpp>
#include <string>

#include "bench/measure/environment.hpp"
#include "tests/cli/program.hpp"

using namespace kmemlab;
using namespace kmemlab::cli_test;
using Catch::Contains;

namespace {

const std::string split_and_merge =
    "inspect workload:llfree-bulk,ops=20,blocks=10,order=2,threads=1 --allocator buddy --arena 4M --set "
    "pcp.enabled=0 ";

}  // namespace

TEST_CASE("inspect lists caches, and draws one") {
    const std::string trace = "inspect bench/traces/make-j2.trace.zst --arena 256M ";
    const Outcome list = run_kmemlab(trace + "--at 5000");
    CAPTURE(list.err);
    REQUIRE(list.status == 0);
    CHECK(list.err.empty());
    CHECK_THAT(list.out, Catch::StartsWith("slub after 5000 of ") && Contains("(objects) of make-j2\n") &&
                             Contains("\nkmalloc-64 "));
    for (const std::string allocator : {"slub", "slab", "slub-sheaves"}) {
        const Outcome one = run_kmemlab(trace + "--at 5000 --cache kmalloc-64 --allocator " + allocator);
        CHECK(one.status == 0);
        CHECK_THAT(one.out, Contains("kmalloc-64: 64 objects of 64 bytes in a slab of 1 page\n") &&
                                Contains("\nCPU 0 ") && Contains("#  in use "));
    }
    CHECK_THAT(run_kmemlab(trace + "--at 5000 --cache small --allocator slob").out,
               Contains("a list of SLOB's heap"));
}

TEST_CASE("inspect shows a split, and that all is merged in the end") {
    CHECK_THAT(run_kmemlab(split_and_merge + "--at 1").out, Contains("####222233333333"));
    CHECK_THAT(run_kmemlab(split_and_merge).out, Contains("AAAAAAAA") && !Contains("##"));
}

TEST_CASE("the frames of a movie are as many as asked, in a file and in a picture") {
    const ScratchFolder folder;
    const std::string json = folder.file("frames.json");
    const std::string gif = folder.file("split.gif");
    const Outcome outcome =
        run_kmemlab(split_and_merge + "--frames 7 --frames-json " + json + " --movie " + gif);
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK((outcome.out + outcome.err).empty());
    const Json movie = Json::parse(content(json))["movie"];
    REQUIRE(movie["frames"].size() == 7);
    CHECK(movie["operations"] == 20);
    CHECK(movie["frames"][3]["operation"] == 10);
    CHECK(content(gif).starts_with("GIF89a"));
    CHECK(run_kmemlab(split_and_merge + "--movie " + folder.file("end.png")).status == 0);
    CHECK(content(folder.file("end.png")).starts_with("\x89PNG"));
}

TEST_CASE("the help of inspect suffices to use it") {
    const Outcome outcome = run_kmemlab("inspect --help");
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains("Example") && Contains("kmemlab inspect") && Contains("--movie"));
}

TEST_CASE("an inspection that cannot be is refused") {
    check_refused("inspect", "TRACE");
    check_refused("inspect absent --allocator malloc", "cannot look into 'malloc'; there are: slub, ");
    check_refused("inspect absent --set slub.nonsense=1", "slub.nonsense");
    check_refused("inspect absent --allocator slob --set slub.cpu_partial=1", "slub.cpu_partial");
    check_refused("inspect absent", "absent");
    check_refused("inspect absent --movie x.mp4", "x.mp4: expected a name that ends in .gif or .png");
    check_refused("inspect absent --frames 3", "--frames is for --movie");
    check_refused("inspect absent --frames 0 --movie x.gif", "--frames");
    check_refused("inspect absent --cache a --movie x.gif", "--cache is for the text");
    const std::string larson = "inspect workload:larson,ops=1000 --arena 64M ";
    check_refused(larson + "--at 1000000", "--at 1000000: the trace has ");
    check_refused(larson + "--at many", "--at");
    check_refused(larson + "--cache nothing", "no cache 'nothing'; there are: ");
    check_refused(larson + "--allocator buddy", "replays pages, and the trace has none");
    check_refused(split_and_merge + "--cache a", "buddy has no object caches");
    check_refused(split_and_merge + "--at 3 --frames 5 --movie x.gif", "at most 4 moments");
    check_refused(split_and_merge + "--frames-json /no/such/folder/x.json", "/no/such/folder/x.json");
}
