#include "allocators/vmalloc/vmap_space.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace kmemlab {
namespace {

constexpr std::uint64_t lowest_address = 1;
constexpr std::uint64_t highest_address = ~std::uint64_t{0};
constexpr std::uint64_t lazy_pages_per_bit = (std::uint64_t{32} << 20) >> page_shift;

void delete_all(AreaTree& tree) {
    while (VmapArea* const area = tree.first()) {
        tree.remove(area);
        delete area;
    }
}

}  // namespace

std::uint64_t lazy_max_pages(unsigned cpus) {
    return static_cast<std::uint64_t>(std::bit_width(cpus)) * lazy_pages_per_bit;
}

template <class Cpus>
VmapSpace<Cpus>::VmapSpace(Cpus& cpus, std::uint64_t lazy_max, Flush flush)
    : cpus_{cpus}, lazy_max_{lazy_max}, flush_{std::move(flush)} {
    free_.insert(new VmapArea{.start = lowest_address, .end = highest_address});
}

template <class Cpus>
VmapSpace<Cpus>::~VmapSpace() {
    for (AreaTree* tree : {&busy_, &lazy_, &free_}) delete_all(*tree);
}

// ---- from free to busy -------------------------------------------------------------------------------

template <class Cpus>
VmapArea* VmapSpace<Cpus>::alloc(std::uint64_t size, std::uint64_t align, AddressRange window, CpuId cpu) {
    const auto try_once = [&] {
        const LockGuard<Cpus> guard{cpus_, free_lock_, cpu};
        return cut(size, align, window);
    };
    auto start = try_once();
    if (!start) {
        purge(cpu);
        start = try_once();
    }
    return start ? make_busy(*start, *start + size, cpu) : nullptr;
}

template <class Cpus>
std::optional<std::uint64_t> VmapSpace<Cpus>::cut(std::uint64_t size, std::uint64_t align,
                                                  AddressRange window) {
    const bool any_place_fits = align <= page_size || window.end - window.begin == size;
    VmapArea* const area =
        free_.find_fit(size, align, window.begin.value(), any_place_fits ? size : size + align - 1);
    if (area == nullptr) return {};
    const std::uint64_t start = *AreaTree::place_in(*area, size, align, window.begin.value());
    if (start + size > window.end.value()) return {};
    cut_out(area, start, start + size);
    return start;
}

template <class Cpus>
void VmapSpace<Cpus>::cut_out(VmapArea* area, std::uint64_t start, std::uint64_t end) {
    if (area->start == start && area->end == end) {
        free_.remove(area);
        delete area;
    } else if (area->start == start) {
        free_.resize(area, end, area->end);
    } else if (area->end == end) {
        free_.resize(area, area->start, start);
    } else {
        auto* const lower = new VmapArea{.start = area->start, .end = start};
        free_.resize(area, end, area->end);
        free_.insert(lower);
    }
}

template <class Cpus>
VmapArea* VmapSpace<Cpus>::make_busy(std::uint64_t start, std::uint64_t end, CpuId cpu) {
    auto* const area = new VmapArea{.start = start, .end = end};
    const LockGuard<Cpus> guard{cpus_, busy_lock_, cpu};
    busy_.insert(area);
    return area;
}

template <class Cpus>
VmapArea* VmapSpace<Cpus>::occupy(std::uint64_t start, std::uint64_t end, CpuId cpu) {
    {
        const LockGuard<Cpus> guard{cpus_, free_lock_, cpu};
        VmapArea* const area = free_.find(start);
        if (area == nullptr || end > area->end)
            check_failed("a range to occupy is not free", __FILE__, __LINE__);
        cut_out(area, start, end);
    }
    return make_busy(start, end, cpu);
}

template <class Cpus>
VmapArea* VmapSpace<Cpus>::find_busy(std::uint64_t address, CpuId cpu) {
    const LockGuard<Cpus> guard{cpus_, busy_lock_, cpu};
    return busy_.find(address);
}

// ---- and back ----------------------------------------------------------------------------------------

