#include "bench/peers/kernel_contests.hpp"

#include <fmt/format.h>

#include <concepts>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "allocators/contract/registry.hpp"
#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/recorded_draws.hpp"
#include "bench/peers/calls.hpp"
#include "bench/peers/works.hpp"

namespace kmemlab::peers {
namespace {

constexpr std::uint64_t seed = 0x9e3779b97f4a7c15;

// --- Places: open() before a repetition, call() in it, close() behind it ---

/// A new cache, of which some objects are held.
template <ObjectCaches M>
class FreshCache {
  public:
    FreshCache(std::shared_ptr<M> machine, std::size_t size, std::size_t held)
        : machine_{std::move(machine)}, size_{size}, held_(held) {}
    void open() {
        cache_ = machine_->kmem_cache_create({.name = "kernel-times", .size = size_});
        if (cache_ == nullptr) throw UsageError::of("peers: {} cannot make a cache", M::info.name);
        for (void*& object : held_) object = Untouched::used(call().take());
    }
    void close() {
        for (void* object : held_) call().put(object);
        if (!machine_->kmem_cache_destroy(*cache_, CpuId{0}))
            throw UsageError::of("peers: {} cannot destroy a cache", M::info.name);
    }
    [[nodiscard]] CacheCall<M> call() const { return {*machine_, *cache_}; }
    [[nodiscard]] M& machine() const { return *machine_; }
    [[nodiscard]] std::string verify() const { return verified(call(), size_); }

  private:
    std::shared_ptr<M> machine_;
    std::size_t size_;
    std::vector<void*> held_;
    typename M::Cache* cache_ = nullptr;
};

/// What a machine has at any time. `size`: as many bytes as each call gives at least.
template <class M, class Call>
class Heap {
  public:
    Heap(std::shared_ptr<M> machine, Call call, std::size_t size)
        : machine_{std::move(machine)}, call_{call}, size_{size} {}
    void open() const {}
    void close() const {}
    [[nodiscard]] Call call() const { return call_; }
    [[nodiscard]] M& machine() const { return *machine_; }
    [[nodiscard]] std::string verify() const { return verified(call_, size_); }

  private:
    std::shared_ptr<M> machine_;
    Call call_;
    std::size_t size_;
};

/// Blocks of frames, whose memory is nobody's business here.
class Frames {
  public:
    Frames(std::shared_ptr<BuddyModel> machine, Order order) : machine_{std::move(machine)}, order_{order} {}
    void open() const {}
    void close() const {}
    [[nodiscard]] FrameCall call() const { return {machine_->buddy(), order_}; }
    [[nodiscard]] BuddyModel& machine() const { return *machine_; }
    [[nodiscard]] std::string verify() const {
        Page* const one = call().take();
        Page* const other = call().take();
        if (one == nullptr || other == nullptr) return "no memory";
        const bool apart = one != other;
        call().put(one);
        if (apart) call().put(other);
        return apart ? "" : "a block was given twice";
    }

  private:
    std::shared_ptr<BuddyModel> machine_;
    Order order_;
};

/// kmalloc of the sizes of a table in turn, and kfree.
template <Allocator M>
class SizesCall {
  public:
    SizesCall(M& model, const std::vector<std::uint32_t>& sizes)
        : model_{&model}, sizes_{sizes.data()}, mask_{sizes.size() - 1} {}
    [[nodiscard, gnu::always_inline]] void* take() const {
        return model_->allocate({.size = sizes_[next_++ & mask_]});
    }
    [[gnu::always_inline]] void put(void* p) const { model_->deallocate(p, CpuId{0}); }

