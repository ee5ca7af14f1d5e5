#include "fuzz/machines/vmalloc_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace kmemlab::fuzz {

/// Large areas cost time: most are of 256 KiB at most.
template <class M>
std::size_t VmallocMachine<M>::bytes_of(const Operation& op) {
    constexpr std::size_t large = std::size_t{256} << 10;
    const std::size_t size = size_of(op);
    return size > large && size < 64 * large && op.count % 8 != 0 ? size % large : size;
}

template <class M>
void VmallocMachine<M>::perform(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    Item* const item = slots_.next_full(op.slot);
    switch (op.kind) {
        case OpKind::area:
            take_area({.bytes = bytes_of(op),
                       .align = page_size << (op.align % 16),
                       .gfp = op.count % 2 == 1 ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL},
                      op);
            break;
        case OpKind::area_huge:
            take_area({.bytes = op.size < 0xffff0000 ? order_2m.bytes() + op.size : size_of(op),
                       .gfp = gfp_of(op).gfp.without(__GFP_COMP | __GFP_NOFAIL),
                       .huge = true},
                      op);
            break;
        case OpKind::map:
            take_mapping(Kind::vmap, op);
            break;
        case OpKind::map_ram:
            take_mapping(Kind::ram, op);
            break;
        case OpKind::release:
            if (item != nullptr) {
                Item freed = std::exchange(*item, {});
                release(freed, cpu);
            }
            break;
        case OpKind::touch:
            if (item != nullptr) touch(*item, op);
            break;
        case OpKind::purge:
            vmalloc_->vm_unmap_aliases(cpu);
            settle(false);
            break;
        case OpKind::drain:
            vmalloc_->drain(cpu);
            buddy_.drain(cpu);
            settle(true);
            break;
        case OpKind::fail:
            Base::fail(op);
            break;
        case OpKind::walk:
            judge_text();
            break;
        case OpKind::damage:
            damage(op);
            break;
        default:
            return misuse(op);
    }
    judge_operation();
}

/// Of vmalloc, or of real mappings below; the software MMU has a machine of its own.
template <class M>
void VmallocMachine<M>::damage(const Operation& op) {
    if constexpr (std::same_as<M, HostMmu>) {
        std::vector<HostMmuPart> parts{{*mmu_, arena_.end()}};
        if (op.count >= 128)
            return Machine::damage(op, std::span{parts}, host_mmu_damages(),
                                   [&] { return mmu_->find_violation(); });
    }
    std::vector<VmallocPart<M>> parts{{*vmalloc_}};
    Machine::damage(op, std::span{parts}, vmalloc_damages<M>(), [&] { return vmalloc_->find_violation(); });
}

// --- Judgement ---

/// V8: where a request belongs that any place fits.
template <class M>
std::optional<VirtAddr> VmallocMachine<M>::lowest_fit(std::uint64_t bytes) const {
    const AddressRange window = mmu_->window();
    const AreaTree& free = vmalloc_->space().free();
    for (const VmapArea* area = free.first(); area != nullptr; area = AreaTree::next(area)) {
        const std::uint64_t begin = std::max(area->start, window.begin.value());
        const std::uint64_t end = std::min(area->end, window.end.value());
        if (begin < end && end - begin >= bytes) return VirtAddr{begin};
    }
    return {};
}

template <class M>
void VmallocMachine<M>::judge_null(const AreaRequest& request, std::uint64_t refused_before, CpuId cpu) {
    if (request.bytes == 0 || request.bytes > arena_.bytes()) return;
    if (refused() != refused_before) return;
    // The array of a large area's frames is an area too (VM-51).
    const std::uint64_t array = request.pages() * sizeof(void*) / page_size + 2;
    if (!addresses_to_be_had(vmalloc_->space(),
                             (request.pages() + (request.pages() > 512 ? array + 2 : 1)) << page_shift,
                             request.align))
        return;
    if (!pages_to_be_had(request.pages(), request.gfp, cpu)) return;
    break_law("M1", "no area of {} bytes aligned to {}, but pages and addresses were there", request.bytes,
              request.align);
}