template <class Cpus>
void VmapSpace<Cpus>::insert_free(VmapArea* area) {
    free_.insert_joined(area, [](VmapArea* unused) { delete unused; });
}

template <class Cpus>
void VmapSpace<Cpus>::free_at_once(VmapArea* area, CpuId cpu) {
    {
        const LockGuard<Cpus> guard{cpus_, busy_lock_, cpu};
        busy_.remove(area);
    }
    const LockGuard<Cpus> guard{cpus_, free_lock_, cpu};
    insert_free(area);
}

template <class Cpus>
bool VmapSpace<Cpus>::free_lazily(VmapArea* area, CpuId cpu) {
    {
        const LockGuard<Cpus> guard{cpus_, busy_lock_, cpu};
        busy_.remove(area);
    }
    area->owner = nullptr;
    area->use = AreaUse::none;
    const std::uint64_t pages = area->pages();
    const std::uint64_t waiting = lazy_pages_.fetch_add(pages, std::memory_order_relaxed) + pages;
    const LockGuard<Cpus> guard{cpus_, lazy_lock_, cpu};
    lazy_.insert_joined(area, [](VmapArea* unused) { delete unused; });
    return waiting > lazy_max_;
}

template <class Cpus>
void VmapSpace<Cpus>::purge(CpuId cpu, std::uint64_t begin, std::uint64_t end) {
    const LockGuard<Cpus> one_purge{cpus_, purge_lock_, cpu};
    AreaTree waiting;
    {
        const LockGuard<Cpus> guard{cpus_, lazy_lock_, cpu};
        std::swap(waiting, lazy_);
    }
    if (!waiting.empty()) {
        begin = std::min(begin, waiting.first()->start);
        end = std::max(end, waiting.last()->end);
        ++purges_;
    }
    if (begin >= end) return;
    flush_(begin, end, cpu);
    const LockGuard<Cpus> guard{cpus_, free_lock_, cpu};
    while (VmapArea* const area = waiting.first()) {
        waiting.remove(area);
        lazy_pages_.fetch_sub(area->pages(), std::memory_order_relaxed);
        insert_free(area);
    }
}

// ---- the laws ----------------------------------------------------------------------------------------

template <class Cpus>
MaybeViolation VmapSpace<Cpus>::find_violation() const {
    struct Named {
        const char* name;
        const AreaTree* tree;
    };
    const std::array<Named, 3> trees{{{"busy", &busy_}, {"lazy", &lazy_}, {"free", &free_}}};
    for (const auto& [name, tree] : trees) {
        const std::string fault = tree->find_fault();
        if (!fault.empty()) return violation(tree == &free_ ? "V3" : "V1", "{}: {}", name, fault);
    }
    // The three walked together must cover every address once (V1, V2).
    std::array<const VmapArea*, 3> at{busy_.first(), lazy_.first(), free_.first()};
    std::uint64_t reached = lowest_address;
    const AreaTree* before = nullptr;
    std::uint64_t lazy = 0;
    while (reached != highest_address) {
        std::size_t i = 0;
        while (i < trees.size() && (at[i] == nullptr || at[i]->start != reached)) ++i;
        if (i == trees.size()) return violation("V2", "{:#x} is neither busy nor lazy nor free", reached);
        const AreaTree* const tree = trees[i].tree;
        if (tree == before && tree != &busy_) {
            return violation("V2", "two {} areas meet at {:#x}", trees[i].name, reached);
        }
        if (tree == &lazy_) lazy += at[i]->pages();
        reached = at[i]->end;
        at[i] = AreaTree::next(at[i]);
        before = tree;
    }
    for (std::size_t i = 0; i < trees.size(); ++i) {
        if (at[i] != nullptr) {
            return violation("V1", "{} area {:#x}-{:#x} overlaps another", trees[i].name, at[i]->start,
                             at[i]->end);
        }
    }
    if (lazy != lazy_pages()) return violation("V4", "{} lazy pages, {} counted", lazy, lazy_pages());
    return {};
}

template class VmapSpace<OwnedCpus>;
template class VmapSpace<SimulatedCpus>;

}  // namespace kmemlab
