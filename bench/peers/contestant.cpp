#include "bench/peers/contestant.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "allocators/contract/registry.hpp"
#include "bench/measure/sequence.hpp"
#include "bench/peers/calls.hpp"
#include "bench/peers/malloc_contests.hpp"
#include "bench/peers/rseq_calls.hpp"
#include "bench/peers/works.hpp"

namespace kmemlab::peers {

namespace {

constexpr std::array<std::size_t, 10> sizes{8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
constexpr std::array<std::pair<std::string_view, Sequence>, 3> batch_works{
    {{"batch256-lifo", Sequence::lifo},
     {"batch256-fifo", Sequence::fifo},
     {"batch256-random", Sequence::random}}};

/// A contest over any call type; `owner` keeps alive what the calls need.
template <class Call, class Owner>
class PairContest final : public Contest {
  public:
    PairContest(std::string name, Call call, std::size_t size, Owner owner)
        : name_{std::move(name)}, call_{call}, size_{size}, owner_{std::move(owner)} {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    void run(std::size_t count) override { pairs(call_, count); }
    [[nodiscard]] std::string verify() override { return verified(call_, size_); }

  private:
    std::string name_;
    Call call_;
    std::size_t size_;
    Owner owner_;
};

template <class Call, class Owner>
class BatchContest final : public Contest {
  public:
    BatchContest(std::string name, Call call, std::size_t size, std::size_t objects, Sequence sequence,
                 Owner owner)
        : name_{std::move(name)},
          call_{call},
          size_{size},
          objects_(objects),
          order_{positions(sequence, objects)},
          owner_{std::move(owner)} {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] Units units() override { return Units::in_batches_of(objects_.size()); }
    void run(std::size_t count) override { batches(call_, objects_, order_, count); }
    [[nodiscard]] std::string verify() override { return verified(call_, size_); }

  private:
    std::string name_;
    Call call_;
    std::size_t size_;
    std::vector<void*> objects_;
    std::vector<std::uint32_t> order_;
    Owner owner_;
};

template <class Call, class Owner>
void add_pair(Contests& contests, std::size_t size, std::string_view who, Call call, const Owner& owner) {
    contests.push_back(
        std::make_unique<PairContest<Call, Owner>>(fmt::format("pair/{}/{}", size, who), call, size, owner));
}

template <class Call, class Owner>
void add_batches(Contests& contests, std::size_t size, std::string_view who, Call call, const Owner& owner) {
    for (const auto& [work, sequence] : batch_works) {
        contests.push_back(std::make_unique<BatchContest<Call, Owner>>(
            fmt::format("{}/{}/{}", work, size, who), call, size, batch_objects, sequence, owner));
    }
}

/// Enough objects of 64 bytes for a batch, and the list of those that are free.
struct Floor {
    static constexpr std::size_t object_bytes = 64;
    struct alignas(object_bytes) Object {
        std::array<std::byte, object_bytes> bytes;
    };
    std::array<Object, batch_objects> objects;
    FreeList list;
};

/// One of ours as its header gives it, and as NAME-call through a pointer.
template <class Call, class Owner>
void add_own_pair(Contests& contests, std::size_t size, const std::string& who, Call call,
                  const Owner& owner) {
    add_pair(contests, size, who, call, owner);
    add_pair(contests, size, who + "-call", ThroughPointer<Call>{call}, owner);
}

void add_floor(Contests& contests) {
    auto floor = std::make_shared<Floor>();
    const FloorCall call{floor->list};
    for (auto& object : floor->objects) call.put(&object);
    add_own_pair(contests, Floor::object_bytes, "floor", call, floor);
    add_batches(contests, Floor::object_bytes, "floor", call, floor);
}

/// Nothing where there are no restartable sequences.
void add_rseq(Contests& contests) {
#if KMEMLAB_HAS_RSEQ
    const auto slub = std::make_shared<RseqSlub>();
    if (!slub->rseq.restartable()) return;
    const auto floor = std::make_shared<RseqFloor>();
    add_pair(contests, Floor::object_bytes, "floor-rseq", RseqFloorCall{*floor}, floor);
    add_pair(contests, Floor::object_bytes, "slub-rseq", RseqSlubCall{*slub}, slub);
#endif
}

constexpr std::size_t batch_size = 64;

void add_library(Contests& contests, const PeerLibrary& library) {
    if (!library.absent.empty() || library.name == own_malloc) return;
    const std::shared_ptr<void> nothing;
    for (const std::size_t size : sizes) {
        add_pair(contests, size, library.name, MallocCall{library, size}, nothing);
    }
    add_batches(contests, batch_size, library.name, MallocCall{library, batch_size}, nothing);
    add_batches(contests, page_size, library.name, MallocCall{library, page_size}, nothing);
}

template <class M>
void add_caches(Contests& contests, const std::shared_ptr<M>& model) {
    const std::string name{M::info.name};
    for (const std::size_t size : sizes) {
        auto* cache = model->kmem_cache_create({.name = fmt::format("peers-{}", size), .size = size});
        if (cache == nullptr) throw UsageError::of("peers: {} cannot make a cache", name);
        const CacheCall<M> call{*model, *cache};
        add_own_pair(contests, size, name, call, model);
        add_own_pair(contests, size, name + "-kmalloc", KmallocCall<M>{*model, size}, model);
        if (size == batch_size) add_batches(contests, size, name, call, model);
    }
}

constexpr std::size_t many_pages = 16384;

template <class M>
void add_pages(Contests& contests, const std::string& name, const std::shared_ptr<M>& model) {
    const PageCall<M> call{*model};
    add_own_pair(contests, page_size, name, call, model);
    add_batches(contests, page_size, name, call, model);
    contests.push_back(std::make_unique<BatchContest<PageCall<M>, std::shared_ptr<M>>>(
        fmt::format("batch{}-fifo/{}/{}", many_pages, page_size, name), call, page_size, many_pages,
        Sequence::fifo, model));
    constexpr Order huge{9};
    add_pair(contests, huge.bytes(), name, PageCall<M, huge.value()>{*model}, model);
}

/// As it comes, and NAME-1cpu: for one CPU, where no lock needs an atomic instruction.
template <class M>
void add_pages(Contests& contests) {
    const std::string name{M::info.name};
    typename M::Config config{};
    add_pages(contests, name, std::make_shared<M>(config));
    config.machine.cpus = 1;
    add_pages(contests, name + "-1cpu", std::make_shared<M>(config));
}

}  // namespace

Contests all_contests(std::span<const PeerLibrary> libraries) {
    Contests contests;
    add_floor(contests);
    add_rseq(contests);
    for (const PeerLibrary& library : libraries) add_library(contests, library);
    for_each_model([&]<class M>() {
        if constexpr (M::info.capabilities.object_caches) {
            add_caches(contests, std::make_shared<M>(typename M::Config{}));
        } else if constexpr (M::info.capabilities.pages) {
            add_pages<M>(contests);
        }
    });
    add_malloc_contests(contests, libraries);
    return contests;
}

void group_by_work(Contests& contests) {
    std::unordered_map<std::string, std::size_t> places;
    const auto place = [&](const std::unique_ptr<Contest>& contest) {
        const std::string& name = contest->name();
        return places.try_emplace(name.substr(0, name.rfind('/')), places.size()).first->second;
    };
    for (const auto& contest : contests) (void)place(contest);
    std::stable_sort(contests.begin(), contests.end(),
                     [&](const auto& a, const auto& b) { return place(a) < place(b); });
}

}  // namespace kmemlab::peers
