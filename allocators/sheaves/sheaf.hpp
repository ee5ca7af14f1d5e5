/// A sheaf: a stack of free objects (SHEAF-1).
///
///     entries  [ o  o  o  .  . ]
///                       ^     ^ capacity
///                       count: the last one put is the first taken
///
/// It owns the array, not the objects. One that was default made or moved from is none: it has no array.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace kmemlab {

struct Sheaf {
    Sheaf() = default;
    explicit Sheaf(std::uint32_t most)
        : entries{std::make_unique_for_overwrite<void*[]>(most)}, capacity{most} {}
    Sheaf(Sheaf&& other) noexcept
        : entries{std::move(other.entries)},
          count{std::exchange(other.count, 0)},
          capacity{std::exchange(other.capacity, 0)} {}
    Sheaf& operator=(Sheaf&& other) noexcept {
        entries = std::move(other.entries);
        count = std::exchange(other.count, 0);
        capacity = std::exchange(other.capacity, 0);
        return *this;
    }
    Sheaf(const Sheaf&) = delete;
    Sheaf& operator=(const Sheaf&) = delete;
    ~Sheaf() = default;

    [[nodiscard]] bool none() const { return entries == nullptr; }
    [[nodiscard]] bool empty() const { return count == 0; }
    [[nodiscard]] bool full() const { return count == capacity; }
    void push(void* object) { entries[count++] = object; }
    [[nodiscard]] void* pop() { return entries[--count]; }
    [[nodiscard]] std::span<void*> objects() const { return {entries.get(), count}; }

    std::unique_ptr<void*[]> entries;
    std::uint32_t count = 0;
    std::uint32_t capacity = 0;
};

}  // namespace kmemlab
