/// The program under test, run as a user runs it.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/shell.hpp"

namespace kmemlab::cli_test {

using test::content;
using test::Outcome;
using test::ScratchFolder;

/// `arguments` are a shell's, and may redirect.
[[nodiscard]] inline Outcome run_kmemlab(const std::string& arguments) {
    return test::run_shell(std::string{KMEMLAB_PROGRAM} + " " + arguments);
}

/// Status 2 and one line; what was printed before that is returned.
inline std::string check_fails(const std::string& arguments, const std::string& because) {
    CAPTURE(arguments);
    const Outcome outcome = run_kmemlab(arguments);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.err, Catch::StartsWith("kmemlab: ") && Catch::Contains(because));
    CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
    return outcome.out;
}

/// And nothing is printed.
inline void check_refused(const std::string& arguments, const std::string& because) {
    CHECK(check_fails(arguments, because).empty());
}

/// A few events as ftrace prints them: objects and pages on two CPUs.
inline const std::string small_trace =
    "# tracer: nop\n"
    "  bash-1 [000] ..... 1.000001: kmalloc: call_site=f+0x1/0x2 ptr=00000000bbbc0f60 bytes_req=100 "
    "bytes_alloc=128 gfp_flags=GFP_KERNEL node=-1 accounted=false\n"
    "  bash-1 [001] ..... 1.000002: kmem_cache_alloc: call_site=g+0x1/0x2 ptr=000000005761d188 name=filp "
    "bytes_req=184 bytes_alloc=192 gfp_flags=GFP_KERNEL|__GFP_ZERO node=-1 accounted=false\n"
    "  bash-1 [000] ..... 1.000003: kfree: call_site=f+0x1/0x2 ptr=00000000bbbc0f60\n"
    "  bash-1 [000] ..... 1.000004: mm_page_alloc: page=00000000abcdef01 pfn=0x1234 order=0 migratetype=1 "
    "gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_COMP\n"
    "  bash-1 [000] ..... 1.000005: mm_page_free: page=00000000abcdef01 pfn=0x1234 order=0\n";

}  // namespace kmemlab::cli_test
