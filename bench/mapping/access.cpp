// What reaching memory costs by the number of pages it lies in: a chase through one pointer a page, in random
// order, so that neither prefetch nor overlap helps. Whose line of a page holds the pointer is random too, or
// the sets of the data caches would collide.
//
//   direct-4k    the direct map: the arena's memory as it lies
//   direct-2m    the same by 2 MiB entries: anonymous memory, if the kernel gives it huge pages
//   vmalloc-4k   vmalloc over scattered frames
//   vmalloc-2m   vmalloc_huge, if the kernel maps the arena by 2 MiB entries
//   lines        as many lines side by side, in a 64th of the pages: what the data caches cost alone
//   soft-4k, soft-2m   the played TLB: a translation of each page in the same order; hits and walk steps
#include <sys/mman.h>

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>

#include "bench/mapping/access.hpp"
#include "bench/mapping/event_counter.hpp"
#include "bench/mapping/huge_pages.hpp"
#include "bench/mapping/works.hpp"
#include "bench/measure/keep.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::size_t most_pages = std::size_t{1} << 15;
constexpr std::size_t most_bytes = most_pages << page_shift;
constexpr std::size_t lines_per_page = page_size / cache_line_size;

/// Four sizes to each doubling, from 16 pages on.
std::vector<std::size_t> page_counts() {
    std::vector<std::size_t> counts;
    for (unsigned quarter = 16;; ++quarter) {
        const auto count = static_cast<std::size_t>(std::lround(std::exp2(quarter / 4.0)));
        if (count > most_pages) return counts;
        counts.push_back(count);
    }
}

/// Memory that rows of one kind share, made when the first of them runs.
class Region {
  public:
    virtual ~Region() = default;
    /// `most_bytes` of memory.
    [[nodiscard]] virtual std::byte* begin() = 0;
};

class DirectRegion final : public Region {
  public:
    std::byte* begin() override { return arena_.address(arena_.start()); }

  private:
    Arena arena_{most_bytes};
};

class HugeRegion final : public Region {
  public:
    std::byte* begin() override { return memory_.begin(); }

  private:
    HugeMemory memory_{most_bytes};
};

class VmallocRegion final : public Region {
  public:
    VmallocRegion(Setup setup, bool huge) {
        setup.machine.machine.arena = std::max(setup.machine.machine.arena, 4 * most_bytes);
        // The array of frames takes pages as well.
        const std::size_t frames = most_pages + most_pages * sizeof(void*) / page_size;
        machine_ = make_machine<HostMmu>(setup, {.scattered_pages = huge ? 0 : frames});
        auto& vm = machine_->vm();
        const auto at = huge ? vm.vmalloc_huge(most_bytes, GFP_KERNEL, cpu0) : vm.vmalloc(most_bytes, cpu0);
        if (!at) throw UsageError("mapping: no memory or mappings for the pointer chase");
        begin_ = static_cast<std::byte*>(HostMmu::pointer(*at));
    }
    std::byte* begin() override { return begin_; }

  private:
    std::unique_ptr<Machine<HostMmu>> machine_;
    std::byte* begin_ = nullptr;
};

/// Makes a region at the first call; every copy gives the same one.
template <class Make>
std::function<Region&()> once(Make make) {
    return [make, region = std::make_shared<std::unique_ptr<Region>>()]() -> Region& {
        if (!*region) *region = make();
        return **region;
    };
}

/// Where node `i` of a chase lies: a line of page i, or line i.
enum class Layout : std::uint8_t { line_of_each_page, lines };

std::size_t offset_of(std::size_t i, Layout layout) {
    if (layout == Layout::lines) return i * cache_line_size;
    const std::size_t line = (i * 0x9e3779b97f4a7c15U >> 32) % lines_per_page;
    return i * page_size + line * cache_line_size;
}

class Chase {
  public:
    Chase(Region& region, std::size_t nodes, Layout layout)
        : begin_{region.begin()}, nodes_{nodes}, layout_{layout} {}

    [[nodiscard]] Contest::Units units() const { return {.least = 2 * nodes_}; }
    /// Links the nodes to one cycle in random order; rows that share the region have their own.
    void prepare(std::size_t) {
        const auto order = positions(Sequence::random, nodes_);
        for (std::size_t i = 0; i < nodes_; ++i) {
            *node(order[i]) = reinterpret_cast<std::uintptr_t>(node(order[(i + 1) % nodes_]));
        }
        next_ = node(order[0]);
    }
    void run(std::size_t count) {
        const std::uintptr_t* p = next_;
        for (std::size_t i = 0; i < count; ++i) p = reinterpret_cast<const std::uintptr_t*>(*p);
        keep(p);
        next_ = p;
    }
    [[nodiscard]] std::string verify() {
        prepare(nodes_);
        const std::uintptr_t* const first = next_;
        std::size_t steps = 0;
        do {
            run(1);
            ++steps;
        } while (next_ != first && steps <= nodes_);
        return steps == nodes_ ? "" : "the chase is no cycle through all nodes";
    }
    /// Misses of the data TLB, where the machine counts them.
    [[nodiscard]] Counts counts() {
        prepare(nodes_);
        run(2 * nodes_);
        EventCounter misses{Event::data_tlb_load_misses};
        if (!misses.works()) return {};
        const std::size_t units = 4 * nodes_;
        misses.start();
        run(units);
        return {{"dtlb_load_misses", misses.stop()}, {"units", units}};
    }

