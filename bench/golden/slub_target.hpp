/// Slub as a target of golden slab traces.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "allocators/slub/slub.hpp"
#include "bench/golden/numbered_pages.hpp"
#include "bench/golden/slab_trace.hpp"

namespace kmemlab::golden {

template <class Cpus>
class SlubTarget final : public SlabTraceTarget {
  public:
    SlubTarget(const CacheDescription& description, unsigned cpus, const SlubConfig& config)
        : cpus_{cpus}, slub_{pages_, cpus_, config, misuse_}, cache_{*slub_.kmem_cache_create(description)} {}

    void begin(Comparison& comparison) override {
        const Geometry& g = cache_.geometry;
        comparison.parameter("order", g.order.value());
        comparison.parameter("objs", g.objects);
        comparison.parameter("min_partial", g.min_partial);
        comparison.parameter("cpu_partial", g.cpu_partial);
        comparison.parameter("cpu_partial_slabs", cpu_partial_slabs(g.cpu_partial, g.objects));
        comparison.parameter("freeptr_offset", g.free_offset);
    }

    void* alloc(CpuId cpu) override { return slub_.kmem_cache_alloc(cache_, gfp, cpu); }
    void free(void* object, CpuId cpu) override { slub_.kmem_cache_free(cache_, object, cpu); }
    bool alloc_bulk(std::span<void*> objects, CpuId cpu) override {
        return slub_.kmem_cache_alloc_bulk(cache_, gfp, objects, cpu) == objects.size();
    }
    void free_bulk(std::span<void*> objects, CpuId cpu) override {
        slub_.kmem_cache_free_bulk(cache_, objects, cpu);
    }
    void flush_cpu(CpuId cpu) override { slub_.flush_cpu(cache_, cpu, cpu); }
    void shrink(CpuId cpu) override { slub_.kmem_cache_shrink(cache_, cpu); }

    [[nodiscard]] ObjectPlace place_of(const void* object) const override {
        const Arena& arena = pages_.arena();
        const FrameIndex slab = arena.page(arena.pfn(object)).head;
        return {pages_.number_of(slab), static_cast<std::int64_t>(index_in(slab, object)), 0};
    }
    [[nodiscard]] std::string after(CpuId cpu) const override {
        const CpuSlot& slot = cache_.slots[cpu];
        const std::string partial = cpus_.count() > 1 ? fmt::format(",{}", slot.partial_count) : "";
        return fmt::format(",{}{},{}", pages_.number_of(slot.slab), partial, cache_.nr_partial.load());
    }
    [[nodiscard]] std::vector<std::string> dump() const override {
        std::vector<std::string> rows;
        for (CpuId cpu; cpu.value() < cpus_.count(); ++cpu) dump_cpu(cpu, rows);
        unsigned position = 0;
        for (FrameIndex s = cache_.partial.head(); s != no_frame; s = page(s).next, ++position) {
            rows.push_back(fmt::format("X,node,{},slab={},{}", position, pages_.number_of(s), listed(s)));
        }
        return rows;
    }
    [[nodiscard]] MaybeViolation find_violation() const override { return slub_.find_violation(); }
    [[nodiscard]] std::int64_t slabs_made() const override { return pages_.taken(); }
    [[nodiscard]] std::vector<std::int64_t> take_gone() override { return pages_.take_gone(); }

  private:
    static constexpr Gfp gfp = GFP_NOWAIT | __GFP_NOWARN;

    [[nodiscard]] Page& page(FrameIndex slab) const { return pages_.arena().page_at(slab); }
    [[nodiscard]] std::size_t index_in(FrameIndex slab, const void* object) const {
        const auto offset = static_cast<const std::byte*>(object) - pages_.arena().address_at(slab);
        return static_cast<std::size_t>(offset) / cache_.geometry.size;
    }
    [[nodiscard]] std::string free_list(FrameIndex slab, const void* first) const {
        std::vector<std::size_t> indexes;
        for (const void* o = first; o != nullptr; o = slub_.next_free(cache_, o)) {
            indexes.push_back(index_in(slab, o));
        }
        return fmt::format("{}", fmt::join(indexes, " "));
    }
    /// The slab's own list, which may be added to by other CPUs.
    [[nodiscard]] std::string own_free_list(FrameIndex slab) const {
        const SlabWord word = SlabWord::load(page(slab));
        if (!word.has_free()) return "";
        return free_list(slab, pages_.arena().address_at(slab) + std::size_t{word.freelist} * 8);
    }
    [[nodiscard]] std::string listed(FrameIndex slab) const {
        const SlabWord word = SlabWord::load(page(slab));
        return fmt::format("inuse={},frozen={},free={}", word.inuse, word.frozen ? 1 : 0,
                           own_free_list(slab));
    }
    void dump_cpu(CpuId cpu, std::vector<std::string>& rows) const {
        const CpuSlot& slot = cache_.slots[cpu];
        if (slot.slab != no_frame) {
            const std::string slab =
                fmt::format("{},slab={},inuse={}", cpu.value(), pages_.number_of(slot.slab),
                            SlabWord::load(page(slot.slab)).inuse);
            rows.push_back(fmt::format("X,cpu,{},free={}", slab, free_list(slot.slab, slot.freelist)));
            rows.push_back(fmt::format("X,cpuremote,{},free={}", slab, own_free_list(slot.slab)));
        }
        unsigned position = 0;
        for (FrameIndex s = slot.partial; s != no_frame; s = page(s).next, ++position) {
            rows.push_back(fmt::format("X,cpartial,{},{},slab={},slabs={},{}", cpu.value(), position,
                                       pages_.number_of(s), slot.partial_count - position, listed(s)));
        }
    }

    Cpus cpus_;
    NumberedPages<Cpus> pages_{cpus_};
    MisuseLog misuse_;
    Slub<Cpus> slub_;
    typename Slub<Cpus>::Cache& cache_;
};

}  // namespace kmemlab::golden
