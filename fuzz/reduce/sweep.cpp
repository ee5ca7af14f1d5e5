#include "fuzz/reduce/sweep.hpp"

namespace kmemlab::fuzz {

Sweep sweep(const Target& target, const Program& program) {
    Sweep result;
    if ((target.language.operations & bit(OpKind::fail)) == 0) return result;
    // Failures of its own would take the place of ours.
    Program failing = program;
    std::erase_if(failing.operations, [](const Operation& op) { return op.kind == OpKind::fail; });
    std::uint64_t requests = 0;
    const Observer count = [&](const Machine& machine, std::size_t, unsigned) {
        requests = machine.page_requests();
    };
    if (auto found = run(target.make, failing, target.language, count)) {
        return {.runs = 1, .broken = failing, .finding = std::move(found)};
    }
    failing.operations.insert(failing.operations.begin(), Operation{.kind = OpKind::fail, .size = 1});
    const std::uint64_t all = std::min<std::uint64_t>(requests + 1, 256);
    for (std::uint64_t k = 0; k < all; ++k) {
        failing.operations.front().count = static_cast<std::uint8_t>(k);
        ++result.runs;
        result.finding = run(target.make, failing, target.language);
        if (!result.finding) continue;
        result.broken = failing;
        break;
    }
    return result;
}

}  // namespace kmemlab::fuzz
