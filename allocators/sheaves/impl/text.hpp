/// Part of sheaves.cpp: what the kernel shows of a cache.
#pragma once

#include <fmt/format.h>

#include "allocators/sheaves/sheaves.hpp"

namespace kmemlab {

template <class Cpus>
std::vector<Text> Sheaves<Cpus>::attributes(const Cache& cache) const {
    std::vector<Text> texts = slub_.attributes(cache);
    texts.push_back({fmt::format("slab/{}/sheaf_capacity", cache.name), fmt::format("{}\n", cache.capacity)});
    return texts;
}

}  // namespace kmemlab
