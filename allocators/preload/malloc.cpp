#include "allocators/preload/malloc.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/everlasting.hpp"
#include "allocators/contract/registry.hpp"
#include "allocators/preload/big_blocks.hpp"
#include "allocators/preload/own_memory.hpp"
#include "allocators/preload/recorder.hpp"
#include "allocators/preload/write_all.hpp"

namespace kmemlab::preload {
namespace {

constexpr std::string_view default_allocator = "slub-sheaves";
constexpr int exit_usage = 2;

/// All that there is beside the heap itself. As heap and threads, it is never destroyed.
struct State {
    Heap* heap = nullptr;
    std::uint8_t fast = fast_none;  ///< what Thread::fast may become
    OwnMemory own;
    Threads threads;
    Recorder recorder;
    int stats_fd = -1;  ///< where KMEMLAB_STATS is told; programs close stderr before they end
};

enum class Stage : int { untouched, starting, ready };
std::atomic<Stage> stage{Stage::untouched};

constinit Everlasting<State> place;

State& state() {
    return place.value;
}

// ---- Start ---------------------------------------------------------------------------------------------

[[noreturn]] void refuse(std::string_view what) {
    static_cast<void>(write_all(STDERR_FILENO, "libkmemlab_malloc: "));
    static_cast<void>(write_all(STDERR_FILENO, what));
    static_cast<void>(write_all(STDERR_FILENO, "\n"));
    _exit(exit_usage);
}

[[nodiscard]] std::vector<Setting> settings_of(std::string_view text) {
    std::vector<Setting> settings;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        if (comma != 0) settings.push_back(parse_setting(text.substr(0, comma)));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return settings;
}

/// A machine as large as this one's memory twice over, and more CPUs than it has: threads wait less often.
void set_machine(MachineConfig& machine, BuddyConfig& buddy) {
    constexpr std::size_t least = std::size_t{16} << 30;
    constexpr std::size_t most = std::size_t{1} << 42;
    const auto pages = static_cast<std::size_t>(std::max(sysconf(_SC_PHYS_PAGES), 0L));
    machine.arena = std::clamp(2 * pages * page_size, least, most);
    const auto processors = static_cast<std::uint64_t>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L));
    machine.cpus = std::clamp<std::uint64_t>(5 * processors, 32, max_cpus);
    // Nothing can be reclaimed here: reserves for those who do would only lie idle.
    buddy.layout = "single";
    buddy.min_free_kbytes = 128;
    buddy.watermark_boost_factor = 0;
}

/// Larger sheaves and barns than a kernel's: programs free what they took in larger batches. A barn may keep
/// a MiB of objects, in however many sheaves these are.
void set_objects(SheavesConfig& config) {
    config.slub.merge = false;  // our classes are caches of their own
    config.scale = 4;
    config.barn_full = 1000;
    config.barn_empty = 16;
    config.barn_kbytes = 1024;
}
void set_objects(SlubConfig& config) {
    config.merge = false;
}
void set_objects(SlabConfig& config) {
    config.merge = false;
}

/// What waits for a purge is resident here: as much as free pages may be (growing_pages.hpp). Areas end with
/// their last page, not at a multiple of 2 MiB, so that the guard is next to it; and as with every other
/// allocator, only what was touched is resident.
void set_areas(HostMmuSettings& mmu, VmallocConfig& config) {
    config.lazy_max_pages = (std::uint64_t{16} << 20) >> page_shift;
    config.huge = false;
    mmu.populate = false;
}

template <class H, class Config>
void make_heap(std::span<const Setting> settings, std::uint8_t fast) {
    Config config;
    set_machine(config.machine, config.buddy);
    if constexpr (requires { set_objects(config.objects); }) set_objects(config.objects);
    if constexpr (requires { set_areas(config.mmu, config.vmalloc); }) set_areas(config.mmu, config.vmalloc);
    apply_settings(settings, config.tunables());
    state().heap = new (Place<H>::bytes) H{config};
    if (!state().recorder.is_open()) state().fast = fast;
}

void make_sheaves_heap(std::span<const Setting> settings) {
    make_heap<SheavesHeap, SheavesModel::Config>(settings, fast_none);
    if (state().recorder.is_open()) return;  // every operation has to come by
    SheavesHeap& heap = Place<SheavesHeap>::heap();
    front.memory = reinterpret_cast<std::uintptr_t>(heap.arena().address_at(0));
    front.place_of_frame = heap.notes();
    front.bytes = heap.arena().bytes();
}

/// The thread has a CPU: its fast paths may begin.
void open_fast_paths(Thread& thread) {
    thread.fast = state().fast;
    if (front.bytes == 0) return;
    thread.slots = Place<SheavesHeap>::heap().slots(thread.cpu);
}
void close_fast_paths(Thread& thread) {
    thread.fast = fast_none;
    thread.slots = nobodys_slots.value.data();
}

