/// What the drop-in malloc allocates from: one allocator of the registry over pages that grow.
///
/// Heap is what every one of them can; HeapOf adds the fast paths, which the functions of malloc.hpp have
/// compiled in. Sizes up to largest_size; what is larger is mapped (big_blocks.hpp). Each caller is on a CPU
/// of its own.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/gfp.hpp"
#include "allocators/contract/models.hpp"
#include "allocators/preload/growing_pages.hpp"
#include "allocators/preload/malloc_classes.hpp"

namespace kmemlab {

class Heap {
  public:
    /// 4 MiB: the largest block of pages.
    static constexpr std::size_t largest_size = max_order.bytes();
    /// What C promises of objects of at least so many bytes; smaller ones are aligned to their size class.
    static constexpr std::size_t malloc_align = 16;

    Heap() = default;
    virtual ~Heap() = default;
    Heap(const Heap&) = delete;
    Heap& operator=(const Heap&) = delete;

    /// `size` and `align` up to largest_size; nullptr: no memory.
    [[nodiscard]] virtual void* allocate(std::size_t size, std::size_t align, CpuId cpu) = 0;
    virtual void deallocate(void* p, CpuId cpu) = 0;
    [[nodiscard]] virtual std::size_t usable_size(const void* p) const = 0;
    [[nodiscard]] virtual bool contains(const void* p) const = 0;
    /// Gives what a CPU keeps for itself to all; nobody is on it, or the caller.
    virtual void leave(CpuId cpu) = 0;
    /// Gives back to the system what can be, without what other CPUs keep. The bytes of it.
    virtual std::size_t trim(CpuId cpu) = 0;
    [[nodiscard]] virtual unsigned cpus() const = 0;
    /// Nobody else may be inside.
    [[nodiscard]] virtual MaybeViolation find_violation() const = 0;
    [[nodiscard]] virtual std::vector<Text> snapshot() const = 0;
};

/// Of slub-sheaves: the kmalloc caches are made before the classes.
inline constexpr std::size_t first_slot = 1 + kmalloc_class_count * kmalloc_types;
/// Bytes from a CPU's first slot to that of a class: never 0, where nobody's slot is.
[[nodiscard]] constexpr std::uint16_t place_of_slot(std::size_t number) {
    return static_cast<std::uint16_t>((first_slot + number) * sizeof(SheafSlot));
}
static_assert(first_slot + malloc_class_count <= SheafArea::slots);

/// Flags of every request: who asks can wait, but is told nothing of a failure but null.
inline constexpr Gfp heap_gfp = GFP_KERNEL;

/// Allocators with objects: kmalloc and kfree.
template <class Objects, class Config>
class HeapOf final : public Heap {
  public:
    explicit HeapOf(const Config& config)
        : arena_{config.machine.arena, Pfn{config.machine.start_pfn}, Backing::private_mem},
          cpus_{config.machine.cpus},
          pages_{arena_, cpus_, config.buddy, misuse_},
          objects_{pages_, cpus_, config.objects, misuse_} {
        if constexpr (has_classes) make_classes();
    }

    static constexpr bool has_sheaves = std::same_as<Objects, Sheaves<OwnedCpus>>;
    /// Allocators with per-CPU lists serve small sizes from caches of our own (malloc_classes.hpp); kmalloc
    /// of the others does.
    static constexpr bool has_classes =
        has_sheaves || requires(Objects & o, typename Objects::Cache& cache, void* p, CpuId cpu) {
        o.kmem_cache_alloc_fast(cache, cpu), o.kfree_fast(p, cpu);
    };

    /// Up to malloc_largest_class; null: takes more.
    [[nodiscard]] void* allocate_fast(std::size_t size, CpuId cpu) requires(has_classes && !has_sheaves) {
        return objects_.kmem_cache_alloc_fast(*classes_[malloc_class(size)], cpu);
    }
    [[nodiscard]] bool deallocate_fast(void* p, CpuId cpu) requires(has_classes && !has_sheaves) {
        return objects_.kfree_fast(p, cpu);
    }