  private:
    [[nodiscard]] std::uintptr_t* node(std::size_t i) const {
        return reinterpret_cast<std::uintptr_t*>(begin_ + offset_of(i, layout_));
    }

    std::byte* begin_;
    std::size_t nodes_;
    Layout layout_;
    const std::uintptr_t* next_ = nullptr;
};

/// The same order of pages through the played TLB of CPU 0.
class Translations {
  public:
    Translations(const Setup& setup, std::size_t pages, bool huge)
        : arena_{most_bytes},
          mmu_{arena_, {.cpus = 1, .tlb = setup.tlb}},
          order_{positions(Sequence::random, pages)} {
        const VirtAddr begin = mmu_.window().begin;
        bool good = true;
        for (std::size_t page = 0; good && page < pages; page += huge ? order_2m.pages() : 1) {
            const Pfn frame = arena_.start() + page;
            const VirtAddr at = begin.plus_pages(page);
            good = huge ? mmu_.map_huge(at, frame, order_2m, cpu0) : mmu_.map(at, {&frame, 1}, cpu0);
        }
        if (!good) throw UsageError("mapping: no memory for page tables");
    }

    void run(std::size_t count) {
        const VirtAddr begin = mmu_.window().begin;
        for (std::size_t i = 0; i < count; ++i) {
            faults_ += mmu_.touch(begin.plus_pages(order_[next_]), cpu0) ? 0 : 1;
            next_ = next_ + 1 == order_.size() ? 0 : next_ + 1;
        }
    }
    [[nodiscard]] std::string verify() {
        run(order_.size());
        if (faults_ > 0) return "a page that was mapped has no translation";
        const auto broken = mmu_.find_violation();
        return broken ? broken->message() : "";
    }
    /// Of a TLB that has seen each page twice; the same in every run.
    [[nodiscard]] Counts counts() {
        run(2 * order_.size());
        const TlbCounts before = mmu_.tlb_counts();
        const std::size_t units = 4 * order_.size();
        run(units);
        const TlbCounts after = mmu_.tlb_counts();
        return {{"l1_hits", after.l1_hits - before.l1_hits},
                {"l2_hits", after.l2_hits - before.l2_hits},
                {"walks", after.walks - before.walks},
                {"walk_steps", after.walk_steps - before.walk_steps},
                {"units", units}};
    }

  private:
    Arena arena_;
    SoftMmu mmu_;
    std::vector<std::uint32_t> order_;
    std::size_t next_ = 0;
    std::uint64_t faults_ = 0;
};

void add_chases(Contests& contests, const char* who, const std::function<Region&()>& region, Layout layout) {
    for (const std::size_t nodes : page_counts()) {
        add(contests, fmt::format("access/{}/{}", nodes, who),
            [=] { return std::make_unique<Chase>(region(), nodes, layout); });
    }
}

}  // namespace

void add_access(Contests& contests, const Setup& setup) {
    if (setup.host) {
        const auto direct = once([] { return std::make_unique<DirectRegion>(); });
        add_chases(contests, "direct-4k", direct, Layout::line_of_each_page);
        add_chases(contests, "lines", direct, Layout::lines);
        add_chases(contests, "vmalloc-4k",
                   once([=] { return std::make_unique<VmallocRegion>(setup, false); }),
                   Layout::line_of_each_page);
        if (huge_anonymous().available) {
            add_chases(contests, "direct-2m", once([] { return std::make_unique<HugeRegion>(); }),
                       Layout::line_of_each_page);
        }
        if (huge_mappings_of_arena().available) {
            add_chases(contests, "vmalloc-2m",
                       once([=] { return std::make_unique<VmallocRegion>(setup, true); }),
                       Layout::line_of_each_page);
        }
    }
    for (const bool huge : {false, true}) {
        if (!setup.soft) break;
        for (const std::size_t pages : page_counts()) {
            add(contests, fmt::format("access/{}/soft-{}", pages, huge ? "2m" : "4k"),
                [=] { return std::make_unique<Translations>(setup, pages, huge); });
        }
    }
}

}  // namespace kmemlab::mapping
