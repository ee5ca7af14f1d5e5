/// What callers have, for machines of byte-addressed memory: 64 slots of objects, each with its place and
/// the pattern that was written to it (G1, G3, G4).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "allocators/base/check.hpp"
#include "fuzz/oracle/pattern.hpp"
#include "fuzz/oracle/poison.hpp"
#include "fuzz/program/operation.hpp"

namespace kmemlab::fuzz {

/// What is written to an object and looked at again: all of a small one; of a larger one its ends, its
/// middle, where SLUB keeps a free pointer, and a word of each of its first pages. The rest is watched by
/// poison.
class Sample {
  public:
    static void write(void* p, std::size_t size, std::uint64_t seed);
    /// Is it still there? Looked at is what lies below `end`.
    [[nodiscard]] static bool holds(const void* p, std::size_t size, std::uint64_t seed, std::size_t end);

  private:
    template <class Visit>
    static void visit(std::size_t size, Visit&& look);
};

struct Object {
    void* p = nullptr;
    std::size_t size = 0;    ///< asked
    std::size_t usable = 0;  ///< bytes that carry the pattern
    std::uint64_t seed = 0;
};

/// Slots of anything: `Item` has empty().
template <class Item>
class Slots {
  public:
    /// The next slot from `at` on that is empty, or full; nullptr: none.
    [[nodiscard]] Item* next_empty(std::size_t at) { return find(at, true); }
    [[nodiscard]] Item* next_full(std::size_t at) { return find(at, false); }
    [[nodiscard]] const std::array<Item, slot_count>& all() const { return items_; }
    [[nodiscard]] std::array<Item, slot_count>& all() { return items_; }

  private:
    [[nodiscard]] Item* find(std::size_t at, bool empty) {
        for (std::size_t i = 0; i < slot_count; ++i) {
            Item& item = items_[(at + i) % slot_count];
            if (item.empty() == empty) return &item;
        }
        return nullptr;
    }
    std::array<Item, slot_count> items_{};
};

/// Live objects: where they lie, and what is in them. Between calls an object's memory is hidden from the
/// allocator by poison, unless `open`: a cache with debugging writes around and into its objects. `Places`:
/// oracle::Ranges, or of one arena oracle::LiveBits.
template <class Places>
class LiveMemory {
  public:
    template <class... Args>
    explicit LiveMemory(Args&... args) : places_{args...} {}

    /// Takes an object that was just handed out; nothing: all well.
    [[nodiscard]] MaybeViolation adopt(Object& object, bool open) {
        if (object.usable == 0) return {};
        if (!places_.insert(object.p, object.usable)) {
            return violation("G1", "{}+{} overlaps what somebody else has", object.p, object.usable);
        }
        object.seed = ++seeds_;
        Sample::write(object.p, object.usable, object.seed);
        if (!open) oracle::poison(object.p, object.usable);
        return {};
    }
    /// Before it is freed: its content is as it was written.
    [[nodiscard]] MaybeViolation release(const Object& object) {
        if (object.usable == 0) return {};
        oracle::unpoison(object.p, object.usable);
        places_.erase(object.p, object.usable);
        return find_change(object);
    }
    /// Looks without changing anything.
    [[nodiscard]] static MaybeViolation find_change_of_hidden(const Object& object, bool open) {
        if (object.usable == 0) return {};
        if (!open) oracle::unpoison(object.p, object.usable);
        auto found = find_change(object);
        if (!open) oracle::poison(object.p, object.usable);
        return found;
    }

  private:
    [[nodiscard]] static MaybeViolation find_change(const Object& object) {
        if (Sample::holds(object.p, object.usable, object.seed, object.usable)) return {};
        return violation("G4", "{}+{} was changed by somebody else", object.p, object.usable);
    }
    Places places_;
    std::uint64_t seeds_ = 0;
};

}  // namespace kmemlab::fuzz
