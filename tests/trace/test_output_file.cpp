#include "bench/trace/output_file.hpp"

#include <sys/stat.h>

#include <array>

#include "tests/trace/trace_support.hpp"

using namespace kmemlab;
using namespace kmemlab::trace;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

namespace {

void write(const std::string& path, std::string_view text) {
    const std::array parts{std::as_bytes(std::span{text})};
    write_whole_file(path, parts);
}

}  // namespace

TEST_CASE("a file is written whole, replaces an older one, and leaves nothing beside it") {
    const TemporaryFolder folder;
    write(folder.file("a"), "first");
    write(folder.file("a"), "second");
    CHECK(content_of(folder.file("a")) == "second");
    CHECK(folder.entries() == 1);
    struct stat status {};
    REQUIRE(stat(folder.file("a").c_str(), &status) == 0);
    CHECK((status.st_mode & 0400) != 0);
}

TEST_CASE("a full disk is one line of error") {
    // /dev/full is no regular file: it is written in place, and refuses every byte.
    CHECK_THAT(error_of([] { write("/dev/full", "text"); }),
               EndsWith("/dev/full: cannot be written: No space left on device"));
    struct stat status {};
    REQUIRE(stat("/dev/full", &status) == 0);
    CHECK(S_ISCHR(status.st_mode));
}

TEST_CASE("a folder that does not exist is one line of error") {
    const TemporaryFolder folder;
    CHECK_THAT(error_of([&] { write(folder.file("none/a"), "text"); }),
               EndsWith("none/a: cannot be written: No such file or directory"));
}

TEST_CASE("a file that cannot be replaced stays, and the temporary one goes") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder.file("taken"));
    folder.write("taken/x", "");
    CHECK_THAT(error_of([&] { write(folder.file("taken"), "text"); }), Contains("taken: cannot be written"));
    CHECK(folder.entries() == 1);
}
