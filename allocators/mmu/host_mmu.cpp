#include "allocators/mmu/host_mmu.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace kmemlab {
namespace {

/// Of the first frames, how many are adjacent.
std::size_t adjacent(std::span<const Pfn> frames) {
    std::size_t count = 1;
    while (count < frames.size() && frames[count] == frames[count - 1] + 1) ++count;
    return count;
}

std::uint64_t limit_of(const HostMmuConfig& config) {
    if (config.mapping_limit) return *config.mapping_limit;
    const std::uint64_t used = process_mappings() + HostMmu::spare_mappings;
    const std::uint64_t most = max_process_mappings();
    if (most <= used) {
        throw UsageError::of("mmu: vm.max_map_count is {}, of which this process needs {} itself", most,
                             used);
    }
    return most - used;
}

}  // namespace

std::uint64_t max_process_mappings() {
    std::ifstream file{"/proc/sys/vm/max_map_count"};
    std::uint64_t count = 0;
    if (!(file >> count)) throw UsageError::of("mmu: /proc/sys/vm/max_map_count cannot be read");
    return count;
}

std::uint64_t process_mappings() {
    std::ifstream file{"/proc/self/maps"};
    return static_cast<std::uint64_t>(
        std::count(std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}, '\n'));
}

HostMmu::HostMmu(Arena& arena, const HostMmuConfig& config)
    : arena_{arena}, populate_{config.populate}, window_{config.window_bytes, config.way} {
    stats_.mapping_limit = limit_of(config);
    stats_.mappings = 1;
}

bool HostMmu::map(VirtAddr at, std::span<const Pfn> frames, CpuId) {
    if (frames.empty()) return true;
    std::size_t count = adjacent(frames);
    const Run first{at.page(), {.pages = count, .first = frames[0]}};
    if (count == frames.size()) return map_runs({&first, 1});
    std::vector<Run> runs{first};
    for (std::size_t begin = count; begin < frames.size(); begin += count) {
        count = adjacent(frames.subspan(begin));
        runs.push_back({at.page() + begin, {.pages = count, .first = frames[begin]}});
    }
    return map_runs(runs);
}

bool HostMmu::map_huge(VirtAddr at, Pfn first, Order order, CpuId) {
    KMEMLAB_DEBUG_CHECK((order == order_2m || order == order_1g) && at.is_aligned(order) &&
                        first.is_aligned(order));
    const Run leaf{at.page(), {.pages = order.pages(), .first = first, .huge = true}};
    return map_runs({&leaf, 1});
}

bool HostMmu::map_runs(Runs wanted) {
    if (!reserve(wanted)) return false;
    for (std::size_t mapped = 0; mapped < wanted.size(); ++mapped) {
        if (map_extent(wanted[mapped].first, wanted[mapped].second)) continue;
        undo(wanted, mapped);
        return false;
    }
    return true;
}

/// Enters the extents before they are mapped, so that no flush takes their place for free space.
bool HostMmu::reserve(Runs wanted) {
    const Lock guard{lock_};
    // Each extent is a mapping, and the first may cut kept space in two.
    if (stats_.mappings + wanted.size() + 1 > stats_.mapping_limit) {
        ++stats_.refused_for_limit;
        return false;
    }
    const auto behind = first_from(wanted.front().first);
    KMEMLAB_DEBUG_CHECK(behind == extents_.end() ||
                        behind->first >= wanted.back().first + wanted.back().second.pages);
    change_extents(behind, behind, [&] {
        for (const auto& [page, extent] : wanted) {
            extents_.emplace_hint(behind, page, extent);
            stats_.mapped_pages += extent.claimed ? 0 : extent.pages;
            stats_.huge_leaves += extent.huge ? 1 : 0;
        }
    });
    near_ = behind;
    if (!wanted.front().second.claimed) stats_.map_calls += wanted.size();
    return true;
}

bool HostMmu::claim(VirtAddr at, std::uint64_t pages) {
    std::vector<Run> wanted;
    for (std::uint64_t i = 0; i < pages; ++i) {
        wanted.push_back({at.page() + i, {.pages = 1, .first = {}, .claimed = true}});
    }
    return wanted.empty() || reserve(wanted);
}

bool HostMmu::fill(VirtAddr at, Pfn frame) const {
    return map_extent(at.page(), Extent{.pages = 1, .first = frame});
}

