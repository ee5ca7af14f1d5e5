#include <array>
#include <catch2/catch.hpp>
#include <cstring>

#include "bench/replay/witness.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;

namespace {

struct Memory {
    alignas(64) std::array<unsigned char, 256> bytes{};
    [[nodiscard]] void* at(std::size_t offset) { return bytes.data() + offset; }
};

std::string_view law(const MaybeViolation& found) {
    return found ? found->law : "none";
}

}  // namespace

TEST_CASE("live objects may touch and be reused, and are counted") {
    Memory memory;
    Witness witness;
    CHECK_FALSE(witness.born({memory.at(0), 60, 64}));
    CHECK_FALSE(witness.born({memory.at(64), 64, 64}));
    CHECK(witness.requested_bytes() == 124);
    CHECK(witness.handed_out_bytes() == 128);
    CHECK_FALSE(witness.dies(memory.at(0)));
    CHECK_FALSE(witness.born({memory.at(0), 1, 64}));
    CHECK_FALSE(witness.dies(memory.at(64)));
    CHECK_FALSE(witness.dies(memory.at(0)));
    CHECK(witness.live() == 0);
    CHECK(witness.requested_bytes() == 0);
    CHECK(witness.handed_out_bytes() == 0);
}

TEST_CASE("overlapping memory breaks G1, from either side and from inside") {
    Memory memory;
    Witness witness;
    REQUIRE_FALSE(witness.born({memory.at(64), 64, 64}));
    CHECK(law(witness.born({memory.at(64), 64, 64})) == "G1");
    CHECK(law(witness.born({memory.at(0), 65, 65})) == "G1");
    CHECK(law(witness.born({memory.at(127), 8, 8})) == "G1");
    CHECK(law(witness.born({memory.at(72), 8, 8})) == "G1");
    CHECK(law(witness.born({memory.at(0), 256, 256})) == "G1");
    CHECK_FALSE(witness.born({memory.at(128), 8, 8}));
}

TEST_CASE("a misaligned address breaks G2") {
    Memory memory;
    Witness witness;
    CHECK(law(witness.born({memory.at(32), 8, 8, 64})) == "G2");
    CHECK_FALSE(witness.born({memory.at(64), 8, 8, 64}));
}

TEST_CASE("less memory than was asked for breaks G3") {
    Memory memory;
    Witness witness;
    CHECK(law(witness.born({memory.at(0), 65, 64})) == "G3");
}

TEST_CASE("a change of the first or the last byte that may be written breaks G4") {
    const std::size_t size = GENERATE(std::size_t{1}, 2, 3, 8, 15, 16, 64);
    const bool first = GENERATE(true, false);
    Memory memory;
    Witness witness;
    REQUIRE_FALSE(witness.born({memory.at(0), size, size}));
    memory.bytes[first ? 0 : size - 1] ^= 1;
    CHECK(law(witness.dies(memory.at(0))) == "G4");
}

TEST_CASE("memory asked to be zero that is not breaks G5") {
    Memory memory;
    Witness witness;
    memory.bytes[63] = 1;
    CHECK(law(witness.born({memory.at(0), 64, 64, 1, true})) == "G5");
    CHECK_FALSE(witness.born({memory.at(64), 64, 64, 1, true}));
    // Only what was asked for must be zero.
    CHECK_FALSE(witness.born({memory.at(0), 63, 64, 1, true}));
}

TEST_CASE("one neighbour's pattern is not taken for another's") {
    Memory memory;
    Witness witness;
    REQUIRE_FALSE(witness.born({memory.at(0), 64, 64}));
    REQUIRE_FALSE(witness.born({memory.at(64), 64, 64}));
    std::memcpy(memory.at(0), memory.at(64), 64);
    CHECK(law(witness.dies(memory.at(0))) == "G4");
    CHECK_FALSE(witness.dies(memory.at(64)));
}
