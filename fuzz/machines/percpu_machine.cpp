#include "fuzz/machines/percpu_machine.hpp"

#include <utility>

#include "allocators/vmalloc/vmalloc.hpp"

namespace kmemlab::fuzz {
namespace {

constexpr std::array<std::string_view, 5> patterns{"one", "two", "offset", "apart", "aligned"};

}  // namespace

std::vector<Tunable> PercpuConfig::tunables() {
    return {{"percpu.pattern", "how the areas of a chunk lie", "a known name",
             [this](std::string_view value) {
                 const bool known = std::find(patterns.begin(), patterns.end(), value) != patterns.end();
                 if (known) pattern = value;
                 return known;
             },
             [this] { return pattern; }},
            integer_tunable("vmalloc.lazy_max_pages", "pages that wait", lazy_max_pages, 0, 1 << 20),
            switch_tunable("vmalloc.nodes", "vmap nodes", nodes)};
}

std::vector<Knob> percpu_knobs() {
    return {{"mmu.window", {"small", "border", "top"}},
            {"percpu.pattern", {"one", "offset", "apart", "aligned"}},
            {"vmalloc.lazy_max_pages", {"0", "8", "4096"}},
            {"vmalloc.nodes", {"1"}}};
}

PercpuMachine::Pattern PercpuMachine::pattern_of(const std::string& name) {
    const auto pages = [](std::uint64_t n) { return n << page_shift; };
    if (name == "one") return {{{0, pages(4)}}};
    if (name == "offset") return {{{pages(4), pages(2)}, {pages(16), pages(4)}, {pages(64), pages(2)}}};
    if (name == "apart") return {{{0, pages(1)}, {pages(300), pages(8)}}};
    if (name == "aligned") return {{{0, pages(8)}, {pages(16), pages(16)}}, pages(8)};
    return {{{0, pages(2)}, {pages(8), pages(2)}}};
}

PercpuMachine::PercpuMachine(const Setup& setup, const Language& language, PercpuConfig config)
    : MappingMachine{setup, language, config},
      space_{cpus_, config.lazy_max_pages,
             [this](std::uint64_t begin, std::uint64_t end, CpuId cpu) {
                 mmu_->flush(VirtAddr{begin}, VirtAddr{end}, cpu);
             },
             config.nodes ? most_vmap_nodes : 1},
      pattern_{pattern_of(config.pattern)},
      chunks_{space_, cpus_, mmu_->window(), pattern_.parts, pattern_.align} {}

void PercpuMachine::perform(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    switch (op.kind) {
        case OpKind::chunk:
            take_chunk(op);
            break;
        case OpKind::area:
            take_area(op);
            break;
        case OpKind::release:
            if (Item* const item = slots_.next_full(op.slot)) release(std::exchange(*item, {}), cpu);
            break;
        case OpKind::purge:
            space_.purge(cpu);
            break;
        case OpKind::drain:
            space_.purge(cpu);
            space_.drain_pools(cpu);
            break;
        default:
            break;
    }
    judge_operation();
}

/// By trying every place: the highest, or the lowest.
std::optional<std::uint64_t> PercpuMachine::best_place(const Pattern& pattern, bool highest) const {
    const AddressRange window = mmu_->window();
    // How many pages are not free before each page of the window.
    std::vector<std::uint32_t> taken(window.pages() + 1, 1);
    for (const VmapArea* area = space_.free().first(); area != nullptr; area = AreaTree::next(area)) {
        const std::uint64_t begin =
            std::max((area->start + page_size - 1) >> page_shift, window.begin.page());
        const std::uint64_t end = std::min(area->end >> page_shift, window.end.page());
        for (std::uint64_t page = begin; page < end; ++page) taken[page - window.begin.page()] = 0;
    }
    std::uint32_t sum = 0;
    for (std::uint32_t& t : taken) sum += std::exchange(t, sum);
    const std::uint64_t step = pattern.align >> page_shift;
    const std::uint64_t extent = pattern.parts.back().end() >> page_shift;
    const auto fits = [&](std::uint64_t base) {
        return std::all_of(pattern.parts.begin(), pattern.parts.end(), [&](const AreaPart& part) {
            const std::uint64_t begin = base + (part.offset >> page_shift);
            return taken[begin] == taken[begin + (part.size >> page_shift)];
        });
    };
    if (extent > window.pages()) return {};
    // In steps from the first or the last multiple of the alignment.
    const std::uint64_t skew = (step - window.begin.page() % step) % step;
    const std::uint64_t last = window.pages() - extent;
    if (skew > last) return {};
    const std::uint64_t places = (last - skew) / step + 1;
    for (std::uint64_t i = 0; i < places; ++i) {
        const std::uint64_t base = skew + (highest ? places - 1 - i : i) * step;
        if (fits(base)) return (window.begin.page() + base) << page_shift;
    }
    return {};
}

/// What had a place before the call gets that. What had none may get one, since the search that fails purges.
void PercpuMachine::judge(std::optional<std::uint64_t> got, std::optional<std::uint64_t> due,
                          std::string_view what) {
    if (!due || got == due) return;
    break_law("V8", "{} got {}, {:#x} is due", what, got ? fmt::format("{:#x}", *got) : "nothing", *due);
}

void PercpuMachine::take_chunk(const Operation& op) {
    const auto due = best_place(pattern_, true);
    const auto base = chunks_.take(cpu_of(op));
    judge(base ? std::optional{base->value()} : std::nullopt, due, "a chunk");
    if (!base) {
        if (best_place(pattern_, true)) break_law("M1", "no chunk, but there is a place for one");
        return;
    }
    adopt({.parts = pattern_.parts, .area = nullptr, .base = base->value()}, op);
}

void PercpuMachine::take_area(const Operation& op) {
    const std::uint64_t bytes = (1 + op.size % 64) << page_shift;
    const std::uint64_t align = page_size << (op.align % 4);
    const Pattern wanted{{{0, bytes}}, page_size};
    // Above a page the place depends on the walk (VM-22); out of a pool it is any.
    const bool judged = align == page_size && space_.nodes() == 1;
    const auto due = judged ? best_place(wanted, false) : std::nullopt;
    VmapArea* const area = space_.alloc(bytes, align, mmu_->window(), cpu_of(op));
    if (judged) judge(area != nullptr ? std::optional{area->start} : std::nullopt, due, "an area");
    if (area == nullptr) {
        // What fits by luck of its alignment alone the walk may miss (VM-22).
        const Pattern sure{{{0, align == page_size ? bytes : bytes + align}}, page_size};
        if (best_place(sure, false)) break_law("M1", "no area of {} bytes, but there is a place", bytes);
        return;
    }
    if (area->start % align != 0 || area->size() != bytes)
        return break_law("G2", "{:#x}-{:#x} for {} bytes aligned to {}", area->start, area->end, bytes,
                         align);
    adopt({.parts = wanted.parts, .area = area, .base = area->start}, op);
}

void PercpuMachine::adopt(Item item, const Operation& op) {
    for (const AreaPart& part : item.parts) {
        const VirtAddr begin{item.base + part.offset};
        const AddressRange window = mmu_->window();
        if (!window.contains(begin) || window.end - begin < part.size)
            return break_law("V1", "{:#x}+{:#x} leaves the window", begin.value(), part.size);
        if (!ranges_.insert(begin.value(), part.size))
            return break_law("V1", "{:#x}+{:#x} is somebody's already", begin.value(), part.size);
        const VmapArea* const area = space_.find_busy(begin.value(), cpu_of(op));
        if (area == nullptr || area->start != begin.value() || area->size() != part.size)
            return break_law("V13", "no area of {:#x} bytes lies at {:#x}", part.size, begin.value());
    }
    if (Item* const place = slots_.next_empty(op.slot)) {
        *place = std::move(item);
    } else {
        release(item, cpu_of(op));
    }
}

void PercpuMachine::release(const Item& item, CpuId cpu) {
    for (const AreaPart& part : item.parts) ranges_.erase(item.base + part.offset);
    bool due = false;
    if (item.area != nullptr) {
        due = space_.free_lazily(item.area, cpu);
    } else {
        const auto given = chunks_.give(VirtAddr{item.base}, cpu);
        if (!given) return break_law("V13", "the chunk at {:#x} is not known", item.base);
        due = *given;
    }
    if (due != (space_.lazy_pages() > space_.lazy_max()))
        break_law("V15", "{} pages are lazy, {} may be, and a purge is{} due", space_.lazy_pages(),
                  space_.lazy_max(), due ? "" : " not");
    if (due) space_.purge(cpu);
}

MaybeViolation PercpuMachine::find_violation() {
    if (auto found = space_.find_violation()) return found;
    if (auto found = chunks_.find_violation()) return found;
    return find_violation_below(0);
}

void PercpuMachine::tear_down() {
    const CpuId cpu{0};
    for (Item& item : slots_.all()) {
        if (!item.empty()) release(std::exchange(item, {}), cpu);
    }
    space_.purge(cpu);
    space_.drain_pools(cpu);
    judge_operation();
    if (auto found = find_violation()) return break_law(std::move(*found));
    if (chunks_.chunks() != 0 || space_.free().count() != 1)
        break_law("V2", "{} chunks and {} free areas when nothing lives", chunks_.chunks(),
                  space_.free().count());
    tear_down_below();
}

std::string PercpuMachine::describe() const {
    std::string text;
    for (std::size_t i = 0; i < slot_count; ++i) {
        const Item& item = slots_.all()[i];
        if (item.empty()) continue;
        text += fmt::format("  slot {}: {} at +{:#x}\n", i, item.area != nullptr ? "area" : "chunk",
                            item.base + item.parts[0].offset - mmu_->window().begin.value());
    }
    return text;
}

}  // namespace kmemlab::fuzz
