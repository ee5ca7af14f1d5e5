#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "allocators/base/check.hpp"
#include "bench/measure/result_file.hpp"

using namespace kmemlab;
namespace fs = std::filesystem;

namespace {

/// A folder that is gone with the test.
class ScratchFolder {
  public:
    ScratchFolder() : path_{fs::temp_directory_path() / "kmemlab-test-XXXXXX"} {
        std::string name = path_.string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~ScratchFolder() { fs::remove_all(path_); }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
    [[nodiscard]] std::ptrdiff_t files() const {
        return std::distance(fs::directory_iterator{path_}, fs::directory_iterator{});
    }

  private:
    fs::path path_;
};

std::string content(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream{name}.rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("a result appears under its name only when it is complete") {
    const ScratchFolder folder;
    const std::string name = folder.file("r.json");
    ResultFile file{name};
    CHECK_FALSE(fs::exists(name));
    file.commit("whole");
    CHECK(content(name) == "whole");
    CHECK(folder.files() == 1);
}

TEST_CASE("a result that is given up leaves what was there before, and nothing else") {
    const ScratchFolder folder;
    const std::string name = folder.file("r.json");
    write_result(name, "old");
    { const ResultFile file{name}; }
    CHECK(content(name) == "old");
    CHECK(folder.files() == 1);
}

TEST_CASE("a full disk is a usage error that names the file and the reason") {
    CHECK_THROWS_WITH(write_result("/dev/full", "text"), "cannot write /dev/full: No space left on device");
    CHECK(fs::is_character_file("/dev/full"));
    CHECK_FALSE(fs::exists("/dev/full.part"));
}

TEST_CASE("a name that cannot be written is refused before anything is measured") {
    const ScratchFolder folder;
    CHECK_THROWS_AS(ResultFile{folder.file("absent/r.json")}, UsageError);
    CHECK_THROWS_WITH(ResultFile{folder.file("absent/r.json")}, Catch::EndsWith("No such file or directory"));
    CHECK_THROWS_WITH(ResultFile{folder.file("")}, Catch::EndsWith("Is a directory"));
    CHECK_THROWS_AS(ResultFile{""}, UsageError);
}
