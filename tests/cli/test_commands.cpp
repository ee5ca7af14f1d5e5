/// What the commands do when all is well.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "bench/measure/environment.hpp"
#include "tests/cli/program.hpp"

using namespace kmemlab;
using namespace kmemlab::cli_test;
using Catch::Contains;

TEST_CASE("help of every command suffices to use it") {
    for (const char* command : {"", "list", "trace", "trace info", "trace pack", "replay", "workload",
                                "workload list", "peers", "compare"}) {
        CAPTURE(command);
        const Outcome outcome = run_kmemlab(std::string{command} + " --help");
        CHECK(outcome.status == 0);
        CHECK(outcome.err.empty());
        CHECK_THAT(outcome.out, Contains("Example") && Contains("kmemlab " + std::string{command}));
    }
}

TEST_CASE("the version names compiler and build") {
    const Outcome outcome = run_kmemlab("--version");
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, Catch::StartsWith("kmemlab 0."));
}

TEST_CASE("list names the models and, if asked, their tunables") {
    const Outcome plain = run_kmemlab("list");
    CHECK(plain.status == 0);
    CHECK_THAT(plain.out, Contains("slub: ") && Contains("follows Linux 6.1") && Contains("malloc: "));
    CHECK_THAT(plain.out, !Contains("slub.max_order"));
    CHECK_THAT(run_kmemlab("list --tunables").out, Contains("slub.max_order"));
}

TEST_CASE("replay writes a result and says nothing on a pipe but its table") {
    const ScratchFolder folder;
    const std::string trace = folder.with("small.trace", small_trace);
    const std::string file = folder.file("r.json");
    const Outcome outcome =
        run_kmemlab("replay " + trace +
                    " --allocator slub,malloc,buddy --repetitions 2 --arena 64M --snapshot 1,end "
                    "--snapshot-dir " +
                    folder.file("texts") + " --json " + file);
    CAPTURE(outcome.err);
    CHECK(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK_THAT(outcome.out, Contains("slub (objects") && Contains("buddy (pages"));
    const Json json = Json::parse(content(file));
    CHECK(json["replay"]["trace"]["name"] == "small");
    CHECK(json["replay"]["allocators"].size() == 3);
    CHECK_THAT(json["context"]["command"].get<std::string>(), Contains("replay"));
    CHECK(json["context"]["tunables"]["machine.arena"] == "67108864");
    CHECK_FALSE(std::filesystem::is_empty(folder.file("texts")));
    CHECK_FALSE(std::filesystem::exists(file + ".part"));
}

TEST_CASE("a shipped trace replays with the same counts, addresses and snapshots in two runs") {
    const ScratchFolder folder;
    std::string texts[2];
    for (std::string& text : texts) {
        const std::string file = folder.file("r.json");
        const Outcome outcome = run_kmemlab(
            "replay bench/traces/make-j2.trace.zst --allocator slub,buddy --repetitions 0 --snapshot "
            "5000,end "
            "--json " +
            file);
        REQUIRE(outcome.status == 0);
        text = Json::parse(content(file))["replay"]["allocators"].dump();
    }
    CHECK(texts[0] == texts[1]);
    CHECK_THAT(texts[0], Contains("address_hash") && Contains("slabinfo") && Contains("buddyinfo"));
}

TEST_CASE("a packed trace replays as the text that it was made from") {
    const ScratchFolder folder;
    const std::string trace = folder.with("small.trace", small_trace);
    REQUIRE(run_kmemlab("trace pack " + trace + " -o " + folder.file("small.kmt")).status == 0);
    const std::string options = " --allocator slub --repetitions 0 --json /dev/stdout | head -n 1";
    const Json text = Json::parse(run_kmemlab("replay " + trace + options).out);
    const Json packed = Json::parse(run_kmemlab("replay " + folder.file("small.kmt") + options).out);
    CHECK(text["replay"]["allocators"] == packed["replay"]["allocators"]);
}

TEST_CASE("a trace is read from standard input") {
    const ScratchFolder folder;
    const std::string trace = folder.with("small.trace", small_trace);
    const Outcome outcome = run_kmemlab("trace info - <" + trace);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains("kmem_cache_alloc"));
}

