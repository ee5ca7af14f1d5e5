/// The three kinds of error, never mixed:
///  - exhaustion is a null result and nothing else;
///  - misuse by the caller is a Misuse report given to the allocator's MisuseHandler (objects/debug.hpp);
///  - a bug of ours is a Violation that find_violation() returns, or a failed KMEMLAB_DEBUG_CHECK.
/// Beside them UsageError tells the user of a program that a configuration cannot be used.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace kmemlab {

/// A broken invariant: the number of the law (docs/invariants.md) and what was found.
struct Violation {
    std::string_view law;
    std::string what;

    [[nodiscard]] std::string message() const { return fmt::format("{}: {}", law, what); }
};

using MaybeViolation = std::optional<Violation>;

template <class... Args>
[[nodiscard]] Violation violation(std::string_view law, fmt::format_string<Args...> format, Args&&... args) {
    return {law, fmt::format(format, std::forward<Args>(args)...)};
}

/// The user asked for something that cannot be: programs print the message as one line and exit with 2.
class UsageError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;

    template <class... Args>
    [[nodiscard]] static UsageError of(fmt::format_string<Args...> format, Args&&... args) {
        return UsageError{fmt::format(format, std::forward<Args>(args)...)};
    }
};

[[noreturn]] inline void check_failed(const char* what, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    std::abort();
}

/// Off in release builds: what must hold if our own code is right.
#ifdef KMEMLAB_DEBUG_CHECKS
inline constexpr bool debug_checks = true;
#define KMEMLAB_DEBUG_CHECK(condition) \
    ((condition) ? void() : ::kmemlab::check_failed(#condition, __FILE__, __LINE__))
#else
inline constexpr bool debug_checks = false;
#define KMEMLAB_DEBUG_CHECK(condition) static_cast<void>(0)
#endif

}  // namespace kmemlab
