/// Replays buddytrace files: puts a buddy allocator into the recorded state, makes the kernel's experiment
/// again, and compares each answer and the state at the end. An info file is a trace without operations.
///
///     T,op,A|F,[cpu,]id,order,type,[zone asked,]pfn,free pages of each zone,pages on the CPU's lists
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bench/golden/checks.hpp"
#include "bench/golden/draws.hpp"
#include "bench/golden/page_state.hpp"

namespace kmemlab::golden {
namespace {

constexpr std::size_t most_live = 32768;
constexpr std::uint64_t most_pages = std::uint64_t{1} << 32;

/// The machine of the recording, in its first state.
class RecordedMachine {
  public:
    explicit RecordedMachine(Comparison& comparison)
        : comparison_{comparison}, recorded_{comparison.file()}, cpus_{recorded_.cpus()} {
        std::vector<ZoneSpec> specs;
        for (const RecordedZone& zone : recorded_.zones()) specs.push_back(zone.spec);
        const Pfn end = specs.back().span.end;
        if (recorded_.several_cpus()) specs.push_back({ZoneType::movable, {end, end}, {}, 0});
        arena_.emplace(end.value() << page_shift);
        BuddyConfig config;
        config.pageblock_order = recorded_.pageblock_order();
        buddy_.emplace(*arena_, cpus_, config, misuse_, specs);
    }

    /// Settings as computed equal those recorded; then the recorded state goes in.
    void begin() {
        comparison_.parameter("PAGE_SIZE", page_size);
        for (const SettingsRow& row : recorded_.settings()) {
            if (row.zone)
                comparison_.row_at(row.line, computed_row(row.text, buddy_->zone(*row.zone).settings()));
        }
        for (std::size_t i = 0; i < recorded_.zones().size(); ++i) {
            ZoneState state = recorded_.zones()[i].state;
            if (!recorded_.several_cpus()) state.lowmem_reserve = buddy_->zone(i).settings().lowmem_reserve;
            restore(buddy_->zone(i), *arena_, state);
        }
        comparison_.pass_header("");
        compare_state('S');
        comparison_.lawful(buddy_->find_violation());
    }
    void end() {
        compare_state('E');
        comparison_.end();
        comparison_.lawful(buddy_->find_violation());
    }

    [[nodiscard]] Buddy<OwnedCpus>& buddy() { return *buddy_; }
    [[nodiscard]] std::size_t zones() const { return recorded_.zones().size(); }

  private:
    void compare_state(char letter) {
        for (const std::string& row : state_rows(letter, recorded_, *buddy_, *arena_)) comparison_.row(row);
    }
    Comparison& comparison_;
    RecordedState recorded_;
    OwnedCpus cpus_;
    MisuseLog misuse_;
    std::optional<Arena> arena_;
    std::optional<Buddy<OwnedCpus>> buddy_;
};

/// The experiment: every row T.
class PageTrace {
  public:
    PageTrace(Comparison& comparison, RecordedMachine& machine)
        : comparison_{comparison},
          buddy_{machine.buddy()},
          zones_{machine.zones()},
          policy_{comparison.file()},
          mode_{comparison.file().parameter("mode")},
          operations_{comparison.file().number("nops", least_operations, most_operations)},
          cap_{comparison.file().number("cap_pages", 1, most_pages)},
          draws_{comparison.file().number("seed", 1, ~std::uint64_t{0})} {
        constexpr std::array<std::string_view, 4> modes{"all", "nopcp", "hi", "atomic"};
        if (std::find(modes.begin(), modes.end(), mode_) != modes.end()) return;
        const GoldenFile& file = comparison.file();
        throw file.bad(file.line_of_parameter("mode"), "mode={}: expected all, nopcp, hi or atomic", mode_);
    }

    void run() {
        for (std::uint64_t i = 0; i < operations_; ++i) step(i);
        for (std::uint64_t i = operations_; !live_.empty(); ++i) {
            free(live_.size() - 1, policy_.frees_at_end(i, live_.back().cpu), i);
        }
    }

  private:
    struct Block {
        std::int64_t id;
        Pfn pfn;
        Order order;
        unsigned type;  ///< 0 unmovable, 1 movable, 2 reclaimable
        unsigned zone;  ///< asked: 0 any, 1 DMA32, 2 DMA
        CpuId cpu;
    };

