/// Subjects of the conformance suite: every model of the registry, as its own type and erased.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "allocators/contract/registry.hpp"

namespace kmemlab::test {

/// Laws are written over a subject and nothing else, so a model of your own needs no test of its own to be
/// held to the contract.
template <Allocator A>
struct Subject {
    std::string name;
    ModelInfo info;
    /// A fresh allocator; settings that the model does not know are ignored.
    std::function<std::unique_ptr<A>(const std::vector<Setting>&)> make;

    /// Has its memory to itself: it can be filled, and tells whether all came back.
    [[nodiscard]] bool own_memory() const {
        return make({{"machine.arena", "4M"}})->free_blocks().has_value();
    }
};

inline constexpr unsigned cpus_of_subjects = 4;

/// Room for every law that does not want memory to end.
inline std::vector<Setting> roomy() {
    return {{"machine.arena", "256M"}, {"machine.cpus", std::to_string(cpus_of_subjects)}};
}
/// Soon full.
inline constexpr std::size_t tight_arena = std::size_t{16} << 20;
inline std::vector<Setting> tight() {
    return {{"machine.arena", std::to_string(tight_arena)},
            {"machine.cpus", std::to_string(cpus_of_subjects)}};
}

template <Model M>
[[nodiscard]] Subject<M> plain_subject() {
    return {std::string{M::info.name}, M::info,
            [](const std::vector<Setting>& settings) { return std::make_unique<M>(configure<M>(settings)); }};
}
template <Model M>
[[nodiscard]] Subject<AnyAllocator> erased_subject() {
    return {std::string{M::info.name} + ", erased", M::info, [](const std::vector<Setting>& settings) {
                return std::make_unique<AnyAllocator>(AnyAllocator::of<M>(configure<M>(settings)));
            }};
}

/// Calls check(subject) for each model as its own type, then erased. Kernel stacks have one size and a
/// contract of their own (tests/kstack).
template <class Check>
void for_each_subject(Check&& check) {
    for_each_model([&]<class M>() {
        if constexpr (!M::info.capabilities.stacks) {
            check(plain_subject<M>());
            check(erased_subject<M>());
        }
    });
}

/// "" if nothing is violated: what a test compares with, so that a failure shows the law.
[[nodiscard]] inline std::string text(const MaybeViolation& found) {
    return found ? found->message() : "";
}

/// The default seed of everything random here.
inline constexpr std::uint64_t fixed_seed = 0x9e3779b97f4a7c15;

/// xorshift: small, and the same everywhere.
class Random {
  public:
    explicit Random(std::uint64_t seed = fixed_seed) : state_{seed | 1} {}
    std::uint64_t operator()() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        return state_ ^= state_ << 17;
    }
    /// 0..limit-1
    std::uint64_t below(std::uint64_t limit) { return ((*this)() >> 16) % limit; }
    CpuId cpu() { return CpuId{static_cast<unsigned>(below(cpus_of_subjects))}; }

  private:
    std::uint64_t state_;
};

}  // namespace kmemlab::test

/// One section per subject, in each of which `law(subject)` must find nothing.
#define KMEMLAB_HOLDS(law)                                      \
    ::kmemlab::test::for_each_subject([](const auto& subject) { \
        DYNAMIC_SECTION(subject.name) {                         \
            CHECK(::kmemlab::test::text(law(subject)) == "");   \
        }                                                       \
    })
