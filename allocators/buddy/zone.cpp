#include "allocators/buddy/zone.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

namespace kmemlab {
namespace {

std::uint64_t frames_in(const std::vector<FrameRange>& ranges) {
    std::uint64_t frames = 0;
    for (const FrameRange& range : ranges) frames += range.frames();
    return frames;
}

}  // namespace

template <class Cpus>
Zone<Cpus>::Zone(const ZoneSpec& spec, Order pageblock_order, const Arena& arena, Cpus& cpus)
    : type_{spec.type},
      span_{spec.span},
      memory_{spec.memory},
      present_{frames_in(spec.memory)},
      managed_{spec.managed == 0 ? present_ : spec.managed},
      pageblock_order_{pageblock_order},
      first_pageblock_{span_.start.value() >> pageblock_order.value()},
      arena_{arena},
      cpus_{cpus},
      threshold_{kmemlab::counter_threshold(managed_, cpus.count())},
      per_cpu_{cpus.count()},
      pageblock_types_(span_.frames() == 0 ? 0 : pageblock(span_.end - 1) + 1) {
    for (auto& type : pageblock_types_) type.store(MigrateType::movable, std::memory_order_relaxed);
}

template <class Cpus>
void Zone<Cpus>::set(const ZoneSettings& settings) {
    settings_ = settings;
    boost_.store(0, std::memory_order_relaxed);
    update_easy_marks();
    for (CpuId cpu; cpu.value() < cpus_.count(); ++cpu) {
        per_cpu_[cpu].batch = static_cast<std::int64_t>(settings.pcp_batch);
        per_cpu_[cpu].set_high(static_cast<std::int64_t>(settings.pcp_high));
    }
}

template <class Cpus>
void Zone<Cpus>::free_all_memory() {
    for (const FrameRange& range : memory_) {
        for (Pfn pfn = range.start; pfn < range.end;) {
            Order order = max_order;
            while (!pfn.is_aligned(order) || pfn + order.pages() > range.end) --order;
            give_locked(arena_.index(pfn), order, MigrateType::movable, CpuId{0}, true);
            pfn += order.pages();
        }
    }
    add_locked(free_pages_, std::exchange(per_cpu_[CpuId{0}].free_pages_difference, 0));
}

template <class Cpus>
bool Zone<Cpus>::watermark_ok(Order order, std::uint64_t mark, unsigned highest_zone,
                              const AttemptFlags& flags) const {
    std::uint64_t unusable = order.pages() - 1;
    if (!flags.reserves()) unusable += reserved_highatomic();
    const std::uint64_t needed = lowered_mark(mark, flags) + settings_.lowmem_reserve[highest_zone];
    if (free_pages() - static_cast<std::int64_t>(unusable) <= static_cast<std::int64_t>(needed)) return false;
    return order == Order{0} ||
           has_block(order, flags.highatomic || flags.oom ? migrate_types : request_types);
}

template <class Cpus>
bool Zone<Cpus>::has_block(Order order, unsigned types) const {
    for (Order o = order; o <= max_order; ++o) {
        for (unsigned t = 0; t < types; ++t) {
            if (!free_area(o).lists[t].empty()) return true;
        }
    }
    return false;
}

template <class Cpus>
void Zone<Cpus>::update_easy_marks() {
    const std::uint64_t mark = settings_.marks.low + boost() + reserved_highatomic();
    easy_marks_[no_easy_mark].store(std::numeric_limits<std::int64_t>::max(), std::memory_order_relaxed);
    for (unsigned i = 0; i < max_zones; ++i) {
        easy_marks_[i].store(static_cast<std::int64_t>(mark + settings_.lowmem_reserve[i]),
                             std::memory_order_relaxed);
    }
}

template <class Cpus>
void Zone<Cpus>::set_pageblock_type(Pfn pfn, MigrateType type) {
    const bool kept = settings_.grouping || type == MigrateType::highatomic;
    pageblock_types_[pageblock(pfn)].store(kept ? type : MigrateType::unmovable, std::memory_order_relaxed);
}

template <class Cpus>
void Zone<Cpus>::change_free_pages(std::int64_t pages, CpuId cpu, std::uint64_t times) {
    std::int64_t difference = per_cpu_[cpu].free_pages_difference;
    for (; times > 0; --times) {
        difference += pages;
        if (difference > threshold_ || difference < -threshold_)
            add_locked(free_pages_, std::exchange(difference, 0));
    }
    per_cpu_[cpu].free_pages_difference = difference;
}

// ---- lists -------------------------------------------------------------------------------------------

template <class Cpus>
[[gnu::always_inline]] inline void Zone<Cpus>::add(FrameIndex index, Order order, MigrateType type,
                                                   bool to_tail) {
    FreeArea& area = free_areas_[order.value()];
    arena_.page_at(index).store_state(
        {PageKind::free_block, static_cast<std::uint8_t>(order.value()), type, 0});
    if (to_tail) {
        area.list(type).push_tail(arena_, index);
    } else {
        area.list(type).push_head(arena_, index);
    }
    ++area.blocks;
}

template <class Cpus>
void Zone<Cpus>::unlink(FrameIndex index, Order order) {
    Page& page = arena_.page_at(index);
    FreeArea& area = free_areas_[order.value()];
    area.list(page.load_state().type).remove(arena_, index);
    --area.blocks;
    page.store_state({});
}

template <class Cpus>
void Zone<Cpus>::move_to_tail(FrameIndex index, MigrateType type) {
    const Order order{arena_.page_at(index).load_state().order};
    unlink(index, order);
    add(index, order, type, true);
}

template <class Cpus>
bool Zone<Cpus>::is_free_block(Pfn pfn, Order order) const {
    if (!contains(pfn)) return false;
    const PageState state = arena_.page(pfn).load_state();
    return state.kind == PageKind::free_block && state.order == order.value();
}

template <class Cpus>
bool Zone<Cpus>::may_merge(Pfn buddy, Order order, MigrateType type) const {
    if (!is_free_block(buddy, order)) return false;
    if (order < pageblock_order_) return true;
    const MigrateType theirs = pageblock_type(buddy);
    const bool both_ordinary = theirs != MigrateType::highatomic && type != MigrateType::highatomic;
    return theirs == type || both_ordinary;
}

/// True if the buddy of the parent block is free, so that this block will soon merge further (BUDDY-13).
template <class Cpus>
[[gnu::always_inline]] inline bool Zone<Cpus>::merges_soon(Pfn pfn, Order order) const {
    if (order.value() + 2 > max_order.value()) return false;
    const Order parent{order.value() + 1};
    return is_free_block(pfn.align_down(parent).buddy(parent), parent);
}

template <class Cpus>
[[gnu::always_inline]] inline void Zone<Cpus>::merge(FrameIndex index, Order order, MigrateType type,
                                                     bool to_tail) {
    Pfn pfn = arena_.pfn_at(index);
    while (order < max_order && may_merge(pfn.buddy(order), order, type)) {
        unlink(arena_.index(pfn.buddy(order)), order);
        ++order;
        pfn = pfn.align_down(order);
    }
    add(arena_.index(pfn), order, type, to_tail || merges_soon(pfn, order));
}

template <class Cpus>
[[gnu::always_inline]] inline void Zone<Cpus>::give_locked(FrameIndex index, Order order, MigrateType type,
                                                           CpuId cpu, bool to_tail) {
    change_free_pages(static_cast<std::int64_t>(order.pages()), cpu);
    merge(index, order, type, to_tail);
}

template <class Cpus>
void Zone<Cpus>::give_block(FrameIndex index, Order order, CpuId cpu, bool to_tail) {
    const LockGuard guard{cpus_, lock_, cpu};
    Page& page = arena_.page_at(index);
    page.store_state({});
    give_locked(index, order, pageblock_type(arena_.pfn_at(index)), cpu, to_tail);
}

// ---- taking ------------------------------------------------------------------------------------------

template <class Cpus>
[[gnu::always_inline]] inline BlockRun Zone<Cpus>::take_smallest(Order order, MigrateType type,
                                                                 std::uint64_t most) {
    for (Order from = order; from <= max_order; ++from) {
        FreeArea& area = free_areas_[from.value()];
        if (area.list(type).empty()) continue;
        const FrameIndex first = area.list(type).pop_head(arena_);
        --area.blocks;
        const std::uint64_t taken = std::min<std::uint64_t>(most, from.pages() >> order.value());
        FrameIndex half = first;
        std::uint64_t pages = taken << order.value();  // those in what is yet to be split
        while (from > order) {
            --from;
            if (pages <= from.pages()) {
                add(half + static_cast<FrameIndex>(from.pages()), from, type, false);
            } else {
                half += static_cast<FrameIndex>(from.pages());
                pages -= from.pages();
            }
        }
        return {first, taken};
    }
    return {};
}

template <class Cpus>
[[gnu::always_inline]] inline BlockRun Zone<Cpus>::take_with_fallback(Order order, MigrateType type,
                                                                      std::uint64_t most,
                                                                      const AttemptFlags& flags, CpuId cpu) {
    for (;;) {
        const BlockRun run = take_smallest(order, type, most);
        if (run.blocks != 0 || !fall_back(order, type, flags)) return run;
        per_cpu_[cpu].stole = true;
    }
}

template <class Cpus>
FrameIndex Zone<Cpus>::take_block(Order order, MigrateType type, const AttemptFlags& flags, CpuId cpu) {
    const LockGuard guard{cpus_, lock_, cpu};
    per_cpu_[cpu].stole = false;
    FrameIndex index = no_frame;
    if (flags.highatomic) index = take_smallest(order, MigrateType::highatomic).first;
    if (index == no_frame) index = take_with_fallback(order, type, 1, flags, cpu).first;
    if (index == no_frame && (flags.oom || flags.non_block))
        index = take_smallest(order, MigrateType::highatomic).first;
    if (index == no_frame) return index;
    arena_.page_at(index).store_state(
        {PageKind::allocated, static_cast<std::uint8_t>(order.value()), type, 0});
    change_free_pages(-static_cast<std::int64_t>(order.pages()), cpu);
    return index;
}

// ---- fallback (BUDDY-30..36) -------------------------------------------------------------------------

template <class Cpus>
std::optional<MigrateType> Zone<Cpus>::fallback_source(Order order, MigrateType type) const {
    using enum MigrateType;
    constexpr std::array<std::array<MigrateType, 2>, request_types> sequences{
        {{reclaimable, movable}, {reclaimable, unmovable}, {unmovable, movable}}};
    for (const MigrateType source : sequences[static_cast<std::size_t>(type)]) {
        if (!free_area(order).list(source).empty()) return source;
    }
    return {};
}

template <class Cpus>
bool Zone<Cpus>::stealable(Order order, MigrateType type) const {
    return order.value() >= pageblock_order_.value() / 2 || type != MigrateType::movable ||
           !settings_.grouping;
}

template <class Cpus>
std::optional<typename Zone<Cpus>::Find> Zone<Cpus>::find_fallback(Order order, MigrateType type,
                                                                   Order lowest) const {
    std::optional<Find> largest;
    for (unsigned o = max_order.value() + 1; !largest && o-- > lowest.value();) {
        if (const auto source = fallback_source(Order{o}, type)) largest = Find{Order{o}, *source};
    }
    if (!largest || stealable(largest->order, type)) return largest;
    // May not take the pageblock over: the smallest block that fits does least harm (BUDDY-33).
    for (Order o = order; o < largest->order; ++o) {
        if (const auto source = fallback_source(o, type)) return Find{o, *source};
    }
    return largest;
}

template <class Cpus>
bool Zone<Cpus>::fall_back(Order order, MigrateType type, const AttemptFlags& flags) {
    const Order lowest = flags.no_fragment ? std::max(order, pageblock_order_) : order;
    const auto find = find_fallback(order, type, lowest);
    if (!find) return false;
    steal(*find, type);
    return true;
}

template <class Cpus>
void Zone<Cpus>::steal(Find find, MigrateType type) {
    const FrameIndex victim = free_area(find.order).list(find.source).head();
    const Pfn pfn = arena_.pfn_at(victim);
    const MigrateType recorded = pageblock_type(pfn);
    if (recorded == MigrateType::highatomic) return move_to_tail(victim, type);
    if (find.order >= pageblock_order_) {
        for (std::uint64_t i = 0; i < find.order.pages(); i += pageblock_pages()) {
            if (pageblock_type(pfn + i) == MigrateType::highatomic) uncount_reserved();
            set_pageblock_type(pfn + i, type);
        }
        return move_to_tail(victim, type);
    }
    raise_boost();
    if (!stealable(find.order, type)) return move_to_tail(victim, type);
    const auto moved = move_pageblock(pfn, type);
    if (!moved) return move_to_tail(victim, type);
    if (claims_pageblock(*moved, type, recorded)) set_pageblock_type(pfn, type);
}

template <class Cpus>
bool Zone<Cpus>::claims_pageblock(const Moved& moved, MigrateType type, MigrateType recorded) const {
    std::uint64_t alike = 0;
    if (type == MigrateType::movable) {
        alike = moved.movable_in_use;
    } else if (recorded == MigrateType::movable) {
        alike = pageblock_pages() - moved.free - moved.movable_in_use;
    }
    return moved.free + alike >= pageblock_pages() / 2 || !settings_.grouping;
}

template <class Cpus>
std::optional<typename Zone<Cpus>::Moved> Zone<Cpus>::move_pageblock(Pfn inside, MigrateType type) {
    const Pfn start = inside.align_down(pageblock_order_);
    const Pfn end = start + pageblock_pages();
    if (end > span_.end) return {};
    return move_free(start < span_.start ? inside : start, end, type);
}

template <class Cpus>
typename Zone<Cpus>::Moved Zone<Cpus>::move_free(Pfn pfn, Pfn end, MigrateType type) {
    Moved moved;
    while (pfn < end) {
        const PageState state = arena_.page(pfn).load_state();
        if (state.kind != PageKind::free_block) {
            moved.movable_in_use += state.kind == PageKind::lru ? 1 : 0;
            ++pfn;
            continue;
        }
        const Order order{state.order};
        move_to_tail(arena_.index(pfn), type);
        moved.free += order.pages();
        pfn += order.pages();
    }
    return moved;
}

template <class Cpus>
void Zone<Cpus>::raise_boost() {
    if (settings_.boost_factor == 0 || 4 * pageblock_pages() > managed_) return;
    const std::uint64_t cap = settings_.marks.high * settings_.boost_factor / 10000;
    if (cap == 0) return;
    const std::uint64_t raised = std::min(boost() + pageblock_pages(), std::max(pageblock_pages(), cap));
    boost_.store(raised, std::memory_order_relaxed);
    update_easy_marks();
}

template <class Cpus>
bool Zone<Cpus>::end_boost(CpuId cpu) {
    if (boost() == 0) return false;
    const LockGuard guard{cpus_, lock_, cpu};
    boost_.store(0, std::memory_order_relaxed);
    update_easy_marks();
    return true;
}

// ---- HIGHATOMIC reserve (BUDDY-40, 41) ---------------------------------------------------------------

template <class Cpus>
void Zone<Cpus>::reserve_highatomic(FrameIndex index, CpuId cpu) {
    const std::uint64_t limit = managed_ / 100 + pageblock_pages();
    if (reserved_highatomic() >= limit) return;
    const LockGuard guard{cpus_, lock_, cpu};
    const Pfn pfn = arena_.pfn_at(index);
    if (reserved_highatomic() >= limit || pageblock_type(pfn) == MigrateType::highatomic) return;
    reserved_highatomic_ += pageblock_pages();
    update_easy_marks();
    set_pageblock_type(pfn, MigrateType::highatomic);
    move_pageblock(pfn, MigrateType::highatomic);
}

template <class Cpus>
void Zone<Cpus>::uncount_reserved() {
    reserved_highatomic_ -= std::min(pageblock_pages(), reserved_highatomic());
    update_easy_marks();
}

/// A free pageblock that has left the reserve, or the larger block that begins with it, may now merge with
/// its buddy (B4, B16).
template <class Cpus>
void Zone<Cpus>::merge_again(Pfn start, MigrateType type, CpuId cpu) {
    if (!contains(start)) return;
    const PageState state = arena_.page(start).load_state();
    if (state.kind != PageKind::free_block || state.order < pageblock_order_.value()) return;
    const Order order{state.order};
    unlink(arena_.index(start), order);
    change_free_pages(-static_cast<std::int64_t>(order.pages()), cpu);
    give_locked(arena_.index(start), order, type, cpu, true);
}

template <class Cpus>
bool Zone<Cpus>::unreserve_highatomic(MigrateType type, bool force, CpuId cpu) {
    if (!force && reserved_highatomic() <= pageblock_pages()) return false;
    const LockGuard guard{cpus_, lock_, cpu};
    for (Order order; order <= max_order; ++order) {
        const FrameIndex index = free_area(order).list(MigrateType::highatomic).head();
        if (index == no_frame) continue;
        const Pfn pfn = arena_.pfn_at(index);
        if (pageblock_type(pfn) == MigrateType::highatomic) uncount_reserved();
        set_pageblock_type(pfn, type);
        const auto moved = move_pageblock(pfn, type);
        merge_again(pfn.align_down(pageblock_order_), type, cpu);
        if (moved && moved->free > 0) return true;
    }
    return false;
}

template <class Cpus>
void Zone<Cpus>::end_reserve(CpuId cpu) {
    const LockGuard guard{cpus_, lock_, cpu};
    std::vector<Pfn> freed;
    for (std::size_t i = 0; i < pageblock_types_.size(); ++i) {
        if (pageblock_types_[i].load(std::memory_order_relaxed) != MigrateType::highatomic) continue;
        pageblock_types_[i].store(MigrateType::movable, std::memory_order_relaxed);
        const Pfn start{(first_pageblock_ + i) << pageblock_order_.value()};
        move_free(std::max(start, span_.start), std::min(start + pageblock_pages(), span_.end),
                  MigrateType::movable);
        freed.push_back(start);
    }
    // A page may have waited on a CPU's list while its pageblock left the reserve.
    for (Order order; order <= max_order; ++order) {
        const PageList& list = free_area(order).list(MigrateType::highatomic);
        while (!list.empty()) {
            freed.push_back(arena_.pfn_at(list.head()));
            move_to_tail(list.head(), MigrateType::movable);
        }
    }
    // Only now is none of them in the way of another.
    for (const Pfn start : freed) merge_again(start, MigrateType::movable, cpu);
    reserved_highatomic_ = 0;
    update_easy_marks();
}

// ---- per-CPU lists (BUDDY-50..57) --------------------------------------------------------------------

template <class Cpus>
FrameIndex Zone<Cpus>::refill(PerCpuPages& pcp, Order order, MigrateType type, const AttemptFlags& flags,
                              CpuId cpu) {
    const std::int64_t blocks = pcp.batch == 1 ? 1 : std::max<std::int64_t>(pcp.batch >> order.value(), 2);
    PageList& list = pcp.lists[pcp_list(order, type)];
    const PageState listed{PageKind::per_cpu, static_cast<std::uint8_t>(order.value()), type, 0};
    const auto distance = static_cast<FrameIndex>(order.pages());
    const LockGuard guard{cpus_, lock_, cpu};
    FrameIndex first = no_frame;
    auto wanted = static_cast<std::uint64_t>(blocks);
    while (wanted > 0) {
        BlockRun run = take_with_fallback(order, type, wanted, flags, cpu);
        if (run.blocks == 0) break;
        wanted -= run.blocks;
        FrameIndex index = run.first;
        for (std::uint64_t i = 0; i < run.blocks; ++i, index += distance)
            arena_.page_at(index).store_state(listed);
        if (first == no_frame) {
            first = run.first;
            run.first += distance;
            --run.blocks;
        }
        if (run.blocks != 0) list.push_tail(arena_, run.first, run.blocks, distance);
    }
    if (first == no_frame) return first;
    const std::int64_t pages = (blocks - static_cast<std::int64_t>(wanted)) << order.value();
    change_free_pages(-pages, cpu);
    pcp.add(pages - static_cast<std::int64_t>(order.pages()));
    return first;
}

template <class Cpus>
FrameIndex Zone<Cpus>::take_per_cpu(Order order, MigrateType type, const AttemptFlags& flags, CpuId cpu) {
    PerCpuPages& pcp = per_cpu_[cpu];
    pcp.stole = false;
    pcp.free_factor /= 2;
    pcp.link_fronts(arena_);
    PageList& list = pcp.lists[pcp_list(order, type)];
    if (list.empty()) return refill(pcp, order, type, flags, cpu);
    pcp.add(-static_cast<std::int64_t>(order.pages()));
    return list.pop_head(arena_);
}

template <class Cpus>
FrameIndex Zone<Cpus>::take_per_cpu_bulk(MigrateType type, const AttemptFlags& flags, CpuId cpu) {
    const std::uint64_t free_factor = per_cpu_[cpu].free_factor;
    const FrameIndex index = take_per_cpu(Order{0}, type, flags, cpu);
    per_cpu_[cpu].free_factor = free_factor;
    return index;
}

template <class Cpus>
typename Zone<Cpus>::Block Zone<Cpus>::pop_merged(PageList& list, Order order, std::uint64_t most) {
    const FrameIndex last = list.tail();
    const PageState state = arena_.page_at(last).load_state();
    // A lower half is followed upwards, an upper one downwards, as far as that is one aligned block.
    const std::uint64_t number = arena_.pfn_at(last).value() >> order.value();
    const bool lower = number % 2 == 0;
    const auto aligned = static_cast<unsigned>(std::countr_zero(lower ? number : number + 1));
    const unsigned of_any_type = std::max(pageblock_order_, order).value() - order.value();
    most = std::min(most, std::uint64_t{1} << std::min(aligned, of_any_type));
    const auto step = static_cast<FrameIndex>(lower ? order.pages() : -order.pages());
    std::uint64_t beside = 1;
    for (FrameIndex i = last; beside < most && i != list.head(); ++beside) {
        const FrameIndex next = arena_.page_at(i).prev;
        if (next != i + step || arena_.page_at(next).load_state() != state) break;
        i = next;
    }
    const auto doublings = static_cast<unsigned>(std::bit_width(beside) - 1);
    FrameIndex i = last;
    for (std::uint64_t left = std::uint64_t{1} << doublings;; i += step) {
        Page& page = arena_.page_at(i);
        page.word = 0;
        page.owner = nullptr;
        page.store_state({});
        if (--left == 0) break;
    }
    list.cut(arena_, i);
    return {lower ? last : i, Order{order.value() + doublings}, state.type};
}

template <class Cpus>
void Zone<Cpus>::free_from_lists(PerCpuPages& pcp, std::int64_t pages, unsigned list, CpuId cpu) {
    pcp.link_fronts(arena_);
    pages = std::min(pages, pcp.linked());
    for (; pages > 0; list = (list + 1) % pcp_lists) {
        const Order order{list / request_types};
        while (pages > 0 && !pcp.lists[list].empty()) {
            const auto most = static_cast<std::uint64_t>((pages - 1) >> order.value()) + 1;
            const Block block = pop_merged(pcp.lists[list], order, most);
            change_free_pages(static_cast<std::int64_t>(order.pages()), cpu,
                              block.order.pages() >> order.value());
            merge(block.first, block.order, block.type, false);
            pages -= static_cast<std::int64_t>(block.order.pages());
            pcp.add(-static_cast<std::int64_t>(block.order.pages()));
        }
    }
}

template <class Cpus>
void Zone<Cpus>::flush(PerCpuPages& pcp, Order order, unsigned list, CpuId cpu) {
    constexpr unsigned largest_factor = 5;
    std::int64_t pages = pcp.count();
    if (!pcp.freeing_high_order(order)) {
        if (pcp.high < pcp.batch) {
            pages = 1;
        } else {
            const std::int64_t room = pcp.high - pcp.batch;
            const std::int64_t scaled = pcp.batch << pcp.free_factor;
            if (scaled < room && pcp.free_factor < largest_factor) ++pcp.free_factor;
            pages = std::max<std::int64_t>(std::min(std::max(scaled, pcp.batch), room), 1);
        }
    }
    const LockGuard guard{cpus_, lock_, cpu};
    free_from_lists(pcp, pages, list, cpu);
}

template <class Cpus>
void Zone<Cpus>::drain(CpuId whose, CpuId cpu) {
    PerCpuPages& pcp = per_cpu_[whose];
    if (pcp.count() == 0) return;
    const LockGuard guard{cpus_, lock_, cpu};
    while (pcp.count() > 0) free_from_lists(pcp, std::min(pcp.count(), pcp.batch * 32), 0, cpu);
}

template <class Cpus>
void Zone<Cpus>::settle_free_pages(CpuId cpu) {
    const std::lock_guard guard{lock_};  // no marked point: it only makes a counter exact
    add_locked(free_pages_, std::exchange(per_cpu_[cpu].free_pages_difference, 0));
}

template <class Cpus>
std::array<std::uint64_t, migrate_types> Zone<Cpus>::pageblocks_by_type() const {
    std::array<std::uint64_t, migrate_types> counts{};
    for (const auto& type : pageblock_types_)
        ++counts[static_cast<std::size_t>(type.load(std::memory_order_relaxed))];
    return counts;
}

template <class Cpus>
std::size_t Zone<Cpus>::metadata_bytes() const {
    return sizeof(*this) + per_cpu_.metadata_bytes() + pageblock_types_.size();
}

template class Zone<OwnedCpus>;
template class Zone<SimulatedCpus>;

}  // namespace kmemlab
