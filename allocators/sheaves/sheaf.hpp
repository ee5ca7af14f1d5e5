/// A sheaf: a stack of free objects (SHEAF-1).
///
///     guard | entries  [ o  o  o  .  . ]
///                                 ^     ^
///                                top   end: the last one put is the first taken
///
/// Places, not counts: a processor can tell where the object goes that the next one takes, and need not wait
/// for it to arrive. Who takes an object has the next one's first cache line fetched, to be written: most are
/// by then cold. Below the last one that is the guard, a word that is never written: a program has thousands
/// of arrays that are never used, and whose pages are to stay untouched. Any address may be fetched.
/// It owns the array, not the objects. One that was default made or moved from is none: it has no array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace kmemlab {

struct Sheaf {
    Sheaf() = default;
    explicit Sheaf(std::uint32_t most) : entries{guarded(most)}, top{entries.get()}, end{top + most} {}
    Sheaf(Sheaf&& other) noexcept
        : entries{std::move(other.entries)},
          top{std::exchange(other.top, nullptr)},
          end{std::exchange(other.end, nullptr)} {}
    Sheaf& operator=(Sheaf&& other) noexcept {
        entries = std::move(other.entries);
        top = std::exchange(other.top, nullptr);
        end = std::exchange(other.end, nullptr);
        return *this;
    }
    Sheaf(const Sheaf&) = delete;
    Sheaf& operator=(const Sheaf&) = delete;
    ~Sheaf() = default;

    [[nodiscard]] bool none() const { return entries == nullptr; }
    [[nodiscard]] bool empty() const { return top == entries.get(); }
    [[nodiscard]] bool full() const { return top == end; }
    [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(top - entries.get()); }
    [[nodiscard]] std::size_t capacity() const { return static_cast<std::size_t>(end - entries.get()); }
    void push(void* object) { *top++ = object; }
    [[nodiscard]] void* pop() {
        void* const object = *--top;
        __builtin_prefetch(top[-1], 1);
        return object;
    }
    [[nodiscard]] std::span<void*> objects() const { return {entries.get(), top}; }
    /// Of one with room for so many objects.
    [[nodiscard]] static std::size_t metadata_bytes(std::size_t most) { return (most + 1) * sizeof(void*); }
    /// Of all the room, that many objects are there now.
    void set_count(std::size_t objects) { top = entries.get() + objects; }

    struct FreeWithGuard {
        void operator()(void** first) const { delete[](first - 1); }
    };
    std::unique_ptr<void*[], FreeWithGuard> entries;
    void** top = nullptr;
    void** end = nullptr;

  private:
    /// The first of so many entries, behind the guard.
    [[nodiscard]] static void** guarded(std::size_t most) {
        auto** const guard = new void*[most + 1];
        return guard + 1;
    }
};

}  // namespace kmemlab
