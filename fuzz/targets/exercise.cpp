#include "fuzz/targets/exercise.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "allocators/mmu/soft_mmu.hpp"
#include "fuzz/machines/live_memory.hpp"
#include "fuzz/oracle/pattern.hpp"

namespace kmemlab::fuzz {
namespace {

/// A caller who writes to what he gets and finds it again. Null is no finding: how much memory there is,
/// and how much of it is kept back, is for the settings to say.
class Caller {
  public:
    Caller(AnyAllocator& allocator, unsigned cpus) : allocator_{allocator}, last_{cpus - 1} {}

    [[nodiscard]] MaybeViolation run() {
        const Capabilities& can = allocator_.capabilities();
        drain();
        const std::uint64_t held = allocator_.stats().held_bytes;
        const FreeBlocks free_blocks = allocator_.free_blocks();
        use_memory();
        if (can.object_caches) use_caches();
        if (can.pages) use_pages();
        ask_for_what_is_lacking();
        read_texts();
        free_all();
        drain();
        judge_walk();
        if (free_blocks && allocator_.stats().held_bytes != held)
            note("B16", "{} bytes are held, {} before", allocator_.stats().held_bytes, held);
        if (allocator_.free_blocks() != free_blocks) note("B16", "free blocks are not as before");
        return found_;
    }

  private:
    struct Block {
        void* p = nullptr;
        std::size_t usable = 0;
        std::uint64_t seed = 0;
    };
    using Cache = AnyAllocator::Cache;

    template <class... Args>
    void note(std::string_view law, fmt::format_string<Args...> format, Args&&... args) {
        if (!found_) found_ = violation(law, format, std::forward<Args>(args)...);
    }
    void note(MaybeViolation found) {
        if (!found_) found_ = std::move(found);
    }
    void judge_walk() { note(allocator_.find_violation()); }
    void drain() {
        allocator_.drain(first_);
        allocator_.drain(last_);
    }

    void use_memory() {
        constexpr std::array<std::size_t, 20> sizes{1,    8,     16,    40,    64,    96,    100,
                                                    192,  256,   500,   1024,  2048,  4000,  4096,
                                                    8192, 12000, 16384, 20000, 65536, 300000};
        constexpr std::array<Gfp, 4> flags{GFP_KERNEL, GFP_ATOMIC, GFP_KERNEL | __GFP_ZERO,
                                           GFP_KERNEL | __GFP_RECLAIMABLE};
        const unsigned rounds = allocator_.capabilities().stacks ? 1 : 2;  // theirs are all alike, and dear
        for (unsigned round = 0; round < rounds; ++round) {
            for (std::size_t i = 0; i < sizes.size(); ++i) {
                const std::size_t n = round * sizes.size() + i;
                allocate({.size = sizes[i],
                          .gfp = flags[n % flags.size()],
                          .align = n % 7 == 0 ? std::size_t{64} : 0,
                          .cpu = cpu(n)});
            }
            judge_walk();
            for (std::size_t i = round % 2; i < blocks_.size(); i += 2) free(i);
            std::erase_if(blocks_, [](const Block& block) { return block.p == nullptr; });
        }
        allocator_.deallocate(nullptr, first_);
    }

    void allocate(const Request& request) {
        void* const p = allocator_.allocate(request);
        judge_path(request.cpu);
        if (p == nullptr) return;
        const std::size_t usable = allocator_.usable_size(p);
        const bool natural = allocator_.capabilities().natural_alignment && std::has_single_bit(request.size);
        judge_fresh(p, usable, request.size, std::max(request.align, natural ? request.size : 1));
        if (!found_ && request.gfp.has(__GFP_ZERO) && !oracle::is_zero(p, request.size))
            note("G5", "{} bytes at {} are not zero", request.size, p);
        keep(p, usable);
    }
    void judge_fresh(const void* p, std::size_t usable, std::size_t size, std::size_t align) {
        if (usable < size) note("G3", "{} bytes asked, {} usable", size, usable);
        if (align > 1 && reinterpret_cast<std::uintptr_t>(p) % align != 0)
            note("G2", "{} for {} bytes is not aligned to {}", p, size, align);
        if (!ranges_.insert(p, usable)) note("G1", "{}+{} overlaps what lives", p, usable);
    }
    void judge_path(CpuId cpu) {
        if (to_string(allocator_.last_path(cpu)).empty()) note("settings", "a path without a name");
    }
    void keep(void* p, std::size_t usable) {
        if (found_) return;
        blocks_.push_back({p, usable, ++seed_});
        Sample::write(p, usable, seed_);
    }
    void judge_content(const Block& block) {
        if (!Sample::holds(block.p, block.usable, block.seed, block.usable))
            note("G4", "{}+{} was changed by somebody else", block.p, block.usable);
        ranges_.erase(block.p);
    }
    void free(std::size_t i) {
        judge_content(blocks_[i]);
        if (found_) return;
        allocator_.deallocate(std::exchange(blocks_[i].p, nullptr), cpu(i / 2));
        judge_path(cpu(i / 2));
    }
    void free_all() {
        for (std::size_t i = 0; i < blocks_.size(); ++i) free(i);
        blocks_.clear();
    }

