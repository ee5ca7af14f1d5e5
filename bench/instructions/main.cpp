/// kmemlab_instructions: the fast paths of every model, for a program that counts instructions.
/// ci/instructions starts it under callgrind, which tells what each call of kmemlab_counted took.
///
/// Prints how it was built, then for each call in order a line `ROW COUNT`. A row is called with N and with 2
/// N units, a pair of an allocation and its release each: what the second took more is N units, without what
/// it costs to begin. All addresses are written, as by peers; no row copies or clears memory, for which the C
/// library has other code on other processors.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>

#include "allocators/contract/registry.hpp"
#include "bench/measure/environment.hpp"
#include "bench/peers/calls.hpp"
#include "bench/peers/works.hpp"

using Work = std::function<void(std::size_t)>;

/// What is counted, found by its name.
extern "C" {
[[gnu::noinline]] void kmemlab_counted(const Work& work, std::size_t count) {
    work(count);
}
}

namespace kmemlab::instructions {
namespace {

constexpr std::size_t units = 1024;
constexpr std::size_t object_bytes = 64;
constexpr std::size_t bulk_objects = 16;
constexpr Order large_order{9};

/// Each row has a machine of its own, so that none depends on those before it.
template <Model M>
M small_machine() {
    return M{configure<M>(std::array{Setting{"machine.arena", "64M"}})};
}

void count(const std::string& name, const Work& work) {
    work(units);
    for (const std::size_t how_many : {units, 2 * units}) {
        kmemlab_counted(work, how_many);
        fmt::print("{} {}\n", name, how_many);
    }
}

template <Model M>
std::string row_name(const char* work, std::size_t size) {
    return fmt::format("{}/{}/{}", work, size, M::info.name);
}

/// A block of many pages.
template <PageSource M>
class LargeCall {
  public:
    explicit LargeCall(M& model) : model_{&model} {}
    [[nodiscard, gnu::always_inline]] void* take() const {
        const auto pfn = model_->take(large_order, GFP_KERNEL, CpuId{0});
        return pfn ? model_->arena().address(*pfn) : nullptr;
    }
    [[gnu::always_inline]] void put(void* p) const {
        model_->give(model_->arena().pfn(p), large_order, CpuId{0});
    }

  private:
    M* model_;
};

template <ObjectCaches M>
void bulks(M& model, typename M::Cache& cache, std::size_t count) {
    std::array<void*, bulk_objects> objects;
    for (std::size_t done = 0; done < count; done += bulk_objects) {
        if (model.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, CpuId{0}) != bulk_objects)
            throw UsageError("no memory left");
        for (void* object : objects) keep(peers::FirstWord::used(object));
        model.kmem_cache_free_bulk(cache, objects, CpuId{0});
    }
}

template <ObjectCaches M>
typename M::Cache& cache_of(M& model) {
    auto* cache = model.kmem_cache_create({.name = "counted", .size = object_bytes});
    if (cache == nullptr) throw UsageError::of("{} cannot make a cache", M::info.name);
    return *cache;
}

/// Pairs by the way of calling that `make(model)` gives. One stays taken: SLOB gives back a page that is
/// empty.
template <Model M, class Make>
void count_pairs(const char* work, std::size_t size, Make make) {
    M model = small_machine<M>();
    const auto call = make(model);
    void* const held = peers::FirstWord::used(call.take());
    count(row_name<M>(work, size), [call](std::size_t how_many) { peers::pairs(call, how_many); });
    call.put(held);
}

template <Model M>
void count_objects() {
    count_pairs<M>("cache-pair", object_bytes, [](M& model) {
        return peers::CacheCall<M>{model, cache_of(model)};
    });
    count_pairs<M>("pair", object_bytes, [](M& model) { return peers::KmallocCall<M>{model, object_bytes}; });
    count_pairs<M>("constant-pair", object_bytes,
                   [](M& model) { return peers::ConstantCall<M, object_bytes>{model}; });
    M model = small_machine<M>();
    auto& cache = cache_of(model);
    void* const held = model.kmem_cache_alloc(cache, GFP_KERNEL, CpuId{0});
    count(row_name<M>("bulk:16", object_bytes), [&](std::size_t how_many) { bulks(model, cache, how_many); });
    model.kmem_cache_free(cache, held, CpuId{0});
}

template <Model M>
void count_pages() {
    count_pairs<M>("pages-pair", page_size, [](M& model) { return peers::PageCall<M>{model}; });
    count_pairs<M>("pages-pair", large_order.bytes(), [](M& model) { return LargeCall<M>{model}; });
}

void count_all() {
    for_each_model([]<class M>() {
        if constexpr (M::info.capabilities.object_caches) {
            count_objects<M>();
        } else if constexpr (M::info.capabilities.pages) {
            count_pages<M>();
        }
    });
}

}  // namespace
}  // namespace kmemlab::instructions

int main() {
    try {
        const kmemlab::BuildFacts build = kmemlab::build_facts();
        fmt::print("{} {}\n", build.compiler, build.flags);
        kmemlab::instructions::count_all();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "kmemlab_instructions: %s\n", error.what());
        return 2;
    }
}