/// V1 and V5: in the window, nobody else's, and nothing is mapped on either side.
template <class M>
void VmallocMachine<M>::judge_range(const Item& item, std::uint64_t guard) {
    const AddressRange window = mmu_->window();
    const std::uint64_t bytes = (item.frames.size() + guard) << page_shift;
    const std::uint64_t at = item.at.value();
    if (!window.contains(item.at) || window.end.value() - at < bytes)
        return break_law("V1", "{:#x}+{:#x} leaves the window", at, bytes);
    if (item.at.offset() != 0) return break_law("V1", "{:#x} begins within a page", at);
    if (!ranges_.insert(at, bytes)) return break_law("V1", "{:#x}+{:#x} is somebody's already", at, bytes);
    std::erase_if(freed_, [&](const Item& freed) {  // what is found there from now on is this one's
        return freed.at < item.at + bytes && item.at < freed.at.plus_pages(freed.frames.size());
    });
    if (guard > 0 && mmu_->frame_of(item.at.plus_pages(item.frames.size())))
        return break_law("V5", "the guard behind {:#x}+{:#x} is mapped", at, bytes);
    // Below lies somebody's guard, or nothing; only mappings of blocks have none.
    const std::uint64_t below = at - page_size;
    if (window.contains(VirtAddr{below}) && !ranges_.covers(below) && mmu_->frame_of(VirtAddr{below}))
        return break_law("V5", "{:#x} is mapped, and nobody's", below);
}

/// Fills in the frames that an area got. False: a law is broken.
template <class M>
bool VmallocMachine<M>::own_frames(const Item& item, bool zero) {
    for (std::uint64_t i = 0; i < item.frames.size() && !broken(); ++i) {
        const Pfn pfn = item.frames[i];
        if (!arena_.contains(pfn)) {
            break_law("V5", "page {} of {:#x} is mapped to {:#x}, which is no memory", i, item.at.value(),
                      pfn.value());
            break;
        }
        if (owned_[arena_.index(pfn)] || (pool_ && pfn >= *pool_ && pfn < *pool_ + pool_order.pages()))
            break_law("V6", "frame {:#x} at page {} of {:#x} is somebody's already", pfn.value(), i,
                      item.at.value());
        owned_[arena_.index(pfn)] = true;
        if (zero && !oracle::is_zero(arena_.address(pfn), page_size))
            break_law("G5", "page {} of {:#x} is not zero", i, item.at.value());
    }
    return !broken();
}

template <class M>
void VmallocMachine<M>::mark(const Item& item, CpuId cpu) {
    for (std::uint64_t i = 0; i < item.frames.size(); ++i) {
        if (!item.is_marked(i)) continue;
        const std::uint64_t word = mark_of_page(item, i);
        if (!mmu_->write(item.at.plus_pages(i), std::as_bytes(std::span{&word, 1}), cpu))
            return break_law("V5", "page {} of {:#x} cannot be written", i, item.at.value());
    }
}

template <class M>
void VmallocMachine<M>::judge_page(const Item& item, std::uint64_t page, CpuId cpu) {
    const VirtAddr at = item.at.plus_pages(page);
    if (mmu_->frame_of(at) != item.frames[page])
        return break_law("V5", "page {} of {:#x} is not mapped to its frame", page, item.at.value());
    std::uint64_t word = 0;
    if (!mmu_->read(at, std::as_writable_bytes(std::span{&word, 1}), cpu))
        return break_law("V5", "page {} of {:#x} cannot be read on cpu {}", page, item.at.value(),
                         cpu.value());
    if (item.is_marked(page) && word != mark_of_page(item, page))
        break_law("G4", "page {} of {:#x} was changed by somebody else, or cpu {} found another", page,
                  item.at.value(), cpu.value());
}

