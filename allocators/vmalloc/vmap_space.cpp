#include "allocators/vmalloc/vmap_space.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>
#include <utility>

namespace kmemlab {
namespace {

constexpr std::uint64_t lowest_address = 1;
constexpr std::uint64_t highest_address = ~std::uint64_t{0};
constexpr std::uint64_t lazy_pages_per_bit = (std::uint64_t{32} << 20) >> page_shift;
constexpr std::uint64_t node_stripe = 16 * page_size;  ///< bytes in a row that belong to one node (VM-91)
constexpr std::uint64_t decay_part = 4;                ///< VM-94: a quarter
constexpr std::uint64_t everything = 1;

/// How large a free area must be to be found for certain (VM-22).
std::uint64_t needed_for(std::uint64_t size, std::uint64_t align, AddressRange window) {
    const bool any_place_fits = align <= page_size || window.end - window.begin == size;
    return any_place_fits ? size : size + align - 1;
}

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
VmapSpace<Cpus>::VmapSpace(Cpus& cpus, std::uint64_t lazy_max, Flush flush, unsigned most_nodes,
                           GiveUp give_up)
    : cpus_{cpus},
      lazy_max_{lazy_max},
      flush_{std::move(flush)},
      give_up_{std::move(give_up)},
      node_count_{std::min(cpus.count(), most_nodes)},
      nodes_{std::make_unique<Node[]>(node_count_)} {
    free_.insert(new VmapArea{.start = lowest_address, .end = highest_address});
}

template <class Cpus>
VmapSpace<Cpus>::~VmapSpace() {
    delete_all(free_);
    for (unsigned n = 0; n < node_count_; ++n) {
        delete_all(nodes_[n].busy);
        delete_all(nodes_[n].lazy);
        nodes_[n].pools.decay(everything, [](VmapArea* area) { delete area; });
    }
}

template <class Cpus>
typename VmapSpace<Cpus>::Node& VmapSpace<Cpus>::node_of(std::uint64_t address) const {
    if (node_count_ == 1) return nodes_[0];  // without a division
    return nodes_[address / node_stripe % node_count_];
}

// ---- from free to busy -------------------------------------------------------------------------------

template <class Cpus>
VmapArea* VmapSpace<Cpus>::alloc(std::uint64_t size, std::uint64_t align, AddressRange window, CpuId cpu) {
    if (VmapArea* const area = take_pooled(size, align, window, cpu)) return make_busy(area, cpu);
    const auto start = take_or_purge(
        [&](bool purged) {
            const auto found = cut(size, align, window);
            if (!found && purged) confirm_failure(size, align, window);
            return found;
        },
        cpu);
    if (!start) return nullptr;
    return make_busy(new VmapArea{.start = *start, .end = *start + size, .home = home_of(cpu)}, cpu);
}

template <class Cpus>
template <class Take>
std::optional<std::uint64_t> VmapSpace<Cpus>::take_or_purge(Take&& take, CpuId cpu) {
    {
        const LockGuard<Cpus> guard{cpus_, free_lock_, cpu};
        if (const auto start = take(false)) return start;
    }
    if (give_up_) give_up_(cpu);
    purge(cpu);
    drain_pools(cpu);
    const LockGuard<Cpus> guard{cpus_, free_lock_, cpu};
    return take(true);
}

template <class Cpus>
std::vector<VmapArea*> VmapSpace<Cpus>::alloc_congruent(std::span<const AreaPart> parts, std::uint64_t align,
                                                        AddressRange window, CpuId cpu) {
    const auto base = take_or_purge(
        [&](bool purged) {
            const auto found = find_congruent(free_, parts, align, window);
            if (!found && purged) confirm_congruent_failure(parts, align, window);
            for (const AreaPart& part : parts) {
                if (found)
                    cut_out(free_.find(*found + part.offset), *found + part.offset, *found + part.end());
            }
            return found;
        },
        cpu);
    std::vector<VmapArea*> areas;
    for (const AreaPart& part : parts) {
        if (!base) break;
        areas.push_back(make_busy(
            new VmapArea{.start = *base + part.offset, .end = *base + part.end(), .home = home_of(cpu)},
            cpu));
    }
    return areas;
}

template <class Cpus>
VmapArea* VmapSpace<Cpus>::take_pooled(std::uint64_t size, std::uint64_t align, AddressRange window,
                                       CpuId cpu) {
    if (!has_pools()) return nullptr;
    Node& node = nodes_[home_of(cpu)];
    const LockGuard<Cpus> guard{cpus_, node.pool_lock, cpu};
    return node.pools.take(size, align, window);
}

template <class Cpus>
std::optional<std::uint64_t> VmapSpace<Cpus>::cut(std::uint64_t size, std::uint64_t align,
                                                  AddressRange window) {
    VmapArea* const area = free_.find_fit(size, align, window.begin.value(), needed_for(size, align, window));
    if (area == nullptr) return {};
    const std::uint64_t start = *AreaTree::place_in(*area, size, align, window.begin.value());
    if (start + size > window.end.value()) return {};
    cut_out(area, start, start + size);
    return start;
}

template <class Cpus>
void VmapSpace<Cpus>::confirm_failure(std::uint64_t size, std::uint64_t align, AddressRange window) {
    const std::uint64_t lowest = window.begin.value();
    for (const VmapArea* area = free_.first(); area != nullptr; area = AreaTree::next(area)) {
        const std::uint64_t begin = std::max(area->start, lowest);
        // What fits by luck of its alignment alone the walk may miss (VM-22).
        if (area->end < begin || area->end - begin < needed_for(size, align, window)) continue;
        const auto start = AreaTree::place_in(*area, size, align, lowest);
        if (!start || *start + size > window.end.value()) continue;
        wrong_failure_ =
            violation("V8", "{} bytes aligned to {} were refused, and fit at {:#x}", size, align, *start);
        return;
    }
}

template <class Cpus>
void VmapSpace<Cpus>::confirm_congruent_failure(std::span<const AreaPart> parts, std::uint64_t align,
                                                AddressRange window) {
    if (const auto base = try_congruent(free_, parts, align, window))
        wrong_failure_ = violation("V8", "{} parts aligned to {} were refused, and fit at {:#x}",
                                   parts.size(), align, *base);
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
VmapArea* VmapSpace<Cpus>::make_busy(VmapArea* area, CpuId cpu) {
    Node& node = node_of(area->start);
    const LockGuard<Cpus> guard{cpus_, node.busy_lock, cpu};
    node.busy.insert(area);
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
    return make_busy(new VmapArea{.start = start, .end = end, .home = home_of(cpu)}, cpu);
}

/// An area lies in the node of its first address, so from the address's own node those below come next.
template <class Cpus>
VmapArea* VmapSpace<Cpus>::find_busy(std::uint64_t address, CpuId cpu) const {
    for (unsigned n = 0; n < node_count_; ++n) {
        const Node& node = node_of(address - n * node_stripe);
        const LockGuard<Cpus> guard{cpus_, node.busy_lock, cpu};
        if (VmapArea* const area = node.busy.find(address)) return area;
    }
    return nullptr;
}

// ---- and back ----------------------------------------------------------------------------------------

template <class Cpus>
void VmapSpace<Cpus>::insert_free(const std::vector<VmapArea*>& areas, CpuId cpu) {
    if (areas.empty()) return;
    const LockGuard<Cpus> guard{cpus_, free_lock_, cpu};
    for (VmapArea* const area : areas) free_.insert_joined(area, [](VmapArea* unused) { delete unused; });
}

template <class Cpus>
void VmapSpace<Cpus>::leave_busy(VmapArea* area, CpuId cpu) {
    Node& node = node_of(area->start);
    const LockGuard<Cpus> guard{cpus_, node.busy_lock, cpu};
    node.busy.remove(area);
}

template <class Cpus>
void VmapSpace<Cpus>::free_at_once(VmapArea* area, CpuId cpu) {
    leave_busy(area, cpu);
    insert_free({area}, cpu);
}

template <class Cpus>
bool VmapSpace<Cpus>::free_lazily(VmapArea* area, CpuId cpu) {
    leave_busy(area, cpu);
    area->owner = nullptr;
    area->use = AreaUse::none;
    area->pooled = false;
    const std::uint64_t pages = area->pages();
    const std::uint64_t waiting = lazy_pages_.fetch_add(pages, std::memory_order_relaxed) + pages;
    Node& node = node_of(area->start);
    const LockGuard<Cpus> guard{cpus_, node.lazy_lock, cpu};
    if (has_pools()) {
        node.lazy.insert(area);  // pools want the sizes that were asked for
    } else {
        node.lazy.insert_joined(area, [](VmapArea* unused) { delete unused; });
    }
    return waiting > lazy_max_;
}

template <class Cpus>
std::vector<VmapArea*> VmapSpace<Cpus>::take_lazy(CpuId cpu) {
    std::vector<VmapArea*> areas;
    for (unsigned n = 0; n < node_count_; ++n) {
        AreaTree waiting;
        {
            const LockGuard<Cpus> guard{cpus_, nodes_[n].lazy_lock, cpu};
            std::swap(waiting, nodes_[n].lazy);
        }
        areas.reserve(areas.size() + waiting.count());
        while (VmapArea* const area = waiting.first()) {
            waiting.remove(area);
            areas.push_back(area);
        }
    }
    return areas;
}

template <class Cpus>
void VmapSpace<Cpus>::purge(CpuId cpu, std::uint64_t begin, std::uint64_t end) {
    const LockGuard<Cpus> one_purge{cpus_, purge_lock_, cpu};
    const std::vector<VmapArea*> waiting = take_lazy(cpu);
    for (const VmapArea* area : waiting) {
        begin = std::min(begin, area->start);
        end = std::max(end, area->end);
    }
    if (begin >= end) return;
    flush_(begin, end, cpu);
    if (waiting.empty()) return;
    ++purges_;
    std::vector<VmapArea*> freed;
    decay_pools(decay_part, freed, cpu);
    for (VmapArea* const area : waiting) {
        lazy_pages_.fetch_sub(area->pages(), std::memory_order_relaxed);
        if (!has_pools() || area->pages() > AreaPools::largest) {
            freed.push_back(area);
            continue;
        }
        area->pooled = true;
        const LockGuard<Cpus> guard{cpus_, nodes_[area->home].pool_lock, cpu};
        nodes_[area->home].pools.put(area);
    }
    insert_free(freed, cpu);
}

template <class Cpus>
void VmapSpace<Cpus>::decay_pools(std::uint64_t part, std::vector<VmapArea*>& out, CpuId cpu) {
    if (!has_pools()) return;
    for (unsigned n = 0; n < node_count_; ++n) {
        const LockGuard<Cpus> guard{cpus_, nodes_[n].pool_lock, cpu};
        nodes_[n].pools.decay(part, [&](VmapArea* area) { out.push_back(area); });
    }
}

template <class Cpus>
void VmapSpace<Cpus>::drain_pools(CpuId cpu) {
    std::vector<VmapArea*> freed;
    decay_pools(everything, freed, cpu);
    insert_free(freed, cpu);
}

// ---- for those who look ------------------------------------------------------------------------------

template <class Cpus>
std::uint64_t VmapSpace<Cpus>::shared_locks_taken() const {
    const std::uint64_t taken = free_lock_.acquisitions() + purge_lock_.acquisitions();
    if (node_count_ > 1) return taken;
    return taken + nodes_[0].busy_lock.acquisitions() + nodes_[0].lazy_lock.acquisitions();
}

template <class Cpus>
std::uint64_t VmapSpace<Cpus>::metadata_bytes() const {
    std::uint64_t areas = free_.count();
    for (unsigned n = 0; n < node_count_; ++n) {
        areas += nodes_[n].busy.count() + nodes_[n].lazy.count() + nodes_[n].pools.count();
    }
    return areas * sizeof(VmapArea) + node_count_ * sizeof(Node);
}

template <class Cpus>
MaybeViolation VmapSpace<Cpus>::find_violation() const {
    if (auto found = find_fault_of_trees()) return found;
    if (auto found = find_uncovered()) return found;
    if (wrong_failure_) return wrong_failure_;
    std::uint64_t lazy_seen = 0;
    for (unsigned n = 0; n < node_count_; ++n) {
        for (const VmapArea* area = lazy(n).first(); area != nullptr; area = AreaTree::next(area)) {
            lazy_seen += area->pages();
        }
    }
    if (lazy_seen != lazy_pages())
        return violation("V4", "{} lazy pages, {} counted", lazy_seen, lazy_pages());
    return {};
}

/// Each tree by itself, and that areas lie in the node of their address (V1, V3).
template <class Cpus>
MaybeViolation VmapSpace<Cpus>::find_fault_of_trees() const {
    if (const std::string fault = free_.find_fault(); !fault.empty())
        return violation("V3", "free: {}", fault);
    for (unsigned n = 0; n < node_count_; ++n) {
        for (const AreaTree* tree : {&nodes_[n].busy, &nodes_[n].lazy}) {
            if (const std::string fault = tree->find_fault(); !fault.empty())
                return violation("V1", "{}: {}", tree == &nodes_[n].busy ? "busy" : "lazy", fault);
            for (const VmapArea* area = tree->first(); area != nullptr; area = AreaTree::next(area)) {
                if (&node_of(area->start) != &nodes_[n])
                    return violation("V1", "area {:#x} lies in node {}, not its own", area->start, n);
            }
        }
    }
    return {};
}

/// All areas together must cover every address once (V1, V2); free ones are joined, lazy ones too if nobody
/// wants to reuse them as they are.
template <class Cpus>
MaybeViolation VmapSpace<Cpus>::find_uncovered() const {
    struct Piece {
        const VmapArea* area;
        std::string_view name;
        bool joined;
    };
    std::vector<Piece> pieces;
    const auto add = [&](const AreaTree& tree, std::string_view name, bool joined) {
        for (const VmapArea* area = tree.first(); area != nullptr; area = AreaTree::next(area)) {
            pieces.push_back({area, name, joined});
        }
    };
    add(free_, "free", true);
    for (unsigned n = 0; n < node_count_; ++n) {
        add(nodes_[n].busy, "busy", false);
        add(nodes_[n].lazy, "lazy", !has_pools());
        nodes_[n].pools.for_each([&](const VmapArea& area) { pieces.push_back({&area, "pooled", false}); });
    }
    std::sort(pieces.begin(), pieces.end(),
              [](const Piece& a, const Piece& b) { return a.area->start < b.area->start; });
    std::uint64_t reached = lowest_address;
    std::string_view before;
    for (const auto& [area, name, joined] : pieces) {
        if (area->start < reached)
            return violation("V1", "{} area {:#x}-{:#x} overlaps another", name, area->start, area->end);
        if (area->start > reached)
            return violation("V2", "{:#x} is neither busy nor lazy nor pooled nor free", reached);
        if (joined && name == before) return violation("V2", "two {} areas meet at {:#x}", name, reached);
        reached = area->end;
        before = name;
    }
    if (reached != highest_address)
        return violation("V2", "{:#x} is neither busy nor lazy nor pooled nor free", reached);
    return {};
}

template class VmapSpace<OwnedCpus>;
template class VmapSpace<SimulatedCpus>;

}  // namespace kmemlab
