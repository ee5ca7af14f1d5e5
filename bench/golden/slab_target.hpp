/// Slab as a target of golden slab traces.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <vector>

#include "allocators/slab/slab.hpp"
#include "bench/golden/numbered_pages.hpp"
#include "bench/golden/slab_trace.hpp"

namespace kmemlab::golden {

template <class Cpus>
class SlabTarget final : public SlabTraceTarget {
  public:
    SlabTarget(const CacheDescription& description, unsigned cpus)
        : cpus_{cpus}, cache_{*slab_.kmem_cache_create(description)} {}

    void begin(Comparison& comparison) override {
        const SlabGeometry& g = cache_.geometry;
        comparison.parameter("order", g.order.value());
        comparison.parameter("num", g.objects);
        comparison.parameter("colour", g.colours);
        comparison.parameter("colour_off", g.colour_off);
        comparison.parameter("batchcount", g.batchcount);
        comparison.parameter("limit", g.limit);
        comparison.parameter("shared", g.shared);
        comparison.parameter("shared_limit", cache_.node.shared.limit);
        comparison.parameter("freelist", to_string(g.place));
        comparison.parameter("free_limit", slab_free_limit(cpus_.count(), g.batchcount, g.objects));
    }

    void* alloc(CpuId cpu) override { return slab_.kmem_cache_alloc(cache_, gfp, cpu); }
    void free(void* object, CpuId cpu) override { slab_.kmem_cache_free(cache_, object, cpu); }
    bool alloc_bulk(std::span<void*> objects, CpuId cpu) override {
        return slab_.kmem_cache_alloc_bulk(cache_, gfp, objects, cpu) == objects.size();
    }
    void free_bulk(std::span<void*> objects, CpuId cpu) override {
        slab_.kmem_cache_free_bulk(cache_, objects, cpu);
    }
    void flush_cpu(CpuId cpu) override { slab_.drain_cpu(cache_, cpu, cpu); }
    void shrink(CpuId cpu) override { slab_.kmem_cache_shrink(cache_, cpu); }

    [[nodiscard]] ObjectPlace place_of(const void* object) const override {
        const Arena& arena = pages_.arena();
        const FrameIndex slab = arena.page(arena.pfn(object)).head;
        const auto colour = static_cast<std::int64_t>(SlabHead::load(arena.page_at(slab)).colour);
        const auto offset = static_cast<const std::byte*>(object) - arena.address_at(slab) - colour;
        const auto size = static_cast<std::int64_t>(cache_.geometry.size);
        return {pages_.number_of(slab), offset / size, colour};
    }
    [[nodiscard]] std::string after(CpuId cpu) const override {
        const std::string shared =
            cpus_.count() > 1 ? fmt::format(",{}", cache_.node.shared.avail) : std::string{};
        return fmt::format(",{}{},{},{},{}", cache_.arrays[cpu].avail, shared,
                           cache_.node.free_objects.load(), cache_.node.total_slabs, cache_.node.free_slabs);
    }
    [[nodiscard]] std::vector<std::string> dump() const override {
        std::vector<std::string> rows;
        for (CpuId c; c.value() < cpus_.count(); ++c) {
            rows.push_back(fmt::format("X,ac,{},{}", c.value(), entries(cache_.arrays[c], false)));
        }
        if (cache_.node.shared.limit > 0) {
            rows.push_back("X,shared,-1," + entries(cache_.node.shared, true));
        }
        rows.push_back("X,partial," + slabs(cache_.node.partial));
        rows.push_back("X,free," + slabs(cache_.node.free));
        rows.push_back("X,full," + slabs(cache_.node.full));
        rows.push_back(fmt::format("X,nodeinfo,free_objects={},total_slabs={},free_slabs={},colour_next={}",
                                   cache_.node.free_objects.load(), cache_.node.total_slabs,
                                   cache_.node.free_slabs, cache_.node.colour_next.load()));
        return rows;
    }
    [[nodiscard]] MaybeViolation find_violation() const override { return slab_.find_violation(); }
    [[nodiscard]] std::int64_t slabs_made() const override { return pages_.taken(); }
    [[nodiscard]] std::vector<std::int64_t> take_gone() override { return pages_.take_gone(); }

  private:
    static constexpr Gfp gfp = GFP_NOWAIT | __GFP_NOWARN;
    /// What the kernel writes where a shared array has no batchcount of its own.
    static constexpr std::uint32_t no_batchcount = 0xbaadf00d;

    [[nodiscard]] std::string entries(const ArrayCache& array, bool shared) const {
        std::string text =
            fmt::format("avail={},limit={},batchcount={},touched={},", array.avail, array.limit,
                        shared ? no_batchcount : array.batchcount, array.touched ? 1 : 0);
        for (std::uint32_t i = 0; i < array.avail; ++i) {
            const ObjectPlace place = place_of(array.entries[i]);
            fmt::format_to(std::back_inserter(text), "{}{}:{}", i == 0 ? "" : " ", place.slab, place.index);
        }
        return text;
    }
    [[nodiscard]] std::string slabs(const PageList& list) const {
        const Arena& arena = pages_.arena();
        std::string text;
        list.walk(arena, arena.frames(), [&](FrameIndex slab) {
            fmt::format_to(std::back_inserter(text), "{}{}:{}", text.empty() ? "" : " ",
                           pages_.number_of(slab), SlabHead::load(arena.page_at(slab)).active);
            return true;
        });
        return text;
    }

    Cpus cpus_;
    NumberedPages<Cpus> pages_{cpus_};
    MisuseLog misuse_;
    Slab<Cpus> slab_{pages_, cpus_, {}, misuse_};
    typename Slab<Cpus>::Cache& cache_;
};

}  // namespace kmemlab::golden
