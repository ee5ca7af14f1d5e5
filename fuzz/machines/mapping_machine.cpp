#include "fuzz/machines/mapping_machine.hpp"

#include <array>
#include <optional>
#include <set>
#include <utility>

#include "allocators/base/tunable.hpp"

namespace kmemlab::fuzz {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr VirtAddr low{0xffffc90000000000};

struct NamedWindow {
    std::string_view name;
    AddressRange window;
};
constexpr VirtAddr border{low.value() + 1024 * mib};
constexpr VirtAddr top{~std::uint64_t{0} - page_size + 1};
constexpr std::array<NamedWindow, 6> windows{{
    {"small", {low, low + 2 * mib}},
    {"middle", {low, low + 16 * mib}},
    {"large", {low, low + 64 * mib}},
    {"giant", {low, low + 4096 * mib}},
    {"border", {VirtAddr{border.value() - 64 * page_size}, border + (16 * mib - 64 * page_size)}},
    {"top", {VirtAddr{top.value() - 64 * page_size}, top}},
}};

/// So small that entries are replaced often.
constexpr std::string_view tiny_tlb =
    "name=tiny\n"
    "source=made for fuzzing\n"
    "l1=4K 8/2 lru\n"
    "l1=2M,1G 4/4 lru\n"
    "l2=4K,2M,pde 32/4 plru\n"
    "walk=pdpte,pml4e,pml5e 4/4 lru\n";

const std::vector<TlbGeometry>& geometries() {
    static const std::vector<TlbGeometry> all = [] {
        std::vector<TlbGeometry> known = known_tlbs();
        known.push_back(parse_tlb(tiny_tlb, "tiny"));
        return known;
    }();
    return all;
}

/// A tunable that is one of the names in `items`.
template <class Items>
Tunable choice(Literal key, Literal help, std::string& variable, const Items& items) {
    return {key, help, "a known name",
            [&variable, &items](std::string_view value) {
                const bool known =
                    std::any_of(items.begin(), items.end(), [&](const auto& i) { return i.name == value; });
                if (known) variable = value;
                return known;
            },
            [&variable] { return variable; }};
}

}  // namespace

std::vector<Tunable> MappingConfig::tunables() {
    return {integer_tunable("mmu.levels", "levels of the page table", levels, 4, 5),
            switch_tunable("mmu.tables", "tables come from the page source", tables),
            choice("mmu.window", "where is mapped", window, windows),
            choice("mmu.tlb", "translation caches", tlb, geometries())};
}

std::unique_ptr<SoftMmu> MappingConfig::make(Arena& arena, unsigned cpus, PageSourceRef pages) const {
    const auto named = [](const auto& items, const std::string& name) {
        return std::find_if(items.begin(), items.end(), [&](const auto& i) { return i.name == name; });
    };
    const SoftMmuConfig config{.cpus = cpus,
                               .levels = static_cast<unsigned>(levels),
                               .window = named(windows, window)->window,
                               .tlb = *named(geometries(), tlb)};
    return std::make_unique<SoftMmu>(arena, config,
                                     tables ? std::optional<PageSourceRef>{pages} : std::nullopt);
}

std::vector<Tunable> HostMappingConfig::tunables() {
    return {integer_tunable("mmu.mappings", "mappings of the window", mappings, 1, 1 << 15),
            switch_tunable("mmu.kept", "the window is kept address space", kept),
            switch_tunable("mmu.populate", "the page tables of mappings are filled at once", populate)};
}

std::unique_ptr<HostMmu> HostMappingConfig::make(Arena& arena, unsigned, PageSourceRef) const {
    const HostMmuConfig config{.window_bytes = order_1g.bytes(),
                               .populate = populate,
                               .mapping_limit = mappings,
                               .way = kept ? HostWindow::Way::kept : HostWindow::Way::hole};
    return std::make_unique<HostMmu>(arena, config);
}

std::vector<Knob> mapping_knobs() {
    return {{"mmu.levels", {"5"}},
            {"mmu.window", {"small", "large", "border", "top", "giant"}},
            {"mmu.tlb", {"intel-skylake-server", "intel-golden-cove", "amd-zen3", "arm-neoverse-n1"}},
            {"mmu.tables", {"0"}},
            {"pcp.enabled", {"0"}}};
}

