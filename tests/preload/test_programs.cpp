// Real programs on libkmemlab_malloc.so: what they print is what they print without it.
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <sstream>
#include <string>

#include "tests/support/shell.hpp"

using namespace kmemlab::test;

namespace {

const std::string library = KMEMLAB_MALLOC;

Outcome on(const std::string& allocator, const std::string& command, const std::string& more = "") {
    return run_shell("export LD_PRELOAD=" + library + " KMEMLAB_ALLOCATOR=" + allocator + " " + more + "; " +
                     command);
}

std::string allocator() {
    return GENERATE(as<std::string>{}, "slub-sheaves", "slub", "slab", "slob", "buddy", "vmalloc");
}

bool found(const std::string& text, const std::string& what) {
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("malloc's whole family does what its manual pages say") {
    const Outcome outcome = on(allocator(), KMEMLAB_FAMILY);
    CHECK(outcome.err.empty());
    CHECK(outcome.out == "all hold\n");
    CHECK(outcome.status == 0);
}

TEST_CASE("programs print the same as on the C library's malloc") {
    const std::string command = GENERATE(
        as<std::string>{},
        "/usr/bin/python3 -c 'import json; print(len(json.dumps([{str(i): [i] * (i % 50)} for i in "
        "range(5000)])))'",
        "seq 100000 | sort -R --random-source=/dev/zero | sort -n --parallel=4 -S 1M | md5sum",
        "printf 'int main() { return 7; }' | g++ -O2 -S -x c++ - -o - | grep -v ident | md5sum",
        "/usr/bin/python3 -c 'import os, threading\n"
        "t = [threading.Thread(target=lambda: [str(i) * 20 for i in range(20000)]) for _ in range(8)]\n"
        "[x.start() for x in t]\n"
        "ends = [os.waitpid(os.posix_spawn(\"/bin/true\", [\"true\"], {}), 0)[1] for _ in range(5)]\n"
        "forks = []\n"
        "for i in range(5):\n"
        "    pid = os.fork()\n"
        "    if pid == 0: os._exit(len([str(j) for j in range(1000)]) % 256)\n"
        "    forks.append(os.waitpid(pid, 0)[1] >> 8)\n"
        "[x.join() for x in t]\n"
        "print(ends, forks)'",
        "zstd -q -9 -c " + library + " | zstd -d | cmp - " + library + " && echo same");
    const Outcome without = run_shell(command);
    REQUIRE(without.status == 0);
    for (const char* const name : {"slub-sheaves", "slub", "slab", "slob", "buddy", "vmalloc"}) {
        INFO(name);
        const Outcome with = on(name, command);
        CHECK(with.status == 0);
        CHECK(with.out == without.out);
        CHECK(with.err == without.err);
    }
}

TEST_CASE("a CPU's sheaves that no object came by take no memory") {
    const auto resident_kib = [](const std::string& name) {
        const Outcome outcome = on(name, "sed -n 's/^VmRSS://p' /proc/self/status");
        REQUIRE(outcome.status == 0);
        return std::stol(outcome.out);
    };
    // Written once each, the arrays of the CPUs that a small program does not use would be 6 MiB.
    CHECK(resident_kib("slub-sheaves") - resident_kib("slub") < 4096);
}

TEST_CASE("KMEMLAB_STATS prints the kernel's texts when the program ends") {
    const Outcome outcome = on("slub", "ls /", "KMEMLAB_STATS=1");
    CHECK(outcome.status == 0);
    CHECK(found(outcome.err, "==> slabinfo <=="));
    CHECK(found(outcome.err, "malloc-64 "));
    CHECK(found(outcome.err, "==> buddyinfo <=="));
    CHECK_FALSE(found(on("slub", "ls /").err, "slabinfo"));
}

TEST_CASE("KMEMLAB_STATS prints texts that are whole, whatever other threads do meanwhile") {
    const std::string name = allocator();
    const Outcome outcome = on(name, std::string{KMEMLAB_FAMILY} + " busy", "KMEMLAB_STATS=1");
    INFO(name << ": " << outcome.err.substr(0, 200));
    CHECK(outcome.status == 0);
    CHECK(found(outcome.err, "==> buddyinfo <=="));
    if (name != "vmalloc") return;
    CHECK(found(outcome.err, "==> mappings <=="));
    CHECK(found(outcome.err, " pages=1 vmalloc"));
}

TEST_CASE("vmalloc ends a program that writes behind an object's last page, or to one that is free") {
    const std::string program =
        "/usr/bin/python3 -c 'import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = ctypes.c_void_p\n"
        "p = libc.malloc(8192)\n";
    const auto status_of = [&](const std::string& lines, const std::string& more = "") {
        return on("vmalloc", program + lines + "'; exit $?", more).status;
    };
    CHECK(status_of("ctypes.memset(p, 1, 8192)") == 0);
    CHECK(status_of("ctypes.memset(p, 1, 8193)") == 128 + SIGSEGV);
    CHECK(status_of("libc.free(ctypes.c_void_p(p)); ctypes.memset(p, 1, 1)", "KMEMLAB_SET=vmalloc.lazy=0") ==
          128 + SIGSEGV);
    CHECK(status_of("libc.free(ctypes.c_void_p(p)); libc.free(ctypes.c_void_p(p))") == 128 + SIGABRT);
}

TEST_CASE("a thread that ends gives back what its CPU kept") {
    const Outcome outcome = on("slub-sheaves", std::string{KMEMLAB_FAMILY} + " thread", "KMEMLAB_STATS=1");
    REQUIRE(outcome.status == 0);
    std::istringstream line{
        outcome.err.substr(std::min(outcome.err.find("malloc-7168 "), outcome.err.size()))};
    std::string name;
    unsigned in_use = 0;
    unsigned all = 0;
    line >> name >> in_use >> all;
    CHECK(name == "malloc-7168");
    CHECK(all > 0);      // a few empty slabs stay
    CHECK(in_use == 0);  // what is in a sheaf counts as in use
}

TEST_CASE("KMEMLAB_RECORD makes a trace of the program's own operations") {
    const ScratchFolder folder;
    const std::string trace = folder.file("sort.trace");
    const Outcome recorded =
        on(allocator(), "seq 5000 | KMEMLAB_RECORD=" + trace + " sort -n --parallel=2 >/dev/null");
    REQUIRE(recorded.status == 0);
    const std::string program = KMEMLAB_PROGRAM;
    const Outcome info = run_shell(program + " trace info " + trace);
    CHECK(info.status == 0);
    CHECK(found(info.out, "kmalloc"));
    const Outcome replayed = run_shell(program + " replay " + trace + " --allocator slub,slab,malloc");
    CHECK(replayed.err.empty());
    CHECK(replayed.status == 0);
}

TEST_CASE("a recording tells where the program called, and what of a block it may use") {
    const ScratchFolder folder;
    const std::string trace = folder.file("maps.trace");
    const std::string script =
        "import re\n"
        "class Node: pass\n"
        "nodes = [bytearray(1000 + i) for i in range(500)]\n"
        "inside = []\n"
        "for line in open(\"/proc/self/maps\"):\n"
        "    if \"libkmemlab_malloc\" in line:\n"
        "        inside.append([int(x, 16) for x in line.split()[0].split(\"-\")])\n"
        "sites = re.findall(r\"call_site=(0x[0-9a-f]+)\", open(\"" +
        trace +
        "\").read())\n"
        "print(bool(inside), len(set(sites)) > 20, any(a <= int(s, 16) < b for s in sites for a, b in "
        "inside))\n";
    const Outcome outcome =
        on("slub", "PYTHONMALLOC=malloc KMEMLAB_RECORD=" + trace + " /usr/bin/python3 -c '" + script + "'");
    CHECK(outcome.status == 0);
    CHECK(outcome.out == "True True False\n");
    CHECK(found(content(trace), "bytes_req=1025 bytes_alloc=1280"));
}

TEST_CASE("what cannot be is told in one line, with status 2") {
    struct Case {
        std::string environment, told;
    };
    const auto [environment, told] = GENERATE(values<Case>({
        {"KMEMLAB_ALLOCATOR=best", "KMEMLAB_ALLOCATOR=best: expected one of slub-sheaves, slub"},
        {"KMEMLAB_SET=slub.max_order=x", "slub.max_order"},
        {"KMEMLAB_SET=slab.limit=5", "slab.limit"},
        {"KMEMLAB_SET=nonsense", "nonsense"},
        {"KMEMLAB_SET=machine.arena=1M", "64M"},
        {"KMEMLAB_RECORD=/nowhere/file", "/nowhere/file: No such file or directory"},
    }));
    const Outcome outcome = run_shell("export LD_PRELOAD=" + library + "; " + environment + " /bin/true");
    CHECK(outcome.status == 2);
    CHECK(found(outcome.err, "libkmemlab_malloc: "));
    CHECK(found(outcome.err, told));
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
}

TEST_CASE("misuse ends the program with a report") {
    const Outcome twice = on("slab",
                             "/usr/bin/python3 -c 'import ctypes\n"
                             "libc = ctypes.CDLL(None)\n"
                             "libc.malloc.restype = ctypes.c_void_p\n"
                             "libc.free(ctypes.c_void_p(libc.malloc(100000) + 64))'");
    CHECK(twice.status != 0);
    CHECK_FALSE(twice.err.empty());
}
