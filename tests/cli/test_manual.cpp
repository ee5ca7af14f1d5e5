/// The manual page and the completion of shells tell all that the parser knows.
#include <fmt/format.h>

#include <array>

#include "tests/cli/program.hpp"

using namespace kmemlab::cli_test;

namespace {

/// What bash offers for the last of `words`, as `complete` would ask; without bash there is nothing to test.
std::string offered(const std::string& words) {
    const Outcome outcome = kmemlab::test::run_shell(fmt::format(
        R"(bash -c 'source <({} completion bash); COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _kmemlab; echo "${{COMPREPLY[*]}}"')",
        KMEMLAB_PROGRAM, words));
    CHECK(outcome.err.empty());
    return outcome.out;
}

}  // namespace

TEST_CASE("the manual page has each command with its options, and troff has nothing to say against it") {
    const Outcome page = run_kmemlab("man-page");
    REQUIRE(page.status == 0);
    for (const char* told :
         {".SH COMMAND TRACE INFO", ".SH COMMAND REPLAY", "\\fB\\-\\-allocator\\fR", "\\fITRACE\\fR",
          ".SH COMMAND FUZZ REDUCE", "\\fB\\-o\\fR, \\fB\\-\\-output\\fR", ".SH EXIT STATUS"})
        CHECK_THAT(page.out, Catch::Contains(told));
    const Outcome set = kmemlab::test::run_shell(std::string{KMEMLAB_PROGRAM} +
                                                 " man-page | groff -man -ww -Tutf8 -P-c -P-b -P-u");
    CHECK(set.status == 0);
    CHECK(set.err.empty());
    CHECK_THAT(set.out, Catch::Contains("--check-every"));
}

TEST_CASE("bash completes commands, options and the values of options") {
    CHECK(offered("kmemlab re") == "replay\n");
    CHECK(offered("kmemlab fuzz re") == "reproduce reduce\n");
    CHECK(offered("kmemlab replay trace.zst --check") == "--check-every\n");
    CHECK(offered("kmemlab replay --allocator slub-") == "slub-sheaves\n");
    CHECK(offered("kmemlab replay --allocator slub,sla") == "slub,slab\n");
    CHECK(offered("kmemlab replay --set slub.min_p") == "slub.min_partial=\n");
    CHECK(offered("kmemlab mapping --mmu so") == "soft\n");
    CHECK(offered("kmemlab experiment kmalloc-l") == "kmalloc-limits\n");
    CHECK(offered("kmemlab completion f") == "fish\n");
    CHECK(offered("kmemlab replay --json re") == "\n");  // files, which bash does by itself
}

TEST_CASE("each shell has a script, and no other") {
    CHECK_THAT(run_kmemlab("completion zsh").out, Catch::StartsWith("#compdef kmemlab\n"));
    CHECK_THAT(
        run_kmemlab("completion fish").out,
        Catch::Contains("complete -c kmemlab -n '__fish_seen_subcommand_from replay' -l allocator -r"));
    check_refused("completion tcsh", "SHELL");
}
