/// A small machine for tests of the page allocator, with misuse counted instead of fatal.
#pragma once

#include <string>
#include <vector>

#include "allocators/buddy/buddy.hpp"

namespace kmemlab::test {

template <class Cpus = OwnedCpus>
struct BuddyMachine {
    explicit BuddyMachine(std::size_t bytes = std::size_t{64} << 20, unsigned cpu_count = 2,
                          const BuddyConfig& config = single_zone(), Pfn start = Pfn{0})
        : arena{bytes, start}, cpus{cpu_count}, buddy{arena, cpus, config, misuse} {}

    [[nodiscard]] static BuddyConfig single_zone() {
        BuddyConfig config;
        config.layout = "single";
        return config;
    }
    /// Without per-CPU lists: each page comes from, and goes to, the zone's free lists.
    [[nodiscard]] static BuddyConfig without_pcp() {
        BuddyConfig config = single_zone();
        config.pcp = false;
        return config;
    }
    /// find_violation's law, empty if none.
    [[nodiscard]] std::string broken_law() const {
        const auto found = buddy.find_violation();
        return found ? std::string{found->law} : "";
    }
    [[nodiscard]] Zone<Cpus>& zone() { return buddy.zone(0); }

    std::vector<Misuse> reports;
    MisuseLog misuse = MisuseLog::keep_going([this](const Misuse& m) { reports.push_back(m); });
    Arena arena;
    Cpus cpus;
    Buddy<Cpus> buddy;
};

inline constexpr CpuId cpu0{0};
inline constexpr CpuId cpu1{1};

}  // namespace kmemlab::test
