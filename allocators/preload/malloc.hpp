/// The functions behind libkmemlab_malloc.so: malloc and its family over one allocator of this laboratory.
///
///     allocate(size)   this thread's CPU has a free object of that class -> it
///                      otherwise, as a visitor inside: the allocator's slow ways; beyond 4 MiB: mmap
///     release(p)       likewise
///
/// Which class an address belongs to is noted for its frame by the first free that comes to a slab, and wiped
/// when the slab's pages are given back: so a free looks at one number, not at descriptors.
///
/// The environment decides, once, at the first allocation:
///     KMEMLAB_ALLOCATOR  slub-sheaves (default), slub, slab, slob, buddy, vmalloc
///     KMEMLAB_SET        tunables: "sheaves.capacity=64,machine.cpus=16"
///     KMEMLAB_STATS      1: the kernel's texts (slabinfo, buddyinfo, ...) on stderr when the program ends
///     KMEMLAB_RECORD     a file that the program's own operations are written to, as a trace for replay
/// What cannot be is told in one line, and ends the program with status 2.
///
/// What the library itself allocates, and what the C library allocates while it is inside, comes from
/// OwnMemory. The state is one for the process and is never destroyed: programs free to the very end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "allocators/preload/heap.hpp"
#include "allocators/preload/heap_of_areas.hpp"
#include "allocators/preload/threads.hpp"

namespace kmemlab::preload {

using SheavesHeap = HeapOf<Sheaves<OwnedCpus>, SheavesModel::Config>;
using SlubHeap = HeapOf<Slub<OwnedCpus>, SlubModel::Config>;
using SlabHeap = HeapOf<Slab<OwnedCpus>, SlabModel::Config>;
using SlobHeap = HeapOf<Slob<OwnedCpus>, SlobModel::Config>;

/// Those with fast paths of their own: values of Thread::fast. The fast paths of slub-sheaves, the default,
/// need none: they look at Thread::slots.
enum Fast : std::uint8_t { fast_none, fast_slub, fast_slab };

/// Where the process's one heap of a type lies, if it is that: an address that the compiler knows.
template <class H>
struct Place {
    alignas(H) static inline std::byte bytes[sizeof(H)];
    [[nodiscard]] static H& heap() { return *std::launder(reinterpret_cast<H*>(bytes)); }
};

// In a shared library, too, at a fixed distance from the thread's own pointer.
[[gnu::tls_model("initial-exec")]] inline thread_local constinit Thread self;

/// What the fast paths of slub-sheaves read beside a thread's slots. Without such a heap: no bytes.
struct Front {
    std::uintptr_t memory = 0;
    std::size_t bytes = 0;
    const ZeroedNotes::Note* place_of_frame = nullptr;  ///< of its slab's class; 0: not known (yet)
};
inline constinit Front front;

/// By size in units of 8 bytes, rounded up.
inline constexpr auto place_of_units = [] {
    std::array<std::uint16_t, malloc_class_of_units.size()> places{};
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = place_of_slot(malloc_class_of_units[i]);
    return places;
}();

/// A slot of the thread's CPU. Places are distances in bytes: it takes one addition.
[[nodiscard, gnu::always_inline]] inline SheafSlot& slot_at(std::size_t place) {
    return *reinterpret_cast<SheafSlot*>(reinterpret_cast<std::byte*>(self.slots) + place);
}

/// What slub-sheaves' fast paths do not serve. `align` 0: as malloc. errno is ENOMEM with null.
/// `caller` is what a recording tells: where the function returns to that calls these, the program.
[[nodiscard]] void* allocate_otherwise(std::size_t size, const void* caller = __builtin_return_address(0));
void release_otherwise(void* p, const void* caller = __builtin_return_address(0));
[[nodiscard]] void* allocate_slowly(std::size_t size, std::size_t align, bool zero,
                                    const void* caller = __builtin_return_address(0));
[[nodiscard]] std::size_t usable_size(void* p);
/// realloc(); null: no memory, `p` stays.
[[nodiscard]] void* reallocate(void* p, std::size_t size, const void* caller = __builtin_return_address(0));
/// Gives back to the system what can be; true if there was any.
bool trim();
/// Nobody else may be inside.
[[nodiscard]] MaybeViolation find_violation();
/// Memory for the library itself, and its return; also of what only may be such.
[[nodiscard]] void* allocate_own(std::size_t size, std::size_t align);
void release_own(void* p);

[[nodiscard, gnu::always_inline]] inline void* allocate(std::size_t size,
                                                        const void* caller = __builtin_return_address(0)) {
    if (size <= malloc_largest_class) [[likely]] {
        SheafSlot& slot = slot_at(place_of_units[(size + 7) / 8]);
        if (!slot.main.empty()) [[likely]] {
            slot.count(SheafEvent::alloc_fastpath);
            return slot.main.pop();
        }
    }
    return allocate_otherwise(size, caller);
}

[[gnu::always_inline]] inline void release(void* p, const void* caller = __builtin_return_address(0)) {
    const std::size_t offset = reinterpret_cast<std::uintptr_t>(p) - front.memory;
    if (offset < front.bytes) [[likely]] {
        SheafSlot& slot = slot_at(front.place_of_frame[offset >> page_shift].load(std::memory_order_relaxed));
        if (!slot.main.full()) [[likely]] {
            slot.count(SheafEvent::free_fastpath);
            return slot.main.push(p);
        }
    }
    release_otherwise(p, caller);
}

}  // namespace kmemlab::preload