    /// One that is constructed, one for the hardware's cache lines, one that rules of slub.debug may name.
    void use_caches() {
        const std::array<CacheDescription, 3> descriptions{
            CacheDescription{.name = "constructed", .size = 200, .constructor = construct},
            CacheDescription{.name = "aligned", .size = 72, .flags = CacheFlags::hwcache_align},
            CacheDescription{.name = "checked",
                             .size = 1000,
                             .align = 8,
                             .flags = CacheFlags::consistency_checks | CacheFlags::red_zone}};
        for (const CacheDescription& description : descriptions) {
            if (Cache* const cache = allocator_.kmem_cache_create(description)) use(*cache, description);
        }
    }
    static void construct(void* object) { *static_cast<std::uint64_t*>(object) = constructed; }

    void use(Cache& cache, const CacheDescription& description) {
        std::vector<void*> objects(objects_of_cache);
        for (std::size_t i = 0; i < objects.size(); ++i)
            take(objects[i] = allocator_.kmem_cache_alloc(cache, GFP_KERNEL, cpu(i)), description);
        std::array<void*, 16> bulk{};
        const std::size_t got = allocator_.kmem_cache_alloc_bulk(cache, GFP_KERNEL, bulk, last_);
        if (got != 0 && got != bulk.size()) note("U9", "a bulk of {} gave {}", bulk.size(), got);
        const std::span<void*> bulk_given{bulk.data(), got};
        for (void* const p : bulk_given) take(p, description);
        judge_walk();
        allocator_.kmem_cache_free_bulk(cache, bulk_given, first_);
        for (void* const p : bulk_given) ranges_.erase(p);
        for (std::size_t i = 0; i < objects.size(); ++i) {
            if (objects[i] == nullptr) continue;
            ranges_.erase(objects[i]);
            allocator_.kmem_cache_free(cache, objects[i], cpu(i / 3));
        }
        if (allocator_.kmem_cache_shrink(cache, first_)) judge_walk();
        if (!allocator_.kmem_cache_destroy(cache, first_))
            note("S11", "cache {} cannot be destroyed, though nothing of it lives", description.name);
    }
    /// Constructed objects are left as they are (S8); others are written to.
    void take(void* p, const CacheDescription& description) {
        if (p == nullptr) return;
        judge_fresh(p, description.size, description.size, description.align);
        if (found_) return;
        if (description.constructor == nullptr) {
            Sample::write(p, description.size, ++seed_);
        } else if (*static_cast<const std::uint64_t*>(p) != constructed) {
            note("S8", "an object of cache {} is not constructed", description.name);
        }
    }

    void use_pages() {
        for (unsigned order = 0; order <= max_order.value(); order += 3) {
            for (const CpuId cpu : {first_, last_}) {
                const auto pfn = allocator_.take(Order{order}, GFP_KERNEL, cpu);
                if (!pfn) continue;
                if (!allocator_.arena().contains(*pfn) || pfn->value() % Order{order}.pages() != 0)
                    note("B2", "frame {} for a block of order {}", pfn->value(), order);
                allocator_.give(*pfn, Order{order}, last_);
            }
        }
    }

    /// What the model has not is refused by a line that names it, not by doing something else.
    void ask_for_what_is_lacking() {
        const auto refused = [&](auto&& call) {
            try {
                call();
                note("settings", "{} does what it is said to lack", allocator_.info().name);
            } catch (const UsageError& error) {
                if (std::string_view{error.what()}.find(allocator_.info().name) == std::string_view::npos)
                    note("settings", "the refusal names no allocator: {}", error.what());
            }
        };
        if (!allocator_.capabilities().object_caches)
            refused([&] { static_cast<void>(allocator_.kmem_cache_create({.name = "none", .size = 8})); });
        if (allocator_.capabilities().pages) return;
        refused([&] { static_cast<void>(allocator_.take(Order{0}, GFP_KERNEL, first_)); });
        refused([&] { allocator_.give(Pfn{0}, Order{0}, first_); });
        refused([&] { static_cast<void>(allocator_.arena()); });
    }

    void read_texts() {
        std::vector<std::string> names;
        for (const Text& text : allocator_.snapshot()) {
            if (text.name.empty() || !(text.content.empty() || text.content.ends_with('\n')))
                note("settings", "'{}' has no name or no whole line", text.name);
            if (std::find(names.begin(), names.end(), text.name) != names.end())
                note("settings", "'{}' twice", text.name);
            names.push_back(text.name);
        }
    }

