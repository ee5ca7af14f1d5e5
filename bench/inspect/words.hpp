/// Words for counts.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace kmemlab::inspect {

/// "1 slab", "2 slabs"
[[nodiscard]] inline std::string counted(std::uint64_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace kmemlab::inspect
