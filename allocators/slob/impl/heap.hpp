/// Part of slob.cpp: the heap, where objects below a page come from and go to.
#pragma once

#include <cstring>

#include "allocators/slob/slob.hpp"

namespace kmemlab {

/// SLOB-10..16, for a cache or, if it is null, for kmalloc. nullptr: no page.
template <class Cpus>
std::byte* Slob<Cpus>::take_object(SlobShape shape, const Cache* cache, Gfp gfp, CpuId cpu) {
    bool corrupt = false;
    Piece piece;
    Path path = Path::node_partial;
    {
        const LockGuard<Cpus> guard{cpus_, lock_, cpu};
        piece = search(shape, corrupt);
        if (config_.track) [[unlikely]]
            note(piece, shape, cache);
    }
    if (corrupt) report(MisuseKind::corrupt_list, nullptr, nullptr);
    if (!piece.found()) {
        const std::optional<Pfn> pfn = source_.take(Order{0}, gfp.without(__GFP_ZERO), cpu);
        if (!pfn) return cpu_states_[cpu].count(&CpuWork::allocations, Path::failed), nullptr;
        ++cpu_states_[cpu].pages_taken;
        path = Path::new_slab;
        const LockGuard<Cpus> guard{cpus_, lock_, cpu};
        piece = add_page(*pfn, shape);
        if (config_.track) note(piece, shape, cache);
    }
    cpu_states_[cpu].count(&CpuWork::allocations, path);
    if (!piece.found()) check_failed("an empty page does not hold an object of the heap", __FILE__, __LINE__);
    std::byte* const object = memory_ + (std::size_t{piece.frame} << page_shift) + piece.at * slob_unit_bytes;
    if (gfp.has(__GFP_ZERO)) std::memset(object, 0, piece.units * slob_unit_bytes);
    return object;
}

/// With a ledger. The lock is held.
template <class Cpus>
void Slob<Cpus>::note(Piece piece, SlobShape shape, const Cache* cache) {
    if (!piece.found()) return;
    using Kind = LedgerEntry::Kind;
    ledger_.add(
        (std::size_t{piece.frame} << page_shift) + piece.at * slob_unit_bytes,
        {.kind = cache == nullptr ? Kind::kmalloc : Kind::cache,
         .asked = cache == nullptr ? std::size_t{shape.bytes} - shape.header : cache->geometry.object_size,
         .taken = piece.units * slob_unit_bytes,
         .align = shape.align,
         .cache = cache});
}

/// SLOB-11. The lock is held.
template <class Cpus>
auto Slob<Cpus>::search(SlobShape shape, bool& corrupt) -> Piece {
    PageRing& list = list_of(slob_list(shape.bytes));
    const SlobUnits needed = shape.units();
    FrameIndex frame = list.head();
    for (std::uint64_t left = list.length(); left > 0; --left) {
        const Page& page = pages_[frame];
        if (HeapPageWord::load(page).units >= needed) {
            const Piece piece = take_from(list, frame, shape, corrupt);
            if (piece.found()) return piece;
        }
        frame = page.next;
    }
    return {};
}

/// SLOB-12..14. The lock is held.
template <class Cpus>
auto Slob<Cpus>::take_from(PageRing& list, FrameIndex frame, SlobShape shape, bool& corrupt) -> Piece {
    HeapPage page = heap_page(frame);
    const SlobUnits at = page.take(shape);
    corrupt = corrupt || page.is_corrupt();
    if (at == slob_page_units) return {};
    if (page.units() == 0)
        list.remove(arena_, frame);
    else
        list.rotate_to(frame);
    return Piece{frame, at, shape.units()};
}

/// SLOB-15. The lock is held.
template <class Cpus>
auto Slob<Cpus>::add_page(Pfn pfn, SlobShape shape) -> Piece {
    const FrameIndex frame = arena_.index(pfn);
    adopt_page(frame);
    const SlobList list = slob_list(shape.bytes);
    heap_page(frame).clear(list);
    list_of(list).push_head(arena_, frame);
    bool corrupt = false;
    return take_from(list_of(list), frame, shape, corrupt);
}

template <class Cpus>
bool Slob<Cpus>::give_object(const Piece& piece, std::size_t bytes, const void* object, const Cache* cache,
                             CpuId cpu) {
    FreeResult result;
    {
        const LockGuard<Cpus> guard{cpus_, lock_, cpu};
        result = give_units(piece, bytes);
    }
    if (result.misuse) return report(*result.misuse, cache, object), false;
    cpu_states_[cpu].count(&CpuWork::frees, result.path);
    if (result.path != Path::discard) return true;
    ++cpu_states_[cpu].pages_given;
    source_.give(arena_.pfn_at(piece.frame), Order{0}, cpu);
    return true;
}

/// SLOB-20..22. The lock is held. Nothing is changed if the result names a misuse.
template <class Cpus>
auto Slob<Cpus>::give_units(const Piece& piece, std::size_t bytes) -> FreeResult {
    HeapPage page = heap_page(piece.frame);
    const auto around = page.neighbours(piece.at);
    const auto misuse = refusal(page, piece, bytes, around);
    if (misuse) return {Path::slab, misuse};
    const bool was_full = page.units() == 0;
    if (page.units() + piece.units == slob_page_units) {
        if (!was_full) list_of(page.list()).remove(arena_, piece.frame);
        forget_page(piece.frame);
        return {Path::discard, {}};
    }
    page.give(piece.at, piece.units, around);
    if (page.is_corrupt()) return {Path::slab, MisuseKind::corrupt_list};
    if (!was_full) return {Path::slab, {}};
    list_of(page.list()).push_head(arena_, piece.frame);
    return {Path::node_partial, {}};
}

/// What can be seen without a ledger: the block is free already, in part at least, is of another class than
/// its page, or the free blocks before it are damaged.
template <class Cpus>
auto Slob<Cpus>::refusal(HeapPage& page, const Piece& piece, std::size_t bytes,
                         const HeapPage::Neighbours& around) -> std::optional<MisuseKind> {
    if (page.is_corrupt()) return MisuseKind::corrupt_list;
    const SlobUnits end = piece.at + piece.units;
    if (around.before.end() > piece.at && around.before.length > 0) return MisuseKind::double_free;
    if (around.next < end && around.next != slob_page_units) return MisuseKind::double_free;
    if (end > slob_page_units || page.list() != slob_list(bytes)) return MisuseKind::wrong_cache;
    return {};
}

/// The page is the heap's.
template <class Cpus>
void Slob<Cpus>::adopt_page(FrameIndex frame) {
    Page& page = arena_.page_at(frame);
    PageState state = page.load_state();
    state.kind = PageKind::slab;
    page.store_state(state);
    page.owner = this;
    frames_used_.note(frame, 1);
}

/// The page is the page source's again, but for the call that gives it.
template <class Cpus>
void Slob<Cpus>::forget_page(FrameIndex frame) {
    Page& page = arena_.page_at(frame);
    PageState state = page.load_state();
    state.kind = PageKind::allocated;
    page.store_state(state);
    page.owner = nullptr;
}

template <class Cpus>
auto Slob<Cpus>::piece_at(const std::byte* begin, std::size_t bytes) const -> Piece {
    const std::size_t offset = offset_of(begin);
    return {static_cast<FrameIndex>(offset >> page_shift),
            static_cast<SlobUnits>(offset % page_size / slob_unit_bytes), slob_units(bytes)};
}

}  // namespace kmemlab
