#include "allocators/mmu/soft_mmu.hpp"

#include <algorithm>
#include <cstring>
#include <set>

namespace kmemlab {
namespace {

/// Do all addresses of the window differ only in bits that the page table translates?
bool fits(AddressRange window, unsigned levels) {
    const unsigned bits = page_shift + table_bits * levels - 1;
    const auto above = [bits](std::uint64_t address) { return address >> bits; };
    const std::uint64_t all_ones = ~std::uint64_t{0} >> bits;
    const std::uint64_t first = above(window.begin.value());
    return first == above(window.end.value() - 1) && (first == 0 || first == all_ones);
}

AddressRange window_of(const SoftMmuConfig& config) {
    const AddressRange window = config.window.value_or(vmalloc_window(config.levels));
    if (window.begin >= window.end || window.begin.offset() != 0 || window.end.offset() != 0 ||
        !fits(window, config.levels)) {
        throw UsageError::of("mmu: {:#x}..{:#x} is no window of whole pages that {} levels translate",
                             window.begin.value(), window.end.value(), config.levels);
    }
    return window;
}

/// Calls copy(address, bytes, offset) for each part of [at, at + size) that lies in one page, while it
/// returns true.
template <class Copy>
bool page_by_page(VirtAddr at, std::size_t size, Copy&& copy) {
    for (std::size_t done = 0; done < size;) {
        const VirtAddr here = at + done;
        const std::size_t part = std::min(size - done, page_size - here.offset());
        if (!copy(here, part, done)) return false;
        done += part;
    }
    return true;
}

}  // namespace

SoftMmu::SoftMmu(Arena& arena, const SoftMmuConfig& config, std::optional<PageSourceRef> tables)
    : arena_{arena}, window_{window_of(config)}, table_{config.levels, tables} {
    cpus_.resize(checked_cpu_count(config.cpus), Cpu{Tlb{config.tlb}});
}

bool SoftMmu::map(VirtAddr at, std::span<const Pfn> frames, CpuId cpu) {
    const Lock guard{lock_};
    KMEMLAB_DEBUG_CHECK(at >= window_.begin && at.plus_pages(frames.size()) <= window_.end);
    lazy_.erase(at.page(), at.page() + frames.size());
    if (!table_.map(at, frames, cpu)) {
        ++stats_.refused_for_tables;
        return false;
    }
    stats_.mapped_pages += frames.size();
    return true;
}

bool SoftMmu::map_huge(VirtAddr at, Pfn first, Order order, CpuId cpu) {
    const Lock guard{lock_};
    KMEMLAB_DEBUG_CHECK((order == order_2m || order == order_1g) && at.is_aligned(order) &&
                        first.is_aligned(order));
    KMEMLAB_DEBUG_CHECK(at >= window_.begin && at.plus_pages(order.pages()) <= window_.end);
    const unsigned level = order == order_2m ? 2 : 3;
    lazy_.erase(at.page(), at.page() + order.pages());
    Pte* entry = table_.make_entry(at, level, cpu);
    if (entry == nullptr) {
        ++stats_.refused_for_tables;
        return false;
    }
    if (entry->present()) {
        // An empty table hangs there. CPUs forget it before it is freed, and before the leaf takes its place.
        Table* const table = entry->table();
        KMEMLAB_DEBUG_CHECK(!entry->is_leaf() && PageTable::is_empty(*table));
        *entry = Pte{};
        flush_locked({at, at.plus_pages(order.pages())}, cpu);
        table_.release(table, cpu);
    }
    *entry = Pte::leaf(first, level);
    stats_.mapped_pages += order.pages();
    ++stats_.huge_leaves;
    return true;
}

void SoftMmu::unmap(VirtAddr at, std::uint64_t pages, CpuId) {
    const Lock guard{lock_};
    const VirtAddr begin = std::max(at, window_.begin);
    const VirtAddr end = std::min(at.plus_pages(pages), window_.end);
    if (begin >= end) return;
    const Cleared cleared = table_.clear(begin, AddressRange{begin, end}.pages());
    stats_.mapped_pages -= cleared.pages;
    stats_.huge_leaves -= cleared.huge_leaves;
    lazy_.insert(begin.page(), end.page());
}

void SoftMmu::flush(VirtAddr begin, VirtAddr end, CpuId cpu) {
    const Lock guard{lock_};
    if (begin < end) flush_locked({begin, end}, cpu);
}

void SoftMmu::flush_locked(AddressRange range, CpuId cpu) {
    const bool full = range.pages() > flush_ceiling_pages;
    ++stats_.flushes;
    stats_.full_flushes += full ? 1 : 0;
    for (unsigned c = 0; c < cpus_.size(); ++c) {
        Cpu& other = cpus_[c];
        if (other.inside && CpuId{c} != cpu) ++stats_.ipis;
        if (full || !other.inside) {
            other.tlb.flush_all();
        } else {
            other.tlb.flush_pages(range);
        }
    }
    if (full) {
        lazy_.clear();
    } else {
        lazy_.erase(range.begin.page(), range.end.page());
    }
}

void SoftMmu::flush_local(VirtAddr at, CpuId cpu) {
    const Lock guard{lock_};
    const VirtAddr page = at.align_down(Order{0});
    cpu_at(cpu).tlb.flush_pages({page, page.plus_pages(1)});
    lazy_.erase(at.page(), at.page() + 1);
}

std::optional<Pfn> SoftMmu::frame_of(VirtAddr at) const {
    const Lock guard{lock_};
    const Pte* leaf = window_.contains(at) ? table_.find_leaf(at) : nullptr;
    if (leaf == nullptr) return {};
    return leaf->frame_at(at);
}

std::optional<Pfn> SoftMmu::translate(VirtAddr at, CpuId cpu) {
    const Lock guard{lock_};
    KMEMLAB_DEBUG_CHECK(cpu_at(cpu).inside);
    if (!window_.contains(at)) return {};  // the table looks at fewer bits than addresses have
    const std::optional<Translation> leaf = cpu_at(cpu).tlb.translate(at, table_);
    if (!leaf) return {};
    const Pfn frame = leaf->entry.frame_at(at);
    if (leaf->is_stale() && !broken_use_ && !lazy_.contains(at.page())) broken_use_ = {at, cpu, frame};
    return frame;
}

bool SoftMmu::read(VirtAddr at, std::span<std::byte> into, CpuId cpu) {
    return page_by_page(at, into.size(), [&](VirtAddr here, std::size_t part, std::size_t done) {
        const std::optional<Pfn> frame = translate(here, cpu);
        if (frame) std::memcpy(into.data() + done, arena_.address(*frame) + here.offset(), part);
        return frame.has_value();
    });
}

bool SoftMmu::write(VirtAddr at, std::span<const std::byte> from, CpuId cpu) {
    return page_by_page(at, from.size(), [&](VirtAddr here, std::size_t part, std::size_t done) {
        const std::optional<Pfn> frame = translate(here, cpu);
        if (frame) std::memcpy(arena_.address(*frame) + here.offset(), from.data() + done, part);
        return frame.has_value();
    });
}

void SoftMmu::leave(CpuId cpu) {
    const Lock guard{lock_};
    cpu_at(cpu).inside = false;
}

void SoftMmu::enter(CpuId cpu) {
    const Lock guard{lock_};
    cpu_at(cpu).inside = true;
}

MmuStats SoftMmu::stats() const {
    const Lock guard{lock_};
    MmuStats stats = stats_;
    stats.table_pages = table_.table_pages();
    return stats;
}

TlbCounts SoftMmu::tlb_counts(CpuId cpu) const {
    const Lock guard{lock_};
    return cpus_[cpu.value()].tlb.counts();
}

TlbCounts SoftMmu::tlb_counts() const {
    const Lock guard{lock_};
    TlbCounts all;
    for (const Cpu& cpu : cpus_) all += cpu.tlb.counts();
    return all;
}

std::optional<StaleUse> SoftMmu::broken_use() const {
    const Lock guard{lock_};
    return broken_use_;
}

std::size_t SoftMmu::metadata_bytes() const {
    std::size_t bytes = table_.table_pages() * page_size;
    for (const Cpu& cpu : cpus_) bytes += cpu.tlb.metadata_bytes();
    return bytes;
}

/// One walk over the table and all TLBs; keeps the first law that it finds broken.
class SoftMmu::Audit {
  public:
    explicit Audit(const SoftMmu& mmu) : mmu_{mmu} {}