TEST_CASE("peers lists its rows and measures those that the filter finds") {
    CHECK_THAT(run_kmemlab("peers --list").out, Contains("pair/64/floor\n") && Contains("pair/64/slub\n") &&
                                                    Contains("pair/64/slub-kmalloc\n") &&
                                                    Contains("pair/4096/buddy\n") &&
                                                    Contains("pair/64/glibc\n"));
    const ScratchFolder folder;
    const std::string file = folder.file("p.json");
    const Outcome outcome =
        run_kmemlab("peers --filter '^pair/64/(floor|slub|glibc)$' --repetitions 2 --json " + file);
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    const Json json = Json::parse(content(file));
    std::multiset<std::string> names;
    for (const Json& row : json["benchmarks"]) names.insert(row["name"].get<std::string>());
    CHECK(names.count("pair/64/slub") == 2);
    CHECK(names.size() == 6);
    CHECK(json["peers"]["rows"].size() == 3);
    CHECK(json["peers"]["libraries"].size() == 5);
}

TEST_CASE("peers compares with the times of a kernel, and measures the calib rows for it") {
    const ScratchFolder folder;
    const std::string file = folder.file("p.json");
    const std::string row = "kernel-batch-kmem_cache-128-fifo/256/slub";
    const Outcome outcome = run_kmemlab("peers --repetitions 1 --filter '^" + row + "$' --json " + file +
                                        " --kernel-times tests/golden/linux-6.1-timing/slub.csv.zst");
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains("slub, batches freed fifo: ") && Contains("slub: ") &&
                                Contains(" of 1 rows at most 1.00; median "));
    const Json json = Json::parse(content(file));
    CHECK(json["peers"]["rows"].empty());
    REQUIRE(json["kernel_times"].size() == 1);
    const Json& slub = json["kernel_times"][0];
    CHECK(slub["allocator"] == "slub");
    REQUIRE(slub["rows"].size() == 1);
    CHECK(slub["rows"][0]["name"] == row);
    CHECK(slub["rows"][0]["counts"]["frees.slab"] > slub["rows"][0]["counts"]["frees.fast"]);
    CHECK(json["benchmarks"].size() == 1 + slub["calibrations"].get<std::size_t>());
}

TEST_CASE("interrupted peers keep what all rows have, and --resume goes on with it") {
    const ScratchFolder folder;
    const std::string file = folder.file("p.json");
    const std::string command = "peers --filter '^pair/64/(floor|slub)$' --json " + file;
    const Outcome broken =
        run_kmemlab(command + " --repetitions 1000 & child=$!; sleep 2; kill -INT $child; wait $child");
    CHECK(broken.status == 130);
    CHECK_THAT(broken.err, Contains(" of 1000 repetitions, which " + file + ".partial keeps"));
    CHECK_FALSE(std::filesystem::exists(file));
    const Json kept = Json::parse(content(file + ".partial"))["benchmarks"];
    const std::size_t done = kept.size() / 2;
    REQUIRE(done > 0);
    check_refused("peers --filter '^pair/64/floor$' --resume --json " + file,
                  "p.json.partial: expected the rows of the same filter");
    REQUIRE(run_kmemlab(command + " --resume --repetitions " + std::to_string(done + 2)).status == 0);
    const Json whole = Json::parse(content(file))["benchmarks"];
    REQUIRE(whole.size() == kept.size() + 4);
    for (std::size_t i = 0; i < done; ++i) {
        for (const std::size_t row : {0U, 1U}) {
            const Json& before = kept[row * done + i];
            const Json& now = whole[row * (done + 2) + i];
            CHECK((before["name"] == now["name"] && before["real_time"] == now["real_time"]));
        }
    }
    CHECK_FALSE(std::filesystem::exists(file + ".partial"));
    std::ofstream{file + ".partial"} << "of an earlier run";
    CHECK(run_kmemlab(command + " --repetitions 1").status == 0);
    CHECK_FALSE(std::filesystem::exists(file + ".partial"));
    check_refused("peers --filter '^pair/64/floor$' --resume", "--resume: expected --json FILE");
}

