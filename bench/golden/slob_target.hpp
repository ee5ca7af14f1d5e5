/// Slob as a target of golden slab traces. Its free lists are the whole kernel's, so a trace begins with
/// their state (slob_state.hpp).
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "allocators/slob/slob.hpp"
#include "allocators/slob/state.hpp"
#include "bench/golden/numbered_pages.hpp"
#include "bench/golden/slab_trace.hpp"
#include "bench/golden/slob_state.hpp"

namespace kmemlab::golden {

template <class Cpus>
class SlobTarget final : public SlabTraceTarget {
  public:
    explicit SlobTarget(const CacheDescription& description)
        : cache_{*slob_.kmem_cache_create(description)} {}

    void begin(Comparison& comparison) override {
        const std::size_t first = comparison.line();
        const std::vector<SlobPageState> state = read_slob_state(comparison.file(), first);
        if (restore(slob_, state, cpu).size() != state.size()) {
            throw comparison.file().bad(first, "the recorded state needs more than the arena's memory");
        }
        std::size_t number = 0;
        for (const SlobPageState& page : record(slob_)) {
            SlobUnits free = 0;
            for (const SlobBlockState& block : page.blocks)
                free = static_cast<SlobUnits>(free + block.length);
            comparison.row(fmt::format("0,P,0,{},{},0,0,{}", number, free, to_string(page.list)));
            for (const SlobBlockState& block : page.blocks) {
                comparison.row(fmt::format("0,B,0,{},{},0,{},{}", number, block.at * slob_unit_bytes,
                                           block.length, to_string(page.list)));
            }
            ++number;
        }
    }

    void* alloc(CpuId) override { return slob_.kmem_cache_alloc(cache_, gfp, cpu); }
    void free(void* object, CpuId) override { slob_.kmem_cache_free(cache_, object, cpu); }
    bool alloc_bulk(std::span<void*> objects, CpuId) override {
        return slob_.kmem_cache_alloc_bulk(cache_, gfp, objects, cpu) == objects.size();
    }
    void free_bulk(std::span<void*> objects, CpuId) override {
        slob_.kmem_cache_free_bulk(cache_, objects, cpu);
    }
    void flush_cpu(CpuId) override {}
    void shrink(CpuId) override {}

    [[nodiscard]] ObjectPlace place_of(const void* object) const override {
        const Arena& arena = pages_.arena();
        return {pages_.number_of(arena.index(arena.pfn(object))),
                static_cast<std::int64_t>(arena.offset_of(object) % page_size), 0};
    }
    [[nodiscard]] std::string after(CpuId) const override { return ""; }
    [[nodiscard]] std::vector<std::string> dump() const override { return {}; }
    [[nodiscard]] MaybeViolation find_violation() const override { return slob_.find_violation(); }
    [[nodiscard]] std::int64_t slabs_made() const override { return pages_.taken(); }
    [[nodiscard]] std::vector<std::int64_t> take_gone() override { return pages_.take_gone(); }

  private:
    static constexpr Gfp gfp = GFP_NOWAIT | __GFP_NOWARN;
    static constexpr CpuId cpu{0};

    Cpus cpus_{1};
    NumberedPages<Cpus> pages_{cpus_};
    MisuseLog misuse_;
    Slob<Cpus> slob_{pages_, cpus_, {.track = true}, misuse_};
    typename Slob<Cpus>::Cache& cache_;
};

}  // namespace kmemlab::golden
