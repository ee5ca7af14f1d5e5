/// Misuse by the caller: what was found, told once, and the policy that decides what happens then.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kmemlab {

enum class MisuseKind : std::uint8_t {
    double_free,
    foreign_pointer,   ///< an address that this allocator never gave
    interior_pointer,  ///< inside an object, not its begin
    wrong_cache,       ///< freed to a cache that it does not come from
    wrong_order,       ///< a block of pages freed with another order than it was taken with
    overwritten,       ///< red zone, poison or padding changed
    corrupt_list,      ///< a free pointer or a count of a slab changed
    objects_remain,    ///< a cache destroyed while objects live
    stack_overflow,    ///< a task's frames reached the guard page of its stack
    bad_request,       ///< a request that no caller may make (two zones at once, ...)
};

[[nodiscard]] std::string_view to_string(MisuseKind kind);

struct Misuse {
    MisuseKind kind{};
    const void* address = nullptr;  ///< what the caller passed, or the first bad byte
    std::string cache;              ///< cache or zone concerned; empty if none is known
    std::string report;             ///< the whole text, lines ending in '\n', as the kernel words it
};

/// Where an allocator reports misuse. The default prints the report on stderr and aborts; `keep_going`
/// counts, tells `listener` and goes on, as slub_debug does. Not for several threads at once while
/// misuse happens, unless the listener is.
class MisuseLog {
  public:
    using Listener = std::function<void(const Misuse&)>;

    MisuseLog() = default;
    /// Count and go on.
    [[nodiscard]] static MisuseLog keep_going(Listener listener = {}) {
        MisuseLog log;
        log.abort_ = false;
        log.listener_ = std::move(listener);
        return log;
    }

    void report(const Misuse& misuse);
    [[nodiscard]] std::uint64_t count() const { return count_; }

  private:
    bool abort_ = true;
    std::uint64_t count_ = 0;
    Listener listener_;
};

}  // namespace kmemlab
