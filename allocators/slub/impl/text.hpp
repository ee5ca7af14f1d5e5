/// Part of slub.cpp: what the kernel shows of caches (SLUB-80, 82).
#pragma once

#include <fmt/format.h>

#include <iterator>

#include "allocators/objects/slabinfo.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

namespace slub_detail {

/// Totals over the node's partial list.
struct PartialCounts {
    std::uint64_t slabs = 0;
    std::uint64_t inuse = 0;
    std::uint64_t free = 0;
};

inline PartialCounts partial_counts(const SlubCacheCore& cache, const Arena& arena) {
    PartialCounts counts;
    cache.partial.walk(arena, arena.frames(), [&](FrameIndex slab) {
        const SlabWord word = SlabWord::load(arena.page_at(slab));
        ++counts.slabs;
        counts.inuse += word.inuse;
        counts.free += word.objects - word.inuse;
        return true;
    });
    return counts;
}

inline SlabinfoRow slabinfo_row(const SlubCacheCore& cache, const Arena& arena) {
    const std::uint64_t objects = cache.total_objects.load(std::memory_order_relaxed);
    const std::uint64_t slabs = cache.nr_slabs.load(std::memory_order_relaxed);
    SlabinfoRow row;
    row.name = cache.name;
    row.active_objects = objects - partial_counts(cache, arena).free;
    row.objects = objects;
    row.size = cache.geometry.size;
    row.objects_per_slab = cache.geometry.objects;
    row.pages_per_slab = cache.geometry.order.pages();
    row.active_slabs = row.slabs = slabs;
    return row;
}

/// `O(S)`, then ` Cn=o(s)` for each CPU that has any; objects are an estimate: half a slab each.
inline std::string slabs_cpu_partial(const SlubCacheCore& cache) {
    const auto estimate = [&](std::uint64_t slabs) { return slabs * cache.geometry.objects / 2; };
    std::uint64_t slabs = 0;
    std::string per_cpu;
    for (unsigned c = 0; c < cache.slots.count(); ++c) {
        const std::uint64_t own = cache.slots[CpuId{c}].partial_count;
        slabs += own;
        if (own > 0) fmt::format_to(std::back_inserter(per_cpu), " C{}={}({})", c, estimate(own), own);
    }
    return fmt::format("{}({}){}", estimate(slabs), slabs, per_cpu);
}

inline std::uint64_t cpu_slabs(const SlubCacheCore& cache) {
    std::uint64_t slabs = 0;
    for (unsigned c = 0; c < cache.slots.count(); ++c) {
        const CpuSlot& slot = cache.slots[CpuId{c}];
        slabs += slot.partial_count + (slot.slab != no_frame ? 1 : 0);
    }
    return slabs;
}

}  // namespace slub_detail

template <class Cpus>
std::string Slub<Cpus>::slabinfo() const {
    std::string text = slabinfo_header();
    for (auto cache = caches_.rbegin(); cache != caches_.rend(); ++cache) {  // newest first, as the kernel
        text += to_string(slub_detail::slabinfo_row(**cache, arena_));
    }
    return text;
}

template <class Cpus>
std::vector<Text> Slub<Cpus>::snapshot() const {
    return {{"slabinfo", slabinfo()}};
}

template <class Cpus>
std::vector<Text> Slub<Cpus>::attributes(const Cache& cache) const {
    const Geometry& g = cache.geometry;
    const auto partial = slub_detail::partial_counts(cache, arena_);
    const std::uint64_t total = cache.total_objects.load(std::memory_order_relaxed);
    const auto flag = [&](CacheFlags f) { return has(g.flags, f) ? 1U : 0U; };
    std::vector<Text> texts;
    const auto add = [&](std::string_view attribute, const auto& value) {
        texts.push_back({fmt::format("slab/{}/{}", cache.name, attribute), fmt::format("{}\n", value)});
    };
    add("slab_size", g.size);
    add("object_size", g.object_size);
    add("objs_per_slab", g.objects);
    add("order", g.order.value());
    add("align", g.align);
    add("min_partial", cache.min_partial);
    add("cpu_partial", g.cpu_partial);
    add("aliases", cache.references - 1);
    add("partial", partial.slabs);
    add("cpu_slabs", slub_detail::cpu_slabs(cache));
    add("slabs", cache.nr_slabs.load(std::memory_order_relaxed));
    add("total_objects", total);
    add("objects", total - partial.free);
    add("objects_partial", partial.inuse);
    add("slabs_cpu_partial", slub_detail::slabs_cpu_partial(cache));
    add("hwcache_align", flag(CacheFlags::hwcache_align));
    add("reclaim_account", flag(CacheFlags::reclaim_account));
    add("cache_dma", flag(CacheFlags::cache_dma));
    add("destroy_by_rcu", flag(CacheFlags::typesafe_by_rcu));
    add("sanity_checks", flag(CacheFlags::consistency_checks));
    add("red_zone", flag(CacheFlags::red_zone));
    add("poison", flag(CacheFlags::poison));
    add("store_user", flag(CacheFlags::store_user));
    add("trace", flag(CacheFlags::trace));
    // The kernel names the function; who prints this has no symbols.
    add("ctor", cache.constructor == nullptr
                    ? ""
                    : fmt::format("{:#x}", reinterpret_cast<std::uintptr_t>(cache.constructor)));
    add("usersize", cache.kmalloc ? g.object_size : 0);  // the part that user space may be copied to and from
    return texts;
}

template <class Cpus>
std::vector<Text> Slub<Cpus>::event_texts(const Cache& cache) const {
    std::vector<Text> texts;
    texts.reserve(slub_event_count);
    for (std::size_t e = 0; e < slub_event_count; ++e) {
        const auto event = static_cast<SlubEvent>(e);
        std::string content = fmt::format("{}", cache.total(event));
        for (CpuId c{0}; c.value() < cpus_.count(); ++c) {
            const std::uint64_t n = cache.slots[c].counted(event);
            if (n > 0) fmt::format_to(std::back_inserter(content), " C{}={}", c.value(), n);
        }
        texts.push_back({fmt::format("slab/{}/{}", cache.name, to_string(event)), content + "\n"});
    }
    return texts;
}

}  // namespace kmemlab
