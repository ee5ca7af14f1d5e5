/// What can be set about kernel stacks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/kstack/thread_size.hpp"

namespace kmemlab {

struct StackConfig {
    std::string architecture = "x86-64";
    bool kasan = false;            ///< stacks of twice the size
    bool cache = true;             ///< each CPU keeps two freed stacks (where the kind of memory has that)
    bool usage = false;            ///< exit enters the used depth (CONFIG_DEBUG_STACK_USAGE)
    bool interrupt_stacks = true;  ///< one for each CPU
    std::uint64_t reserve = 3;     ///< pages that each CPU keeps for the growth of dynamic stacks

    static constexpr std::uint64_t most_reserve = 64;

    [[nodiscard]] std::vector<Tunable> tunables();
    /// Throws UsageError for an architecture that is not in the table.
    [[nodiscard]] ThreadLayout layout() const;
};

}  // namespace kmemlab
