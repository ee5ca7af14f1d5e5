/// Runs programs as a user does, and keeps what they say.
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

namespace kmemlab::test {

/// A folder that is gone with the test.
class ScratchFolder {
  public:
    ScratchFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "kmemlab-test-XXXXXX").string();
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

/// `command` is a shell's, and may redirect.
[[nodiscard]] inline Outcome run_shell(const std::string& command) {
    const ScratchFolder folder;
    const std::string whole = "{ " + command + "; } 2>" + folder.file("err");
    Outcome outcome;
    FILE* pipe = popen(whole.c_str(), "r");
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

}  // namespace kmemlab::test