/// V7: no CPU finds anything where something was. That others have it now is for them to tell.
template <class M>
void VmallocMachine<M>::judge_freed(bool with_blocks) {
    for (const Item& item : freed_) {
        if (item.in_block() && !with_blocks) continue;
        for (const std::uint64_t page : {std::uint64_t{0}, item.frames.size() / 2, item.frames.size() - 1}) {
            const VirtAddr at = item.at.plus_pages(page);
            if (mmu_->frame_of(at)) continue;
            for (CpuId cpu{0}; cpu.value() < cpus_.count(); ++cpu) {
                if (mmu_->touch(at, cpu))
                    return break_law("V7", "cpu {} still finds {:#x}, which was freed and flushed",
                                     cpu.value(), at.value());
            }
        }
    }
    std::erase_if(freed_, [&](const Item& item) { return with_blocks || !item.in_block(); });
}

/// After a purge, or a drain.
template <class M>
void VmallocMachine<M>::settle(bool drained) {
    const auto& space = vmalloc_->space();
    if (space.lazy_pages() != 0) break_law("V15", "{} pages are lazy after a purge", space.lazy_pages());
    std::set<std::uint64_t> live;  // blocks, by their numbers
    for (const Item& item : slots_.all()) {
        if (item.in_block() && !item.empty()) live.insert(item.at.page() / vmalloc_->blocks().block_pages());
    }
    if (vmalloc_->blocks().blocks() != live.size())
        break_law("V9", "{} blocks after a purge, but mappings live in {}", vmalloc_->blocks().blocks(),
                  live.size());
    for (unsigned n = 0; drained && n < space.nodes(); ++n) {
        if (space.pools(n).count() != 0)
            break_law("V15", "{} areas are pooled after a drain", space.pools(n).count());
    }
    judge_freed(true);
}

/// vmallocinfo has a line for each area that callers have; mappings of blocks share one.
template <class M>
void VmallocMachine<M>::judge_text() {
    const std::string text = vmalloc_->vmallocinfo();
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    const auto areas = static_cast<std::size_t>(
        std::count_if(slots_.all().begin(), slots_.all().end(),
                      [](const Item& item) { return !item.empty() && !item.in_block(); }));
    if (lines < areas) break_law("text", "vmallocinfo has {} lines for {} areas", lines, areas);
}

// --- Taking ---

template <class M>
void VmallocMachine<M>::take_area(const AreaRequest& request, const Operation& op) {
    const CpuId cpu = cpu_of(op);
    const std::uint64_t refused_before = refused();
    const std::uint64_t held = vmalloc_->nr_vmalloc_pages();
    const std::uint64_t purges = vmalloc_->space().purges();
    const bool judged = !request.huge && request.align == page_size && vmalloc_->space().nodes() == 1 &&
                        request.bytes > 0 && request.bytes <= arena_.bytes();
    const auto lowest = judged ? lowest_fit((request.pages() + 1) << page_shift) : std::optional<VirtAddr>{};
    const auto at = vmalloc_->vmalloc_range(request.bytes, request.align, request.gfp, request.huge, cpu);
    if (!at) {
        if (vmalloc_->nr_vmalloc_pages() != held)
            break_law("G9", "{} pages are held after a failure, {} before", vmalloc_->nr_vmalloc_pages(),
                      held);
        return judge_null(request, refused_before, cpu);
    }
    if (request.bytes == 0) return break_law("V11", "{:#x} for 0 bytes", at->value());
    const std::size_t usable = vmalloc_->usable_size(*at, cpu);
    if (usable < request.bytes || usable > arena_.bytes())
        return break_law("G3", "{} bytes asked, {} usable", request.bytes, usable);
    if (at->value() % request.align != 0)
        return break_law("G2", "{:#x} is not aligned to {}", at->value(), request.align);
    if (judged && vmalloc_->space().purges() == purges && lowest != at)
        return break_law("V8", "{:#x} is not the lowest place", at->value());
    block_area_ = block_area_ || request.pages() > 512;
    Item item{.kind = Kind::area, .at = *at, .frames = {}};
    for (std::uint64_t i = 0; i < usable >> page_shift; ++i) {
        const auto pfn = vmalloc_->vmalloc_to_page(at->plus_pages(i));
        if (!pfn) return break_law("V5", "page {} of {:#x} is not mapped", i, at->value());
        item.frames.push_back(*pfn);
    }
    judge_range(item, 1);
    if (broken() || !own_frames(item, request.gfp.has(__GFP_ZERO))) return;
    mark(item, cpu);
    keep(std::move(item), op);
}

