/// Real faults, caught: SIGSEGV in windows of our address space that somebody answers for.
///
///     access ---fault---> handler, on an alternate signal stack
///                           | in a registered window?
///                  yes ----/ \---- no: the handler that was there before us, as if we were not
///     the window's mender:
///        mended  -> back, and the access happens
///        refused -> inside fault_of()? back there, with the address; else as "no"
///
/// The handler takes no lock, asks for no memory and calls nothing but the mender, which must keep to the
/// same rules (async-signal-safe). It is installed with the first window and gone with the last.
///
/// A signal handler belongs to the process, so this is the one place of kstack with static state: the list of
/// windows and the former handler. It counts nothing.
/// Threads: faults may happen in several at once; a window may go only when nobody accesses it any more.
#pragma once

#include <csetjmp>
#include <cstdint>
#include <optional>
#include <utility>

#include "allocators/mmu/mmu.hpp"

namespace kmemlab {

/// Who answers for a window.
class FaultMender {
  public:
    virtual ~FaultMender() = default;
    /// Called by the handler. True: the access will now succeed.
    [[nodiscard]] virtual bool mend(VirtAddr at) noexcept = 0;
};

/// Faults in `window` are ours while this lives. Throws UsageError if there are too many windows.
class CaughtWindow {
  public:
    static constexpr std::size_t most_windows = 256;

    /// Without a mender every fault is refused.
    explicit CaughtWindow(AddressRange window, FaultMender* mender = nullptr);
    ~CaughtWindow();
    CaughtWindow(const CaughtWindow&) = delete;
    CaughtWindow& operator=(const CaughtWindow&) = delete;

  private:
    std::size_t slot_ = 0;
};

/// Where a thread goes back to when an access is refused; see fault_of().
class FaultReturn {
  public:
    /// Gives the thread an alternate signal stack if it has none.
    FaultReturn();
    ~FaultReturn();
    FaultReturn(const FaultReturn&) = delete;
    FaultReturn& operator=(const FaultReturn&) = delete;

    sigjmp_buf context{};
    VirtAddr address;  ///< of the fault

  private:
    FaultReturn* outer_;
};

/// Runs access(), which touches memory and does nothing else (nothing that it began is undone). The address
/// of the fault that ended it; nothing: it came to its end.
template <class Access>
[[nodiscard]] std::optional<VirtAddr> fault_of(Access&& access) {
    FaultReturn back;
    if (sigsetjmp(back.context, 1) != 0) return back.address;
    std::forward<Access>(access)();
    return {};
}

}  // namespace kmemlab
