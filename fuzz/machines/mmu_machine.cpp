#include "fuzz/machines/mmu_machine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace kmemlab::fuzz {

MmuMachine::MmuMachine(const Setup& setup, const Language& language)
    : MappingMachine{setup, language}, outside_(cpus_.count()) {
    const auto pool = buddy_.take(pool_order, GFP_KERNEL, CpuId{0});
    if (!pool) throw UsageError{"no memory to map"};
    pool_ = *pool;
    for (std::uint64_t i = 0; i < pool_order.pages(); ++i) {
        const std::uint64_t word = mark_of((pool_ + i).value());
        std::memcpy(arena_.address(pool_ + i), &word, sizeof word);
    }
}

void MmuMachine::perform(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    Item* const item = slots_.next_full(op.slot);
    switch (op.kind) {
        case OpKind::map:
            map(op);
            break;
        case OpKind::map_huge:
            map_huge(op);
            break;
        case OpKind::release:
            if (item != nullptr) unmap(*item, item->pages, cpu);
            break;
        case OpKind::release_some:
            if (item != nullptr && item->leaf == Order{0} && op.count > 0)
                unmap(*item, std::min<std::uint64_t>(op.count, item->pages), cpu);
            break;
        case OpKind::touch: {
            const std::uint64_t lazy = lazy_.next(page_of(op));
            if (op.slot % 4 == 0 && lazy != ~std::uint64_t{0})
                judge_page(lazy, cpu);
            else if (item != nullptr)
                judge_page(item->page + op.size % item->pages, cpu);
            break;
        }
        case OpKind::purge:
            flush(mmu_->window().begin.page(), mmu_->window().end.page(), cpu);
            break;
        case OpKind::flush_range: {
            const std::uint64_t begin = std::min(lazy_.next(page_of(op)), mmu_->window().end.page());
            flush(begin, std::min(begin + op.count % 64, mmu_->window().end.page()), cpu);
            break;
        }
        case OpKind::leave:
            mmu_->leave(cpu);
            outside_[cpu.value()] = true;
            break;
        case OpKind::enter:
            mmu_->enter(cpu);
            outside_[cpu.value()] = false;
            break;
        case OpKind::fail:
            fail(op);
            break;
        case OpKind::damage:
            damage(op);
            break;
        default:
            break;
    }
    judge_operation();
}

void MmuMachine::damage(const Operation& op) {
    std::vector<SoftMmuPart> parts;
    for (unsigned c = 0; c < cpus_.count(); ++c) {
        if (!outside_[c]) parts.push_back({*mmu_, CpuId{c}});
    }
    Machine::damage(op, std::span{parts}, soft_mmu_damages(), [&] { return mmu_->find_violation(); });
}

/// The first place for so many pages, aligned to their number if they are for one leaf, where nothing is
/// mapped or lazy; from `page` on, and not too far away.
std::optional<std::uint64_t> MmuMachine::place(std::uint64_t page, std::uint64_t pages) const {
    const AddressRange window = mmu_->window();
    const std::uint64_t align = pages >= order_2m.pages() ? pages : 1;
    for (int tries = 0; tries < 8; ++tries) {
        page = (page + align - 1) / align * align;
        if (page + pages > window.end.page()) {
            page = (window.begin.page() + align - 1) / align * align;
            if (page + pages > window.end.page()) return {};
        }
        const std::uint64_t taken = std::min(mapped_.next(page), lazy_.next(page));
        if (taken >= page + pages) return page;
        page = taken + 1;
    }
    return {};
}

void MmuMachine::map(const Operation& op) {
    if (op.count == 0) return;
    const auto page = place(page_of(op), op.count);
    if (!page) return;
    const oracle::Frames frames{.first = pool_, .begin = op.slot, .step = 5, .among = pool_order.pages()};
    std::vector<Pfn> all;
    for (std::uint64_t i = 0; i < op.count; ++i) all.push_back(frames.at(i));
    const std::uint64_t refused = pages_.refused();
    judge_map(mmu_->map(VirtAddr::of_page(*page), all, cpu_of(op)), {*page, op.count, Order{0}}, frames,
              refused, op);
}

void MmuMachine::map_huge(const Operation& op) {
    const Order leaf = op.count % 2 == 0 ? order_2m : order_1g;
    const auto page = place(page_of(op), leaf.pages());
    if (!page) return;
    const oracle::Frames frames{.first = Pfn{(1 + op.count / 2) * leaf.pages()}};
    const std::uint64_t refused = pages_.refused();
    judge_map(mmu_->map_huge(VirtAddr::of_page(*page), frames.first, leaf, cpu_of(op)),
              {*page, leaf.pages(), leaf}, frames, refused, op);
}