bool HostMmu::map_extent(std::uint64_t page, const Extent& extent) const {
    return window_.map(VirtAddr::of_page(page),
                       {.file = arena_.memfd(),
                        .offset = static_cast<off_t>((extent.first - arena_.start()) << page_shift),
                        .bytes = extent.pages << page_shift,
                        .populate = populate_});
}

void HostMmu::undo(Runs wanted, std::size_t mapped) {
    const Lock guard{lock_};
    ++stats_.refused_by_kernel;
    const std::uint64_t begin = wanted.front().first;
    // Cannot be refused: no mapping is cut in two.
    if (mapped > 0) static_cast<void>(clear(begin, wanted[mapped].first));
    const auto first = extents_.lower_bound(begin);
    const auto last = extents_.upper_bound(wanted.back().first);
    near_ = last;
    change_extents(first, last, [&] {
        extents_.erase(first, last);
        for (const auto& [page, extent] : wanted) {
            stats_.mapped_pages -= extent.pages;
            stats_.huge_leaves -= extent.huge ? 1 : 0;
        }
    });
}

bool HostMmu::clear(std::uint64_t page, std::uint64_t end) {
    ++stats_.unmap_calls;
    return window_.clear(VirtAddr::of_page(page), VirtAddr::of_page(end));
}

HostMmu::Extents::iterator HostMmu::first_from(std::uint64_t page) {
    auto next = near_;
    // One step down, where what was mapped last begins.
    if (next != extents_.begin() && std::prev(next)->first >= page) --next;
    const bool found = (next == extents_.end() || next->first >= page) &&
                       (next == extents_.begin() || std::prev(next)->first < page);
    return found ? next : extents_.lower_bound(page);
}

HostMmu::Extents::iterator HostMmu::first_behind(std::uint64_t page) {
    const auto next = first_from(page);
    if (next == extents_.begin()) return next;
    const auto before = std::prev(next);
    return before->first + before->second.pages > page ? before : next;
}

HostMmu::Extents::iterator HostMmu::split(Extents::iterator found, std::uint64_t page) {
    Extent& left = found->second;
    KMEMLAB_DEBUG_CHECK(!left.huge);
    const std::uint64_t kept = page - found->first;
    const Extent right{.pages = left.pages - kept, .first = left.first + kept, .lazy = left.lazy};
    left.pages = kept;
    ++stats_.mappings;
    return extents_.emplace_hint(std::next(found), page, right);
}

void HostMmu::unmap(VirtAddr at, std::uint64_t pages, CpuId) {
    const Lock guard{lock_};
    const std::uint64_t end = at.page() + pages;
    auto i = first_behind(at.page());
    if (i != extents_.end() && i->first < at.page()) i = split(i, at.page());
    for (; i != extents_.end() && i->first < end; ++i) {
        Extent& extent = i->second;
        if (i->first + extent.pages > end) split(i, end);
        if (extent.lazy) continue;
        extent.lazy = true;
        stats_.mapped_pages -= extent.claimed ? 0 : extent.pages;
        stats_.huge_leaves -= extent.huge ? 1 : 0;
    }
}

void HostMmu::flush(VirtAddr begin, VirtAddr end, CpuId) {
    if (begin >= end) return;
    const Lock guard{lock_};
    ++stats_.flushes;
    auto next = extents_.lower_bound(begin.page());
    while (next != extents_.end() && next->first < end.page()) {
        if (!next->second.lazy) {
            ++next;
            continue;
        }
        // A run of lazy extents, with what is free between them.
        const auto first = next;
        while (next != extents_.end() && next->first < end.page() && next->second.lazy) ++next;
        drop_lazy(first, next);
    }
}

void HostMmu::drop_lazy(Extents::iterator first, Extents::iterator last) {
    const auto& [page, extent] = *std::prev(last);
    if (!clear(first->first, page + extent.pages)) {
        ++stats_.refused_by_kernel;  // They stay lazy, and the next flush tries again.
        return;
    }
    near_ = last;
    change_extents(first, last, [&] { extents_.erase(first, last); });
}

std::uint64_t HostMmu::mappings_of(std::uint64_t extents, std::uint64_t gaps) const {
    constexpr std::uint64_t sentinel = 1;
    return extents + (window_.way() == HostWindow::Way::hole ? sentinel : gaps);
}