/// Frames of the pool, the same again if there are not so many; each tells which it is.
template <class M>
std::vector<Pfn> VmallocMachine<M>::frames_to_map(const Operation& op) {
    if (!pool_) {
        pool_ = buddy_.take(pool_order, GFP_KERNEL, cpu_of(op));
        if (!pool_) return {};
        for (std::uint64_t i = 0; i < pool_order.pages(); ++i) {
            const Pfn pfn = *pool_ + i;
            const std::uint64_t word = mark_of(pfn.value());
            oracle::unpoison(arena_.address(pfn), page_size);
            std::memcpy(arena_.address(pfn), &word, sizeof word);
        }
    }
    std::vector<Pfn> frames;
    for (std::uint64_t i = 0; i < op.count; ++i) {
        frames.push_back(*pool_ + (op.slot + i * 5) % pool_order.pages());
    }
    return frames;
}

template <class M>
void VmallocMachine<M>::take_mapping(Kind kind, const Operation& op) {
    const CpuId cpu = cpu_of(op);
    const std::uint64_t refused_before = refused();
    Item item{.kind = kind, .at = {}, .frames = frames_to_map(op)};
    const auto at =
        kind == Kind::vmap ? vmalloc_->vmap(item.frames, cpu) : vmalloc_->vm_map_ram(item.frames, cpu);
    const std::uint64_t pages = item.frames.size();
    block_area_ = block_area_ || item.in_block();  // it stays if only the mapping fails
    if (!at) {
        if (pages == 0) return;
        const std::size_t block = vmalloc_->blocks().block_pages() << page_shift;
        const bool in_block = item.in_block();
        if (refused() == refused_before &&
            addresses_to_be_had(vmalloc_->space(), in_block ? block : (pages + 1) << page_shift,
                                in_block ? block : page_size) &&
            pages_to_be_had(0, GFP_KERNEL, cpu))
            break_law("M1", "no mapping of {} frames, but addresses and pages were there", pages);
        return;
    }
    if (pages == 0) return break_law("V11", "{:#x} for no frames", at->value());
    item.at = *at;
    judge_range(item, kind == Kind::vmap ? 1 : 0);
    for (std::uint64_t i = 0; i < pages && !broken(); ++i) {
        if (i == 0 || item.is_marked(i)) judge_page(item, i, cpu);
    }
    keep(std::move(item), op);
}

template <class M>
void VmallocMachine<M>::keep(Item item, const Operation& op) {
    if (broken() || item.empty()) return;
    if (Item* const place = slots_.next_empty(op.slot)) {
        *place = std::move(item);
    } else {
        release(item, cpu_of(op));
    }
}

// --- Using and giving ---

template <class M>
void VmallocMachine<M>::touch(const Item& item, const Operation& op) {
    judge_page(item, op.size % item.frames.size(), cpu_of(op));
}

template <class M>
void VmallocMachine<M>::release(Item& item, CpuId cpu) {
    for (std::uint64_t i = 0; i < item.frames.size() && !broken(); ++i) {
        if (item.is_marked(i)) judge_page(item, i, cpu);
    }
    if (broken()) return;
    ranges_.erase(item.at.value());
    switch (item.kind) {
        case Kind::area:
            for (const Pfn pfn : item.frames) owned_[arena_.index(pfn)] = false;
            vmalloc_->vfree(item.at, cpu);
            break;
        case Kind::vmap:
            vmalloc_->vunmap(item.at, cpu);
            break;
        case Kind::ram:
            vmalloc_->vm_unmap_ram(item.at, item.frames.size(), cpu);
    }
    for (const std::uint64_t page : {std::uint64_t{0}, item.frames.size() - 1}) {
        if (mmu_->frame_of(item.at.plus_pages(page)))
            return break_law("V5", "page {} of {:#x} is mapped after it was freed", page, item.at.value());
    }
    freed_.push_back(std::move(item));
    if (vmalloc_->space().lazy_pages() == 0) judge_freed(false);
}