    [[nodiscard]] MaybeViolation run() {
        mmu_.table_.walk([this](const Table& table) { note_table(table); },
                         [this](VirtAddr at, unsigned level, Pte leaf) { check_leaf(at, level, leaf); });
        for (const Pfn pfn : mapped_) {
            if (table_frames_.count(pfn) != 0) broken("V6", "frame {:#x} of a table is mapped", pfn.value());
        }
        check_counts();
        for (unsigned cpu = 0; cpu < mmu_.cpus_.size(); ++cpu) check_tlb(cpu);
        if (const auto& use = mmu_.broken_use_) {
            broken("V7", "cpu {} used a stale translation at {:#x}: frame {:#x}", use->cpu.value(),
                   use->at.value(), use->used.value());
        }
        return found_;
    }

  private:
    template <class... Args>
    void broken(std::string_view law, fmt::format_string<Args...> format, Args&&... args) {
        if (!found_) found_ = violation(law, format, std::forward<Args>(args)...);
    }

    void note_table(const Table& table) {
        ++tables_;
        if (const auto pfn = mmu_.table_.frame_of_table(table)) table_frames_.insert(*pfn);
    }

    void check_leaf(VirtAddr at, unsigned level, Pte leaf) {
        const Order order = order_of_level(level);
        pages_ += order.pages();
        huge_ += level > 1 ? 1 : 0;
        if (level == 1 && !table_frames_.empty()) mapped_.push_back(leaf.first_frame());
        if (leaf.level() != level || level > largest_leaf_level) {
            broken("V5", "{:#x}: a leaf of level {} stands in a table of level {}", at.value(), leaf.level(),
                   level);
        }
        if (!leaf.first_frame().is_aligned(order)) {
            broken("V5", "{:#x}: frame {:#x} is not aligned to {} pages", at.value(),
                   leaf.first_frame().value(), order.pages());
        }
        if (!mmu_.window_.contains(at)) broken("V5", "{:#x} is mapped, outside of the window", at.value());
    }

