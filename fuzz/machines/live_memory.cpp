/// What callers write and look at again: it is built without coverage, as it is no path of an allocator.
#include "fuzz/machines/live_memory.hpp"

#include "allocators/base/units.hpp"

namespace kmemlab::fuzz {

/// Offsets, multiples of 8, none twice in a way that matters: what is written is a function of the offset.
template <class Visit>
void Sample::visit(std::size_t size, Visit&& look) {
    constexpr std::size_t whole = 128;
    for (std::size_t at = 0; at < std::min(size, whole); at += 8) look(at);
    if (size <= whole) return;
    look(size / 2 / 8 * 8);
    for (std::size_t at = page_size; at < size && at <= 8 * page_size; at += page_size) look(at);
    for (std::size_t at = (size - 24) / 8 * 8; at < size; at += 8) look(at);
}

void Sample::write(void* p, std::size_t size, std::uint64_t seed) {
    visit(size, [&](std::size_t at) {
        const std::uint64_t word = oracle::pattern_word(seed, at);
        std::byte* const to = static_cast<std::byte*>(p) + at;
        if (size - at >= sizeof word) {
            std::memcpy(to, &word, sizeof word);  // a store, where the other is a call
        } else {
            std::memcpy(to, &word, size - at);
        }
    });
}

bool Sample::holds(const void* p, std::size_t size, std::uint64_t seed, std::size_t end) {
    bool same = true;
    visit(size, [&](std::size_t at) {
        if (at + sizeof(std::uint64_t) > end && at < size - size % sizeof(std::uint64_t)) return;
        const std::uint64_t word = oracle::pattern_word(seed, at);
        const std::byte* const from = static_cast<const std::byte*>(p) + at;
        if (end >= at + sizeof word) {
            std::uint64_t there = 0;
            std::memcpy(&there, from, sizeof there);
            same = same && there == word;
        } else {
            same = same && std::memcmp(from, &word, end - std::min(at, end)) == 0;
        }
    });
    return same;
}

}  // namespace kmemlab::fuzz
