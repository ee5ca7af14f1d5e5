#include "fuzz/machines/threaded_run.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/contract/registry.hpp"
#include "fuzz/machines/live_memory.hpp"
#include "fuzz/machines/settings.hpp"

namespace kmemlab::fuzz {
namespace {

class ThreadedRun {
  public:
    ThreadedRun(AnyAllocator allocator, const Program& program)
        : allocator_{std::move(allocator)},
          program_{program},
          at_begin_{allocator_.free_blocks()},
          caches_{allocator_.capabilities().object_caches},
          pages_{allocator_.capabilities().pages} {}

    [[nodiscard]] MaybeFinding run() {
        std::vector<std::thread> threads;
        for (unsigned cpu = 0; cpu < program_.setup.cpu_count(); ++cpu)
            threads.emplace_back([this, cpu] { perform_all(cpu); });
        for (std::thread& thread : threads) thread.join();
        if (!found_) note(allocator_.find_violation());
        if (!found_) tear_down();
        if (!found_) return {};
        return Finding{std::string{found_->law}, found_->what, program_.operations.size()};
    }

  private:
    static constexpr std::uint8_t no_cache = cache_count;
    /// What one operation got.
    struct Item {
        std::vector<Object> objects;
        std::uint8_t cache = no_cache;
        Order order{};  ///< of blocks of pages
        bool blocks = false;
    };
    struct Slot {
        std::mutex lock;
        Item item;
    };
    struct Register {
        std::shared_mutex lock;  ///< shared: for calls that use the cache
        AnyAllocator::Cache* cache = nullptr;
        std::size_t size = 0;
        std::atomic<std::int64_t> live{0};
    };

    void note(MaybeViolation found) {
        if (!found) return;
        const std::scoped_lock guard{found_lock_};
        if (!found_) found_ = std::move(found);
    }

    void perform_all(unsigned cpu) {
        for (const Operation& op : program_.operations) {
            if (op.cpu % program_.setup.cpu_count() == cpu) perform(op, CpuId{cpu});
        }
    }

    void perform(const Operation& op, CpuId cpu) {
        switch (op.kind) {
            case OpKind::alloc:
            case OpKind::area:
                return allocate(op, 1, cpu);
            case OpKind::alloc_many:
                return allocate(op, op.count, cpu);
            case OpKind::pages:
                return take_blocks(op, 1, cpu);
            case OpKind::pages_bulk:
                return take_blocks(op, op.count, cpu);
            case OpKind::release:
            case OpKind::release_bulk:
                return free_all(take(op.slot, ~std::size_t{0}), op.kind == OpKind::release_bulk, cpu);
            case OpKind::release_some:
                return free_all(take(op.slot, op.count), false, cpu);
            default:
                if (caches_) perform_on_cache(op, cpu);
        }
    }
    void perform_on_cache(const Operation& op, CpuId cpu) {
        Register& r = registers_[cache_of(op)];
        switch (op.kind) {
            case OpKind::cache_create:
                return create(r, op);
            case OpKind::cache_destroy: {
                const std::unique_lock guard{r.lock};
                if (r.cache == nullptr || r.live != 0) return;
                if (!allocator_.kmem_cache_destroy(*r.cache, cpu))
                    note(violation("S11", "a cache stays, though none of its objects lives"));
                r.cache = nullptr;
                return;
            }
            case OpKind::cache_alloc:
            case OpKind::cache_bulk:
                return allocate_from_cache(op, cpu);
            default:
                return;
        }
    }

    // --- Taking ---

