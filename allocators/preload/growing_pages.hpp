/// A page source that grows: one range of addresses, in it as many buddy allocators as were needed so far,
/// each over an arena of its own within the range, as a machine has NUMA nodes.
///
///     range    | node 0 | node 1 | node 2         |  not yet used ...
///
/// Pages come from the node that served this CPU last, then from the others by age, then from a new node,
/// of at least 64 MiB and a quarter of what there is. When 16 MiB more were given back than taken, and by
/// trim(), whole free pageblocks (2 MiB) that are resident go back to the system; their addresses stay.
///
/// For any number of threads, each on a CPU of its own.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allocators/base/misuse.hpp"
#include "allocators/buddy/buddy.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/machine/page_source.hpp"

namespace kmemlab {

/// So many numbers, 0 at first, resident where they were written. Read and written by any thread.
class ZeroedNotes {
  public:
    using Note = std::atomic<std::uint16_t>;

    /// Throws std::bad_alloc.
    explicit ZeroedNotes(std::size_t count);
    ~ZeroedNotes();
    ZeroedNotes(const ZeroedNotes&) = delete;
    ZeroedNotes& operator=(const ZeroedNotes&) = delete;
    void set(std::uint64_t first, std::uint64_t count, std::uint16_t value) {
        for (std::uint64_t i = first; i < first + count; ++i)
            notes_[i].store(value, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint16_t get(std::uint64_t place) const {
        return notes_[place].load(std::memory_order_relaxed);
    }
    [[nodiscard]] Note* data() { return notes_; }

  private:
    Note* notes_;
    std::size_t count_;
};

class GrowingPages {
  public:
    GrowingPages(Arena& range, OwnedCpus& cpus, BuddyConfig config, MisuseLog& misuse);

    // PageSource
    [[nodiscard]] std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu);
    void give(Pfn pfn, Order order, CpuId cpu);
    [[nodiscard]] Arena& arena() { return range_; }

    /// A number for each frame, for whoever uses it: 0 until he writes it, and again when the frame is given
    /// back.
    [[nodiscard]] ZeroedNotes& notes() { return notes_; }

    /// Gives back what a CPU keeps on its lists; `cpu` is the caller's.
    void drain_cpu(CpuId cpu);
    /// Bytes that went back to the system.
    std::size_t trim(CpuId cpu);
    [[nodiscard]] std::uint64_t pages_in_use() const;
    /// Nobody else may be inside.
    [[nodiscard]] MaybeViolation find_violation() const;
    /// The files of the page allocator, those of all nodes behind each other.
    [[nodiscard]] std::vector<Text> snapshot() const;

  private:
    using Node = Buddy<OwnedCpus>;
    static constexpr unsigned unit_shift = 26 - page_shift;  ///< nodes are multiples of 64 MiB
    static constexpr std::size_t most_nodes = 64;
    static constexpr unsigned block_shift = 9;  ///< what is given back: 2 MiB
    static constexpr std::int64_t trim_after = (std::int64_t{16} << 20) >> page_shift;

    [[nodiscard]] std::optional<Pfn> take_from(std::size_t node, Order order, Gfp gfp, CpuId cpu);
    [[nodiscard]] bool grow(std::size_t seen);
    [[nodiscard]] Node& node_of(Pfn pfn) const {
        return *nodes_[node_of_unit_[(pfn - range_.start()) >> unit_shift]];
    }

    Arena& range_;
    OwnedCpus& cpus_;
    BuddyConfig config_;
    MisuseLog& misuse_;
    std::array<std::unique_ptr<Node>, most_nodes> nodes_;
    std::atomic<std::size_t> node_count_{0};
    std::uint64_t units_used_ = 0;
    std::vector<std::uint8_t> node_of_unit_;
    PerCpu<std::size_t> last_node_;
    SpinLock growing_;

    ZeroedNotes notes_;
    std::vector<std::atomic<std::uint8_t>> resident_;  ///< of each 2 MiB: taken since they were given back
    std::atomic<std::int64_t> given_{0};               ///< pages since the last trim, less those taken
    SpinLock trimming_;
};
static_assert(PageSource<GrowingPages>);

}  // namespace kmemlab
