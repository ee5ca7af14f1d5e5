/// Slob as a target of golden slab traces. Its free lists are the whole kernel's, so a trace begins with
/// their state: a row P for each page with free blocks, followed by a row B for each of these,
///
///     0,P,0,page,free units,0,0,list
///     0,B,0,page,offset in bytes,0,units,list
///
/// A unit is two bytes.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "allocators/slob/slob.hpp"
#include "allocators/slob/state.hpp"
#include "bench/golden/numbered_pages.hpp"
#include "bench/golden/slab_trace.hpp"

namespace kmemlab::golden {

template <class Cpus>
class SlobTarget final : public SlabTraceTarget {
  public:
    explicit SlobTarget(const CacheDescription& description)
        : cache_{*slob_.kmem_cache_create(description)} {}

    void begin(Comparison& comparison) override {
        const std::size_t first = comparison.line();
        const std::vector<SlobPageState> state = read_state(comparison.file(), first);
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

    /// Rows P and B from line `line` on. Whether they are well-formed shows when they are compared with what
    /// was made of them; here only what could not be put into a page is refused.
    static std::vector<SlobPageState> read_state(const GoldenFile& file, std::size_t line) {
        std::vector<SlobPageState> state;
        for (; line < file.lines().size(); ++line) {
            const auto row = fields_of(file.lines()[line]);
            if (row.size() != 8) break;
            if (row[1] == "P") {
                state.push_back({list_named(file, line, row[7]), {}});
            } else if (row[1] == "B" && !state.empty()) {
                add_block(file, line, row, state.back());
            }
        }
        return state;
    }
    static void add_block(const GoldenFile& file, std::size_t line, const std::vector<std::string_view>& row,
                          SlobPageState& page) {
        const auto at = file.number_at(line, row[4], page_size - 1) / slob_unit_bytes;
        const auto length = file.number_at(line, row[6], slob_page_units - at);
        const auto least = page.blocks.empty() ? 0 : page.blocks.back().at + page.blocks.back().length + 1U;
        if (at < least || length == 0) throw file.bad(line, "expected a block apart from the one before");
        page.blocks.push_back({static_cast<SlobUnits>(at), static_cast<SlobUnits>(length)});
    }
    static SlobList list_named(const GoldenFile& file, std::size_t line, std::string_view name) {
        for (const SlobList list : {SlobList::small, SlobList::medium, SlobList::large}) {
            if (to_string(list) == name) return list;
        }
        throw file.bad(line, "no list '{}'; expected small, medium or large", name);
    }

    Cpus cpus_{1};
    NumberedPages<Cpus> pages_{cpus_};
    MisuseLog misuse_;
    Slob<Cpus> slob_{pages_, cpus_, {.track = true}, misuse_};
    typename Slob<Cpus>::Cache& cache_;
};

}  // namespace kmemlab::golden
