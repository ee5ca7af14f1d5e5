/// A schedule that does one thing, once: at the first point of a kind.
#pragma once

#include <functional>
#include <utility>

#include "allocators/machine/cpus.hpp"

namespace kmemlab::test {

class StrikeOnce final : public Schedule {
  public:
    StrikeOnce(Point where, std::function<void()> what) : where_{where}, what_{std::move(what)} {}

    void at(Point point, CpuId) override {
        if (point == where_ && !std::exchange(struck_, true)) what_();
    }
    [[nodiscard]] bool struck() const { return struck_; }

  private:
    Point where_;
    std::function<void()> what_;
    bool struck_ = false;
};

}  // namespace kmemlab::test
