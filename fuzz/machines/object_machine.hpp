/// SLUB, SLUB with sheaves, SLAB and SLOB over buddy, in either context: kmalloc, caches, bulks, and what
/// each has beside them, found by its members.
///
/// A null is judged (M1): it is due if the page source was told to fail, or the page allocator has no block
/// left as large as a slab of such objects may be. Otherwise memory was there.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/contract/models.hpp"
#include "allocators/slob/state.hpp"
#include "fuzz/damage/sheaves.hpp"
#include "fuzz/damage/slab.hpp"
#include "fuzz/damage/slob.hpp"
#include "fuzz/damage/slub.hpp"
#include "fuzz/machines/live_memory.hpp"
#include "fuzz/machines/machine.hpp"
#include "fuzz/machines/settings.hpp"
#include "fuzz/oracle/arena_shelf.hpp"
#include "fuzz/oracle/live_bits.hpp"
#include "fuzz/oracle/watched_pages.hpp"

namespace kmemlab::fuzz {

/// Caches with a constructor begin their objects with this, and their users leave it there (S8).
struct Constructed {
    static constexpr std::array<std::uint64_t, 2> mark{0x5eed5eed5eed5eed, 0xc0deda7ac0deda7a};
    static void construct(void* object) { std::memcpy(object, mark.data(), sizeof mark); }
    [[nodiscard]] static bool intact(const void* object) {
        return std::memcmp(object, mark.data(), sizeof mark) == 0;
    }
};

template <class Objects>
class ObjectMachine final : public Machine {
  public:
    using Cpus = typename Objects::Context;
    using Config = typename Objects::Config;
    using Allocator = typename Objects::Allocator;
    using Cache = typename Allocator::Cache;

    ObjectMachine(const Setup& setup, const Language& language)
        : ObjectMachine{setup, configure(setup, language)} {}

    void follow(Schedule* schedule) override {
        if constexpr (Cpus::preemptible) cpus_.follow(schedule);
    }
    void perform(const Operation& op) override;
    [[nodiscard]] MaybeViolation find_violation() override;
    void tear_down() override;
    [[nodiscard]] std::uint64_t page_requests() const override { return pages_.requests(); }
    [[nodiscard]] std::string describe() const override;

  private:
    struct AllConfig {
        BuddyConfig buddy;
        Config objects;
    };
    struct Register {
        Cache* cache = nullptr;
        CacheDescription description;
        std::uint64_t live = 0;
    };
    static constexpr std::uint8_t no_cache = cache_count;
    struct Item {
        std::vector<Object> objects;
        std::uint8_t cache = no_cache;  ///< register, or kmalloc
        [[nodiscard]] bool empty() const { return objects.empty(); }
    };

    [[nodiscard]] static AllConfig configure(const Setup& setup, const Language& language) {
        AllConfig config;
        apply_setup(setup, language, config.buddy, config.objects);
        return config;
    }
    ObjectMachine(const Setup& setup, const AllConfig& config)
        : config_{config},
          borrowed_{setup.arena_bytes(), Pfn{setup.start_pfn()}},
          cpus_{setup.cpu_count()},
          buddy_{arena_, cpus_, config.buddy, log_},
          pages_{buddy_},
          objects_{pages_, cpus_, config.objects, log_},
          free_at_begin_{buddy_.free_blocks()},
          open_kmalloc_{Objects::debugs_kmalloc(config.objects)} {}

    // --- Calls ---
    void allocate(const Operation& op, std::size_t count);
    void resize(const Operation& op);
    void release(const Operation& op, std::size_t most, bool bulk);
    void create(const Operation& op);
    void destroy(const Operation& op);
    void allocate_from_cache(const Operation& op, std::size_t count);
    void damage(const Operation& op);
    void misuse(const Operation& op);
    [[nodiscard]] bool lies_elsewhere(Cache* own, const void* p, CpuId cpu);
    void use_freed(Cache& cache, std::byte* p, bool poisoned, const Operation& op);
    template <class Call>
    void expect_report(MisuseKind kind, Call&& call);

    // --- Judgement ---
    /// What an operation's count can ask for.
    static constexpr std::size_t most_at_once = 256;
    /// So many objects at once that an operation does not take for ever.
    [[nodiscard]] static std::size_t bounded(std::size_t count, std::size_t size) {
        constexpr std::size_t most_bytes = std::size_t{128} << 10;
        return std::min(count, 1 + most_bytes / std::max(size, std::size_t{1}));
    }
    /// Objects lie in the direct map: nobody may ask for them in high memory.
    [[nodiscard]] static Gfp object_gfp(const Operation& op) { return gfp_of(op).gfp.without(__GFP_HIGHMEM); }
    [[nodiscard]] CpuId cpu_of(const Operation& op) const { return CpuId{op.cpu % cpus_.count()}; }
    [[nodiscard]] bool open(std::uint8_t cache) const {
        return cache == no_cache ? open_kmalloc_ : Objects::debugs(*registers_[cache].cache);
    }
    void judge_null(const Operation& op, std::uint64_t refused_before, std::size_t size, Gfp gfp);
    void judge_texts(const Operation& op);
    void judge_record();
    void judge_shrunk(const Cache& cache);
    [[nodiscard]] bool adopt(Item& item, void* p, std::size_t size, std::size_t align, Gfp gfp);
    void check_new(const Object& object, const Item& item, std::size_t align, Gfp gfp);
    [[nodiscard]] bool prepare_release(const Object& object, const Item& item);
    void keep(Item item, std::size_t slot, CpuId cpu);
    void free_all(Item& item, CpuId cpu, bool bulk);
    void count(std::uint8_t cache, std::int64_t objects) {
        if (cache != no_cache) registers_[cache].live += static_cast<std::uint64_t>(objects);
    }
    [[nodiscard]] Register* next_cache(const Operation& op);

