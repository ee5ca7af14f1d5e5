/// A small machine of 32 bits: 64 frames of low memory, high memory behind, 8 slots, two CPUs.
#pragma once

#include <string>
#include <vector>

#include "allocators/kmap/inside.hpp"
#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"

namespace kmemlab::test {

inline constexpr CpuId cpu0{0};
inline constexpr CpuId cpu1{1};

template <class M>
struct HighmemMachine {
    static constexpr std::uint64_t low_pages = 64;
    static constexpr unsigned slots = 8;

    explicit HighmemMachine(bool debug = false)
        : kmap{arena, mmu, cpus, {.low_pages = low_pages, .slots = slots, .debug = debug}, log} {}

    Arena arena{std::size_t{16} << 20};
    M mmu = make_mmu();
    OwnedCpus cpus{2};
    std::vector<Misuse> misuses;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& misuse) { misuses.push_back(misuse); });
    Kmap<OwnedCpus, M> kmap;

    [[nodiscard]] Pfn high(std::uint64_t n) const { return arena.start() + low_pages + n; }
    /// The slot, counted from 0, that an address lies in.
    [[nodiscard]] std::uint64_t slot(std::optional<VirtAddr> at) const {
        return at ? at->page() - mmu.window().begin.page() - low_pages : ~std::uint64_t{0};
    }
    [[nodiscard]] std::string broken_law() const {
        const auto violation = kmap.find_violation();
        return violation ? std::string{violation->law} : "";
    }
    [[nodiscard]] std::string last_report() const { return misuses.empty() ? "" : misuses.back().report; }

  private:
    M make_mmu() {
        if constexpr (std::same_as<M, SoftMmu>) {
            return M{arena, {.cpus = 2, .window = window_of_32_bit}};
        } else {
            return M{arena};
        }
    }
};

}  // namespace kmemlab::test