    void* allocate(std::size_t size, std::size_t align, CpuId cpu) override {
        if constexpr (has_classes) {
            // An object is aligned to 16 if it is as large.
            if (const std::size_t bytes = std::max(size, align);
                align <= malloc_align && bytes <= malloc_largest_class)
                return objects_.kmem_cache_alloc(*classes_[malloc_class(bytes)], heap_gfp, cpu);
        }
        if constexpr (has_headers) {
            if (align <= malloc_align && size >= malloc_align) return allocate_moved(size, cpu);
        }
        const std::size_t needed = has_classes || size < malloc_align ? align : std::max(align, malloc_align);
        return objects_.allocate({.size = std::max<std::size_t>(size, 1),
                                  .gfp = heap_gfp,
                                  .align = needed > min_object_align ? needed : 0,
                                  .cpu = cpu});
    }
    void deallocate(void* p, CpuId cpu) override {
        objects_.deallocate(static_cast<std::byte*>(p) - moved_by(p), cpu);
    }
    [[nodiscard]] std::size_t usable_size(const void* p) const override {
        const std::size_t moved = moved_by(p);
        return objects_.usable_size(static_cast<const std::byte*>(p) - moved) - moved;
    }
    [[nodiscard]] bool contains(const void* p) const override { return arena_.contains(p); }
    void leave(CpuId cpu) override {
        if constexpr (has_classes) objects_.cpu_dead(cpu, cpu);
        pages_.drain_cpu(cpu);
    }
    std::size_t trim(CpuId cpu) override {
        leave(cpu);
        return pages_.trim(cpu);
    }
    [[nodiscard]] unsigned cpus() const override { return cpus_.count(); }
    [[nodiscard]] Arena& arena() { return arena_; }

    // Of slub-sheaves, for the fast paths of malloc.hpp.
    /// What a CPU has of each cache, those of the classes from first_slot on.
    [[nodiscard]] SheafSlot* slots(CpuId cpu) requires has_sheaves { return objects_.area().slots_of(cpu); }
    /// 0 or, of frames that are known to be in a slab of a class, where its slot is (place_of_slot).
    [[nodiscard]] const ZeroedNotes::Note* notes() { return pages_.notes().data(); }
    /// Notes the class of the slab that `p`, which lives, is in; of other blocks nothing.
    void note_class(const void* p) requires has_sheaves {
        const FrameIndex head = arena_.page(arena_.pfn(p)).head;
        if (head >= arena_.frames() || pages_.notes().get(head) != 0) return;
        const Page& slab = arena_.page_at(head);
        const PageState state = slab.load_state();
        if (state.kind != PageKind::slab) return;
        const auto* const cache =
            static_cast<const Cache*>(static_cast<const SlubCache<OwnedCpus>*>(slab.owner));
        const auto found = std::find(classes_.begin(), classes_.end(), cache);
        if (found == classes_.end()) return;
        const auto number = static_cast<std::size_t>(found - classes_.begin());
        pages_.notes().set(head, Order{state.order}.pages(), place_of_slot(number));
    }

    [[nodiscard]] MaybeViolation find_violation() const override {
        if (auto found = objects_.find_violation()) return found;
        if (auto found = pages_.find_violation()) return found;
        const std::uint64_t held = objects_.stats().held_bytes;
        const std::uint64_t given = pages_.pages_in_use() << page_shift;
        if (held != given)
            return violation("G8", "objects hold {} bytes of pages, the nodes gave {}", held, given);
        return {};
    }
    [[nodiscard]] std::vector<Text> snapshot() const override {
        std::vector<Text> texts = objects_.snapshot();
        for (Text& text : pages_.snapshot()) texts.push_back(std::move(text));
        return texts;
    }

  private:
    using Cache = typename Objects::Cache;