    AllConfig config_;
    oracle::BorrowedArena borrowed_;
    Arena& arena_{borrowed_.get()};
    Cpus cpus_;
    Buddy<Cpus> buddy_;
    oracle::WatchedPages<Buddy<Cpus>> pages_;
    Allocator objects_;
    FreeBlocks free_at_begin_;
    bool open_kmalloc_;
    LiveMemory<oracle::LiveBits> live_{arena_};
    Slots<Item> slots_;
    std::array<Register, cache_count> registers_{};
    std::uint64_t caches_made_ = 0;
    std::size_t looked_at_ = 0;
};

/// Each cache of an allocator, as what can be damaged.
template <class Part, class Allocator>
[[nodiscard]] std::vector<Part> parts_of(Allocator& allocator) {
    std::vector<Part> parts;
    parts.reserve(allocator.caches().size());
    for (const auto& cache : allocator.caches()) parts.push_back({allocator, *cache});
    return parts;
}

/// The four: what they are built from, which of their caches write to what callers have (`debugs`), which
/// misuse of an object of `size` bytes is sure to be found (`checks`; `cache` null: kmalloc), whether a
/// request that must not fail says so to the page source, and what of a cache can be damaged.
template <class Cpus, template <class> class Which>
struct ObjectsWithDebugging {
    using Context = Cpus;
    using Allocator = Which<Cpus>;
    static constexpr bool passes_nofail = true;
    [[nodiscard]] static bool debugs(const typename Allocator::Cache& cache) { return cache.debug; }
    [[nodiscard]] static CacheFlags checks(const Allocator& a, const typename Allocator::Cache* cache,
                                           std::size_t size) {
        if (cache != nullptr) return cache->geometry.flags;
        // Nobody knows any more by which type of kmalloc it came, and debugging may be of one by its name.
        const auto of = [&](Gfp type) { return a.kmalloc_cache(size, GFP_KERNEL | type).geometry.flags; };
        return of({}) & of(__GFP_DMA) & of(__GFP_RECLAIMABLE);
    }
};
template <class Cpus>
struct SlubObjects : ObjectsWithDebugging<Cpus, Slub> {
    using Config = SlubConfig;
    /// Calls visit(parts, kinds): what of it can be damaged, and how.
    template <class Visit>
    static void with_damages(const Operation&, Slub<Cpus>& slub, Visit&& visit) {
        visit(parts_of<SlubPart<Cpus>>(slub), slub_damages<Cpus>());
    }
    [[nodiscard]] static bool debugs_kmalloc(const Config& config) { return !config.debug.empty(); }
};
template <class Cpus>
struct SheafObjects : ObjectsWithDebugging<Cpus, Sheaves> {
    using Config = SheavesConfig;
    /// Of the sheaves, or of the slabs below.
    template <class Visit>
    static void with_damages(const Operation& op, Sheaves<Cpus>& sheaves, Visit&& visit) {
        if (op.count < 128) return visit(parts_of<SlubPart<Cpus>>(sheaves.slabs()), slub_damages<Cpus>());
        std::vector<SheafPart<Cpus>> parts;
        for (const auto& cache : sheaves.slabs().caches())
            parts.push_back({sheaves.slabs(), static_cast<SheafCache<Cpus>&>(*cache)});
        visit(std::move(parts), sheaf_damages<Cpus>());
    }
    [[nodiscard]] static bool debugs_kmalloc(const Config& config) { return !config.slub.debug.empty(); }
};
template <class Cpus>
struct SlabObjects {
    using Context = Cpus;
    using Config = SlabConfig;
    using Allocator = Slab<Cpus>;
    template <class Visit>
    static void with_damages(const Operation&, Allocator& slab, Visit&& visit) {
        visit(parts_of<SlabPart<Cpus>>(slab), slab_damages<Cpus>());
    }
    static constexpr bool passes_nofail = false;  ///< SLAB-20
    [[nodiscard]] static bool debugs(const typename Allocator::Cache&) { return false; }
    [[nodiscard]] static bool debugs_kmalloc(const Config&) { return false; }
    /// Bad frees are found when they come to the slabs; all second ones in debug builds only.
    static constexpr bool checks_late = true;
    [[nodiscard]] static CacheFlags checks(const Allocator&, const typename Allocator::Cache*, std::size_t) {
        return CacheFlags::consistency_checks;
    }
};
template <class Cpus>
struct SlobObjects {
    using Context = Cpus;
    using Config = SlobConfig;
    using Allocator = Slob<Cpus>;
    template <class Visit>
    static void with_damages(const Operation&, Allocator& slob, Visit&& visit) {
        visit(std::vector<SlobPart<Cpus>>{{slob}}, slob_damages<Cpus>());
    }
    static constexpr bool passes_nofail = true;
    [[nodiscard]] static bool debugs(const typename Allocator::Cache&) { return false; }
    [[nodiscard]] static bool debugs_kmalloc(const Config&) { return false; }
    /// A ledger of ours finds every bad free (slob.track), and looks at no bytes.
    [[nodiscard]] static CacheFlags checks(const Allocator& a, const typename Allocator::Cache*,
                                           std::size_t) {
        return a.config().track ? CacheFlags::consistency_checks : CacheFlags::none;
    }
};

}  // namespace kmemlab::fuzz

#include "fuzz/machines/object_machine_impl.hpp"  // IWYU pragma: keep
