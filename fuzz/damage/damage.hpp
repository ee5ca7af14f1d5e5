/// Damage: something in the midst of an allocator's metadata is set wrong, find_violation() must name a law
/// that this breaks, and it is put back. So the checkers are judged in every state that programs reach.
///
/// What can be damaged stands in one table for each allocator, beside this file. A part is what a damage
/// looks for its victim in: a cache, a zone, all of an allocator. No damage may lead a checker into memory
/// that is not the allocator's: what it follows it must have looked at first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace kmemlab::fuzz {

/// One that is done: which of several victims it takes, and what was there before.
class Damage {
  public:
    explicit Damage(std::uint32_t choice) : choice_{choice} {}
    ~Damage() { repair(); }
    Damage(const Damage&) = delete;
    Damage& operator=(const Damage&) = delete;

    /// A number below `count`, which is not 0.
    [[nodiscard]] std::size_t pick(std::size_t count) const { return choice_ % count; }

    /// `place` will be as it is now.
    template <class T>
    void keep(T& place) {
        if constexpr (requires { place.load(); })
            repairs_.push_back([&place, was = place.load()] { place.store(was); });
        else
            repairs_.push_back([&place, was = place] { place = was; });
    }
    template <class T, class Value>
    void set(T& place, const Value& value) {
        keep(place);
        if constexpr (requires { place.load(); })
            place.store(static_cast<typename T::value_type>(value));
        else
            place = static_cast<T>(value);
    }
    /// For what has no place of its own.
    void repair_by(std::function<void()> repair) { repairs_.push_back(std::move(repair)); }

    [[nodiscard]] bool done() const { return !repairs_.empty(); }
    /// The last change first.
    void repair() {
        for (; done(); repairs_.pop_back()) repairs_.back()();
    }

  private:
    std::uint32_t choice_;
    std::vector<std::function<void()>> repairs_;
};

template <class Part>
struct DamageKind {
    std::string_view what;
    std::string_view laws;  ///< that it breaks, with spaces between; the first is the one it is meant for
    void (*inflict)(const Part&, Damage&);  ///< changes nothing if the part has no such thing
};

}  // namespace kmemlab::fuzz