void MmuMachine::judge_map(bool mapped, const Item& item, const oracle::Frames& frames,
                           std::uint64_t refused_before, const Operation& op) {
    if (mapped) {
        mapped_.insert(item.page, item.pages, frames);
        mapped_pages_ += item.pages;
        for (const std::uint64_t i : {std::uint64_t{0}, item.pages / 2, item.pages - 1}) {
            judge_page(item.page + i, cpu_of(op));
        }
        Item kept = item;
        if (Item* const slot = slots_.next_empty(op.slot)) {
            *slot = kept;
        } else {
            unmap(kept, kept.pages, cpu_of(op));
        }
        return;
    }
    for (const std::uint64_t i : {std::uint64_t{0}, item.pages - 1}) {
        if (mmu_->frame_of(VirtAddr::of_page(item.page + i)))
            return break_law("V10", "page {} of a map that failed is mapped", i);
    }
    if (pages_.refused() == refused_before && pages_to_be_had(0, GFP_KERNEL, cpu_of(op)))
        break_law("M1", "{} pages cannot be mapped, but there were pages for tables", item.pages);
}

/// The first pages of what the slot has.
void MmuMachine::unmap(Item& item, std::uint64_t pages, CpuId cpu) {
    mmu_->unmap(VirtAddr::of_page(item.page), pages, cpu);
    lazy_.take_from(mapped_, item.page, item.page + pages);
    mapped_pages_ -= pages;
    item.page += pages;
    item.pages -= pages;
}

void MmuMachine::flush(std::uint64_t begin, std::uint64_t end, CpuId cpu) {
    mmu_->flush(VirtAddr::of_page(begin), VirtAddr::of_page(end), cpu);
    if (begin >= end) return;
    if (end - begin > flush_ceiling_pages)
        lazy_.clear();
    else
        lazy_.erase(begin, end);
}

void MmuMachine::judge_page(std::uint64_t page, CpuId cpu) {
    const VirtAddr at = VirtAddr::of_page(page);
    const std::optional<Pfn> due = mapped_.frame_of(page);
    if (mmu_->frame_of(at) != due) return break_law("V5", "page {:#x} is not mapped to its frame", page);
    if (outside_[cpu.value()]) return;
    const std::optional<Pfn> found = mmu_->translate(at, cpu);
    if (due ? found == due : !found || found == lazy_.frame_of(page)) {
        if (!due || *due < pool_ || *due >= pool_ + pool_order.pages()) return;
        std::uint64_t word = 0;
        if (!mmu_->read(at, std::as_writable_bytes(std::span{&word, 1}), cpu) ||
            word != mark_of(due->value()))
            break_law("V5", "cpu {} reads another frame at page {:#x}", cpu.value(), page);
        return;
    }
    break_law(due ? "V5" : "V7", "cpu {} finds {} at page {:#x}, {} is due", cpu.value(),
              found ? fmt::format("frame {:#x}", found->value()) : "nothing", page,
              due ? fmt::format("frame {:#x}", due->value()) : "nothing");
}

MaybeViolation MmuMachine::find_violation() {
    const MmuStats stats = mmu_->stats();
    if (stats.mapped_pages != mapped_pages_)
        return violation("V4", "{} pages are mapped, {} should be", stats.mapped_pages, mapped_pages_);
    for (const Item& item : slots_.all()) {
        for (std::uint64_t i = 0; i < item.pages; i += 1 + item.pages / 16) {
            if (mmu_->frame_of(VirtAddr::of_page(item.page + i)) != mapped_.frame_of(item.page + i))
                return violation("V5", "page {:#x} is not mapped to its frame", item.page + i);
        }
    }
    if (auto found = mmu_->find_violation()) return found;
    return find_violation_below(pool_order.pages());
}

void MmuMachine::tear_down() {
    const CpuId cpu{0};
    pages_.fail_never();
    for (Item& item : slots_.all()) {
        if (!item.empty()) unmap(item, item.pages, cpu);
    }
    flush(mmu_->window().begin.page(), mmu_->window().end.page(), cpu);
    judge_operation();
    if (auto found = find_violation()) return break_law(std::move(*found));
    buddy_.give(pool_, pool_order, cpu);
    tear_down_below();
}

std::string MmuMachine::describe() const {
    std::string text;
    for (std::size_t i = 0; i < slot_count; ++i) {
        const Item& item = slots_.all()[i];
        if (item.empty()) continue;
        text += fmt::format("  slot {}: {} pages at +{:#x}, leaves of order {}\n", i, item.pages,
                            item.page - mmu_->window().begin.page(), item.leaf.value());
    }
    return text;
}

}  // namespace kmemlab::fuzz
