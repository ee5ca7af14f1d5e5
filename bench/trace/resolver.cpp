#include "bench/trace/resolver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace kmemlab::trace {

Resolver::Resolver() {
    // Number 0 is the call site of events that carry none.
    static_cast<void>(call_sites_.number_of(""));
}

void Resolver::add(const Record& record) {
    advance_time(record);
    trace_.cpus = std::max(trace_.cpus, record.cpu + 1);
    ++trace_.counts.events[static_cast<unsigned>(record.event)];
    switch (record.event) {
        case Event::kmalloc:
        case Event::kmalloc_node:
            return add_object_allocation(record, Kind::kmalloc);
        case Event::kmem_cache_alloc:
        case Event::kmem_cache_alloc_node:
            return add_object_allocation(record, Kind::kmem_cache_alloc);
        case Event::kfree:
            return add_object_free(record, Kind::kfree);
        case Event::kmem_cache_free:
            return add_object_free(record, Kind::kmem_cache_free);
        case Event::mm_page_alloc:
            return add_page_allocation(record);
        case Event::mm_page_free:
            return add_page_free(record);
        case Event::mm_page_free_batched:
            return add_batched(record);
        case Event::alloc_vmap_area:
            return add_area(record);
        case Event::free_vmap_area_noflush:
            static_cast<void>(free(record, Layer::areas, record.address));
            return;
        case Event::purge_vmap_area_lazy:
            return add_purge(record);
    }
}

Trace Resolver::finish() {
    TraceCounts& counts = trace_.counts;
    for (unsigned i = 0; i < layer_count; ++i) {
        LayerState& layer = layers_[i];
        counts.never_freed[i] = layer.live.size() + layer.hidden + counts.addresses_reused_without_free[i];
        trace_.slots_per_layer[i] = static_cast<std::uint32_t>(layer.slots.size());
    }
    const auto batched = static_cast<unsigned>(Event::mm_page_free_batched);
    counts.batched_without_free = counts.events[batched] - batched_paired_;
    trace_.call_sites = call_sites_.release();
    return std::move(trace_);
}

// ---- The events --------------------------------------------------------------------------------------

void Resolver::add_object_allocation(const Record& record, Kind kind) {
    if (record.failed) {
        ++trace_.counts.failed_allocations;
        return;
    }
    trace_.counts.requested_bytes += record.bytes_req;
    trace_.counts.handed_out_bytes += record.bytes_alloc;
    const auto bytes = static_cast<std::uint32_t>(record.bytes_req);
    allocate(record, kind, record.address, kind == Kind::kmalloc ? bytes : cache_of(record));
}

void Resolver::add_object_free(const Record& record, Kind kind) {
    if (record.address_kind == Record::Address::null) {
        ++trace_.counts.null_frees;
        return;
    }
    const Slot* slot = free(record, Layer::objects, record.address);
    if (slot == nullptr) return;
    if (free_of(slot->kind) != kind) ++trace_.counts.freed_by_other_call;
    if (record.name.empty() || slot->kind != Kind::kmem_cache_alloc) return;
    if (cache_is_named_[slot->amount] && trace_.caches[slot->amount].name != record.name)
        ++trace_.counts.freed_under_other_name;
}

void Resolver::add_page_allocation(const Record& record) {
    if (record.failed) {
        ++trace_.counts.failed_allocations;
        return;
    }
    batch_pairs_.forget(record.pfn);
    allocate(record, Kind::page_alloc, record.pfn,
             static_cast<std::uint32_t>(record.order | record.migrate_type << 8));
}

void Resolver::add_page_free(const Record& record) {
    if (batch_pairs_.add(record.pfn, BatchPairs::Half::free)) ++batched_paired_;
    const Slot* slot = free(record, Layer::pages, record.pfn);
    if (slot != nullptr && (slot->amount & 0xff) != record.order) ++trace_.counts.freed_with_other_order;
}

void Resolver::add_batched(const Record& record) {
    if (batch_pairs_.add(record.pfn, BatchPairs::Half::batched)) ++batched_paired_;
}

void Resolver::add_area(const Record& record) {
    if (record.failed) {
        ++trace_.counts.failed_allocations;
        return;
    }
    const auto pages = static_cast<std::uint32_t>((record.bytes_req + page_size - 1) >> page_shift);
    const std::uint64_t align_pages = std::max<std::uint64_t>(record.align >> page_shift, 1);
    allocate(record, Kind::vmap_alloc, record.address, pages,
             static_cast<std::uint8_t>(std::bit_width(align_pages) - 1));
}

void Resolver::add_purge(const Record& record) {
    const auto purged = static_cast<std::uint32_t>(std::min<std::uint64_t>(record.purged, 0xffffffff));
    emit(record, Operation{Kind::vmap_purge, Operation::no_object, purged, Gfp{}, CpuId{record.cpu}, 0});
}

// ---- Objects -----------------------------------------------------------------------------------------

