#include "allocators/mmu/page_table.hpp"

#include <algorithm>
#include <new>

namespace kmemlab {
namespace {

/// The page number behind the entry of `level` that covers `page`.
std::uint64_t end_of_entry(std::uint64_t page, unsigned level) {
    const std::uint64_t pages = order_of_level(level).pages();
    return (page | (pages - 1)) + 1;
}

}  // namespace

PageTable::PageTable(unsigned levels, std::optional<PageSourceRef> source)
    : levels_{levels}, source_{source} {
    if (levels != 4 && levels != 5) throw UsageError::of("page table: {} levels are neither 4 nor 5", levels);
    root_ = take_table(CpuId{0});
    if (root_ == nullptr) throw UsageError::of("page table: no page for the root");
}

PageTable::~PageTable() {
    release(root_, CpuId{0});
}

Table* PageTable::take_table(CpuId cpu) {
    void* memory = nullptr;
    if (source_) {
        const std::optional<Pfn> pfn = source_->take(Order{0}, GFP_KERNEL, cpu);
        if (pfn) memory = source_->arena().address(*pfn);
    } else {
        memory = ::operator new (sizeof(Table), std::align_val_t{alignof(Table)}, std::nothrow);
    }
    if (memory == nullptr) return nullptr;
    ++table_pages_;
    return new (memory) Table{};
}

void PageTable::release(Table* table, CpuId cpu) {
    for (const Pte entry : table->entries) {
        if (entry.present() && !entry.is_leaf()) release(entry.table(), cpu);
    }
    --table_pages_;
    if (const std::optional<Pfn> pfn = frame_of_table(*table)) {
        source_->give(*pfn, Order{0}, cpu);
    } else {
        ::operator delete (table, std::align_val_t{alignof(Table)});
    }
}

std::optional<Pfn> PageTable::frame_of_table(const Table& table) const {
    if (!source_) return {};
    return source_->arena().pfn(&table);
}

Pte* PageTable::make_entry(VirtAddr at, unsigned level, CpuId cpu) {
    Table* table = root_;
    for (unsigned l = levels_; l > level; --l) {
        Pte& entry = table->at(at, l);
        KMEMLAB_DEBUG_CHECK(!entry.is_leaf());
        if (!entry.present()) {
            Table* const below = take_table(cpu);
            if (below == nullptr) return nullptr;
            entry = Pte::pointer(below);
        }
        table = entry.table();
    }
    return &table->at(at, level);
}

bool PageTable::map(VirtAddr at, std::span<const Pfn> frames, CpuId cpu) {
    for (std::uint64_t done = 0; done < frames.size();) {
        const std::uint64_t page = at.page() + done;
        Pte* entry = make_entry(VirtAddr::of_page(page), 1, cpu);
        if (entry == nullptr) {
            clear(at, done);
            return false;
        }
        const std::uint64_t here = std::min(frames.size() - done, end_of_entry(page, 2) - page);
        for (const Pfn pfn : frames.subspan(done, here)) {
            KMEMLAB_DEBUG_CHECK(!entry->present());
            *entry++ = Pte::leaf(pfn, 1);
        }
        done += here;
    }
    return true;
}

Cleared PageTable::clear(VirtAddr at, std::uint64_t pages) {
    return clear_in(*root_, levels_, at.page(), at.page() + pages);
}

Cleared PageTable::clear_in(Table& table, unsigned level, std::uint64_t page, std::uint64_t end) {
    Cleared cleared;
    for (std::uint64_t next = 0; page < end; page = next) {
        next = end_of_entry(page, level);
        Pte& entry = table.at(VirtAddr::of_page(page), level);
        if (!entry.present()) continue;
        if (entry.is_leaf()) {
            KMEMLAB_DEBUG_CHECK(next <= end && next - page == order_of_level(level).pages());
            cleared.pages += order_of_level(level).pages();
            cleared.huge_leaves += level > 1 ? 1 : 0;
            entry = Pte{};
            continue;
        }
        const Cleared below = clear_in(*entry.table(), level - 1, page, std::min(next, end));
        cleared.pages += below.pages;
        cleared.huge_leaves += below.huge_leaves;
    }
    return cleared;
}

const Pte* PageTable::find_leaf(VirtAddr at) const {
    const Table* table = root_;
    for (unsigned level = levels_;; --level) {
        const Pte& entry = table->at(at, level);
        if (!entry.present()) return nullptr;
        if (entry.is_leaf()) return &entry;
        table = entry.table();
    }
}

bool PageTable::is_empty(const Table& table) {
    return std::all_of(table.entries.begin(), table.entries.end(), [](Pte entry) {
        return !entry.present() || (!entry.is_leaf() && is_empty(*entry.table()));
    });
}

void PageTable::walk(const VisitTable& on_table, const VisitLeaf& on_leaf) const {
    walk_in(*root_, levels_, 0, on_table, on_leaf);
}

void PageTable::walk_in(const Table& table, unsigned level, std::uint64_t page, const VisitTable& on_table,
                        const VisitLeaf& on_leaf) const {
    on_table(table);
    const unsigned unused_bits = 64 - page_shift - table_bits * levels_;
    for (const Pte entry : table.entries) {
        if (entry.present() && entry.is_leaf()) {
            // Addresses are canonical: the highest bit that is translated fills those above.
            const auto shifted = static_cast<std::int64_t>(page << page_shift << unused_bits);
            on_leaf(VirtAddr{static_cast<std::uint64_t>(shifted >> unused_bits)}, level, entry);
        } else if (entry.present()) {
            walk_in(*entry.table(), level - 1, page, on_table, on_leaf);
        }
        page += order_of_level(level).pages();
    }
}

}  // namespace kmemlab
