#include "allocators/sheaves/config.hpp"

#include <algorithm>
#include <string>

namespace kmemlab {

std::vector<Tunable> SheavesConfig::tunables() {
    constexpr std::uint64_t most_objects = 1024;
    constexpr std::uint64_t most_sheaves = 1000;
    constexpr std::uint64_t most_kbytes = std::uint64_t{1} << 20;
    std::vector<Tunable> all = slub.tunables();
    std::erase_if(all, [](const Tunable& t) { return t.key.starts_with("slub.cpu_partial"); });
    all.push_back(
        integer_tunable("sheaves.capacity", "objects of a sheaf; 0: by size", capacity, 0, most_objects));
    all.push_back(integer_tunable("sheaves.scale", "by size, times this", scale, 1, 16));
    all.push_back(integer_tunable("sheaves.barn_full", "most full sheaves of a cache's barn", barn_full, 0,
                                  most_sheaves));
    all.push_back(integer_tunable("sheaves.barn_empty", "most empty sheaves of a cache's barn", barn_empty, 0,
                                  most_sheaves));
    all.push_back(integer_tunable("sheaves.barn_kbytes",
                                  "most KiB in a barn's full sheaves; 0: no such limit", barn_kbytes, 0,
                                  most_kbytes));
    return all;
}

std::size_t most_full_sheaves(const SheavesConfig& config, std::size_t capacity, std::size_t size) {
    if (config.barn_kbytes == 0 || config.barn_full == 0 || capacity == 0) return config.barn_full;
    return std::clamp<std::size_t>(config.barn_kbytes * 1024 / (capacity * size), 1, config.barn_full);
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
