/// Part of slob.cpp: objects that are blocks of pages (SLOB-31, 41).
#pragma once

#include <algorithm>

#include "allocators/slob/slob.hpp"

namespace kmemlab {

/// The block names its owner: this Slob for kmalloc, the cache otherwise (O10).
template <class Cpus>
void* Slob<Cpus>::take_block(Order order, Gfp gfp, const LedgerEntry& entry, CpuId cpu) {
    const std::optional<Pfn> pfn = order > max_order ? std::nullopt : source_.take(order, gfp, cpu);
    cpu_states_[cpu].count(&CpuWork::allocations, pfn ? Path::large : Path::failed);
    if (!pfn) return nullptr;
    cpu_states_[cpu].pages_taken += order.pages();
    const FrameIndex head = arena_.index(*pfn);
    frames_used_.note(head, order.pages());
    Page& page = arena_.page_at(head);
    page.owner = entry.cache == nullptr ? static_cast<void*>(this) : const_cast<Cache*>(entry.cache);
    PageState state = page.load_state();
    state.kind = PageKind::large;
    state.order = static_cast<std::uint8_t>(order.value());
    page.store_state(state);
    if (config_.track) {
        const LockGuard<Cpus> guard{cpus_, lock_, cpu};
        ledger_.add(std::size_t{head} << page_shift, entry);
    }
    return arena_.address_at(head);
}

template <class Cpus>
void Slob<Cpus>::give_block(FrameIndex head, CpuId cpu) {
    const Order order{arena_.page_at(head).load_state().order};
    forget_page(head);
    cpu_states_[cpu].pages_given += order.pages();
    cpu_states_[cpu].count(&CpuWork::frees, Path::large);
    source_.give(arena_.pfn_at(head), order, cpu);
}

template <class Cpus>
FrameIndex Slob<Cpus>::block_of(const void* object) const {
    const std::size_t offset = arena_.offset_of(object);
    if (offset >= arena_.bytes()) return no_frame;
    const auto index = static_cast<FrameIndex>(offset >> page_shift);
    const auto is_block = [&](FrameIndex head) {
        const PageState state = arena_.page_at(head).load_state();
        return state.kind == PageKind::large && index - head < Order{state.order}.pages();
    };
    if (is_block(index)) return index;
    const FrameIndex head = arena_.page_at(index).head;  // of a compound block; else it means nothing
    return head < index && is_block(head) ? head : no_frame;
}

}  // namespace kmemlab
