/// Model: an allocator that the registry can build by name.
///
/// | expression             | result                | meaning                                               |
/// |------------------------|-----------------------|-------------------------------------------------------|
/// | M::info                | ModelInfo             | name, kernel version followed, capabilities           |
/// | M::Config{}            | M::Config             | default configuration, a plain struct                 |
/// | config.tunables()      | std::vector<Tunable>  | its values by their names                             |
/// | M{config}              | M                     | a fresh machine with the allocator on it; UsageError  |
/// |                        |                       | if the configuration cannot be built                  |
/// | Allocator<M>           |                       | and ObjectCaches, PageSource as the capabilities say  |
#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/contract/allocator.hpp"
#include "allocators/machine/page_source.hpp"
#include "allocators/objects/cache.hpp"

namespace kmemlab {

struct Capabilities {
    std::size_t smallest = 1;        ///< bytes that the smallest request is rounded up to
    std::size_t largest = 0;         ///< bytes of the largest request that can succeed
    std::size_t largest_align = 0;   ///< bytes
    std::size_t class_align = 1;     ///< bytes that size classes are rounded up to a multiple of
    bool natural_alignment = false;  ///< a power of two is aligned to itself unasked (G2)
    bool thread_safe = false;        ///< calls on different CPUs may run at once
    bool deterministic = false;      ///< the same calls give the same addresses relative to the arena
    bool object_caches = false;      ///< models ObjectCaches
    bool pages = false;              ///< models PageSource
    bool areas = false;              ///< models VirtualAreas: replays the areas of a trace
    bool stacks = false;             ///< replays those areas of a trace that are kernel stacks
    /// Constructors run at every allocation (O9); else once for each object, when its slab is made (S8).
    bool constructs_each_time = false;
    /// A header before what allocate() gave tells its size: one that is aligned to its size may take twice
    /// that, and usable_size() is not for objects of caches, which have none.
    bool headers = false;
};

/// What is freed waits, mapped, until a purge.
template <class A>
concept VirtualAreas = requires(A& a, CpuId cpu) {
    { a.purge(cpu) } -> std::same_as<void>;  ///< nothing waits any more: one flush, then all of it is free
};

struct ModelInfo {
    std::string_view name;
    std::string_view follows;  ///< "Linux 6.1", or whose behaviour it is
    std::string_view what;     ///< one line
    Capabilities capabilities;
};

template <class M>
concept Model = Allocator<M> && std::default_initializable<typename M::Config> &&
    std::constructible_from<M, const typename M::Config&> &&
    std::same_as<std::remove_cv_t<decltype(M::info)>, ModelInfo> && requires(typename M::Config& config) {
    { config.tunables() } -> std::same_as<std::vector<Tunable>>;
} &&(M::info.capabilities.object_caches == ObjectCaches<M>)&&(M::info.capabilities.pages ==
                                                              PageSource<M>)&&(M::info.capabilities.areas ==
                                                                               VirtualAreas<M>);

template <Model... Ms>
struct ModelList {};

}  // namespace kmemlab
