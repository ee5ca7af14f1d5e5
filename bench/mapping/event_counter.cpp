#include "bench/mapping/event_counter.hpp"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace kmemlab::mapping {
namespace {

/// As perf_event_open(2) composes events of caches.
std::uint64_t config_of(Event) {
    return PERF_COUNT_HW_CACHE_DTLB | PERF_COUNT_HW_CACHE_OP_READ << 8 |
           PERF_COUNT_HW_CACHE_RESULT_MISS << 16;
}

}  // namespace

EventCounter::EventCounter(Event event) {
    perf_event_attr attributes{};
    attributes.type = PERF_TYPE_HW_CACHE;
    attributes.size = sizeof attributes;
    attributes.config = config_of(event);
    attributes.disabled = 1;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    descriptor_ = static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0UL));
    if (descriptor_ < 0) reason_ = fmt::format("perf_event_open: {}", std::strerror(errno));
}

EventCounter::~EventCounter() {
    if (works()) close(descriptor_);
}

void EventCounter::start() const {
    ioctl(descriptor_, PERF_EVENT_IOC_RESET, 0);
    ioctl(descriptor_, PERF_EVENT_IOC_ENABLE, 0);
}

std::uint64_t EventCounter::stop() const {
    ioctl(descriptor_, PERF_EVENT_IOC_DISABLE, 0);
    std::uint64_t count = 0;
    return read(descriptor_, &count, sizeof count) == sizeof count ? count : 0;
}

}  // namespace kmemlab::mapping