  private:
    M* model_;
    const std::uint32_t* sizes_;
    std::size_t mask_;
    mutable std::size_t next_ = 0;
};

// --- Works over the call of a place ---

struct Pairs {
    static constexpr bool counted = false;
    void run(auto call, std::size_t count) { pairs<Untouched>(call, count); }
};

template <class Object>
struct Batches {
    static constexpr bool counted = true;
    std::vector<Object> objects;
    std::vector<std::uint32_t> order;
    void run(auto call, std::size_t count) { batches<Untouched>(call, objects, order, count); }
};

struct Bulks {
    static constexpr bool counted = false;
    std::vector<void*> objects;
    void run(auto call, std::size_t count) { bulks<Untouched>(call, objects, count); }
};

struct Windows {
    static constexpr bool counted = false;
    std::vector<void*> window;
    std::size_t oldest = 0;
    void begin(auto call) {
        for (void*& object : window) object = Untouched::used(call.take());
    }
    void run(auto call, std::size_t count) { windows<Untouched>(call, window, oldest, count); }
    void end(auto call) {
        for (void* object : window) call.put(object);
    }
};

template <class Place, class Work>
class KernelContest final : public Contest {
  public:
    KernelContest(std::string name, Place place, Work work)
        : name_{std::move(name)}, place_{std::move(place)}, work_{std::move(work)} {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] Units units() override {
        if constexpr (requires { work_.objects; }) return Units::in_batches_of(work_.objects.size());
        return {};
    }
    void prepare(std::size_t) override {
        place_.open();
        if constexpr (requires { work_.begin(place_.call()); }) work_.begin(place_.call());
    }
    void run(std::size_t count) override { work_.run(place_.call(), count); }
    void finish() override {
        if constexpr (requires { work_.end(place_.call()); }) work_.end(place_.call());
        place_.close();
    }
    [[nodiscard]] std::string verify() override {
        place_.open();
        std::string found = place_.verify();
        place_.close();
        return found;
    }
    /// Once the state is the one that batches come back to.
    [[nodiscard]] Counts counts() override {
        constexpr std::size_t many = 16384;
        if constexpr (!Work::counted) return {};
        prepare(2 * many);
        run(many);
        const AllocatorStats before = place_.machine().stats();
        run(many);
        const AllocatorStats after = place_.machine().stats();
        finish();
        Counts counts;
        add_differences("allocations", before.allocations, after.allocations, counts);
        add_differences("frees", before.frees, after.frees, counts);
        return counts;
    }

  private:
    static void add_differences(std::string_view kind, const PathCounts& before, const PathCounts& after,
                                Counts& counts) {
        for (std::size_t path = 0; path < path_count; ++path) {
            const std::uint64_t count = after[path] - before[path];
            if (count > 0) counts.emplace_back(count_name(kind, static_cast<Path>(path)), count);
        }
    }