    /// So many at once that threads take turns.
    [[nodiscard]] static std::size_t bounded(std::size_t count, std::size_t size) {
        constexpr std::size_t most_bytes = std::size_t{64} << 10;
        return std::min(count, 1 + most_bytes / std::max(size, std::size_t{1}));
    }
    void adopt(Item& item, void* p, std::size_t size, std::size_t usable, bool zero) {
        Object object{.p = p, .size = size, .usable = usable, .seed = ++seeds_};
        if (zero && !oracle::is_zero(p, size)) note(violation("G5", "{}+{} is not zero", p, size));
        Sample::write(p, usable, object.seed);
        item.objects.push_back(object);
    }
    void allocate(const Operation& op, std::size_t count, CpuId cpu) {
        const Gfp gfp = gfp_of(op).gfp.without(__GFP_HIGHMEM);
        const Request request{.size = op.size, .gfp = gfp, .cpu = cpu};
        Item item;
        for (count = bounded(count, request.size); count > 0 && request.size > 0; --count) {
            void* const p = allocator_.allocate(request);
            if (p == nullptr) break;
            adopt(item, p, request.size, allocator_.usable_size(p), gfp.has(__GFP_ZERO));
        }
        keep(std::move(item), op.slot, cpu);
    }
    void take_blocks(const Operation& op, std::size_t count, CpuId cpu) {
        if (!pages_) return;
        const Gfp gfp = gfp_of(op).gfp;
        Item item{
            .objects = {}, .order = Order{op.kind == OpKind::pages ? op.count % 6U : 0U}, .blocks = true};
        for (count = bounded(count, item.order.bytes()); count > 0; --count) {
            const auto pfn = allocator_.take(item.order, gfp, cpu);
            if (!pfn) break;
            adopt(item, allocator_.arena().address(*pfn), item.order.bytes(), item.order.bytes(),
                  gfp.has(__GFP_ZERO));
        }
        keep(std::move(item), op.slot, cpu);
    }
    void create(Register& r, const Operation& op) {
        const std::unique_lock guard{r.lock};
        if (r.cache != nullptr) return;
        CacheDescription d{.name = fmt::format("fuzz-{}", ++caches_made_), .size = 1 + op.size % 8192};
        if (op.align % 16 > 0) d.align = std::size_t{1} << (op.align % 13);
        try {
            r.cache = allocator_.kmem_cache_create(d);
        } catch (const UsageError&) {
            return;  // no slab can hold such objects
        }
        r.size = d.size;
    }
    void allocate_from_cache(const Operation& op, CpuId cpu) {
        Register& r = registers_[cache_of(op)];
        Item item{.objects = {}, .cache = static_cast<std::uint8_t>(&r - registers_.data())};
        {
            const std::shared_lock guard{r.lock};
            if (r.cache == nullptr) return;
            const Gfp gfp = gfp_of(op).gfp.without(__GFP_HIGHMEM);
            std::vector<void*> got(bounded(op.kind == OpKind::cache_bulk ? op.count : 1U, r.size), nullptr);
            std::size_t n = 0;
            if (op.kind == OpKind::cache_bulk) {
                n = allocator_.kmem_cache_alloc_bulk(*r.cache, gfp, got, cpu);
            } else {
                got[0] = allocator_.kmem_cache_alloc(*r.cache, gfp, cpu);
                n = got[0] == nullptr ? 0 : 1;
            }
            r.live += static_cast<std::int64_t>(n);
            for (std::size_t i = 0; i < n; ++i) adopt(item, got[i], r.size, r.size, gfp.has(__GFP_ZERO));
        }
        keep(std::move(item), op.slot, cpu);
    }
    /// In the next empty slot; freed again if there is none.
    void keep(Item item, std::size_t at, CpuId cpu) {
        if (item.objects.empty()) return;
        for (std::size_t i = 0; i < slot_count; ++i) {
            Slot& slot = slots_[(at + i) % slot_count];
            const std::scoped_lock guard{slot.lock};
            if (!slot.item.objects.empty()) continue;
            slot.item = std::move(item);
            return;
        }
        free_all(std::move(item), false, cpu);
    }

    // --- Giving ---

    /// Out of the next slot that has something.
    [[nodiscard]] Item take(std::size_t at, std::size_t most) {
        for (std::size_t i = 0; i < slot_count; ++i) {
            Slot& slot = slots_[(at + i) % slot_count];
            const std::scoped_lock guard{slot.lock};
            std::vector<Object>& objects = slot.item.objects;
            if (objects.empty()) continue;
            if (most >= objects.size()) return std::exchange(slot.item, {});
            Item some{slot.item};
            some.objects.resize(most);
            objects.erase(objects.begin(), objects.begin() + static_cast<std::ptrdiff_t>(most));
            return some;
        }
        return {};
    }
    void free_all(Item item, bool bulk, CpuId cpu) {
        std::vector<void*> all;
        for (const Object& object : item.objects) {
            if (!Sample::holds(object.p, object.usable, object.seed, object.usable))
                note(violation("G4", "{}+{} was changed by somebody else", object.p, object.usable));
            all.push_back(object.p);
        }
        if (item.cache == no_cache) {
            for (void* const p : all) {
                if (item.blocks)
                    allocator_.give(allocator_.arena().pfn(p), item.order, cpu);
                else
                    allocator_.deallocate(p, cpu);
            }
            return;
        }
        Register& r = registers_[item.cache];
        const std::shared_lock guard{r.lock};
        if (bulk) {
            allocator_.kmem_cache_free_bulk(*r.cache, all, cpu);
        } else {
            for (void* const p : all) allocator_.kmem_cache_free(*r.cache, p, cpu);
        }
        r.live -= static_cast<std::int64_t>(all.size());
    }

    void tear_down() {
        const CpuId cpu{0};
        for (Slot& slot : slots_) free_all(std::exchange(slot.item, {}), false, cpu);
        for (Register& r : registers_) {
            if (r.cache != nullptr && !allocator_.kmem_cache_destroy(*r.cache, cpu))
                note(violation("S11", "a cache stays, though none of its objects lives"));
        }
        allocator_.drain(cpu);
        note(allocator_.find_violation());
        if (allocator_.free_blocks() != at_begin_)
            note(violation("B16", "free blocks are not as at the begin"));
    }

    AnyAllocator allocator_;
    const Program& program_;
    FreeBlocks at_begin_;
    bool caches_;
    bool pages_;
    std::array<Slot, slot_count> slots_;
    std::array<Register, cache_count> registers_;
    std::atomic<std::uint64_t> seeds_{0};
    std::atomic<std::uint64_t> caches_made_{0};
    std::mutex found_lock_;
    MaybeViolation found_;
};

}  // namespace

MaybeFinding run_threaded(std::string_view model, const Program& program, const Language& language) {
    const auto settings = registry_settings(program.setup, language, program.setup.zone_layout());
    std::optional<AnyAllocator> allocator;
    try {
        allocator.emplace(make_allocator(model, settings));
    } catch (const UsageError&) {
        return {};  // a set-up that no machine has
    }
    return ThreadedRun{std::move(*allocator), program}.run();
}

}  // namespace kmemlab::fuzz
