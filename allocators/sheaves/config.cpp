#include "allocators/sheaves/config.hpp"

#include <string>

namespace kmemlab {

std::vector<Tunable> SheavesConfig::tunables() {
    constexpr std::uint64_t most_objects = 1024;
    constexpr std::uint64_t most_sheaves = 1000;
    std::vector<Tunable> all = slub.tunables();
    std::erase_if(all, [](const Tunable& t) { return t.key.starts_with("slub.cpu_partial"); });
    all.push_back(
        integer_tunable("sheaves.capacity", "objects of a sheaf; 0: by size", capacity, 0, most_objects));
    all.push_back(integer_tunable("sheaves.barn_full", "most full sheaves of a cache's barn", barn_full, 0,
                                  most_sheaves));
    all.push_back(integer_tunable("sheaves.barn_empty", "most empty sheaves of a cache's barn", barn_empty, 0,
                                  most_sheaves));
    return all;
}

SlubConfig SheavesConfig::slabs() const {
    SlubConfig config = slub;
    config.cpu_partial_lists = false;
    config.cpu_partial = std::string{"0"};
    return config;
}

std::uint32_t sheaf_capacity(std::size_t size) {
    if (size >= 4096) return 4;
    if (size >= 1024) return 12;
    if (size >= 256) return 28;
    return 60;
}

}  // namespace kmemlab