    std::string name_;
    Place place_;
    Work work_;
};

template <class Place, class Work>
std::unique_ptr<Contest> contest_of(const RecordedRow& row, Place place, Work work) {
    return std::make_unique<KernelContest<Place, Work>>(row.name, std::move(place), std::move(work));
}

template <ObjectCaches M>
std::unique_ptr<Contest> object_contest(const RecordedRow& row, const std::shared_ptr<M>& machine) {
    constexpr std::size_t usually_held = 3;
    const auto heap = [&](auto call) { return Heap<M, decltype(call)>{machine, call, row.size}; };
    switch (row.work) {
        case KernelWork::cache_pair:
            return contest_of(row, FreshCache<M>{machine, row.size, usually_held}, Pairs{});
        case KernelWork::cache_pair_none_held:
            return contest_of(row, FreshCache<M>{machine, row.size, 0}, Pairs{});
        case KernelWork::constant_kmalloc_pair:
            return contest_of(row, heap(ConstantCall<M, constant_kmalloc_size>{*machine}), Pairs{});
        case KernelWork::kmalloc_pair:
            return contest_of(row, heap(KmallocCall<M>{*machine, row.size}), Pairs{});
        case KernelWork::batch:
            return contest_of(
                row, FreshCache<M>{machine, row.size, 0},
                Batches<void*>{std::vector<void*>(row.count), recorded_positions(row.sequence, row.count)});
        case KernelWork::bulk:
            return contest_of(row, FreshCache<M>{machine, row.size, 0}, Bulks{std::vector<void*>(row.count)});
        default:
            break;
    }
    static const std::vector<std::uint32_t> uniform = recorded_sizes(KernelWork::uniform_kmallocs);
    static const std::vector<std::uint32_t> loguniform = recorded_sizes(KernelWork::loguniform_kmallocs);
    constexpr std::size_t least_size = 8;
    const Heap<M, SizesCall<M>> sizes{
        machine, {*machine, row.work == KernelWork::uniform_kmallocs ? uniform : loguniform}, least_size};
    if (row.count == 1) return contest_of(row, sizes, Pairs{});
    return contest_of(row, sizes, Windows{std::vector<void*>(row.count)});
}

std::unique_ptr<Contest> page_contest(const RecordedRow& row, const std::shared_ptr<BuddyModel>& machine) {
    const Frames frames{machine, Order{static_cast<unsigned>(row.size)}};
    if (row.work == KernelWork::page_pair || row.work == KernelWork::page_pair_without_pcp)
        return contest_of(row, frames, Pairs{});
    return contest_of(
        row, frames,
        Batches<Page*>{std::vector<Page*>(row.count), recorded_positions(row.sequence, row.count)});
}

// --- Primitives of the processor ---

template <class Step>
class Calibration final : public Contest {
  public:
    Calibration(std::string name, Step step) : name_{std::move(name)}, step_{step} {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    void run(std::size_t count) override {
        Step step = step_;
        for (std::size_t i = 0; i < count; ++i) step();
    }
    [[nodiscard]] std::string verify() override { return {}; }

  private:
    std::string name_;
    Step step_;
};

#if defined(__x86_64__)

/// Two words exchanged as a per-CPU free list does it: a pointer, and a number that grows. It never fails.
template <bool locked>
struct ExchangeOfTwo {
    struct alignas(16) Words {
        std::uint64_t pointer = 0;
        std::uint64_t number = 0;
    };
    Words words;
    std::uint64_t pointer = 0;
    std::uint64_t number = 0;

    void operator()() {
        const std::uint64_t next = number + 1;
        if constexpr (locked) {
            asm volatile("lock cmpxchg16b %0"
                         : "+m"(words), "+a"(pointer), "+d"(number)
                         : "b"(pointer), "c"(next)
                         : "memory", "cc");
        } else {
            asm volatile("cmpxchg16b %0"
                         : "+m"(words), "+a"(pointer), "+d"(number)
                         : "b"(pointer), "c"(next)
                         : "memory", "cc");
        }
        number = next;
    }
};

#endif

std::unique_ptr<Contest> calibration(const RecordedRow& row) {
    const auto make = [&]<class Step>(Step step) -> std::unique_ptr<Contest> {
        return std::make_unique<Calibration<Step>>(row.name, step);
    };
    switch (row.work) {
#if defined(__x86_64__)
        case KernelWork::fenced_rdtsc:
            return make([] { keep(CycleCounter::begin()); });
        case KernelWork::cmpxchg16b:
            return make(ExchangeOfTwo<false>{});
        case KernelWork::lock_cmpxchg16b:
            return make(ExchangeOfTwo<true>{});
        case KernelWork::lock_inc:
            return make([word = std::uint64_t{0}]() mutable {
                asm volatile("lock incq %0" : "+m"(word) : : "memory", "cc");
            });
        case KernelWork::pushf_popf:
            return make([] { __writeeflags(__readeflags()); });
#endif
        default:
            return make([] { asm volatile(""); });
    }
}

/// Each allocator has one machine, and the page allocator has one with its lists per CPU and one without.
class Rows {
  public:
    Rows(Contests& contests, const KernelStates& states) : contests_{&contests}, states_{&states} {}

    void add(const KernelTimes& times) {
        if (times.allocator() == "slub") return add(times, slub_);
        if (times.allocator() == "slab") return add(times, slab_);
        add(times, slob_);
    }