/// Runs change(), which adds or removes extents in front of `last` from `first` on, and keeps the number of
/// mappings.
template <class Change>
void HostMmu::change_extents(Extents::iterator first, Extents::iterator last, Change&& change) {
    const bool is_lowest = first == extents_.begin();
    const auto before = is_lowest ? first : std::prev(first);
    const auto count_gaps = [&] {
        std::uint64_t gaps = 0;
        if (window_.way() == HostWindow::Way::hole) return gaps;  // which need no mapping
        std::uint64_t covered = is_lowest ? window().begin.page() : before->first + before->second.pages;
        for (auto i = is_lowest ? extents_.begin() : std::next(before); i != last; ++i) {
            gaps += i->first > covered ? 1 : 0;
            covered = i->first + i->second.pages;
        }
        const std::uint64_t behind = last == extents_.end() ? window().end.page() : last->first;
        return gaps + (behind > covered ? 1 : 0);
    };
    const std::uint64_t had = mappings_of(extents_.size(), count_gaps());
    change();
    stats_.mappings += mappings_of(extents_.size(), count_gaps()) - had;
}

const HostMmu::Extent* HostMmu::find(VirtAddr at) const {
    const auto next = extents_.upper_bound(at.page());
    if (next == extents_.begin()) return nullptr;
    const auto& [page, extent] = *std::prev(next);
    return page + extent.pages > at.page() ? &extent : nullptr;
}

std::optional<Pfn> HostMmu::frame_of(VirtAddr at) const {
    const Lock guard{lock_};
    const auto next = extents_.upper_bound(at.page());
    if (next == extents_.begin()) return {};
    const auto& [page, extent] = *std::prev(next);
    if (page + extent.pages <= at.page() || extent.lazy || extent.claimed) return {};
    return extent.first + (at.page() - page);
}

bool HostMmu::is_mapped(VirtAddr at, std::size_t bytes) const {
    const Lock guard{lock_};
    const std::uint64_t end = (at + bytes + (page_size - 1)).page();
    for (std::uint64_t page = at.page(); page < end; ++page) {
        const Extent* const extent = find(VirtAddr::of_page(page));
        if (extent == nullptr || extent->claimed) return false;
    }
    return true;
}

bool HostMmu::read(VirtAddr at, std::span<std::byte> into, CpuId) {
    if (!is_mapped(at, into.size())) return false;
    std::memcpy(into.data(), pointer(at), into.size());
    return true;
}

bool HostMmu::write(VirtAddr at, std::span<const std::byte> from, CpuId) {
    if (!is_mapped(at, from.size())) return false;
    std::memcpy(pointer(at), from.data(), from.size());
    return true;
}

bool HostMmu::touch(VirtAddr at, CpuId) {
    if (!is_mapped(at, 1)) return false;
    static_cast<void>(*static_cast<const volatile std::byte*>(pointer(at)));
    return true;
}

MmuStats HostMmu::stats() const {
    const Lock guard{lock_};
    return stats_;
}

MaybeViolation HostMmu::find_violation() const {
    const Lock guard{lock_};
    std::uint64_t covered = window().begin.page();
    std::uint64_t gaps = 0;
    std::uint64_t pages = 0;
    std::uint64_t huge = 0;
    for (const auto& [page, extent] : extents_) {
        const std::uint64_t end = page + extent.pages;
        if (page < covered || extent.pages == 0 || end > window().end.page()) {
            return violation("V5",
                             "an extent of {} pages at page {:#x} overlaps, is empty or leaves the window",
                             extent.pages, page);
        }
        if (extent.claimed) {
            if (extent.pages != 1)
                return violation("V5", "{} claimed pages in one at page {:#x}", extent.pages, page);
        } else if (!arena_.contains(extent.first) || !arena_.contains(extent.first + (extent.pages - 1))) {
            return violation("V5", "an extent at page {:#x} maps frame {:#x}, outside of the arena", page,
                             extent.first.value());
        }
        gaps += page > covered ? 1 : 0;
        covered = end;
        if (extent.lazy || extent.claimed) continue;
        pages += extent.pages;
        huge += extent.huge ? 1 : 0;
    }
    gaps += covered < window().end.page() ? 1 : 0;
    const std::uint64_t mappings = mappings_of(extents_.size(), gaps);
    if (mappings != stats_.mappings) {
        return violation("V4", "{} mappings, counted {}", stats_.mappings, mappings);
    }
    if (pages != stats_.mapped_pages || huge != stats_.huge_leaves) {
        return violation("V4", "{} pages and {} huge leaves are mapped, counted {} and {}",
                         stats_.mapped_pages, stats_.huge_leaves, pages, huge);
    }
    return {};
}

}  // namespace kmemlab