void Resolver::allocate(const Record& record, Kind kind, std::uint64_t address, std::uint32_t amount,
                        std::uint8_t align) {
    const auto layer = static_cast<unsigned>(layer_of(kind));
    LayerState& of_layer = layers_[layer];
    const std::uint32_t slot = take_slot(of_layer);
    of_layer.slots[slot] = {amount, kind};
    if (record.address_kind == Record::Address::hidden && kind != Kind::page_alloc) {
        ++of_layer.hidden;
        ++trace_.counts.unknown_addresses;
    } else if (of_layer.live.put(address, slot) != AddressMap::none) {
        ++trace_.counts.addresses_reused_without_free[layer];
    }
    emit(record,
         Operation{kind, slot, amount, gfp_of(record), CpuId{record.cpu}, call_site_of(record), align});
}

const Resolver::Slot* Resolver::free(const Record& record, Layer layer, std::uint64_t address) {
    LayerState& of_layer = state(layer);
    const bool hidden = record.address_kind == Record::Address::hidden && layer == Layer::objects;
    if (hidden) ++trace_.counts.unknown_addresses;
    const std::uint32_t slot = hidden ? AddressMap::none : of_layer.live.take(address);
    if (slot == AddressMap::none) {
        ++trace_.counts.frees_without_allocation[static_cast<unsigned>(layer)];
        return nullptr;
    }
    of_layer.free_slots.push_back(slot);
    const Slot& freed = of_layer.slots[slot];
    const std::uint32_t amount = layer == Layer::pages ? freed.amount & 0xff : freed.amount;
    emit(record,
         Operation{free_of(freed.kind), slot, amount, Gfp{}, CpuId{record.cpu}, call_site_of(record)});
    return &freed;
}

std::uint32_t Resolver::take_slot(LayerState& of_layer) {
    if (of_layer.free_slots.empty()) {
        of_layer.slots.emplace_back();
        return static_cast<std::uint32_t>(of_layer.slots.size() - 1);
    }
    const std::uint32_t slot = of_layer.free_slots.back();
    of_layer.free_slots.pop_back();
    return slot;
}

void Resolver::emit(const Record& /*record*/, const Operation& operation) {
    trace_.operations.push_back(operation);
    trace_.times.push_back(now_);
}

// ---- What an operation refers to ---------------------------------------------------------------------

std::uint32_t Resolver::cache_of(const Record& record) {
    const bool named = !record.name.empty();
    const std::uint32_t cache =
        cache_names_.number_of(named ? record.name : fmt::format("size-{}", record.bytes_req));
    const auto bytes = static_cast<std::uint32_t>(record.bytes_req);
    if (cache == trace_.caches.size()) {
        trace_.caches.push_back({named ? std::string{record.name} : fmt::format("size-{}", bytes), bytes});
        cache_is_named_.push_back(named);
    }
    std::uint32_t& size = trace_.caches[cache].object_size;
    if (size != bytes) ++trace_.counts.cache_sizes_differ;
    size = std::max(size, bytes);
    return cache;
}

std::uint16_t Resolver::call_site_of(const Record& record) {
    if (record.call_site.empty()) return 0;
    // Once the numbers are used up, the last one stands for every further name.
    const std::uint32_t number = call_sites_.number_of(record.call_site, Operation::last_call_site);
    return static_cast<std::uint16_t>(number);
}

Gfp Resolver::gfp_of(const Record& record) {
    if (record.gfp_flags.empty()) return Gfp{};
    const std::uint32_t number = gfp_texts_.number_of(record.gfp_flags);
    if (number == gfps_.size()) gfps_.push_back(parse_gfp(record.gfp_flags));
    trace_.counts.gfp_names_unknown += gfps_[number].unknown;
    return gfps_[number].gfp;
}

void Resolver::advance_time(const Record& record) {
    if (!std::exchange(started_, true)) first_time_ = record.time;
    if (record.time < first_time_ + now_) {
        ++trace_.counts.times_backwards;
    } else {
        now_ = record.time - first_time_;
    }
}

// ---- Pairs of mm_page_free and mm_page_free_batched --------------------------------------------------

bool Resolver::BatchPairs::add(std::uint64_t pfn, Half half) {
    const Half other = take(pfn);
    if (other != Half::none && other != half) return true;
    if (next_ == ring_.size()) ring_.emplace_back();
    Entry& entry = ring_[next_];
    if (entry.half != Half::none) static_cast<void>(positions_.take(entry.pfn));
    entry = {pfn, half};
    static_cast<void>(positions_.put(pfn, next_));
    next_ = (next_ + 1) % window;
    return false;
}

Resolver::BatchPairs::Half Resolver::BatchPairs::take(std::uint64_t pfn) {
    const std::uint32_t position = positions_.take(pfn);
    return position == AddressMap::none ? Half::none : std::exchange(ring_[position].half, Half::none);
}

}  // namespace kmemlab::trace