    // slob aligns objects of kmalloc to 8, and to more only those whose size is a power of two: all of these
    // leave gaps in their pages that nothing fits in, and every search walks them. So it is asked for 8 bytes
    // more, and where it gives an odd multiple of 8, the object begins 8 bytes later:
    //
    //     | size, 4 bytes | pad | 0, 4 bytes | pad | object ...
    //
    // The 0 stands where the size does otherwise, which is never 0. Blocks of pages have no size before them.
    static constexpr bool has_headers = std::same_as<Objects, Slob<OwnedCpus>>;

    [[nodiscard]] void* allocate_moved(std::size_t size, CpuId cpu) requires has_headers {
        const std::size_t asked =
            size + slob_header < slob_kmalloc_limit ? size + slob_header : std::max(size, slob_kmalloc_limit);
        auto* const p = static_cast<std::byte*>(objects_.kmalloc(asked, heap_gfp, cpu));
        if (p == nullptr || reinterpret_cast<std::uintptr_t>(p) % malloc_align == 0) return p;
        std::memset(p, 0, slob_header);
        return p + slob_header;
    }
    /// Bytes from the begin of what slob gave to the object.
    [[nodiscard]] static std::size_t moved_by(const void* p) {
        if constexpr (has_headers) {
            if (reinterpret_cast<std::uintptr_t>(p) % page_size == 0) return 0;
            std::uint32_t size = 0;
            std::memcpy(&size, static_cast<const std::byte*>(p) - slob_header, sizeof(size));
            return size == 0 ? slob_header : 0;
        }
        return 0;
    }

    void make_classes() {
        for (std::size_t i = 0; i < malloc_class_count; ++i) {
            const std::size_t size = malloc_class_sizes[i];
            const std::size_t align = size < malloc_align ? min_object_align : malloc_align;
            classes_[i] = objects_.kmem_cache_create(
                {.name = fmt::format("malloc-{}", size), .size = size, .align = align});
        }
        if constexpr (has_sheaves) {
            for (std::size_t i = 0; i < malloc_class_count; ++i) {
                if (&classes_[i]->sheaves[CpuId{0}] != slots(CpuId{0}) + first_slot + i)
                    throw UsageError("slub.merge=1: malloc's caches cannot be merged with others");
            }
        }
    }

    MisuseLog misuse_;
    Arena arena_;
    OwnedCpus cpus_;
    GrowingPages pages_;
    Objects objects_;
    std::array<Cache*, malloc_class_count> classes_{};
};

/// The page allocator alone: every request is a block of pages.
class HeapOfPages : public Heap {
  public:
    explicit HeapOfPages(const BuddyModel::Config& config)
        : arena_{config.machine.arena, Pfn{config.machine.start_pfn}, Backing::private_mem},
          cpus_{config.machine.cpus},
          pages_{arena_, cpus_, config.buddy, misuse_} {}

    void* allocate(std::size_t size, std::size_t align, CpuId cpu) override {
        const std::size_t bytes = std::max({size, align, page_size});
        const auto pfn = pages_.take(order_of(bytes), heap_gfp | __GFP_COMP, cpu);
        return pfn ? arena_.address(*pfn) : nullptr;
    }
    void deallocate(void* p, CpuId cpu) override { pages_.give(arena_.pfn(p), order_at(p), cpu); }
    [[nodiscard]] std::size_t usable_size(const void* p) const override { return order_at(p).bytes(); }
    [[nodiscard]] bool contains(const void* p) const override { return arena_.contains(p); }
    void leave(CpuId cpu) override { pages_.drain_cpu(cpu); }
    std::size_t trim(CpuId cpu) override {
        leave(cpu);
        return pages_.trim(cpu);
    }
    [[nodiscard]] unsigned cpus() const override { return cpus_.count(); }
    [[nodiscard]] MaybeViolation find_violation() const override { return pages_.find_violation(); }
    [[nodiscard]] std::vector<Text> snapshot() const override { return pages_.snapshot(); }

  protected:
    MisuseLog misuse_;
    Arena arena_;
    OwnedCpus cpus_;
    GrowingPages pages_;

  private:
    [[nodiscard]] Order order_at(const void* p) const {
        return Order{arena_.page(arena_.pfn(p)).load_state().order};
    }
};

}  // namespace kmemlab
