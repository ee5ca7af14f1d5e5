/// Part of vmalloc.cpp: what the kernel's interface does. What looks at it from outside:
/// vmalloc_look_impl.hpp.
#pragma once

#include <fmt/format.h>

#include <algorithm>

#include "allocators/vmalloc/vmalloc.hpp"

namespace kmemlab {

template <class Cpus, Mmu M>
Vmalloc<Cpus, M>::Vmalloc(PageSourceRef pages, M& mmu, Cpus& cpus, const VmallocConfig& config,
                          MisuseLog& misuse)
    : source_{pages},
      mmu_{mmu},
      log_{misuse},
      config_{config},
      space_{cpus,
             !config.lazy                ? 0
             : config.lazy_max_pages > 0 ? config.lazy_max_pages
                                         : lazy_max_pages(cpus.count()),
             [this](std::uint64_t begin, std::uint64_t end, CpuId cpu) {
                 mmu_.flush(VirtAddr{begin}, VirtAddr{end}, cpu);
             },
             config.most_nodes, [this](CpuId cpu) { blocks_.drop_fragmented(cpu); }},
      blocks_{space_, cpus, mmu.window()},
      works_{cpus.count()} {}

template <class Cpus, Mmu M>
Vmalloc<Cpus, M>::~Vmalloc() {
    space_.for_each_busy([](const VmapArea& area) {
        if (area.use == AreaUse::vm) delete static_cast<VmStruct*>(area.owner);
    });
}

/// What was given back last is taken first, so that frames often come the other way round.
inline void sort_ascending(std::vector<Pfn>& frames) {
    if (std::is_sorted(frames.rbegin(), frames.rend())) {
        std::reverse(frames.begin(), frames.end());
    } else if (!std::is_sorted(frames.begin(), frames.end())) {
        std::sort(frames.begin(), frames.end());
    }
}

// ---- vmalloc (VM-50..53) -----------------------------------------------------------------------------

template <class Cpus, Mmu M>
std::optional<VirtAddr> Vmalloc<Cpus, M>::vmalloc_range(std::size_t size, std::size_t align, Gfp gfp,
                                                        bool may_be_huge, CpuId cpu) {
    const VmStruct* vm = nullptr;
    // Larger than all memory: refused at once (VM-50).
    if (size > 0 && size <= source_.arena().bytes()) {
        const bool huge = may_be_huge && config_.huge && size >= order_2m.bytes();
        if (huge) vm = try_range(size, std::max(align, order_2m.bytes()), gfp, true, cpu);
        if (vm == nullptr) vm = try_range(size, std::max(align, page_size), gfp, false, cpu);
    }
    if (vm == nullptr) {
        works_[cpu].count(&CpuWork::allocations, Path::failed);
        return {};
    }
    works_[cpu].count(&CpuWork::allocations, vm->area->pooled ? Path::fast : Path::tree);
    return VirtAddr{vm->area->start};
}

template <class Cpus, Mmu M>
typename Vmalloc<Cpus, M>::VmStruct* Vmalloc<Cpus, M>::try_range(std::size_t size, std::size_t align, Gfp gfp,
                                                                 bool huge, CpuId cpu) {
    const std::size_t unit = huge ? order_2m.bytes() : page_size;
    const std::size_t bytes = (size + unit - 1) & ~(unit - 1);
    VmStruct* const vm = make(Kind::vmalloc, bytes, align, cpu);
    if (vm == nullptr) return nullptr;
    vm->huge = huge;
    if (fill(*vm, bytes, gfp, cpu) && map(*vm, cpu)) return vm;
    dissolve(vm, cpu);
    return nullptr;
}

template <class Cpus, Mmu M>
typename Vmalloc<Cpus, M>::VmStruct* Vmalloc<Cpus, M>::make(Kind kind, std::size_t bytes, std::size_t align,
                                                            CpuId cpu) {
    const std::size_t guard = kind == Kind::ram ? 0 : page_size;
    VmapArea* const area = space_.alloc(bytes + guard, align, mmu_.window(), cpu);
    if (area == nullptr) return nullptr;
    auto* const vm = new VmStruct;
    vm->area = area;
    vm->kind = kind;
    area->owner = vm;
    area->use = AreaUse::vm;
    return vm;
}

/// The array of frames, then the frames. False: some are missing; what was got is in the struct.
template <class Cpus, Mmu M>
bool Vmalloc<Cpus, M>::fill(VmStruct& vm, std::size_t bytes, Gfp gfp, CpuId cpu) {
    const std::uint64_t pages = bytes >> page_shift;
    const std::size_t table_bytes = pages * sizeof(void*);
    if (table_bytes > page_size) {
        vm.table = try_range(table_bytes, page_size, gfp.without(__GFP_ZERO), false, cpu);
        if (vm.table == nullptr) return false;
    }
    const bool all = take_frames(vm, pages, gfp, cpu);
    works_[cpu].pages_taken += vm.frames.size();
    nr_vmalloc_pages_.fetch_add(vm.frames.size(), std::memory_order_relaxed);
    if constexpr (M::maps_by_runs) sort_ascending(vm.frames);
    return all;
}

template <class Cpus, Mmu M>
bool Vmalloc<Cpus, M>::take_frames(VmStruct& vm, std::uint64_t pages, Gfp gfp, CpuId cpu) {
    vm.frames.reserve(pages);
    const Order order = vm.huge ? order_2m : Order{0};
    while (vm.frames.size() < pages) {
        const std::optional<Pfn> first = source_.take(order, gfp | __GFP_NOWARN, cpu);
        if (!first) return false;
        for (std::uint64_t i = 0; i < order.pages(); ++i) vm.frames.push_back(*first + i);
    }
    return true;
}

template <class Cpus, Mmu M>
bool Vmalloc<Cpus, M>::map(const VmStruct& vm, CpuId cpu) {
    if (map_once(vm, cpu)) return true;
    if (space_.lazy_pages() == 0) return false;
    mmu_.unmap(VirtAddr{vm.area->start}, vm.frames.size(), cpu);  // of huge leaves some may be there
    space_.purge(cpu, vm.area->start, vm.area->end);
    return map_once(vm, cpu);
}

/// By leaves of 2 MiB where they were meant to be (VM-54).
template <class Cpus, Mmu M>
bool Vmalloc<Cpus, M>::map_once(const VmStruct& vm, CpuId cpu) {
    const VirtAddr start{vm.area->start};
    if (!vm.huge) return mmu_.map(start, vm.frames, cpu);
    for (std::uint64_t i = 0; i < vm.frames.size(); i += order_2m.pages()) {
        if (!mmu_.map_huge(start.plus_pages(i), vm.frames[i], order_2m, cpu)) return false;
    }
    return true;
}

// ---- mappings of somebody's frames (VM-40, 55) -------------------------------------------------------

template <class Cpus, Mmu M>
std::optional<VirtAddr> Vmalloc<Cpus, M>::map_frames(Kind kind, std::span<const Pfn> frames, CpuId cpu) {
    if (frames.empty() || frames.size() > source_.arena().frames()) return {};
    VmStruct* const vm = make(kind, frames.size() << page_shift, page_size, cpu);
    if (vm == nullptr) return {};
    vm->frames.assign(frames.begin(), frames.end());
    if (map(*vm, cpu)) return VirtAddr{vm->area->start};
    dissolve(vm, cpu);
    return {};
}

template <class Cpus, Mmu M>
std::optional<VirtAddr> Vmalloc<Cpus, M>::vmap(std::span<const Pfn> frames, CpuId cpu) {
    return map_frames(Kind::vmap, frames, cpu);
}

template <class Cpus, Mmu M>
std::optional<VirtAddr> Vmalloc<Cpus, M>::vm_map_ram(std::span<const Pfn> frames, CpuId cpu) {
    if (frames.empty()) return {};
    if (frames.size() > largest_block_request) return map_frames(Kind::ram, frames, cpu);
    const std::optional<VirtAddr> at = blocks_.take(frames.size(), cpu);
    if (!at) return {};
    if (mmu_.map(*at, frames, cpu)) return at;
    vm_unmap_ram(*at, frames.size(), cpu);
    return {};
}

// ---- and back (VM-30, 31, 34, 44) --------------------------------------------------------------------

template <class Cpus, Mmu M>
void Vmalloc<Cpus, M>::vfree(VirtAddr at, CpuId cpu) {
    VmStruct* const vm = expect(Kind::vmalloc, at, "vfree", cpu);
    if (vm == nullptr) return;
    const bool purged = dissolve(vm, cpu);
    works_[cpu].count(&CpuWork::frees, purged ? Path::flush : Path::fast);
}

template <class Cpus, Mmu M>
void Vmalloc<Cpus, M>::vunmap(VirtAddr at, CpuId cpu) {
    if (VmStruct* const vm = expect(Kind::vmap, at, "vunmap", cpu)) dissolve(vm, cpu);
}

template <class Cpus, Mmu M>
void Vmalloc<Cpus, M>::vm_unmap_ram(VirtAddr at, std::uint64_t pages, CpuId cpu) {
    const auto claimed = blocks_.claim(at, pages, cpu);
    if (!claimed.fault) {
        mmu_.unmap(at, pages, cpu);
        return purge_if(blocks_.give(claimed, cpu), cpu);
    }
    if (*claimed.fault != MisuseKind::foreign_pointer) return report(*claimed.fault, "vm_unmap_ram", at);
    VmStruct* const vm = expect(Kind::ram, at, "vm_unmap_ram", cpu);
    if (vm == nullptr) return;
    if (vm->frames.size() != pages) return report(MisuseKind::wrong_order, "vm_unmap_ram", at);
    dissolve(vm, cpu);
}

template <class Cpus, Mmu M>
typename Vmalloc<Cpus, M>::VmStruct* Vmalloc<Cpus, M>::expect(Kind kind, VirtAddr at, const char* what,
                                                              CpuId cpu) {
    VmapArea* const area = space_.find_busy(at.value(), cpu);
    if (area != nullptr && area->use == AreaUse::vm && area->start == at.value()) {
        auto* const vm = static_cast<VmStruct*>(area->owner);
        if (vm->kind == kind) return vm;
    }
    report(area == nullptr             ? MisuseKind::foreign_pointer
           : area->start != at.value() ? MisuseKind::interior_pointer
                                       : MisuseKind::wrong_cache,
           what, at);
    return nullptr;
}

template <class Cpus, Mmu M>
void Vmalloc<Cpus, M>::report(MisuseKind kind, const char* what, VirtAddr at) {
    const char* const found = kind == MisuseKind::double_free        ? "was unmapped already"
                              : kind == MisuseKind::interior_pointer ? "is not where its area begins"
                              : kind == MisuseKind::wrong_cache      ? "was given by another call"
                              : kind == MisuseKind::wrong_order      ? "has another number of pages"
                                                                     : "was never given, or is free already";
    log_.report({kind,
                 reinterpret_cast<void*>(at.value()),
                 {},
                 fmt::format("{}: {:#x} {}\n", what, at.value(), found)});
}

template <class Cpus, Mmu M>
bool Vmalloc<Cpus, M>::dissolve(VmStruct* vm, CpuId cpu) {
    mmu_.unmap(VirtAddr{vm->area->start}, vm->frames.size(), cpu);
    const bool purge_is_due = space_.free_lazily(vm->area, cpu);
    if (vm->kind == Kind::vmalloc) {
        nr_vmalloc_pages_.fetch_sub(vm->frames.size(), std::memory_order_relaxed);
        works_[cpu].pages_given += vm->frames.size();
        const Order order = vm->huge ? order_2m : Order{0};
        for (std::size_t i = 0; i < vm->frames.size(); i += order.pages()) {
            source_.give(vm->frames[i], order, cpu);
        }
    }
    const bool purged_for_table = vm->table != nullptr && dissolve(vm->table, cpu);
    delete vm;
    purge_if(purge_is_due, cpu);
    return purge_is_due || purged_for_table;
}

template <class Cpus, Mmu M>
void Vmalloc<Cpus, M>::purge_if(bool due, CpuId cpu) {
    if (!due) return;
    do {
        space_.purge(cpu);
    } while (space_.lazy_pages() > space_.lazy_max());
}

template <class Cpus, Mmu M>
void Vmalloc<Cpus, M>::vm_unmap_aliases(CpuId cpu) {
    const AddressRange dirty = blocks_.dirty_range(cpu);
    blocks_.drop_fragmented(cpu);
    space_.purge(cpu, dirty.begin.value(), dirty.end.value());
}

}  // namespace kmemlab