    [[nodiscard]] CpuId cpu(std::size_t i) const { return i % 2 == 0 ? first_ : last_; }

    static constexpr std::uint64_t constructed = 0x600dc0de;
    static constexpr std::size_t objects_of_cache = 40;

    AnyAllocator& allocator_;
    CpuId first_{0};
    CpuId last_;
    std::vector<Block> blocks_;
    oracle::Ranges ranges_;
    std::uint64_t seed_ = 0;
    MaybeViolation found_;
};

/// Each of `pages` pages leads where it should on both CPUs, twice: by a walk and by what is then cached.
template <class FrameOf>
MaybeViolation find_wrong(SoftMmu& mmu, VirtAddr at, std::uint64_t pages, std::uint64_t step,
                          FrameOf&& frame_of) {
    for (int time = 0; time < 2; ++time) {
        for (std::uint64_t i = 0; i < pages; i += step) {
            for (const CpuId cpu : {CpuId{0}, CpuId{1}}) {
                if (mmu.translate(at + (i << page_shift), cpu) != frame_of(i))
                    return violation("V5", "page {} of {} leads elsewhere on CPU {}", i, pages, cpu.value());
            }
        }
    }
    return {};
}

struct Mapping {
    Order leaf;
    std::uint64_t pages;
};

MaybeViolation exercise(SoftMmu& mmu, const Arena& arena, const Mapping& mapping) {
    constexpr CpuId cpu{0};
    const std::uint64_t in_leaf = mapping.leaf.pages();
    const VirtAddr at = mmu.window().begin;
    const auto frame_at = [&](std::uint64_t i) -> std::optional<Pfn> {
        return mapping.leaf == Order{0} ? arena.start() + i % arena.frames() : Pfn{in_leaf} + i;
    };
    if (mapping.leaf == Order{0}) {
        std::vector<Pfn> frames;
        for (std::uint64_t i = 0; i < mapping.pages; ++i) frames.push_back(*frame_at(i));
        if (!mmu.map(at, frames, cpu)) return violation("M1", "no table for {} pages", mapping.pages);
    } else {
        for (std::uint64_t i = 0; i < mapping.pages; i += in_leaf) {
            if (!mmu.map_huge(at + (i << page_shift), *frame_at(i), mapping.leaf, cpu))
                return violation("M1", "no table for a leaf of {} pages", in_leaf);
        }
    }
    const std::uint64_t step = std::max<std::uint64_t>(1, in_leaf / 4 + 1);
    if (auto found = find_wrong(mmu, at, mapping.pages, step, frame_at)) return found;
    const std::uint64_t gone = mapping.leaf == Order{0} ? flush_ceiling_pages / 2 : in_leaf;
    mmu.unmap(at, gone, cpu);
    mmu.flush(at, at + (gone << page_shift), cpu);
    const auto expected = [&](std::uint64_t i) { return i < gone ? std::nullopt : frame_at(i); };
    if (auto found = find_wrong(mmu, at, mapping.pages, step, expected)) return found;
    if (auto found = mmu.find_violation()) return found;
    mmu.unmap(at + (gone << page_shift), mapping.pages - gone, cpu);
    mmu.flush(mmu.window().begin, mmu.window().end, cpu);
    if (mmu.translate(at, cpu)) return violation("V7", "a page is there after a flush of everything");
    return mmu.find_violation();
}

}  // namespace

MaybeViolation exercise(AnyAllocator& allocator, unsigned cpus) {
    return Caller{allocator, cpus}.run();
}

MaybeViolation exercise(const TlbGeometry& geometry) {
    constexpr std::size_t memory = std::size_t{1} << 20;
    constexpr std::array<Mapping, 3> mappings{
        {{Order{0}, 700}, {order_2m, 3 * order_2m.pages()}, {order_1g, 2 * order_1g.pages()}}};
    Arena arena{memory};
    for (const unsigned levels : {4U, 5U}) {
        SoftMmu mmu{arena, {.cpus = 2, .levels = levels, .tlb = geometry}};
        if (mmu.metadata_bytes() == 0) return violation("V14", "an MMU that takes no memory");
        for (const Mapping& mapping : mappings) {
            if (auto found = exercise(mmu, arena, mapping)) return found;
        }
        const TlbCounts counts = mmu.tlb_counts();
        if (counts.walks == 0 || counts.walk_steps < counts.walks || counts.stale_uses != 0)
            return violation("V7", "{} walks of {} steps, {} stale uses", counts.walks, counts.walk_steps,
                             counts.stale_uses);
        if (mmu.broken_use()) return violation("V7", "a stale translation was used");
    }
    return {};
}

}  // namespace kmemlab::fuzz
