#include "fuzz/reduce/test_text.hpp"

#include <fmt/format.h>

namespace kmemlab::fuzz {

std::uint64_t hash_of(const Program& program, const Language& language) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::uint8_t byte : encode(program, language)) hash = (hash ^ byte) * 0x100000001b3;
    return hash;
}

std::string test_text(const Target& target, const Program& program, const Finding& finding) {
    return fmt::format(R"test(// {law}: {what}
#include "tests/fuzz/program_test.hpp"

TEST_CASE("{target} keeps {law} in program {hash:016x}") {{
    kmemlab::test::check_program("{target}", 0x{hash:016x}, R"(
{text})");
}}
)test",
                       fmt::arg("law", finding.law),
                       fmt::arg("what", finding.what.substr(0, finding.what.find('\n'))),
                       fmt::arg("target", target.name), fmt::arg("hash", hash_of(program, target.language)),
                       fmt::arg("text", to_text(program, target.language)));
}

}  // namespace kmemlab::fuzz
