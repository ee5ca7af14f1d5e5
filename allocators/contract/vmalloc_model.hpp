/// vmalloc as an allocator: each request is an area of virtual memory over page frames from buddy, mapped by
/// the machine's own MMU (mmu/host_mmu.hpp), so that its memory can be used by its address. Huge mappings are
/// allowed, as kvmalloc does.
///
/// A process may have only so many mappings. A request that would pass the limit first purges, since areas
/// that wait are mappings too, and then gets null; why_failed() tells.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/contract/model.hpp"
#include "allocators/contract/models.hpp"
#include "allocators/mmu/host_mmu.hpp"
#include "allocators/vmalloc/vmalloc.hpp"

namespace kmemlab {

/// What can be set of a HostMmu.
struct HostMmuSettings {
    bool populate = true;
    std::uint64_t mapping_limit = 0;

    [[nodiscard]] std::vector<Tunable> tunables() {
        return {switch_tunable("mmu.populate", "a mapping's page table is filled at once, not at first use",
                               populate),
                integer_tunable("mmu.mapping_limit",
                                "most mappings of vmalloc; 0: as many as the process may have", mapping_limit,
                                0, std::uint64_t{1} << 31)};
    }
    [[nodiscard]] HostMmuConfig config() const {
        HostMmuConfig config{.populate = populate};
        if (mapping_limit > 0) config.mapping_limit = mapping_limit;
        return config;
    }
};

/// `most_nodes`: see VmallocConfig.
template <const ModelInfo& Info, unsigned most_nodes>
class VmallocModel {
  public:
    static constexpr ModelInfo info = Info;

    struct Config {
        MachineConfig machine;
        BuddyConfig buddy;
        HostMmuSettings mmu;
        VmallocConfig vmalloc{.most_nodes = most_nodes};
        [[nodiscard]] std::vector<Tunable> tunables() { return all_tunables(machine, buddy, mmu, vmalloc); }
    };

    explicit VmallocModel(const Config& config)
        : arena_{config.machine.arena, Pfn{config.machine.start_pfn}},
          cpus_{config.machine.cpus},
          buddy_{arena_, cpus_, config.buddy, misuse_},
          mmu_{arena_, config.mmu.config()},
          vmalloc_{buddy_, mmu_, cpus_, config.vmalloc, misuse_} {}

    [[nodiscard]] void* allocate(const Request& request) {
        const auto at = vmalloc_.vmalloc_range(request.size, request.align, request.gfp, true, request.cpu);
        return at ? HostMmu::pointer(*at) : nullptr;
    }
    void deallocate(void* p, CpuId cpu) {
        if (p != nullptr) vmalloc_.vfree(address(p), cpu);
    }
    [[nodiscard]] std::size_t usable_size(void* p) const {
        return vmalloc_.usable_size(address(p), CpuId{0});
    }
    void purge(CpuId cpu) { vmalloc_.vm_unmap_aliases(cpu); }

    [[nodiscard]] AllocatorStats stats() const {
        AllocatorStats stats = vmalloc_.stats();
        stats.metadata_bytes += buddy_.stats().metadata_bytes;
        return stats;
    }
    [[nodiscard]] Path last_path(CpuId cpu) { return vmalloc_.last_path(cpu); }
    void drain(CpuId cpu) {
        vmalloc_.drain(cpu);
        buddy_.drain(cpu);
    }
    /// Addresses, translations and pages, and that vmalloc and buddy count the same (G8).
    [[nodiscard]] MaybeViolation find_violation() const {
        if (auto found = vmalloc_.find_violation()) return found;
        if (auto found = buddy_.find_violation()) return found;
        if (buddy_.pages_in_use() != vmalloc_.nr_vmalloc_pages()) {
            return violation("G8", "vmalloc holds {} pages, buddy gave {}", vmalloc_.nr_vmalloc_pages(),
                             buddy_.pages_in_use());
        }
        return {};
    }
    [[nodiscard]] std::vector<Text> snapshot() const {
        std::vector<Text> texts{{"vmallocinfo", vmalloc_.vmallocinfo()}};
        for (Text& text : buddy_.snapshot()) texts.push_back(std::move(text));
        return texts;
    }
    [[nodiscard]] FreeBlocks free_blocks() const { return buddy_.free_blocks(); }
    [[nodiscard]] Buddy<OwnedCpus>& buddy() { return buddy_; }
    /// Of requests that got null, those for want of mappings, in words; empty if there is none.
    [[nodiscard]] std::string why_failed() const {
        const MmuStats stats = mmu_.stats();
        const std::uint64_t refused = stats.refused_for_limit + stats.refused_by_kernel;
        if (refused == 0) return "";
        return fmt::format(
            "{} maps were refused: the process has {} mappings here and may have {} (vm.max_map_count)",
            refused, stats.mappings, stats.mapping_limit);
    }

  private:
    [[nodiscard]] static VirtAddr address(const void* p) {
        return VirtAddr{reinterpret_cast<std::uintptr_t>(p)};
    }

    MisuseLog misuse_;
    Arena arena_;
    OwnedCpus cpus_;
    Buddy<OwnedCpus> buddy_;
    HostMmu mmu_;
    Vmalloc<OwnedCpus, HostMmu> vmalloc_;
};

inline constexpr ModelInfo vmalloc_info{
    .name = "vmalloc",
    .follows = "Linux 6.1",
    .what = "areas of virtual memory in one tree of free ones, lazily purged, over buddy and real mappings",
    .capabilities = {.smallest = page_size,
                     .largest = std::size_t{1} << 36,
                     .largest_align = order_1g.bytes(),
                     .thread_safe = true,
                     .deterministic = true,
                     .areas = true},
};
using VmallocOfOneTree = VmallocModel<vmalloc_info, 1>;

inline constexpr ModelInfo vmalloc_nodes_info{
    .name = "vmalloc-nodes",
    .follows = "Linux 6.9",
    .what = "vmalloc with a node for each CPU, which keeps purged areas in pools by size",
    .capabilities = vmalloc_info.capabilities,
};
using VmallocOfNodes = VmallocModel<vmalloc_nodes_info, most_vmap_nodes>;

}  // namespace kmemlab
