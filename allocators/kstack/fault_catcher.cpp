#include "allocators/kstack/fault_catcher.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>

namespace kmemlab {
namespace {

struct Window {
    std::atomic<std::uint64_t> begin{0};
    std::atomic<std::uint64_t> end{0};  ///< 0: the slot is free
    std::atomic<FaultMender*> mender{nullptr};
};

/// The process's part; the mutex guards all but what the handler reads.
struct Catcher {
    std::mutex lock;
    std::size_t windows_in_use = 0;
    struct sigaction former {};
    std::array<Window, CaughtWindow::most_windows> windows;
};

Catcher& catcher() {
    static Catcher the_catcher;
    return the_catcher;
}

thread_local FaultReturn* innermost = nullptr;

/// A thread's alternate stack, if nobody gave it one (a sanitizer's runtime does).
class AlternateStack {
  public:
    AlternateStack() {
        stack_t present{};
        if (sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) return;
        memory_ = std::make_unique<std::byte[]>(bytes);
        const stack_t ours{.ss_sp = memory_.get(), .ss_flags = 0, .ss_size = bytes};
        sigaltstack(&ours, nullptr);
    }
    ~AlternateStack() {
        if (memory_ == nullptr) return;
        const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
        sigaltstack(&none, nullptr);
    }
    AlternateStack(const AlternateStack&) = delete;
    AlternateStack& operator=(const AlternateStack&) = delete;

  private:
    static constexpr std::size_t bytes = std::size_t{64} << 10;
    std::unique_ptr<std::byte[]> memory_;
};

/// As if we were not there.
void pass_on(const struct sigaction& former, int signal, siginfo_t* info, void* context) {
    if ((former.sa_flags & SA_SIGINFO) != 0) return former.sa_sigaction(signal, info, context);
    if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) return former.sa_handler(signal);
    // The access faults again when we return, and then ends the process; a signal that was sent does not.
    sigaction(signal, &former, nullptr);
    if (info->si_code <= 0) raise(signal);
}

/// True: mended. Does not come back if a thread waits for the fault in fault_of().
bool settle(const Catcher& all, VirtAddr at) {
    bool ours = false;
    for (const Window& window : all.windows) {
        const std::uint64_t end = window.end.load(std::memory_order_acquire);
        if (at.value() >= end || at.value() < window.begin.load(std::memory_order_relaxed)) continue;
        FaultMender* const mender = window.mender.load(std::memory_order_relaxed);
        if (mender != nullptr && mender->mend(at)) return true;
        ours = true;
    }
    if (!ours || innermost == nullptr) return false;
    innermost->address = at;
    siglongjmp(innermost->context, 1);
}

void handle(int signal, siginfo_t* info, void* context) {
    const Catcher& all = catcher();
    const VirtAddr at{reinterpret_cast<std::uintptr_t>(info->si_addr)};
    // A code above 0 is a fault of this thread; others were sent and have no address.
    if (info->si_code > 0 && settle(all, at)) return;
    pass_on(all.former, signal, info, context);
}

void install(Catcher& all) {
    struct sigaction ours {};
    ours.sa_sigaction = handle;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGSEGV, &ours, &all.former);
}

/// Puts the former handler back, unless somebody has put his own over ours.
void uninstall(Catcher& all) {
    struct sigaction present {};
    sigaction(SIGSEGV, nullptr, &present);
    if ((present.sa_flags & SA_SIGINFO) != 0 && present.sa_sigaction == handle) {
        sigaction(SIGSEGV, &all.former, nullptr);
    }
}

}  // namespace

CaughtWindow::CaughtWindow(AddressRange window, FaultMender* mender) {
    Catcher& all = catcher();
    const std::lock_guard guard{all.lock};
    while (slot_ < most_windows && all.windows[slot_].end.load(std::memory_order_relaxed) != 0) ++slot_;
    if (slot_ == most_windows) throw UsageError::of("kstack: faults of {} windows are caught at most", slot_);
    Window& ours = all.windows[slot_];
    ours.begin.store(window.begin.value(), std::memory_order_relaxed);
    ours.mender.store(mender, std::memory_order_relaxed);
    ours.end.store(window.end.value(), std::memory_order_release);
    if (all.windows_in_use++ == 0) install(all);
}

CaughtWindow::~CaughtWindow() {
    Catcher& all = catcher();
    const std::lock_guard guard{all.lock};
    all.windows[slot_].end.store(0, std::memory_order_release);
    if (--all.windows_in_use == 0) uninstall(all);
}

FaultReturn::FaultReturn() : outer_{innermost} {
    static thread_local const AlternateStack stack;
    static_cast<void>(stack);
    innermost = this;
}

FaultReturn::~FaultReturn() {
    innermost = outer_;
}

}  // namespace kmemlab
