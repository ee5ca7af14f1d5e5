#include "allocators/buddy/buddy.hpp"

#include <algorithm>
#include <utility>

namespace kmemlab {
namespace {

constexpr std::uint64_t fewest_pages = 64;

std::uint64_t total_memory(const std::vector<ZoneSpec>& zones) {
    std::uint64_t frames = 0;
    for (const ZoneSpec& zone : zones) {
        for (const FrameRange& range : zone.memory) frames += range.frames();
    }
    return frames;
}

/// The highest zone that the zone bits of a request allow (BUDDY-3); nothing for a bad combination.
std::optional<ZoneType> highest_zone(Gfp gfp) {
    const bool movable = gfp.has(__GFP_MOVABLE);
    switch (gfp.without(__GFP_MOVABLE).bits()) {
        case 0:
            return ZoneType::normal;
        case __GFP_DMA.bits():
            return ZoneType::dma;
        case __GFP_DMA32.bits():
            return ZoneType::dma32;
        case __GFP_HIGHMEM.bits():
            return movable ? ZoneType::movable : ZoneType::highmem;
        default:
            return {};
    }
}

}  // namespace

template <class Cpus>
Buddy<Cpus>::Buddy(Arena& arena, Cpus& cpus, const BuddyConfig& config, MisuseLog& misuse)
    : Buddy{arena, cpus, config, misuse, zone_layout(config, arena)} {}

template <class Cpus>
Buddy<Cpus>::Buddy(Arena& arena, Cpus& cpus, const BuddyConfig& config, MisuseLog& misuse,
                   const std::vector<ZoneSpec>& zones)
    : pages_{&arena.page(arena.start())},
      memory_{arena.address_at(0)},
      start_{arena.start()},
      arena_{arena},
      cpus_{cpus},
      misuse_{misuse},
      pageblock_order_{static_cast<unsigned>(config.pageblock_order)},
      stats_{cpus.count()} {
    if (total_memory(zones) < fewest_pages) {
        throw UsageError::of("arena: {} pages are too few for a page allocator; expected at least {}",
                             total_memory(zones), fewest_pages);
    }
    for (const ZoneSpec& spec : zones) {
        zones_.push_back(std::make_unique<Zone<Cpus>>(spec, pageblock_order_, arena_, cpus_));
        if (zones_.back()->populated()) populated_.push_back(zones_.back().get());
        avoids_fragments_ |= spec.type == ZoneType::dma32;
    }
    set_watermarks(config);
    make_targets();
    for (Zone<Cpus>* zone : populated_) {
        zone->free_all_memory();
        const FrameRange& span = zone->span();
        // Descending, so that the zone that most pages come from is met first.
        std::shift_right(frames_of_zones_.begin(), frames_of_zones_.end(), 1);
        frames_of_zones_[0] = {arena_.index(span.start), static_cast<FrameIndex>(span.frames()), zone};
    }
}

template <class Cpus>
void Buddy<Cpus>::set_watermarks(const BuddyConfig& config) {
    const auto ratios_by_type = reserve_ratios(config.lowmem_reserve_ratio);
    std::vector<std::uint64_t> managed;
    std::vector<std::uint64_t> ratios;
    std::uint64_t lowmem = 0;
    std::uint64_t all = 0;
    for (const auto& zone : zones_) {
        managed.push_back(zone->managed());
        ratios.push_back(ratios_by_type[static_cast<std::size_t>(zone->type())]);
        all += zone->managed();
        if (zone->type() <= ZoneType::normal) lowmem += zone->managed();
    }
    min_free_kbytes_ =
        config.min_free_kbytes != 0 ? config.min_free_kbytes : computed_min_free_kbytes(lowmem);
    const auto reserves = lowmem_reserves(managed, ratios);
    // Too little memory to keep a pageblock of each type: grouping is off (BUDDY-5; marks are 0 then).
    const bool grouping = all >= pageblock_order_.pages() * migrate_types;
    grouping_ = grouping;
    for (unsigned i = 0; i < zones_.size(); ++i) {
        ZoneSettings settings;
        settings.position = i;
        settings.marks = zone_watermarks(min_free_kbytes_, managed[i], lowmem,
                                         zones_[i]->type() > ZoneType::normal, config.watermark_scale_factor);
        settings.reserve_ratio = ratios[i];
        settings.lowmem_reserve = reserves[i];
        settings.boost_factor = config.watermark_boost_factor;
        settings.grouping = grouping;
        if (config.pcp) {
            settings.pcp_batch = config.pcp_batch != 0 ? config.pcp_batch : pcp_batch(managed[i]);
            settings.pcp_high = config.pcp_high != 0
                                    ? config.pcp_high
                                    : pcp_high(settings.marks.low, cpus_.count(), settings.pcp_batch);
        }
        zones_[i]->set(settings);
    }
}

template <class Cpus>
void Buddy<Cpus>::make_targets() {
    for (unsigned bits = 0; bits < targets_.size(); ++bits) targets_[bits] = make_target(Gfp{bits});
}

template <class Cpus>
typename Buddy<Cpus>::Target Buddy<Cpus>::make_target(Gfp gfp) const {
    Target target;
    target.preferred = populated_.front();
    const auto wanted = highest_zone(gfp.without(__GFP_RECLAIMABLE));
    if (!wanted || (gfp.has(__GFP_MOVABLE) && gfp.has(__GFP_RECLAIMABLE))) return target;
    target.coherent = true;
    const auto configured = [&](ZoneType type) {
        return std::find_if(zones_.begin(), zones_.end(), [&](auto& zone) { return zone->type() == type; });
    };
    auto highest = configured(*wanted);
    if (highest == zones_.end()) highest = configured(ZoneType::normal);
    if (highest == zones_.end()) highest = zones_.end() - 1;
    for (auto zone = zones_.begin(); zone <= highest; ++zone) {
        if ((*zone)->populated()) {
            target.preferred = zone->get();
            target.exists = true;
        }
    }
    if (!target.exists) return target;  // its mark lets no request pass the fast way
    target.highest = static_cast<unsigned>(highest - zones_.begin());
    if (grouping_ && gfp.has(__GFP_MOVABLE)) target.type = MigrateType::movable;
    if (grouping_ && gfp.has(__GFP_RECLAIMABLE)) target.type = MigrateType::reclaimable;
    return target;
}

// ---- allocation (BUDDY-70..79) -----------------------------------------------------------------------

template <class Cpus>
FrameIndex Buddy<Cpus>::take_slow(Gfp gfp, Order order, CpuId cpu) {
    const Target& target = target_of(gfp);
    if (order > Order{0} && target.preferred->above_low(order, target.highest)) {
        // What comes of most blocks below, in fewer steps.
        Zone<Cpus>& zone = *target.preferred;
        FrameIndex index = no_frame;
        if (order > max_pcp_order) {
            index = zone.take_block(order, target.type, first_flags(target), cpu);
            if (index != no_frame)
                count_allocation(cpu, zone.last_take_stole(cpu) ? Path::steal : Path::zone);
        } else if (!zone.per_cpu(cpu).empty(pcp_list(order, target.type)) && zone.has_block(order)) {
            index = zone.take_per_cpu(order, target.type, first_flags(target), cpu);
            count_allocation(cpu, Path::fast);
        }
        if (index != no_frame) {
            hand_out(index, order, gfp);
            return index;
        }
    }
    if (!target.coherent) {
        misuse_.report(
            {MisuseKind::bad_request,
             nullptr,
             {},
             fmt::format("alloc_pages: gfp 0x{:x} asks for two zones or two migrate types\n", gfp.bits())});
        return no_frame;
    }
    FrameIndex index = no_frame;
    if (order <= max_order && target.exists) index = allocate_block({gfp, order, target}, cpu);
    if (index == no_frame) {
        count_allocation(cpu, Path::failed);
    } else {
        hand_out(index, order, gfp);
    }
    return index;
}

template <class Cpus>
void Buddy<Cpus>::count_allocation(CpuId cpu, Path path) {
    stats_[cpu].last = path;
    ++stats_[cpu].allocations[static_cast<std::size_t>(path)];
}

template <class Cpus>
AttemptFlags Buddy<Cpus>::first_flags(const Target& target) const {
    AttemptFlags flags;
    flags.no_fragment = avoids_fragments_ && target.preferred->type() == ZoneType::normal;
    return flags;
}

/// The flags of the attempts after the first one (BUDDY-74).
template <class Cpus>
AttemptFlags Buddy<Cpus>::slow_flags(Gfp gfp, Order order) {
    AttemptFlags flags;
    flags.min_reserve = gfp.has(__GFP_HIGH);
    if (!gfp.has(__GFP_DIRECT_RECLAIM | __GFP_NOMEMALLOC)) {
        flags.non_block = true;
        flags.highatomic = order > Order{0} && gfp.has(__GFP_HIGH);
    }
    return flags;
}

template <class Cpus>
FrameIndex Buddy<Cpus>::allocate_block(const Attempt& attempt, CpuId cpu) {
    FrameIndex index = try_zones(attempt, Mark::low, first_flags(attempt.target), cpu);
    if (index != no_frame) return index;
    AttemptFlags flags = slow_flags(attempt.gfp, attempt.order);
    index = try_zones(attempt, Mark::min, flags, cpu);
    if (index != no_frame) return index;
    flags.no_watermarks = attempt.gfp.has(__GFP_MEMALLOC) && !attempt.gfp.has(__GFP_NOMEMALLOC);
    index = try_zones(attempt, Mark::min, flags, cpu);
    if (index != no_frame || !attempt.gfp.has(__GFP_DIRECT_RECLAIM)) return index;
    return reclaim_and_retry(attempt, flags, cpu);
}

/// What direct reclaim can find here: the pages on this CPU's lists and the HIGHATOMIC reserve; meanwhile
/// kswapd ends its pass, and with it the boost.
template <class Cpus>
FrameIndex Buddy<Cpus>::reclaim_and_retry(const Attempt& attempt, const AttemptFlags& flags, CpuId cpu) {
    drain_local_pages(cpu);
    for (Zone<Cpus>* zone : populated_) zone->settle_free_pages(cpu);
    FrameIndex index = try_zones(attempt, Mark::min, flags, cpu);
    if (index == no_frame && end_boosts(cpu)) index = try_zones(attempt, Mark::min, flags, cpu);
    const bool gives_up = attempt.gfp.has(__GFP_NORETRY) ||
                          (attempt.order > costly_order && !attempt.gfp.has(__GFP_RETRY_MAYFAIL));
    if (index == no_frame && !gives_up) {
        // Even where no page moves, the reserve may count less than before (BUDDY-41).
        unreserve_highatomic_pageblocks(attempt.target.type, cpu);
        index = try_zones(attempt, Mark::min, flags, cpu);
    }
    if (index != no_frame || !attempt.gfp.has(__GFP_NOFAIL)) return index;
    AttemptFlags last = flags;
    last.no_watermarks = true;
    return try_zones(attempt, Mark::min, last, cpu);
}

template <class Cpus>
FrameIndex Buddy<Cpus>::try_zones(const Attempt& attempt, Mark mark, AttemptFlags flags, CpuId cpu) {
    FrameIndex index = try_zones_once(attempt, mark, flags, cpu);
    if (index == no_frame && flags.no_fragment) {
        flags.no_fragment = false;
        index = try_zones_once(attempt, mark, flags, cpu);
    }
    if (index != no_frame && flags.highatomic) zone_of(index).reserve_highatomic(index, cpu);
    return index;
}

template <class Cpus>
FrameIndex Buddy<Cpus>::try_zones_once(const Attempt& attempt, Mark mark, const AttemptFlags& flags,
                                       CpuId cpu) {
    for (unsigned i = attempt.target.preferred->settings().position + 1; i-- > 0;) {
        Zone<Cpus>& zone = *zones_[i];
        if (!zone.populated()) continue;
        if (!flags.no_watermarks && !passes(zone, attempt, mark, flags)) continue;
        const FrameIndex index = take_in(zone, attempt, flags, cpu);
        if (index != no_frame) return index;
    }
    return no_frame;
}

template <class Cpus>
bool Buddy<Cpus>::passes(const Zone<Cpus>& zone, const Attempt& attempt, Mark mark,
                         const AttemptFlags& flags) const {
    // Enough whatever the rights: these only lower the mark.
    if (attempt.order == Order{0} && mark == Mark::low && zone.above_low(Order{0}, attempt.target.highest))
        return true;
    const std::uint64_t pages = level(zone.settings().marks, mark);
    if (zone.watermark_ok(attempt.order, pages + zone.boost(), attempt.target.highest, flags)) return true;
    // An atomic request for one page does not wait for a boost to fade (BUDDY-73, exception).
    return attempt.order == Order{0} && mark == Mark::min && attempt.gfp.has(__GFP_ATOMIC) &&
           zone.boost() > 0 && zone.watermark_ok(attempt.order, pages, attempt.target.highest, flags);
}

template <class Cpus>
FrameIndex Buddy<Cpus>::take_in(Zone<Cpus>& zone, const Attempt& attempt, const AttemptFlags& flags,
                                CpuId cpu) {
    const auto served_by = [&](Path way) {
        if (&zone != attempt.target.preferred) return Path::other_zone;
        return zone.last_take_stole(cpu) ? Path::steal : way;
    };
    if (attempt.order <= max_pcp_order) {
        const bool listed = !zone.per_cpu(cpu).empty(pcp_list(attempt.order, attempt.target.type));
        const FrameIndex index = zone.take_per_cpu(attempt.order, attempt.target.type, flags, cpu);
        if (index != no_frame) {
            count_allocation(cpu, served_by(listed ? Path::fast : Path::refill));
            return index;
        }
    }
    const FrameIndex index = zone.take_block(attempt.order, attempt.target.type, flags, cpu);
    if (index != no_frame) count_allocation(cpu, served_by(Path::zone));
    return index;
}

/// What only some requests ask for: a compound block, zeroes (BUDDY-79).
template <class Cpus>
void Buddy<Cpus>::prepare_block(FrameIndex index, Order order, Gfp gfp) {
    if (gfp.has(__GFP_ZERO)) std::memset(arena_.address_at(index), 0, order.bytes());
    if (!gfp.has(__GFP_COMP) || order == Order{0}) return;
    for (FrameIndex i = 0; i < order.pages(); ++i) pages_[index + i].head = index;
    PageState state = pages_[index].load_state();
    state.flags = PageState::compound;
    pages_[index].store_state(state);
}

// ---- freeing (BUDDY-60..62) --------------------------------------------------------------------------

template <class Cpus>
void Buddy<Cpus>::give_slow(FrameIndex index, Order order, PageState state, CpuId cpu) {
    if (!state.in_use() || state.order != order.value()) return report_bad_free(index, order, state);
    if (state.has(PageState::shared)) return drop_reference(index, state, cpu);
    if (state.has(PageState::compound)) {
        for (FrameIndex i = 0; i < order.pages(); ++i) pages_[index + i].head = no_frame;
    }
    pages_[index].head = no_frame;
    Zone<Cpus>& zone = zone_of(index);
    if (order <= max_pcp_order) return give_to_list(zone, index, order, cpu);
    Page& page = pages_[index];
    page.word = 0;
    page.owner = nullptr;
    zone.give_block(index, order, cpu);
    count_free(cpu, Path::zone);
}

/// Onto this CPU's list, for orders that have one (BUDDY-55).
template <class Cpus>
void Buddy<Cpus>::give_to_list(Zone<Cpus>& zone, FrameIndex index, Order order, CpuId cpu) {
    PerCpuPages& pcp = zone.per_cpu(cpu);
    const MigrateType type = zone.pageblock_type(start_ + index);
    const unsigned list = pcp_list(order, type);
    pages_[index].store_state({PageKind::per_cpu, static_cast<std::uint8_t>(order.value()), type, 0});
    pcp.link_fronts(pages_);
    pcp.lists[list].push_head(pages_, index);
    pcp.add(static_cast<std::int64_t>(order.pages()));
    const bool over = Zone<Cpus>::over_limit(pcp, order);
    if (over) zone.flush(pcp, order, list, cpu);
    count_free(cpu, over ? Path::flush : Path::fast);
}

/// The list of single pages of `type` has just grown to its limit.
template <class Cpus>
void Buddy<Cpus>::flush_single(Zone<Cpus>& zone, MigrateType type, CpuId cpu) {
    PerCpuPages& pcp = zone.per_cpu(cpu);
    ++pcp.added;  // counted as flushed, not as fast
    zone.flush(pcp, Order{0}, pcp_list(Order{0}, type), cpu);
    count_free(cpu, Path::flush);
}

template <class Cpus>
void Buddy<Cpus>::count_free(CpuId cpu, Path path) {
    stats_[cpu].last = path;
    ++stats_[cpu].frees[static_cast<std::size_t>(path)];
}

template <class Cpus>
void Buddy<Cpus>::report_bad_free(FrameIndex index, Order order, PageState state) {
    const MisuseKind kind = state.in_use()                       ? MisuseKind::wrong_order
                            : state.kind == PageKind::none       ? MisuseKind::interior_pointer
                            : state.kind == PageKind::free_block ? MisuseKind::double_free
                            : state.kind == PageKind::per_cpu    ? MisuseKind::double_free
                                                                 : MisuseKind::foreign_pointer;
    const Pfn pfn = arena_.pfn_at(index);
    misuse_.report({kind,
                    arena_.address(pfn),
                    {},
                    fmt::format("BUG: Bad page state: pfn:0x{:x} freed as order {}: {} (order {} there)\n",
                                pfn.value(), order.value(), to_string(kind), state.order)});
}

template <class Cpus>
void Buddy<Cpus>::get_page(Page* page) {
    ++page->word;
    PageState state = page->load_state();
    state.flags |= PageState::shared;
    page->store_state(state);
}

/// One of several.
template <class Cpus>
void Buddy<Cpus>::drop_reference(FrameIndex index, PageState state, CpuId cpu) {
    Page& page = pages_[index];
    if (--page.word == 1) state.flags &= static_cast<std::uint8_t>(~PageState::shared);
    page.store_state(state);
    if (!state.has(PageState::compound)) free_tails(index, state, cpu);
}

/// Leaves the first page to whoever still refers to it and frees the rest (BUDDY-61).
template <class Cpus>
void Buddy<Cpus>::free_tails(FrameIndex index, PageState state, CpuId cpu) {
    Order order{state.order};
    state.order = 0;
    pages_[index].store_state(state);
    while (order > Order{0}) {
        --order;
        const FrameIndex half = index + static_cast<FrameIndex>(order.pages());
        pages_[half].store_state(
            {PageKind::allocated, static_cast<std::uint8_t>(order.value()), MigrateType::unmovable, 0});
        give_frames(half, order, cpu);
    }
}

template <class Cpus>
void Buddy<Cpus>::put_page(Page* page, CpuId cpu) {
    __free_pages(page, Order{page->load_state().order}, cpu);
}

// ---- many pages, part of a block (BUDDY-63, 64) --------------------------------------------------------

template <class Cpus>
std::size_t Buddy<Cpus>::alloc_pages_bulk_array(Gfp gfp, std::span<Page*> pages, CpuId cpu) {
    const auto filled = [&] {
        return static_cast<std::size_t>(std::find(pages.begin(), pages.end(), nullptr) - pages.begin());
    };
    const auto one = [&](std::size_t at) {
        pages[at] = alloc_page(gfp, cpu);
        return filled();
    };
    const std::size_t first = filled();
    if (first == pages.size()) return first;
    const Target& target = target_of(gfp);
    if (pages.size() - first == 1 || !target.exists) return one(first);
    const unsigned preferred = target.preferred->settings().position;
    for (unsigned i = preferred + 1; i-- > 0;) {
        Zone<Cpus>& zone = *zones_[i];
        const std::uint64_t mark = zone.settings().marks.low + zone.boost() + pages.size();
        if (!zone.populated() || !zone.watermark_ok(Order{0}, mark, preferred, {})) continue;
        for (std::size_t at = first; at < pages.size(); ++at) {
            if (pages[at] != nullptr) continue;
            const FrameIndex index = zone.take_per_cpu_bulk(target.type, {}, cpu);
            if (index == no_frame) return at == first ? one(first) : filled();
            hand_out(index, Order{0}, gfp);
            pages[at] = pages_ + index;
        }
        return filled();
    }
    return one(first);
}

template <class Cpus>
void* Buddy<Cpus>::alloc_pages_exact(std::size_t bytes, Gfp gfp, CpuId cpu) {
    if (bytes == 0) return nullptr;
    const Order order = order_of(bytes);
    Page* page = alloc_pages(gfp.without(__GFP_COMP), order, cpu);
    if (page == nullptr) return nullptr;
    const FrameIndex first = arena_.index(*page);
    const auto used = static_cast<FrameIndex>((bytes + page_size - 1) >> page_shift);
    for (FrameIndex i = 0; i < order.pages(); ++i) {
        arena_.page_at(first + i).store_state({PageKind::allocated, 0, MigrateType::unmovable, 0});
        arena_.page_at(first + i).word = 1;
    }
    for (FrameIndex i = used; i < order.pages(); ++i) {
        arena_.page_at(first + i).word = 0;
        zone_of(first + i).give_block(first + i, Order{0}, cpu, true);
    }
    return arena_.address_at(first);
}

template <class Cpus>
void Buddy<Cpus>::free_pages_exact(void* address, std::size_t bytes, CpuId cpu) {
    auto* const begin = static_cast<std::byte*>(address);
    for (std::size_t offset = 0; offset < bytes; offset += page_size)
        free_pages(begin + offset, Order{0}, cpu);
}

// ---- giving back what is held for reuse ----------------------------------------------------------------

template <class Cpus>
void Buddy<Cpus>::drain_local_pages(CpuId cpu) {
    for (Zone<Cpus>* zone : populated_) zone->drain(cpu, cpu);
}

template <class Cpus>
void Buddy<Cpus>::drain_all_pages(CpuId cpu) {
    for (CpuId whose; whose.value() < cpus_.count(); ++whose) {
        for (Zone<Cpus>* zone : populated_) zone->drain(whose, cpu);
    }
}

template <class Cpus>
unsigned Buddy<Cpus>::unreserve_highatomic_pageblocks(MigrateType type, CpuId cpu) {
    unsigned pageblocks = 0;
    for (auto zone = populated_.rbegin(); zone != populated_.rend(); ++zone) {
        while ((*zone)->unreserve_highatomic(type, true, cpu)) ++pageblocks;
    }
    return pageblocks;
}

template <class Cpus>
bool Buddy<Cpus>::end_boosts(CpuId cpu) {
    bool ended = false;
    for (Zone<Cpus>* zone : populated_) ended |= zone->end_boost(cpu);
    return ended;
}

template <class Cpus>
void Buddy<Cpus>::drain(CpuId cpu) {
    drain_all_pages(cpu);
    end_boosts(cpu);
    for (Zone<Cpus>* zone : populated_) {
        zone->end_reserve(cpu);
        for (CpuId whose; whose.value() < cpus_.count(); ++whose) zone->settle_free_pages(whose);
    }
}

// ---- the contract ----------------------------------------------------------------------------------------

template <class Cpus>
void* Buddy<Cpus>::allocate(const Request& request) {
    const std::size_t bytes = std::max({request.size, request.align, std::size_t{1}});
    if (bytes > max_order.bytes()) {
        count_allocation(request.cpu, Path::failed);
        return nullptr;
    }
    return __get_free_pages(request.gfp, order_of(bytes), request.cpu);
}

template <class Cpus>
void Buddy<Cpus>::deallocate(void* p, CpuId cpu) {
    if (p == nullptr) return;
    if (!arena_.contains(p) || arena_.offset_of(p) % page_size != 0) {
        const bool outside = !arena_.contains(p);
        const MisuseKind kind = outside ? MisuseKind::foreign_pointer : MisuseKind::interior_pointer;
        return misuse_.report(
            {kind, p, {}, fmt::format("BUG: Bad page: {} freed: {}\n", p, to_string(kind))});
    }
    Page* page = virt_to_page(p);
    __free_pages(page, Order{page->load_state().order}, cpu);
}

template <class Cpus>
std::size_t Buddy<Cpus>::usable_size(const void* p) const {
    return Order{virt_to_page(p)->load_state().order}.bytes();
}

template <class Cpus>
std::uint64_t Buddy<Cpus>::pages_in_use() const {
    std::int64_t pages = 0;
    for (const Zone<Cpus>* zone : populated_) {
        pages += static_cast<std::int64_t>(zone->present()) - zone->free_pages();
        for (CpuId cpu; cpu.value() < cpus_.count(); ++cpu) {
            pages -= zone->per_cpu(cpu).count() + zone->per_cpu(cpu).free_pages_difference;
        }
    }
    return static_cast<std::uint64_t>(pages);
}

template <class Cpus>
AllocatorStats Buddy<Cpus>::stats() const {
    AllocatorStats stats;
    stats.metadata_bytes = sizeof(*this) + arena_.metadata_bytes() + stats_.metadata_bytes();
    stats.held_bytes = pages_in_use() << page_shift;
    const auto fast = static_cast<std::size_t>(Path::fast);
    for (const Zone<Cpus>* zone : populated_) {
        stats.metadata_bytes += zone->metadata_bytes();
        for (CpuId cpu; cpu.value() < cpus_.count(); ++cpu) {
            const PerCpuPages& pcp = zone->per_cpu(cpu);
            stats.held_bytes += static_cast<std::uint64_t>(pcp.count()) << page_shift;
            stats.allocations[fast] += pcp.taken;
            stats.frees[fast] += pcp.given();
        }
    }
    for (CpuId cpu; cpu.value() < cpus_.count(); ++cpu) {
        for (std::size_t path = 0; path < path_count; ++path) {
            stats.allocations[path] += stats_[cpu].allocations[path];
            stats.frees[path] += stats_[cpu].frees[path];
        }
    }
    return stats;
}

template <class Cpus>
FreeBlocks Buddy<Cpus>::free_blocks() const {
    std::array<std::uint64_t, order_count> blocks{};
    for (const Zone<Cpus>* zone : populated_) {
        for (unsigned order = 0; order < order_count; ++order)
            blocks[order] += zone->free_area(Order{order}).blocks;
    }
    return blocks;
}

template class Buddy<OwnedCpus>;
template class Buddy<SimulatedCpus>;

}  // namespace kmemlab
