#include "allocators/kmap/kmap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"

namespace kmemlab {
namespace {

/// Addresses that each CPU has for kmap_local (VM-83).
constexpr unsigned indices_per_cpu(bool debug) {
    return debug ? 33 : 16;
}

}  // namespace

template <class Cpus, Mmu M>
Kmap<Cpus, M>::Kmap(Arena& arena, M& mmu, Cpus& cpus, const KmapConfig& config, MisuseLog& misuse)
    : arena_{arena},
      mmu_{mmu},
      cpus_{cpus},
      log_{misuse},
      config_{config},
      high_begin_{arena.start() + std::min(config.low_pages, arena.frames())},
      slots_begin_{low_address(high_begin_)},
      slots_(config.slots),
      levels_{cpus.count()} {
    if (!std::has_single_bit(config.slots))
        throw UsageError::of("kmap: {} slots are no power of two", config.slots);
    const std::uint64_t low = high_begin_ - arena.start();
    const std::uint64_t needed =
        low + config.slots + std::uint64_t{indices_per_cpu(config.debug)} * cpus.count();
    if (needed > mmu.window().pages())
        throw UsageError::of("kmap: {} pages do not fit into a window of {}", needed, mmu.window().pages());
    std::vector<Pfn> frames;
    for (std::uint64_t i = 0; i < low; ++i) frames.push_back(arena.start() + i);
    if (!mmu.map(mmu.window().begin, frames, CpuId{0})) throw UsageError{"kmap: low memory cannot be mapped"};
}

template <class Cpus, Mmu M>
void Kmap<Cpus, M>::report(MisuseKind kind, VirtAddr at, std::string what) {
    log_.report({kind, reinterpret_cast<void*>(at.value()), {}, std::move(what)});
}

// ---- slots for everybody (VM-81, 82) -----------------------------------------------------------------

template <class Cpus, Mmu M>
std::optional<VirtAddr> Kmap<Cpus, M>::kmap(Pfn frame, CpuId cpu) {
    if (is_low(frame)) return low_address(frame);
    const LockGuard<Cpus> guard{cpus_, lock_, cpu};
    if (const auto known = slot_of_.find(frame.value()); known != slot_of_.end()) {
        ++slots_[known->second].count;
        ++stats_.maps;
        ++stats_.reused;
        return slot_address(known->second);
    }
    const std::optional<unsigned> slot = find_free_slot(cpu);
    if (!slot) {
        ++stats_.sleeps;
        return {};
    }
    if (!mmu_.map(slot_address(*slot), {&frame, 1}, cpu)) return {};
    slots_[*slot] = {frame, 2};
    slot_of_[frame.value()] = *slot;
    ++stats_.maps;
    return slot_address(*slot);
}

/// Nothing: as many tries as there are slots met none, the last of them after a flush.
template <class Cpus, Mmu M>
std::optional<unsigned> Kmap<Cpus, M>::find_free_slot(CpuId cpu) {
    for (unsigned tries = config_.slots; tries > 0; --tries) {
        last_ = (last_ + 1) % config_.slots;
        if (last_ == 0) {
            flush_unused(cpu);
            tries = config_.slots;
        }
        if (slots_[last_].count == 0) return last_;
    }
    return {};
}

template <class Cpus, Mmu M>
void Kmap<Cpus, M>::flush_unused(CpuId cpu) {
    bool any = false;
    for (unsigned slot = 0; slot < config_.slots; ++slot) {
        if (slots_[slot].count != 1) continue;
        mmu_.unmap(slot_address(slot), 1, cpu);
        slot_of_.erase(slots_[slot].frame.value());
        slots_[slot] = {};
        any = true;
    }
    if (!any) return;
    mmu_.flush(slots_begin_, slot_address(config_.slots), cpu);
    ++stats_.flushes;
}

template <class Cpus, Mmu M>
void Kmap<Cpus, M>::kunmap(Pfn frame, CpuId cpu) {
    if (is_low(frame)) return;
    const LockGuard<Cpus> guard{cpus_, lock_, cpu};
    const auto known = slot_of_.find(frame.value());
    if (known == slot_of_.end())
        return report(MisuseKind::foreign_pointer, {},
                      fmt::format("kunmap: frame {} has no slot\n", frame.value()));
    Slot& slot = slots_[known->second];
    if (slot.count < 2)
        return report(MisuseKind::double_free, slot_address(known->second),
                      fmt::format("kunmap: frame {} is used by nobody\n", frame.value()));
    --slot.count;
}

// ---- levels of the task that runs on a CPU (VM-83) ---------------------------------------------------

template <class Cpus, Mmu M>
VirtAddr Kmap<Cpus, M>::level_address(std::size_t depth, CpuId cpu) const {
    const std::uint64_t in_cpu = config_.debug ? 2 * depth + 1 : depth;
    const std::uint64_t index = in_cpu + std::uint64_t{indices_per_cpu(config_.debug)} * cpu.value();
    return VirtAddr::of_page(mmu_.window().end.page() - 1 - index);
}

template <class Cpus, Mmu M>
bool Kmap<Cpus, M>::map_level(std::size_t depth, Pfn frame, CpuId cpu) {
    return mmu_.map(level_address(depth, cpu), {&frame, 1}, cpu);
}

/// No other CPU uses the address, so that none need be interrupted, if the MMU can do that.
template <class Cpus, Mmu M>
void Kmap<Cpus, M>::unmap_level(std::size_t depth, CpuId cpu) {
    const VirtAddr at = level_address(depth, cpu);
    mmu_.unmap(at, 1, cpu);
    if constexpr (requires { mmu_.flush_local(at, cpu); }) {
        mmu_.flush_local(at, cpu);
    } else {
        mmu_.flush(at, at.plus_pages(1), cpu);
    }
}

template <class Cpus, Mmu M>
std::optional<VirtAddr> Kmap<Cpus, M>::kmap_local(Pfn frame, CpuId cpu) {
    if (is_low(frame)) return low_address(frame);
    Levels& levels = levels_[cpu];
    if (levels.size() == max_levels()) {
        report(MisuseKind::bad_request, {},
               fmt::format("kmap_local: {} levels on cpu {}, no more are possible\n", levels.size(),
                           cpu.value()));
        return {};
    }
    if (!map_level(levels.size(), frame, cpu)) return {};
    levels.push_back(frame);
    return level_address(levels.size() - 1, cpu);
}

template <class Cpus, Mmu M>
void Kmap<Cpus, M>::kunmap_local(VirtAddr at, CpuId cpu) {
    const VirtAddr page = at.align_down(Order{0});
    if (page < slots_begin_) return;
    Levels& levels = levels_[cpu];
    if (levels.empty() || page != level_address(levels.size() - 1, cpu))
        return report(
            MisuseKind::bad_request, at,
            levels.empty()
                ? fmt::format("kunmap_local: cpu {} has mapped nothing\n", cpu.value())
                : fmt::format("kunmap_local: {:#x} is not what cpu {} mapped last, {:#x}\n", at.value(),
                              cpu.value(), level_address(levels.size() - 1, cpu).value()));
    levels.pop_back();
    unmap_level(levels.size(), cpu);
}

template <class Cpus, Mmu M>
KmapTask Kmap<Cpus, M>::switch_out(CpuId cpu) {
    KmapTask task{cpu, std::exchange(levels_[cpu], {})};
    for (std::size_t depth = task.frames.size(); depth-- > 0;) unmap_level(depth, cpu);
    return task;
}

template <class Cpus, Mmu M>
void Kmap<Cpus, M>::switch_in(const KmapTask& task, CpuId cpu) {
    Levels& levels = levels_[cpu];
    if (!levels.empty() || (!task.frames.empty() && task.cpu != cpu))
        return report(MisuseKind::bad_request, {},
                      fmt::format("kmap_local: a task with mappings on cpu {} cannot run on cpu {}\n",
                                  task.cpu.value(), cpu.value()));
    for (const Pfn frame : task.frames) {
        // The tables are there: these addresses were mapped before.
        if (!map_level(levels.size(), frame, cpu))
            check_failed("a level cannot be mapped again", __FILE__, __LINE__);
        levels.push_back(frame);
    }
}

// ---- the laws ----------------------------------------------------------------------------------------

template <class Cpus, Mmu M>
MaybeViolation Kmap<Cpus, M>::find_violation() const {
    std::size_t in_use = 0;
    for (unsigned i = 0; i < config_.slots; ++i) {
        const Slot& slot = slots_[i];
        const std::optional<Pfn> mapped = mmu_.frame_of(slot_address(i));
        if (slot.count == 0 ? mapped.has_value() : mapped != slot.frame)
            return violation("V5", "slot {} with count {} is not mapped as that wants", i, slot.count);
        if (slot.count == 0) continue;
        ++in_use;
        const auto known = slot_of_.find(slot.frame.value());
        if (known == slot_of_.end() || known->second != i)
            return violation("V6", "frame {} of slot {} is known to have another slot, or none",
                             slot.frame.value(), i);
    }
    if (in_use != slot_of_.size())
        return violation("V4", "{} slots hold a page, {} pages are known to have one", in_use,
                         slot_of_.size());
    for (CpuId cpu{0}; cpu.value() < levels_.count(); ++cpu) {
        const Levels& levels = levels_[cpu];
        for (std::size_t depth = 0; depth < max_levels(); ++depth) {
            const std::optional<Pfn> mapped = mmu_.frame_of(level_address(depth, cpu));
            if (depth < levels.size() ? mapped != levels[depth] : mapped.has_value())
                return violation("V5", "level {} of cpu {} is not mapped as its task wants", depth,
                                 cpu.value());
        }
    }
    return mmu_.find_violation();
}

template class Kmap<OwnedCpus, SoftMmu>;
template class Kmap<SimulatedCpus, SoftMmu>;
template class Kmap<OwnedCpus, HostMmu>;

}  // namespace kmemlab