    void check_counts() {
        const MmuStats& stats = mmu_.stats_;
        if (stats.mapped_pages != pages_) {
            broken("V4", "{} pages are mapped, counted {}", stats.mapped_pages, pages_);
        }
        if (stats.huge_leaves != huge_) {
            broken("V4", "{} huge leaves, counted {}", stats.huge_leaves, huge_);
        }
        if (mmu_.table_.table_pages() != tables_) {
            broken("V14", "{} table pages, {} can be reached", mmu_.table_.table_pages(), tables_);
        }
    }

    /// A CPU that left is not asked: what it knows is gone before it comes back.
    void check_tlb(unsigned cpu) {
        if (!mmu_.cpus_[cpu].inside) return;
        mmu_.cpus_[cpu].tlb.for_each([&](Cached kind, VirtAddr at, const Translation& translation) {
            if (!translation.is_stale()) return;
            if (is_page(kind) && mmu_.lazy_.contains(at.page())) return;
            broken("V7", "cpu {} holds a stale {} at {:#x}", cpu,
                   is_page(kind) ? "translation" : "pointer to a table", at.value());
        });
    }

    const SoftMmu& mmu_;
    MaybeViolation found_;
    std::uint64_t tables_ = 0;
    std::uint64_t pages_ = 0;
    std::uint64_t huge_ = 0;
    std::set<Pfn> table_frames_;
    std::vector<Pfn> mapped_;
};

MaybeViolation SoftMmu::find_violation() const {
    return Audit{*this}.run();
}

}  // namespace kmemlab
