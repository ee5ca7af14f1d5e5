/// Mutations that know operations: what chance needs long for with bytes alone.
///
///     insert, repeat, remove, swap, splice a run from another program
///     the inverse of an operation, somewhere behind it
///     one number of an operation: sizes at class edges and page borders, the slot or CPU of a neighbour
///     a strike: what others do in the midst of an operation
///     the set-up: CPUs, memory, zones, tunables, the features that operations are drawn from
#pragma once

#include <cstdint>

#include "fuzz/program/program.hpp"

namespace kmemlab::fuzz {

/// A small generator of random numbers (splitmix64); the same seed, the same numbers.
class Random {
  public:
    explicit Random(std::uint64_t seed) : x_{seed} {}
    std::uint64_t next() {
        std::uint64_t z = x_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    /// 0..n-1; n at least 1.
    std::uint64_t below(std::uint64_t n) { return next() % n; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

  private:
    std::uint64_t x_;
};

/// An operation of the program's features.
[[nodiscard]] Operation random_operation(const Setup& setup, const Language& language, Random& random);
/// A program from nothing.
[[nodiscard]] Program random_program(const Language& language, Random& random, std::size_t operations);
/// One to a few changes; at most `most` operations afterwards.
void mutate(Program& program, const Language& language, Random& random, std::size_t most);
/// A begin of one and an end of the other, or one within the other.
[[nodiscard]] Program cross(const Program& a, const Program& b, Random& random, std::size_t most);

}  // namespace kmemlab::fuzz
