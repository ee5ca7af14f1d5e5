#include "allocators/mmu/host_mmu.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace kmemlab {
namespace {

/// Address space without memory; nullptr if there is none. With `at`, exactly there, over what is there.
std::byte* reserve_space(std::byte* at, std::size_t bytes) {
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* p = mmap(at, bytes, PROT_NONE, at == nullptr ? flags : flags | MAP_FIXED, -1, 0);
    return p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
}

std::byte* address_of(std::uint64_t page) {
    return static_cast<std::byte*>(HostMmu::pointer(VirtAddr::of_page(page)));
}

/// The runs of adjacent frames, as extents from `page` on.
template <class Extents>
Extents runs_of(std::uint64_t page, std::span<const Pfn> frames) {
    Extents runs;
    for (std::size_t begin = 0, end = 0; begin < frames.size(); begin = end) {
        for (end = begin + 1; end < frames.size() && frames[end] == frames[end - 1] + 1;) ++end;
        runs.emplace_hint(runs.end(), page + begin,
                          typename Extents::mapped_type{.pages = end - begin, .first = frames[begin]});
    }
    return runs;
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

HostMmu::HostMmu(Arena& arena, const HostMmuConfig& config) : arena_{arena}, populate_{config.populate} {
    stats_.mapping_limit = limit_of(config);
    const std::size_t unit = order_1g.bytes();
    const std::size_t bytes = (std::max(config.window_bytes, std::size_t{1}) + unit - 1) / unit * unit;
    std::byte* const space = reserve_space(nullptr, bytes + unit);
    if (space == nullptr) throw UsageError::of("mmu: no {} bytes of address space", bytes);
    reserved_ = {space, bytes + unit};
    // Above the reservation's begin, so that the page below the window is nobody's.
    const VirtAddr begin = VirtAddr{reinterpret_cast<std::uintptr_t>(space) + unit}.align_down(order_1g);
    window_ = {begin, begin + bytes};
    stats_.mappings = 1;
}

HostMmu::~HostMmu() {
    munmap(reserved_.data(), reserved_.size());
}

bool HostMmu::map(VirtAddr at, std::span<const Pfn> frames, CpuId) {
    return map_extents(runs_of<Extents>(at.page(), frames));
}

bool HostMmu::map_huge(VirtAddr at, Pfn first, Order order, CpuId) {
    KMEMLAB_DEBUG_CHECK((order == order_2m || order == order_1g) && at.is_aligned(order) &&
                        first.is_aligned(order));
    return map_extents({{at.page(), Extent{.pages = order.pages(), .first = first, .huge = true}}});
}

bool HostMmu::map_extents(const Extents& wanted) {
    if (!reserve(wanted)) return false;
    for (const auto& [page, extent] : wanted) {
        if (map_extent(page, extent)) continue;
        undo(wanted);
        return false;
    }
    return true;
}

/// Enters the extents before they are mapped, so that no flush takes their place for reserved space.
bool HostMmu::reserve(const Extents& wanted) {
    if (wanted.empty()) return true;
    const Lock guard{lock_};
    // Each extent is a mapping, and the first may cut reserved space in two.
    if (stats_.mappings + wanted.size() + 1 > stats_.mapping_limit) {
        ++stats_.refused_for_limit;
        return false;
    }
    const std::uint64_t begin = wanted.begin()->first;
    const auto& [last, last_extent] = *wanted.rbegin();
    change_extents(begin, last + last_extent.pages, [&] {
        for (const auto& [page, extent] : wanted) {
            const bool fresh = extents_.try_emplace(page, extent).second;
            KMEMLAB_DEBUG_CHECK(fresh);
            stats_.mapped_pages += fresh && !extent.claimed ? extent.pages : 0;
            stats_.huge_leaves += extent.huge ? 1 : 0;
        }
    });
    if (!wanted.begin()->second.claimed) stats_.map_calls += wanted.size();
    return true;
}

bool HostMmu::claim(VirtAddr at, std::uint64_t pages) {
    Extents wanted;
    for (std::uint64_t i = 0; i < pages; ++i) {
        wanted.emplace_hint(wanted.end(), at.page() + i, Extent{.pages = 1, .first = {}, .claimed = true});
    }
    return reserve(wanted);
}

bool HostMmu::fill(VirtAddr at, Pfn frame) const {
    return map_extent(at.page(), Extent{.pages = 1, .first = frame});
}

bool HostMmu::map_extent(std::uint64_t page, const Extent& extent) const {
    const int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | (populate_ ? MAP_POPULATE : 0);
    const auto offset = static_cast<off_t>((extent.first - arena_.start()) << page_shift);
    return mmap(address_of(page), extent.pages << page_shift, PROT_READ | PROT_WRITE, flags, arena_.memfd(),
                offset) != MAP_FAILED;
}

void HostMmu::undo(const Extents& wanted) {
    const Lock guard{lock_};
    ++stats_.refused_by_kernel;
    const std::uint64_t begin = wanted.begin()->first;
    const auto& [last, last_extent] = *wanted.rbegin();
    // Cannot be refused: no mapping is cut in two.
    static_cast<void>(clear(begin, last + last_extent.pages));
    change_extents(begin, last + last_extent.pages, [&] {
        for (const auto& [page, extent] : wanted) {
            extents_.erase(page);
            stats_.mapped_pages -= extent.pages;
            stats_.huge_leaves -= extent.huge ? 1 : 0;
        }
    });
}

bool HostMmu::clear(std::uint64_t page, std::uint64_t end) {
    ++stats_.unmap_calls;
    return reserve_space(address_of(page), (end - page) << page_shift) != nullptr;
}

HostMmu::Extents::iterator HostMmu::first_behind(std::uint64_t page) {
    auto next = extents_.upper_bound(page);
    if (next == extents_.begin()) return next;
    const auto before = std::prev(next);
    return before->first + before->second.pages > page ? before : next;
}

void HostMmu::split(std::uint64_t page) {
    const auto found = first_behind(page);
    if (found == extents_.end() || found->first >= page) return;
    Extent& left = found->second;
    KMEMLAB_DEBUG_CHECK(!left.huge);
    const std::uint64_t kept = page - found->first;
    extents_.emplace_hint(
        std::next(found), page,
        Extent{.pages = left.pages - kept, .first = left.first + kept, .lazy = left.lazy, .huge = false});
    left.pages = kept;
    ++stats_.mappings;
}

void HostMmu::unmap(VirtAddr at, std::uint64_t pages, CpuId) {
    const Lock guard{lock_};
    const std::uint64_t end = at.page() + pages;
    split(at.page());
    split(end);
    for (auto i = extents_.lower_bound(at.page()); i != extents_.end() && i->first < end; ++i) {
        Extent& extent = i->second;
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
        // A run of lazy extents, with the reserved space between them.
        const std::uint64_t first = next->first;
        std::uint64_t last = first;
        for (; next != extents_.end() && next->first < end.page() && next->second.lazy; ++next) {
            last = next->first + next->second.pages;
        }
        drop_lazy(first, last);
        next = extents_.lower_bound(last);
    }
}

void HostMmu::drop_lazy(std::uint64_t page, std::uint64_t end) {
    if (!clear(page, end)) {
        ++stats_.refused_by_kernel;  // They stay lazy, and the next flush tries again.
        return;
    }
    change_extents(page, end, [&] { extents_.erase(extents_.lower_bound(page), extents_.lower_bound(end)); });
}

std::uint64_t HostMmu::gaps_around(std::uint64_t page, std::uint64_t end) const {
    const auto upper = extents_.lower_bound(end);
    auto next = extents_.lower_bound(page);
    std::uint64_t covered = window_.begin.page();
    if (next != extents_.begin()) {
        const auto& [before, extent] = *std::prev(next);
        covered = before + extent.pages;
    }
    std::uint64_t gaps = 0;
    for (; next != upper; ++next) {
        gaps += next->first > covered ? 1 : 0;
        covered = next->first + next->second.pages;
    }
    const std::uint64_t behind = upper == extents_.end() ? window_.end.page() : upper->first;
    return gaps + (behind > covered ? 1 : 0);
}

/// Runs change(), which adds or removes extents within pages [page, end), and keeps the number of mappings.
template <class Change>
void HostMmu::change_extents(std::uint64_t page, std::uint64_t end, Change&& change) {
    const std::uint64_t before = gaps_around(page, end) + extents_.size();
    change();
    stats_.mappings += gaps_around(page, end) + extents_.size() - before;
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
    std::uint64_t covered = window_.begin.page();
    std::uint64_t mappings = 0;
    std::uint64_t pages = 0;
    std::uint64_t huge = 0;
    for (const auto& [page, extent] : extents_) {
        const std::uint64_t end = page + extent.pages;
        if (page < covered || extent.pages == 0 || end > window_.end.page()) {
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
        mappings += page > covered ? 2 : 1;
        covered = end;
        if (extent.lazy || extent.claimed) continue;
        pages += extent.pages;
        huge += extent.huge ? 1 : 0;
    }
    mappings += covered < window_.end.page() ? 1 : 0;
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