  private:
    template <class M>
    void add(const KernelTimes& times, std::shared_ptr<M>& machine) {
        for (const RecordedRow& row : times.rows()) {
            if (!names_.insert(row.name).second) continue;
            if (is_calibration(row.work)) {
                contests_->push_back(calibration(row));
            } else if (is_of_pages(row.work)) {
                const bool pcp = row.work == KernelWork::page_pair || row.work == KernelWork::page_batch;
                contests_->push_back(page_contest(
                    row, pcp ? made_pages(pages_, states_->pages, true)
                             : made_pages(pages_without_pcp_, states_->pages_without_pcp, false)));
            } else {
                contests_->push_back(object_contest(row, made(machine)));
            }
        }
    }

    template <class M>
    const std::shared_ptr<M>& made(std::shared_ptr<M>& machine) const {
        if (machine != nullptr) return machine;
        machine = std::make_shared<M>(configure<M>(one_cpu));
        if constexpr (std::same_as<M, SlobModel>) {
            if (restore(machine->objects(), states_->slob, CpuId{0}).size() != states_->slob.size())
                throw UsageError("peers: the recorded state of SLOB needs more than the arena's memory");
        }
        return machine;
    }

    static const std::shared_ptr<BuddyModel>& made_pages(std::shared_ptr<BuddyModel>& machine,
                                                         const std::optional<golden::RecordedZone>& state,
                                                         bool pcp) {
        if (machine != nullptr) return machine;
        std::vector<Setting> settings = one_cpu;
        settings.push_back({"pcp.enabled", pcp ? "1" : "0"});
        if (state) {
            const FrameRange& span = state->spec.span;
            settings.push_back({"machine.start_pfn", fmt::format("{}", span.start.value())});
            settings.push_back({"machine.arena", fmt::format("{}", (span.end - span.start) << page_shift)});
            settings.push_back({"zone.layout", "single"});
            settings.push_back({"zone.pageblock_order", fmt::format("{}", max_order.value())});
        }
        machine = std::make_shared<BuddyModel>(configure<BuddyModel>(settings));
        if (state) restore(machine->buddy().zone(0), machine->arena(), state->state);
        return machine;
    }

    static inline const std::vector<Setting> one_cpu{{"machine.cpus", "1"}};

    Contests* contests_;
    const KernelStates* states_;
    std::set<std::string> names_;
    std::shared_ptr<SlubModel> slub_;
    std::shared_ptr<SlabModel> slab_;
    std::shared_ptr<SlobModel> slob_;
    std::shared_ptr<BuddyModel> pages_;
    std::shared_ptr<BuddyModel> pages_without_pcp_;
};

}  // namespace

void add_kernel_contests(Contests& contests, std::span<const KernelTimes> times, const KernelStates& states) {
    Rows rows{contests, states};
    for (const KernelTimes& each : times) rows.add(each);
}

std::vector<std::uint32_t> recorded_positions(Sequence sequence, std::size_t count) {
    if (sequence != Sequence::random) return positions(sequence, count);
    std::vector<std::uint32_t> order = positions(Sequence::fifo, count);
    Draws draws{seed};
    for (std::size_t i = count; i-- > 1;) std::swap(order[i], order[draws.next() % (i + 1)]);
    return order;
}

std::vector<std::uint32_t> recorded_sizes(KernelWork work) {
    constexpr std::size_t table = 4096;
    std::vector<std::uint32_t> sizes(table);
    Draws draws{seed};
    for (std::uint32_t& size : sizes) {
        const std::uint64_t draw = draws.next();
        if (work == KernelWork::uniform_kmallocs) {
            size = static_cast<std::uint32_t>(8 + (draw & 0xffffffff) % 8185);
            continue;
        }
        size = 1U << (3 + (draw & 0xffff) % 10);
        size += static_cast<std::uint32_t>((draw >> 16 & 0xffff) % size);
    }
    return sizes;
}

}  // namespace kmemlab::peers