    void step(std::uint64_t i) {
        const std::uint64_t r = draws_.next();
        const std::uint64_t q = policy_.several() ? draws_.next() : 0;
        const Order order{mode_ == "hi" ? 4 + static_cast<unsigned>((r >> 8 & 0xffff) % 7)
                                        : static_cast<unsigned>(std::countr_zero((r >> 8 & 0x3ff) | 0x400))};
        const bool room = live_.size() < most_live && live_pages_ + order.pages() <= cap_;
        if (live_.empty() || (wants_allocation(r, i, operations_) && room)) return allocate(i, r, q, order);
        const std::size_t k = (r >> 32) % live_.size();
        free(k, policy_.frees(i, q, live_[k].cpu), i);
    }

    void allocate(std::uint64_t i, std::uint64_t r, std::uint64_t q, Order order) {
        constexpr std::array types{Gfp{}, __GFP_MOVABLE, __GFP_RECLAIMABLE};
        constexpr std::array zones{Gfp{}, __GFP_DMA32, __GFP_DMA};
        constexpr std::array<unsigned, 8> type_of{0, 0, 0, 0, 1, 1, 1, 2};
        constexpr std::array<unsigned, 8> zone_of{0, 0, 0, 0, 0, 1, 1, 2};
        const CpuId cpu = policy_.allocates(i, q);
        const unsigned zone = policy_.several() ? zone_of[r >> 27 & 7] : 0;
        Block block{-1, {}, order, type_of[r >> 24 & 7], zone, cpu};
        Gfp gfp = __GFP_NOWARN | types[block.type] | zones[block.zone];
        if (mode_ == "atomic" && (q >> 16 & 3) == 0) gfp = gfp | __GFP_HIGH | __GFP_ATOMIC;
        const auto pfn = buddy_.take(order, gfp, cpu);
        if (pfn) {
            block.id = next_id_++;
            block.pfn = *pfn;
            live_pages_ += order.pages();
            live_.push_back(block);
        }
        row(i, 'A', block, cpu);
    }

    void free(std::size_t k, CpuId cpu, std::uint64_t i) {
        const Block block = std::exchange(live_[k], live_.back());
        live_.pop_back();
        live_pages_ -= block.order.pages();
        buddy_.give(block.pfn, block.order, cpu);
        row(i, 'F', block, cpu);
    }

    void row(std::uint64_t i, char kind, const Block& block, CpuId cpu) {
        const std::int64_t pfn = block.id < 0 ? -1 : static_cast<std::int64_t>(block.pfn.value());
        std::string text =
            policy_.several()
                ? fmt::format("T,{},{},{},{},{},{},{},{}", i, kind, cpu.value(), block.id,
                              block.order.value(), block.type, block.zone, pfn)
                : fmt::format("T,{},{},{},{},{},{}", i, kind, block.id, block.order.value(), block.type, pfn);
        for (std::size_t z = 0; z < zones_; ++z) {
            text += fmt::format(",{}", std::max<std::int64_t>(buddy_.zone(z).free_pages(), 0));
        }
        for (std::size_t z = 0; z < zones_; ++z) {
            text += fmt::format(",{}", buddy_.zone(z).per_cpu(cpu).count());
        }
        comparison_.row(text);
    }

    Comparison& comparison_;
    Buddy<OwnedCpus>& buddy_;
    std::size_t zones_;
    CpuPolicy policy_;
    std::string_view mode_;
    std::uint64_t operations_;
    std::uint64_t cap_;
    Draws draws_;
    std::vector<Block> live_;
    std::uint64_t live_pages_ = 0;
    std::int64_t next_id_ = 0;
};

}  // namespace

void check_page_trace(Comparison& comparison) {
    comparison.set_forms({"S,**", "E,**"});
    RecordedMachine machine{comparison};
    std::string counts;
    for (std::size_t i = 0; i < machine.zones(); ++i) counts += ",0,0";
    const char* const names = comparison.file().find_parameter("policy") ? "0,0,0,0,0,0" : "0,0,0,0";
    comparison.set_forms(
        {"S,**", "E,**", fmt::format("T,0,A,{}{}", names, counts), fmt::format("T,0,F,{}{}", names, counts)});
    machine.begin();
    if (!comparison.file().find_parameter("mode")) return comparison.end();
    PageTrace{comparison, machine}.run();
    machine.end();
}

}  // namespace kmemlab::golden
