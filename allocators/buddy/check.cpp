/// The laws of zones and page lists (docs/invariants.md B1..B10), each recounted from primary data: the
/// frames' own descriptors and the links of the lists.

#include "allocators/buddy/buddy.hpp"

namespace kmemlab {
namespace {

constexpr std::array<std::string_view, migrate_types> type_names{"Unmovable", "Movable", "Reclaimable",
                                                                 "HighAtomic"};

std::string_view name(MigrateType type) {
    return type_names[static_cast<std::size_t>(type)];
}

}  // namespace

/// Looks at a zone from all sides; the zone lets it.
template <class Cpus>
class ZoneChecker {
  public:
    explicit ZoneChecker(const Zone<Cpus>& zone) : zone_{zone} {}
    [[nodiscard]] MaybeViolation find_violation() const;

  private:
    [[nodiscard]] MaybeViolation check_lists() const;
    [[nodiscard]] MaybeViolation check_block(FrameIndex index, Order order, MigrateType type) const;
    [[nodiscard]] MaybeViolation check_per_cpu(CpuId cpu) const;
    [[nodiscard]] MaybeViolation check_frames() const;
    [[nodiscard]] MaybeViolation check_counters() const;
    [[nodiscard]] MaybeViolation check_reserve() const;

    const Zone<Cpus>& zone_;
};

template <class Cpus>
MaybeViolation ZoneChecker<Cpus>::find_violation() const {
    if (auto found = check_lists()) return found;
    for (CpuId cpu; cpu.value() < zone_.cpus_.count(); ++cpu) {
        if (auto found = check_per_cpu(cpu)) return found;
    }
    if (auto found = check_frames()) return found;
    if (auto found = check_counters()) return found;
    return check_reserve();
}

/// B2: counts and links of the free lists; B3, B4, B6 for each block on them.
template <class Cpus>
MaybeViolation ZoneChecker<Cpus>::check_lists() const {
    for (Order order; order <= max_order; ++order) {
        std::uint64_t blocks = 0;
        MaybeViolation found;
        for (unsigned t = 0; t < migrate_types; ++t) {
            const bool whole =
                zone_.free_area(order).lists[t].walk(zone_.arena_, zone_.present_, [&](FrameIndex index) {
                    ++blocks;
                    found = check_block(index, order, MigrateType{static_cast<std::uint8_t>(t)});
                    return !found;
                });
            if (found) return found;
            if (!whole) {
                return violation("B2", "{}: links of the free list of order {} type {} disagree",
                                 to_string(zone_.type_), order.value(),
                                 name(MigrateType{static_cast<std::uint8_t>(t)}));
            }
        }
        if (blocks != zone_.free_area(order).blocks) {
            return violation("B2", "{}: {} blocks of order {} on the lists, counted {}",
                             to_string(zone_.type_), blocks, order.value(), zone_.free_area(order).blocks);
        }
    }
    return {};
}

template <class Cpus>
MaybeViolation ZoneChecker<Cpus>::check_block(FrameIndex index, Order order, MigrateType type) const {
    const Pfn pfn = zone_.arena_.pfn_at(index);
    const PageState state = zone_.arena_.page_at(index).load_state();
    const auto at = [&] {
        return fmt::format("{}: block 0x{:x} of order {}", to_string(zone_.type_), pfn.value(),
                           order.value());
    };
    if (state.kind != PageKind::free_block || state.order != order.value()) {
        return violation("B3", "{} is on a free list but its descriptor says kind {} order {}", at(),
                         static_cast<unsigned>(state.kind), state.order);
    }
    if (!pfn.is_aligned(order)) return violation("B3", "{} is not aligned", at());
    if (!zone_.contains(pfn) || !zone_.contains(pfn + order.pages() - 1))
        return violation("B3", "{} leaves the zone", at());
    if (zone_.arena_.page_at(index).word != 0 || zone_.arena_.page_at(index).owner != nullptr) {
        return violation("B13", "{} still carries its last owner's marks", at());
    }
    if (state.type != type) {
        return violation("B6", "{} lies on the list of {} but is marked {}", at(), name(type),
                         name(state.type));
    }
    // Whichever of the two was freed last: by BUDDY-12 a reserved pageblock may keep one of them from
    // merging.
    const auto would_merge = [&](Pfn freed) {
        return zone_.may_merge(freed.buddy(order), order, zone_.arena_.page(freed).load_state().type);
    };
    if (order < max_order && would_merge(pfn) && would_merge(pfn.buddy(order))) {
        return violation("B4", "{} and its buddy 0x{:x} are both free", at(), pfn.buddy(order).value());
    }
    return {};
}

/// B8: the CPU's count and the blocks on its lists.
template <class Cpus>
MaybeViolation ZoneChecker<Cpus>::check_per_cpu(CpuId cpu) const {
    const PerCpuPages& pcp = zone_.per_cpu_[cpu];
    const auto at = [&] {
        return fmt::format("{}: page lists of CPU {}", to_string(zone_.type_), cpu.value());
    };
    std::uint64_t pages = 0;
    for (unsigned list = 0; list < pcp_lists; ++list) {
        const Order order{list / request_types};
        MaybeViolation found;
        const bool whole = pcp.walk(list, zone_.arena_, zone_.present_, [&](FrameIndex index) {
            pages += order.pages();
            const PageState state = zone_.arena_.page_at(index).load_state();
            const Pfn pfn = zone_.arena_.pfn_at(index);
            const bool fits = state.kind == PageKind::per_cpu && state.order == order.value() &&
                              pcp_list(order, state.type) == list && zone_.contains(pfn) &&
                              pfn.is_aligned(order);
            if (!fits)
                found = violation("B8", "{}: 0x{:x} does not belong on list {}", at(), pfn.value(), list);
            return fits;
        });
        if (found) return found;
        if (!whole) return violation("B8", "{}: links of list {} disagree", at(), list);
    }
    if (static_cast<std::int64_t>(pages) != pcp.count()) {
        return violation("B8", "{} hold {} pages, counted {}", at(), pages, pcp.count());
    }
    // A refill does not look at `high` (BUDDY-53): each list may have been filled once.
    std::int64_t slack = 0;
    for (Order order; order <= max_pcp_order; ++order) {
        const std::int64_t blocks =
            pcp.batch == 1 ? 1 : std::max<std::int64_t>(pcp.batch >> order.value(), 2);
        slack += request_types * blocks * static_cast<std::int64_t>(order.pages());
    }
    if (pcp.count() > pcp.high + slack) {
        return violation("B8", "{} hold {} pages, more than high {} and {}", at(), pcp.count(), pcp.high,
                         slack);
    }
    return {};
}

/// B5: every frame lies in exactly one block, whose first frame says what it is; B1: they add up.
template <class Cpus>
MaybeViolation ZoneChecker<Cpus>::check_frames() const {
    std::uint64_t free = 0;
    std::uint64_t listed = 0;
    for (const FrameRange& range : zone_.memory_) {
        for (Pfn pfn = range.start; pfn < range.end;) {
            const PageState state = zone_.arena_.page(pfn).load_state();
            if (state.kind == PageKind::none) {
                return violation("B5", "{}: frame 0x{:x} is in no block", to_string(zone_.type_),
                                 pfn.value());
            }
            const Order order{state.order};
            if (order > max_order || pfn + order.pages() > range.end) {
                return violation("B5", "{}: block 0x{:x} of order {} leaves its memory",
                                 to_string(zone_.type_), pfn.value(), state.order);
            }
            if (state.kind == PageKind::free_block) free += order.pages();
            if (state.kind == PageKind::per_cpu) listed += order.pages();
            pfn += order.pages();
        }
    }
    std::uint64_t on_lists = 0;
    for (Order order; order <= max_order; ++order) on_lists += zone_.free_area(order).blocks << order.value();
    if (free != on_lists) {
        return violation("B1", "{}: {} frames are marked free, the free lists hold {}",
                         to_string(zone_.type_), free, on_lists);
    }
    std::uint64_t counted = 0;
    for (CpuId cpu; cpu.value() < zone_.cpus_.count(); ++cpu)
        counted += static_cast<std::uint64_t>(zone_.per_cpu_[cpu].count());
    if (listed != counted) {
        return violation("B1", "{}: {} frames are marked per-CPU, the CPUs' lists hold {}",
                         to_string(zone_.type_), listed, counted);
    }
    return {};
}

/// B2: the counter of free pages with what the CPUs hold back.
template <class Cpus>
MaybeViolation ZoneChecker<Cpus>::check_counters() const {
    std::int64_t counted = zone_.free_pages();
    for (CpuId cpu; cpu.value() < zone_.cpus_.count(); ++cpu) {
        const std::int64_t difference = zone_.per_cpu_[cpu].free_pages_difference;
        if (difference > zone_.threshold_ || difference < -zone_.threshold_) {
            return violation("B2", "{}: CPU {} holds back {} pages of the counter, more than {}",
                             to_string(zone_.type_), cpu.value(), difference, zone_.threshold_);
        }
        counted += difference;
    }
    std::int64_t on_lists = 0;
    for (Order order; order <= max_order; ++order) {
        on_lists += static_cast<std::int64_t>(zone_.free_area(order).blocks << order.value());
    }
    if (counted != on_lists) {
        return violation("B2", "{}: the free lists hold {} pages, NR_FREE says {}", to_string(zone_.type_),
                         on_lists, counted);
    }
    return {};
}

/// B7: the HIGHATOMIC reserve is as large as its pageblocks, and not too large.
template <class Cpus>
MaybeViolation ZoneChecker<Cpus>::check_reserve() const {
    const std::uint64_t pages =
        zone_.pageblocks_by_type()[static_cast<std::size_t>(MigrateType::highatomic)] *
        zone_.pageblock_pages();
    if (pages != zone_.reserved_highatomic()) {
        return violation("B7", "{}: HIGHATOMIC pageblocks hold {} pages, counted {}", to_string(zone_.type_),
                         pages, zone_.reserved_highatomic());
    }
    if (pages > zone_.managed_ / 100 + 2 * zone_.pageblock_pages()) {
        return violation("B7", "{}: the HIGHATOMIC reserve of {} pages is above its limit",
                         to_string(zone_.type_), pages);
    }
    return {};
}

template <class Cpus>
MaybeViolation Zone<Cpus>::find_violation() const {
    return ZoneChecker<Cpus>{*this}.find_violation();
}

/// B10: watermarks rise; lowmem_reserve is what the zones above come to.
template <class Cpus>
MaybeViolation check_reserves(std::span<const std::unique_ptr<Zone<Cpus>>> zones) {
    for (const auto& zone : zones) {
        const ZoneSettings& settings = zone->settings();
        if (settings.marks.min > settings.marks.low || settings.marks.low > settings.marks.high) {
            return violation("B10", "{}: watermarks {} {} {} do not rise", to_string(zone->type()),
                             settings.marks.min, settings.marks.low, settings.marks.high);
        }
        std::uint64_t above = 0;
        for (unsigned i = 0; i < zones.size(); ++i) {
            if (i > settings.position) above += zones[i]->managed();
            const bool none = settings.reserve_ratio == 0 || zone->managed() == 0;
            const std::uint64_t expected = none ? 0 : above / settings.reserve_ratio;
            if (settings.lowmem_reserve[i] != expected) {
                return violation("B10", "{}: lowmem_reserve[{}] is {}, expected {}", to_string(zone->type()),
                                 i, settings.lowmem_reserve[i], expected);
            }
        }
    }
    return {};
}

template <class Cpus>
MaybeViolation Buddy<Cpus>::find_violation() const {
    if (auto found = check_reserves<Cpus>(zones_)) return found;
    for (const auto& zone : zones_) {
        if (auto found = zone->find_violation()) return found;
    }
    return {};
}

template MaybeViolation Zone<OwnedCpus>::find_violation() const;
template MaybeViolation Zone<SimulatedCpus>::find_violation() const;
template MaybeViolation Buddy<OwnedCpus>::find_violation() const;
template MaybeViolation Buddy<SimulatedCpus>::find_violation() const;

}  // namespace kmemlab