void choose_heap(std::string_view name, std::span<const Setting> settings) {
    const std::string names[]{std::string{name}};
    constexpr std::string_view known = "slub-sheaves, slub, slab, slob, buddy, vmalloc";
    if (name == "slub-sheaves")
        make_sheaves_heap(settings);
    else if (name == "slub")
        make_heap<SlubHeap, SlubModel::Config>(settings, fast_slub);
    else if (name == "slab")
        make_heap<SlabHeap, SlabModel::Config>(settings, fast_slab);
    else if (name == "slob")
        make_heap<SlobHeap, SlobModel::Config>(settings, fast_none);
    else if (name == "buddy")
        make_heap<HeapOfPages, BuddyModel::Config>(settings, fast_none);
    else if (name == "vmalloc")
        make_heap<HeapOfAreas, HeapOfAreas::Config>(settings, fast_none);
    else
        throw UsageError::of("KMEMLAB_ALLOCATOR={}: expected one of {}", name, known);
    check_settings(settings, names);
}

[[nodiscard]] std::string_view variable(const char* name, std::string_view otherwise) {
    const char* const value = std::getenv(name);
    return value == nullptr || *value == '\0' ? otherwise : value;
}

void before_fork();
void after_fork_in_parent();
void after_fork_in_child();

void start() {
    State& s = state();
    constexpr int beyond_theirs = 200;
    if (variable("KMEMLAB_STATS", "0") != "0")
        s.stats_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, beyond_theirs);
    if (const std::string_view path = variable("KMEMLAB_RECORD", ""); !path.empty()) {
        if (!s.recorder.open(path.data())) refuse(fmt::format("{}: {}", path, std::strerror(errno)));
    }
    try {
        choose_heap(variable("KMEMLAB_ALLOCATOR", default_allocator),
                    settings_of(variable("KMEMLAB_SET", "")));
    } catch (const UsageError& error) {
        refuse(error.what());
    } catch (const std::bad_alloc&) {
        refuse("no memory to begin with");
    }
    s.threads.start(s.heap->cpus(), [](CpuId cpu) {
        close_fast_paths(self);
        state().heap->leave(cpu);
    });
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/// False: this thread is starting just now.
bool started() {
    if (stage.load(std::memory_order_acquire) == Stage::ready) [[likely]]
        return true;
    if (self.inside) return false;
    Stage untouched = Stage::untouched;
    if (stage.compare_exchange_strong(untouched, Stage::starting)) {
        self.inside = true;
        start();
        self.inside = false;
        stage.store(Stage::ready, std::memory_order_release);
        return true;
    }
    while (stage.load(std::memory_order_acquire) != Stage::ready) sched_yield();
    return true;
}

// ---- Beyond the fast paths -----------------------------------------------------------------------------

/// While it lives its thread is alone on `cpu()`, and fork() waits.
class [[nodiscard]] Visit {
  public:
    Visit() : errno_{errno}, had_cpu_{self.owns_cpu} {
        self.inside = true;
        cpu_ = state().threads.begin(self);
    }
    ~Visit() {
        state().threads.end(self, cpu_);
        if (self.owns_cpu && !had_cpu_) open_fast_paths(self);
        self.inside = false;
        errno = errno_;
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    [[nodiscard]] CpuId cpu() const { return cpu_; }

  private:
    int errno_;
    bool had_cpu_;
    CpuId cpu_;
};

/// A visit to look at everything: nobody else is beyond his fast paths, as while a process forks. Others'
/// code, that of texts, may allocate: not from what is looked at.
class [[nodiscard]] QuietVisit {
  public:
    QuietVisit() { close_fast_paths(self); }
    ~QuietVisit() {
        if (self.owns_cpu) open_fast_paths(self);
    }
    QuietVisit(const QuietVisit&) = delete;
    QuietVisit& operator=(const QuietVisit&) = delete;

  private:
    struct Alone {
        Alone() { state().threads.before_fork(self); }
        ~Alone() { state().threads.after_fork_in_parent(); }
        Alone(const Alone&) = delete;
        Alone& operator=(const Alone&) = delete;
    };

