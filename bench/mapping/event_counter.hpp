/// EventCounter: a hardware event of the calling thread, by perf_event_open. Needs neither privileges nor a
/// library where /proc/sys/kernel/perf_event_paranoid is 2 or less; many virtual machines have no events.
#pragma once

#include <cstdint>
#include <string>

namespace kmemlab::mapping {

enum class Event : std::uint8_t { data_tlb_load_misses };

class EventCounter {
  public:
    explicit EventCounter(Event event);
    ~EventCounter();
    EventCounter(const EventCounter&) = delete;
    EventCounter& operator=(const EventCounter&) = delete;

    [[nodiscard]] bool works() const { return descriptor_ >= 0; }
    /// Why it does not.
    [[nodiscard]] const std::string& reason() const { return reason_; }
    void start() const;
    /// Events in user mode since start().
    [[nodiscard]] std::uint64_t stop() const;

  private:
    int descriptor_ = -1;
    std::string reason_;
};

}  // namespace kmemlab::mapping