TEST_CASE("a figure that another machine left is not gone on with") {
    const ScratchFolder folder;
    const std::string file = folder.file("p.json");
    std::ofstream{file + ".partial"} << R"({"context": {"cpu": "a Z80"}, "benchmarks": []})";
    check_refused("peers --filter '^pair/64/floor$' --resume --json " + file, "p.json.partial: expected cpu");
    std::ofstream{file + ".partial"} << "{";
    check_refused("peers --filter '^pair/64/floor$' --resume --json " + file,
                  "p.json.partial: expected the figures");
}

TEST_CASE("--dry-run tells the rows and how long they take, and measures nothing") {
    const Outcome outcome =
        run_kmemlab("peers --filter '^pair/64/(floor|slub)$' --repetitions 100 --dry-run");
    CHECK(outcome.status == 0);
    CHECK(outcome.out ==
          "pair/64/floor\npair/64/slub\n2 rows, 100 repetitions of at least 20 ms: about 5 s\n");
}

TEST_CASE("an interrupted replay keeps whole repetitions, and --resume goes on with them") {
    const ScratchFolder folder;
    const std::string file = folder.file("r.json");
    const std::string replay = "replay workload:larson,ops=5000 ";
    const std::string command = replay + "--allocator slub,malloc --json " + file;
    const Outcome broken =
        run_kmemlab(command + " --repetitions 10000 & child=$!; sleep 2; kill -INT $child; wait $child");
    CHECK(broken.status == 130);
    CHECK_THAT(broken.err, Contains(" of 10000 repetitions, which " + file + ".partial keeps"));
    CHECK_FALSE(std::filesystem::exists(file));
    CHECK_FALSE(std::filesystem::exists(file + ".part"));
    const Json kept = Json::parse(content(file + ".partial"));
    const auto done = kept["repetitions"]["count"].get<std::size_t>();
    REQUIRE(done > 0);

    const std::string resumed = " --repetitions " + std::to_string(done + 2) + " --resume --json " + file;
    check_refused(replay + "--allocator slub,buddy" + resumed, "has none");
    check_refused(replay + "--allocator slub,slab" + resumed,
                  "expected the allocators of the interrupted run, malloc,slub; found slab,slub");
    check_refused(replay + "--allocator slub,malloc --set slub.cpu_partial=0" + resumed,
                  "slub: expected what it did in the interrupted run");
    check_refused("replay workload:larson,ops=9000 --allocator slub,malloc" + resumed,
                  ": expected what it did in the interrupted run");
    REQUIRE(std::filesystem::exists(file + ".partial"));

    REQUIRE(run_kmemlab(replay + "--allocator slub,malloc" + resumed).status == 0);
    CHECK_FALSE(std::filesystem::exists(file + ".partial"));
    const Json whole = Json::parse(content(file));
    CHECK_FALSE(whole.contains("repetitions"));
    for (const std::size_t i : {0U, 1U}) {
        const Json& before = kept["replay"]["allocators"][i];
        const Json& now = whole["replay"]["allocators"][i];
        CAPTURE(now["name"]);
        CHECK(now["paths"] == before["paths"]);
        REQUIRE(now["ops_per_second"].size() == done + 2);
        for (std::size_t k = 0; k < done; ++k) CHECK(now["ops_per_second"][k] == before["ops_per_second"][k]);
        for (std::size_t k = 0; k < before["latency"].size(); ++k) {
            const auto count = before["latency"][k]["count"].get<std::size_t>();
            CHECK(now["latency"][k]["count"] == count / done * (done + 2));
            CHECK(now["latency"][k]["max"] >= before["latency"][k]["max"]);
        }
    }
}

TEST_CASE("--resume of a replay goes on with nothing else than what one left") {
    const ScratchFolder folder;
    const std::string file = folder.file("r.json");
    const std::string command = "replay workload:larson,ops=5000 --repetitions 1 --resume";
    check_refused(command, "--resume: expected --json FILE");
    std::ofstream{file + ".partial"} << R"({"context": {"cpu": "a Z80"}})";
    check_refused(command + " --json " + file, "r.json.partial: expected cpu");
    std::filesystem::remove(file + ".partial");
    REQUIRE(run_kmemlab(command + " --json " + file).status == 0);  // nothing was left: from the beginning
    std::filesystem::rename(file, file + ".partial");
    check_refused(command + " --json " + file,
                  "r.json.partial: expected what an interrupted replay measured");
}