    Alone alone_;
    Visit visit_;
};

[[nodiscard]] void* take(std::size_t size, std::size_t align, bool zero, CpuId cpu) {
    Heap& heap = *state().heap;
    if (size <= Heap::largest_size && align <= Heap::largest_size) {
        if (void* const p = heap.allocate(size, align, cpu); p != nullptr) {
            if (zero) std::memset(p, 0, size);
            return p;
        }
    }
    return big_blocks::allocate(size, align);
}

enum class Owner { own, heap, big };

[[nodiscard]] Owner owner_of(const void* p) {
    if (state().heap != nullptr && state().heap->contains(p)) return Owner::heap;
    if (state().own.contains(p)) return Owner::own;
    if (big_blocks::is_one(p)) return Owner::big;
    refuse(fmt::format("free() or realloc() of {}, which is no block of ours", p));
}

void give(void* p, CpuId cpu) {
    switch (owner_of(p)) {
        case Owner::heap:
            if (front.bytes != 0) Place<SheavesHeap>::heap().note_class(p);
            return state().heap->deallocate(p, cpu);
        case Owner::own:
            return state().own.deallocate(p);
        case Owner::big:
            return big_blocks::deallocate(p);
    }
}

void* out_of_memory() {
    errno = ENOMEM;
    return nullptr;
}

// ---- fork and end --------------------------------------------------------------------------------------

void before_fork() {
    state().threads.before_fork(self);
}
void after_fork_in_parent() {
    state().threads.after_fork_in_parent();
}
void after_fork_in_child() {
    state().threads.after_fork_in_child(self);
    if (!state().recorder.is_open()) return;
    state().recorder.stop();
}

[[gnu::destructor]] void at_end() {
    State& s = state();
    if (stage.load() != Stage::ready || self.inside || (s.stats_fd < 0 && !s.recorder.is_open())) return;
    const QuietVisit visit;
    s.recorder.flush();
    if (s.stats_fd < 0) return;
    for (const Text& text : s.heap->snapshot()) {
        static_cast<void>(write_all(s.stats_fd, fmt::format("==> {} <==\n", text.name)));
        static_cast<void>(write_all(s.stats_fd, text.content));
    }
}

}  // namespace

void* allocate_slowly(std::size_t size, std::size_t align, bool zero, const void* caller) {
    if (self.inside || !started()) {
        void* const p = state().own.allocate(size, align);
        if (p != nullptr && zero) std::memset(p, 0, size);
        return p;
    }
    void* p = nullptr;
    {
        const Visit visit;
        p = take(size, align, zero, visit.cpu());
        if (state().recorder.is_open() && p != nullptr) {
            state().recorder.allocated(p, size, usable_size(p), caller, visit.cpu());
        }
    }
    return p == nullptr ? out_of_memory() : p;
}

namespace {

void release_slowly(void* p, const void* caller) {
    if (p == nullptr) return;
    if (self.inside || !started()) {
        // Memory of the program's that the C library frees while we are inside is lost.
        if (state().own.contains(p)) state().own.deallocate(p);
        return;
    }
    const Visit visit;
    if (state().recorder.is_open()) state().recorder.freed(p, caller, visit.cpu());
    give(p, visit.cpu());
}

}  // namespace

void* allocate_otherwise(std::size_t size, const void* caller) {
    void* p = nullptr;
    if (size <= malloc_largest_class && !self.inside) {
        if (self.fast == fast_slub) p = Place<SlubHeap>::heap().allocate_fast(size, self.cpu);
        if (self.fast == fast_slab) p = Place<SlabHeap>::heap().allocate_fast(size, self.cpu);
    }
    return p != nullptr ? p : allocate_slowly(size, 0, false, caller);
}

void release_otherwise(void* p, const void* caller) {
    if (!self.inside) {
        if (self.fast == fast_slub && Place<SlubHeap>::heap().deallocate_fast(p, self.cpu)) return;
        if (self.fast == fast_slab && Place<SlabHeap>::heap().deallocate_fast(p, self.cpu)) return;
    }
    release_slowly(p, caller);
}

void* allocate_own(std::size_t size, std::size_t align) {
    return state().own.allocate(size, align);
}
void release_own(void* p) {
    if (state().own.contains(p))
        state().own.deallocate(p);
    else
        release_otherwise(p);
}

std::size_t usable_size(void* p) {
    if (p == nullptr) return 0;
    switch (owner_of(p)) {
        case Owner::heap:
            return state().heap->usable_size(p);
        case Owner::own:
            return state().own.usable_size(p);
        case Owner::big:
            break;
    }
    return big_blocks::usable_size(p);
}

void* reallocate(void* p, std::size_t size, const void* caller) {
    const std::size_t usable = usable_size(p);
    // What would shrink to less than half moves.
    if (size <= usable && (size >= usable / 2 || usable <= 64)) return p;
    if (!self.inside && !state().recorder.is_open() && size > Heap::largest_size &&
        owner_of(p) == Owner::big) {
        void* const moved = big_blocks::resize(p, size);
        return moved == nullptr ? out_of_memory() : moved;
    }
    void* const other = allocate(size, caller);
    if (other == nullptr) return nullptr;
    std::memcpy(other, p, std::min(usable, size));
    release(p, caller);
    return other;
}

bool trim() {
    if (self.inside || !started()) return false;
    const Visit visit;
    return state().heap->trim(visit.cpu()) > 0;
}

MaybeViolation find_violation() {
    if (self.inside || !started()) return {};
    const QuietVisit visit;
    return state().heap->find_violation();
}

}  // namespace kmemlab::preload