// --- Misuse ---

template <class M>
void VmallocMachine<M>::misuse(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    const std::size_t first = reports_.size();
    Item* const item = slots_.next_full(op.slot);
    if (op.kind == OpKind::misuse_foreign) {
        // Never where something begins. An area that the model does not know may lie there.
        const VirtAddr at = mmu_->window().begin.plus_pages(op.count) + 8;
        vmalloc_->vfree(at, cpu);
        const MisuseKind due =
            ranges_.covers(at.value()) ? MisuseKind::interior_pointer : MisuseKind::foreign_pointer;
        return judge_report(first, due, block_area_ ? MisuseKind::interior_pointer : due);
    }
    if (item == nullptr) return;
    const VirtAddr at = item->at;
    const Kind kind = item->kind;
    if (op.kind == OpKind::misuse_inside) {
        // Of a mapping the begin will do: it is none of vmalloc's.
        const std::uint64_t pages = kind == Kind::area ? 1 + op.count % item->frames.size() : 0;
        vmalloc_->vfree(at.plus_pages(pages), cpu);
        if (kind == Kind::area)
            return judge_report(first, MisuseKind::interior_pointer, MisuseKind::interior_pointer);
        // What begins inside a block begins nothing for vfree.
        return judge_report(first, MisuseKind::wrong_cache,
                            kind == Kind::ram ? MisuseKind::interior_pointer : MisuseKind::wrong_cache);
    }
    const std::uint64_t pages = item->frames.size();
    release(*item, cpu);
    if (broken()) return;
    if (kind == Kind::area) vmalloc_->vfree(at, cpu);
    if (kind == Kind::vmap) vmalloc_->vunmap(at, cpu);
    if (kind == Kind::ram) vmalloc_->vm_unmap_ram(at, pages, cpu);
    // Only a block that is still there knows that something was in it.
    judge_report(first, MisuseKind::foreign_pointer,
                 kind == Kind::ram ? MisuseKind::double_free : MisuseKind::foreign_pointer);
}

// --- Walks ---

template <class M>
MaybeViolation VmallocMachine<M>::find_violation() {
    if (auto found = vmalloc_->find_violation()) return found;
    return Base::find_violation_below(vmalloc_->nr_vmalloc_pages() + pool_pages());
}

template <class M>
void VmallocMachine<M>::tear_down() {
    const CpuId cpu{0};
    pages_.fail_never();
    for (Item& item : slots_.all()) {
        if (item.empty()) continue;
        Item freed = std::exchange(item, {});
        release(freed, cpu);
        if (broken()) return;
    }
    vmalloc_->drain(cpu);
    settle(true);
    if (auto found = find_violation()) return break_law(std::move(*found));
    vmalloc_->space().for_each_busy([&](const VmapArea& area) {
        break_law("V4", "an area at {:#x} is busy when nothing lives", area.start);
    });
    if (mmu_->stats().mapped_pages != 0)
        break_law("V5", "{} pages are mapped when nothing lives", mmu_->stats().mapped_pages);
    vmalloc_.reset();
    if (pool_) buddy_.give(*pool_, pool_order, cpu);
    Base::tear_down_below();
}

template <class M>
std::string VmallocMachine<M>::describe() const {
    static constexpr std::array<std::string_view, 3> kinds{"area", "vmap", "ram"};
    std::string text;
    for (std::size_t i = 0; i < slot_count; ++i) {
        const Item& item = slots_.all()[i];
        if (item.empty()) continue;
        text += fmt::format("  slot {}: {} of {} pages at +{:#x}\n", i,
                            kinds[static_cast<std::size_t>(item.kind)], item.frames.size(),
                            item.at - mmu_->window().begin);
    }
    return text;
}

template class VmallocMachine<SoftMmu>;
template class VmallocMachine<HostMmu>;

}  // namespace kmemlab::fuzz