std::vector<Knob> host_mapping_knobs() {
    return {{"mmu.mappings", {"40", "200"}},
            {"mmu.kept", {"1"}},
            {"mmu.populate", {"0"}},
            {"pcp.enabled", {"0"}}};
}

template <class M>
MappingMachineOn<M>::MappingMachineOn(const Setup& setup, const Layers& layers)
    : borrowed_{setup.arena_bytes(), Pfn{setup.start_pfn()}},
      cpus_{setup.cpu_count()},
      buddy_{arena_, cpus_, layers.buddy, log_},
      pages_{buddy_},
      free_at_begin_{buddy_.free_blocks()},
      tables_from_pages_{layers.mapping.tables},
      mmu_{layers.mapping.make(arena_, cpus_.count(), pages_)} {}

template <class M>
void MappingMachineOn<M>::judge_operation() {
    if constexpr (std::same_as<M, SoftMmu>) {
        if (const auto use = mmu_->broken_use())
            break_law("V7", "cpu {} used a stale translation at {:#x}: frame {:#x}", use->cpu.value(),
                      use->at.value(), use->used.value());
    } else if (const MmuStats now = mmu_->stats(); now.refused_by_kernel != 0) {
        break_law("V4", "the kernel refused a change of {} mappings, of which {} are allowed", now.mappings,
                  now.mapping_limit);
    }
    judge_reports();
}

template <class M>
bool MappingMachineOn<M>::pages_to_be_had(std::uint64_t pages, Gfp gfp, CpuId cpu) {
    // A pageblock of the HIGHATOMIC reserve counts whole while the request has pages of it, and can be given
    // back now that it has not: what is to be had now was not there then.
    for (const auto& zone : buddy_.zones()) {
        if (zone->reserved_highatomic() > 0) return false;
    }
    constexpr std::uint64_t pages_below_table = 512;
    constexpr std::uint64_t most_levels = 5;
    const std::uint64_t tables = (pages / pages_below_table + 3) * most_levels;
    // The array of the frames comes as the frames do (VM-51), tables as the kernel's own memory.
    const std::uint64_t array = pages <= pages_below_table ? 0 : pages * sizeof(void*) / page_size + 1;
    std::vector<Pfn> got;
    const auto take = [&](std::uint64_t count, Gfp with) {
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto pfn = buddy_.take(Order{0}, with.without(__GFP_ZERO), cpu);
            if (!pfn) return false;
            got.push_back(*pfn);
        }
        return true;
    };
    const bool enough = take(pages + array, gfp) && take(tables, GFP_KERNEL);
    for (const Pfn pfn : got) buddy_.give(pfn, Order{0}, cpu);
    return enough;
}

template <class M>
MaybeViolation MappingMachineOn<M>::find_violation_below(std::uint64_t owned) const {
    if (auto found = buddy_.find_violation()) return found;
    if (buddy_.pages_in_use() == owned + table_pages()) return {};
    return violation("G8", "{} pages are out, {} are owned and {} are tables", buddy_.pages_in_use(), owned,
                     table_pages());
}

template <class M>
void MappingMachineOn<M>::tear_down_below(std::uint64_t stay) {
    mmu_.reset();
    buddy_.drain(CpuId{0});
    if (buddy_.pages_in_use() != stay)
        break_law("G8", "{} pages are out when nothing lives, {} should be", buddy_.pages_in_use(), stay);
    if (stay == 0) judge_free_blocks(free_at_begin_, buddy_.free_blocks());
    judge_reports();
}

template <class M>
bool MappingMachineOn<M>::addresses_to_be_had(const VmapSpace<OwnedCpus>& space, std::uint64_t bytes,
                                              std::uint64_t align) const {
    const AddressRange window = mmu_->window();
    const std::uint64_t needed = align <= page_size ? bytes : bytes + align - 1;
    std::set<std::pair<std::uint64_t, std::uint64_t>> busy{{window.end.value(), window.end.value()}};
    space.for_each_busy([&](const VmapArea& area) { busy.emplace(area.start, area.end); });
    std::uint64_t reached = window.begin.value();
    for (const auto& [begin, end] : busy) {
        if (begin >= reached && begin - reached >= needed) return true;
        reached = std::max(reached, end);
    }
    return false;
}

template class MappingMachineOn<SoftMmu>;
template class MappingMachineOn<HostMmu>;

}  // namespace kmemlab::fuzz