TEST_CASE("what an interrupted run without a file measured is printed") {
    const std::string interrupt = " & child=$!; sleep 2; kill -INT $child; wait $child";
    const Outcome replay =
        run_kmemlab("replay workload:larson,ops=50000 --allocator slub --repetitions 10000" + interrupt);
    CHECK(replay.status == 130);
    CHECK_THAT(replay.out, Contains("million operations a second"));
    CHECK_THAT(replay.err, Contains(" of 10000 repetitions"));
    const Outcome peers =
        run_kmemlab("peers --filter '^pair/64/(floor|slub)$' --repetitions 1000" + interrupt);
    CHECK(peers.status == 130);
    CHECK_THAT(peers.out, Contains("pair/64/slub"));
    CHECK_THAT(peers.err, Contains(" of 1000 repetitions"));
}

TEST_CASE("a workload stands wherever a trace file may, and is packed as one") {
    const ScratchFolder folder;
    const std::string name = "workload:larson,ops=20000,threads=3";
    const std::string options = " --allocator slub,malloc --repetitions 0 --json /dev/stdout | head -n 1";
    const Json made = Json::parse(run_kmemlab("replay " + name + options).out)["replay"];
    CHECK(made["trace"]["name"] == "larson,ops=20000,threads=3");
    CHECK(made["trace"]["file"] == name);
    CHECK(made["trace"]["cpus"] == 3);
    CHECK(made["trace"]["never_freed"] == 0);
    const std::string packed = folder.file("larson.kmt");
    REQUIRE(run_kmemlab("trace pack " + name + " -o " + packed).status == 0);
    CHECK_THAT(run_kmemlab("trace info " + packed).out, Contains("20000 operations on 3 CPUs"));
    CHECK_THAT(run_kmemlab("trace info " + name).out, Contains("20000 operations on 3 CPUs"));
    const Json read = Json::parse(run_kmemlab("replay " + packed + options).out)["replay"];
    CHECK(read["allocators"][0] == made["allocators"][0]);
}

TEST_CASE("without a choice of allocators those replay that the trace has something for") {
    const std::string objects = run_kmemlab("replay workload:larson,ops=5000 --repetitions 0").out;
    CHECK_THAT(objects, Contains("slub (objects") && Contains("malloc (objects") && !Contains("buddy"));
    const std::string pages = run_kmemlab("replay workload:llfree-repeat,ops=5000 --repetitions 0").out;
    CHECK_THAT(pages, Contains("buddy (pages") && !Contains("slub"));
    const std::string both = run_kmemlab("replay workload:fork-storm,ops=5000 --repetitions 0").out;
    CHECK_THAT(both, Contains("slub (objects") && Contains("malloc (objects") && Contains("buddy (pages"));
}

TEST_CASE("workload list tells names, sources and parameters") {
    CHECK_THAT(run_kmemlab("workload list").out,
               Contains("larson: ") && Contains("ISMM 1998") && Contains("threads") && Contains("1..256"));
    const Json list = Json::parse(run_kmemlab("workload list --json").out);
    CHECK(list.size() == 20);
    CHECK(list[0]["name"] == "llfree-bulk");
    CHECK(list[0]["parameters"][0]["key"] == "ops");
    CHECK(list[0]["parameters"][0]["default"] == "1000000");
}

TEST_CASE("replay takes the peers' mallocs beside the models, or says why not") {
    const Outcome outcome = run_kmemlab(
        "replay workload:threadtest,ops=5000 --allocator slub,jemalloc,mimalloc,tcmalloc --repetitions 1");
    CHECK(outcome.status == 0);
    for (const std::string peer : {"jemalloc", "mimalloc", "tcmalloc"}) {
        CHECK_THAT(outcome.out, Contains("\n" + peer + " (objects") || Contains("skipped " + peer + ": "));
    }
}
