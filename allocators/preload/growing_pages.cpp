#include "allocators/preload/growing_pages.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

namespace kmemlab {

ZeroedNotes::ZeroedNotes(std::size_t count) : count_{count} {
    void* const p = mmap(nullptr, count * sizeof(Note), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc{};
    notes_ = static_cast<Note*>(p);
}

ZeroedNotes::~ZeroedNotes() {
    munmap(notes_, count_ * sizeof(Note));
}

GrowingPages::GrowingPages(Arena& range, OwnedCpus& cpus, BuddyConfig config, MisuseLog& misuse)
    : range_{range},
      cpus_{cpus},
      config_{std::move(config)},
      misuse_{misuse},
      node_of_unit_(range.frames() >> unit_shift),
      last_node_{cpus.count()},
      notes_{range.frames()},
      resident_(range.frames() >> block_shift) {
    if (node_of_unit_.empty()) {
        throw UsageError::of("arena: {} bytes are less than the 64M that a heap begins with", range.bytes());
    }
}

std::optional<Pfn> GrowingPages::take_from(std::size_t node, Order order, Gfp gfp, CpuId cpu) {
    const std::optional<Pfn> pfn = nodes_[node]->take(order, gfp, cpu);
    if (!pfn) return {};
    last_node_[cpu] = node;
    const std::uint64_t first = (*pfn - range_.start()) >> block_shift;
    const std::uint64_t last = (*pfn - range_.start() + order.pages() - 1) >> block_shift;
    for (std::uint64_t i = first; i <= last; ++i) resident_[i].store(1, std::memory_order_relaxed);
    if (given_.load(std::memory_order_relaxed) > 0) {
        given_.fetch_sub(static_cast<std::int64_t>(order.pages()), std::memory_order_relaxed);
    }
    return pfn;
}

std::optional<Pfn> GrowingPages::take(Order order, Gfp gfp, CpuId cpu) {
    for (;;) {
        const std::size_t count = node_count_.load(std::memory_order_acquire);
        const std::size_t last = last_node_[cpu];
        if (last < count) {
            if (const auto pfn = take_from(last, order, gfp, cpu)) return pfn;
        }
        for (std::size_t node = 0; node < count; ++node) {
            if (node == last) continue;
            if (const auto pfn = take_from(node, order, gfp, cpu)) return pfn;
        }
        if (order > max_order || !grow(count)) return {};
    }
}

/// False: the range is used up. `seen` is the number of nodes that had nothing.
bool GrowingPages::grow(std::size_t seen) {
    const std::lock_guard guard{growing_};
    if (node_count_.load(std::memory_order_relaxed) != seen) return true;
    const std::uint64_t left = node_of_unit_.size() - units_used_;
    if (left == 0 || seen == most_nodes) return false;
    const std::uint64_t units =
        seen + 1 == most_nodes ? left : std::min(left, std::max<std::uint64_t>(1, units_used_ / 4));
    const Pfn start = range_.start() + (units_used_ << unit_shift);
    const FrameRange span{start, start + (units << unit_shift)};
    nodes_[seen] = std::make_unique<Node>(range_, cpus_, config_, misuse_,
                                          std::vector<ZoneSpec>{{ZoneType::normal, span, {span}, 0}});
    std::fill_n(node_of_unit_.begin() + static_cast<std::ptrdiff_t>(units_used_), units,
                static_cast<std::uint8_t>(seen));
    units_used_ += units;
    node_count_.store(seen + 1, std::memory_order_release);
    return true;
}

void GrowingPages::give(Pfn pfn, Order order, CpuId cpu) {
    notes_.set(pfn - range_.start(), order.pages(), 0);
    node_of(pfn).give(pfn, order, cpu);
    const auto pages = static_cast<std::int64_t>(order.pages());
    if (given_.fetch_add(pages, std::memory_order_relaxed) + pages >= trim_after) [[unlikely]]
        trim(cpu);
}

void GrowingPages::drain_cpu(CpuId cpu) {
    const std::size_t count = node_count_.load(std::memory_order_acquire);
    for (std::size_t node = 0; node < count; ++node) nodes_[node]->drain_local_pages(cpu);
}

std::size_t GrowingPages::trim(CpuId cpu) {
    given_.store(0, std::memory_order_relaxed);
    const std::lock_guard guard{trimming_};
    std::size_t bytes = 0;
    const std::size_t count = node_count_.load(std::memory_order_acquire);
    for (std::size_t node = 0; node < count; ++node) {
        nodes_[node]->zone(0).visit_free_blocks(Order{block_shift}, cpu, [&](FrameIndex index, Order order) {
            for (std::uint64_t i = index; i < index + order.pages(); i += Order{block_shift}.pages()) {
                if (resident_[i >> block_shift].exchange(0, std::memory_order_relaxed) == 0) continue;
                madvise(range_.address_at(static_cast<FrameIndex>(i)), Order{block_shift}.bytes(),
                        MADV_DONTNEED);
                bytes += Order{block_shift}.bytes();
            }
        });
    }
    return bytes;
}

std::uint64_t GrowingPages::pages_in_use() const {
    std::uint64_t pages = 0;
    for (std::size_t node = 0; node < node_count_.load(); ++node) pages += nodes_[node]->pages_in_use();
    return pages;
}

MaybeViolation GrowingPages::find_violation() const {
    for (std::size_t node = 0; node < node_count_.load(); ++node) {
        if (auto found = nodes_[node]->find_violation()) return found;
    }
    return {};
}

std::vector<Text> GrowingPages::snapshot() const {
    std::vector<Text> all;
    for (std::size_t node = 0; node < node_count_.load(); ++node) {
        for (Text& text : nodes_[node]->snapshot()) {
            const auto same = std::find_if(all.begin(), all.end(),
                                           [&](const Text& other) { return other.name == text.name; });
            if (same == all.end())
                all.push_back(std::move(text));
            else
                same->content += text.content;
        }
    }
    return all;
}

}  // namespace kmemlab
