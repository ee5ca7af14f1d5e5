#include "bench/micro/suite.hpp"

#include <fmt/format.h>

#include <array>

#include "allocators/contract/registry.hpp"
#include "bench/micro/harness.hpp"

namespace kmemlab::micro {
namespace {

constexpr std::array<std::size_t, 8> sizes{8, 32, 64, 128, 256, 1024, 4096, 8192};
constexpr std::array<std::size_t, 2> batch_sizes{64, 1024};
constexpr std::array<std::size_t, 3> batch_counts{16, 256, 4096};
constexpr std::array<unsigned, 5> orders{0, 1, 3, 5, 9};
constexpr std::array<Sequence, 3> sequences{Sequence::lifo, Sequence::fifo, Sequence::random};
constexpr std::size_t verified_objects = 300;
constexpr std::size_t verified_blocks = 20;

/// A benchmark that builds a fresh model for itself; `body(state, model)` is the rest of it.
template <Model M, class Body>
void add(const std::string& work, std::size_t size, Body body) {
    const std::string name = fmt::format("{}/{}/{}", work, size, M::info.name);
    benchmark::RegisterBenchmark(name.c_str(), [body](benchmark::State& state) {
        M model{typename M::Config{}};
        body(state, model);
    });
}

/// Batches of each count and sequence over `make(model)`, a way of allocating.
template <Model M, class Make>
void add_batches(std::string_view prefix, std::size_t size, Make make) {
    for (const std::size_t count : batch_counts) {
        for (const Sequence sequence : sequences) {
            add<M>(
                fmt::format("{}batch-{}:{}", prefix, to_string(sequence), count), size,
                [=](benchmark::State& state, M& model) { run_batches(state, make(model), count, sequence); });
        }
    }
}

template <Model M>
void add_allocate() {
    for (const std::size_t size : sizes) {
        add<M>("pair", size, [=](benchmark::State& state, M& model) {
            run_pairs(state, AllocateWay<M>{model, size});
        });
    }
    for (const std::size_t size : batch_sizes) {
        add_batches<M>("", size, [=](M& model) { return AllocateWay<M>{model, size}; });
    }
}

template <Model M>
void add_caches() {
    for (const std::size_t size : sizes) {
        add<M>("cache-pair", size, [=](benchmark::State& state, M& model) {
            run_pairs(state, CacheWay<M>{model, size});
        });
    }
    for (const std::size_t size : batch_sizes) {
        add_batches<M>("cache-", size, [=](M& model) { return CacheWay<M>{model, size}; });
        for (const std::size_t count : batch_counts) {
            add<M>(fmt::format("bulk:{}", count), size, [=](benchmark::State& state, M& model) {
                run_bulk(state, model, CacheWay<M>{model, size}.cache(), count);
            });
        }
    }
}

template <Model M>
void add_pages() {
    for (const unsigned order : orders) {
        add<M>("pages-pair", Order{order}.bytes(), [=](benchmark::State& state, M& model) {
            run_pairs(state, PageWay<M>{model, Order{order}});
        });
    }
    add_batches<M>("pages-", page_size, [](M& model) { return PageWay<M>{model, Order{0}}; });
}

/// Allocators of mapped memory are measured by `kmemlab mapping`.
template <Model M>
inline constexpr bool maps_memory = M::info.capabilities.areas || M::info.capabilities.stacks;

/// The first thing found wrong with a model.
template <Model M>
std::string verify_model() {
    M model{typename M::Config{}};
    std::string found;
    const auto note = [&](std::string what) {
        if (found.empty()) found = std::move(what);
    };
    if constexpr (M::info.capabilities.pages) {
        for (const unsigned order : orders) note(verify(PageWay<M>{model, Order{order}}, verified_blocks));
    } else {
        for (const std::size_t size : sizes) note(verify(AllocateWay<M>{model, size}, verified_objects));
    }
    if constexpr (M::info.capabilities.object_caches) {
        for (const std::size_t size : sizes) note(verify(CacheWay<M>{model, size}, verified_objects));
    }
    if (const auto broken = model.find_violation()) note(broken->message());
    return found;
}

}  // namespace

void register_all() {
    for_each_model([]<class M>() {
        if constexpr (maps_memory<M>) {
            return;
        } else if constexpr (M::info.capabilities.pages) {
            add_pages<M>();
        } else {
            add_allocate<M>();
        }
        if constexpr (M::info.capabilities.object_caches) add_caches<M>();
    });
}

std::string verify_all() {
    std::string found;
    for_each_model([&]<class M>() {
        if (!found.empty() || maps_memory<M>) return;
        found = verify_model<M>();
        if (!found.empty()) found = fmt::format("{}: {}", M::info.name, found);
    });
    return found;
}

}  // namespace kmemlab::micro
