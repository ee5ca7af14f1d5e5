/// Runs the program as a user does, and keeps what it says.
#pragma once

#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace kmemlab::cli_test {

/// A folder that is gone with the test.
class ScratchFolder {
  public:
    ScratchFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "kmemlab-cli-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~ScratchFolder() { std::filesystem::remove_all(path_); }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
    [[nodiscard]] std::string with(const std::string& name, const std::string& content) const {
        std::ofstream{file(name)} << content;
        return file(name);
    }

  private:
    std::filesystem::path path_;
};

[[nodiscard]] inline std::string content(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream{name}.rdbuf();
    return text.str();
}

struct Outcome {
    int status = -1;
    std::string out;
    std::string err;
};

/// `arguments` are a shell's, and may redirect.
[[nodiscard]] inline Outcome run_kmemlab(const std::string& arguments) {
    const ScratchFolder folder;
    const std::string command =
        std::string{"{ "} + KMEMLAB_PROGRAM + " " + arguments + "; } 2>" + folder.file("err");
    Outcome outcome;
    FILE* pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> buffer;
    for (std::size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
        outcome.out.append(buffer.data(), n);
    }
    const int result = pclose(pipe);
    outcome.status = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
    outcome.err = content(folder.file("err"));
    return outcome;
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
