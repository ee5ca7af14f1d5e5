/// Part of vmalloc.cpp: what those see who look from outside, counts, laws and texts.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc.hpp"

namespace kmemlab {

template <class Cpus, Mmu M>
std::size_t Vmalloc<Cpus, M>::usable_size(VirtAddr at, CpuId cpu) const {
    const VmapArea* const area = space_.find_busy(at.value(), cpu);
    if (area == nullptr || area->use != AreaUse::vm || area->start != at.value()) return 0;
    return static_cast<const VmStruct*>(area->owner)->frames.size() << page_shift;
}

template <class Cpus, Mmu M>
AllocatorStats Vmalloc<Cpus, M>::stats() const {
    AllocatorStats stats = sum_of(works_);
    stats.metadata_bytes += sizeof *this + space_.metadata_bytes() + blocks_.metadata_bytes() +
                            (mmu_.stats().table_pages << page_shift);
    space_.for_each_busy([&](const VmapArea& area) {
        if (area.use != AreaUse::vm) return;
        const auto* vm = static_cast<const VmStruct*>(area.owner);
        stats.metadata_bytes += sizeof *vm + vm->frames.capacity() * sizeof(Pfn);
    });
    return stats;
}

/// The parts by themselves, each area against its translations and counters (V4..V6, V12), then the MMU.
template <class Cpus, Mmu M>
MaybeViolation Vmalloc<Cpus, M>::find_violation() const {
    if (auto found = space_.find_violation()) return found;
    if (auto found = blocks_.find_violation()) return found;
    if (space_.lazy_pages() > space_.lazy_max())
        return violation("V15", "{} lazy pages, {} may be", space_.lazy_pages(), space_.lazy_max());
    std::uint64_t owned = 0;
    std::uint64_t huge_leaves = 0;
    std::vector<Pfn> frames;
    MaybeViolation found;
    space_.for_each_busy([&](const VmapArea& area) {
        if (found || area.use != AreaUse::vm) return;
        const auto* vm = static_cast<const VmStruct*>(area.owner);
        found = find_mismatch(area, *vm);
        if (found || vm->kind != Kind::vmalloc) return;
        owned += vm->frames.size();
        huge_leaves += vm->huge ? vm->frames.size() / order_2m.pages() : 0;
        frames.insert(frames.end(), vm->frames.begin(), vm->frames.end());
    });
    if (found) return found;
    std::sort(frames.begin(), frames.end());
    if (const auto twice = std::adjacent_find(frames.begin(), frames.end()); twice != frames.end())
        return violation("V6", "frame {} belongs to two areas", twice->value());
    if (huge_leaves != mmu_.stats().huge_leaves)
        return violation("V12", "{} huge leaves for areas that have {}", mmu_.stats().huge_leaves,
                         huge_leaves);
    if (owned != nr_vmalloc_pages())
        return violation("V4", "{} pages, {} counted", owned, nr_vmalloc_pages());
    if (owned != pages_held(works_))
        return violation("G8", "{} pages of {} taken", owned, pages_held(works_));
    return mmu_.find_violation();
}

/// An area's frames and guard against what is mapped (V1, V5).
template <class Cpus, Mmu M>
MaybeViolation Vmalloc<Cpus, M>::find_mismatch(const VmapArea& area, const VmStruct& vm) const {
    const std::uint64_t guard = vm.kind == Kind::ram ? 0 : 1;
    if (vm.area != &area || area.pages() != vm.frames.size() + guard) {
        return violation("V1", "area {:#x} has {} pages for {} frames", area.start, area.pages(),
                         vm.frames.size());
    }
    for (std::uint64_t i = 0; i < area.pages(); ++i) {
        const std::optional<Pfn> mapped = mmu_.frame_of(VirtAddr{area.start}.plus_pages(i));
        const bool is_guard = i == vm.frames.size();
        if (is_guard ? mapped.has_value() : mapped != vm.frames[i]) {
            return violation("V5", "page {} of area {:#x} is not mapped to its frame", i, area.start);
        }
    }
    return {};
}

template <class Cpus, Mmu M>
std::string Vmalloc<Cpus, M>::vmallocinfo() const {
    std::string text;
    const auto line = [&](const VmapArea& area) {
        const std::uint64_t shift = vmalloc_window(4).begin.value() - mmu_.window().begin.value();
        fmt::format_to(std::back_inserter(text), "0x{:016x}-0x{:016x} {:7}", area.start + shift,
                       area.end + shift, area.size());
    };
    space_.for_each_busy([&](const VmapArea& area) {
        line(area);
        const auto* vm = area.use == AreaUse::vm ? static_cast<const VmStruct*>(area.owner) : nullptr;
        if (vm == nullptr || vm->kind == Kind::ram) {
            text += " vm_map_ram";
        } else if (vm->kind == Kind::vmap) {
            text += " vmap";
        } else {
            fmt::format_to(std::back_inserter(text), " pages={} vmalloc{}", vm->frames.size(),
                           vm->table != nullptr ? " vpages" : "");
        }
        text += '\n';
    });
    for (unsigned n = 0; n < space_.nodes(); ++n) {
        const AreaTree& lazy = space_.lazy(n);
        for (const VmapArea* area = lazy.first(); area != nullptr; area = AreaTree::next(area)) {
            line(*area);
            text += " unpurged vm_area\n";
        }
    }
    return text;
}

}  // namespace kmemlab
