/// Observer: the first pass over a fresh allocator. Performs the operations one by one, notes which path
/// served each, has a Witness check every object, walks the allocator's laws now and then, and samples
/// memory and fragmentation. At the end everything is freed and drained, and the free blocks must be those
/// of the begin (B16). Ends at the first violation.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "allocators/machine/page.hpp"
#include "bench/replay/huge_pages.hpp"
#include "bench/replay/object_target.hpp"
#include "bench/replay/observation.hpp"
#include "bench/replay/witness.hpp"
#include "bench/replay/workload.hpp"

namespace kmemlab::replay {

/// FNV-1a over 64-bit words.
class AddressHash {
  public:
    void add(std::uint64_t word) { hash_ = (hash_ ^ word) * 0x100000001b3U; }
    [[nodiscard]] std::uint64_t value() const { return hash_; }

  private:
    std::uint64_t hash_ = 0xcbf29ce484222325U;
};

template <class Target>
class Observer {
  public:
    Observer(Target& target, const Workload& work, const ObserveOptions& options)
        : target_{target}, machine_{target.machine()}, work_{work}, options_{options} {}

    /// The target must not be open; it is closed again at the end.
    [[nodiscard]] Observation run() {
        begin();
        for (std::size_t i = 0; i < work_.operations.size() && going_on(); ++i) {
            at(i);
            step(work_.operations[i]);
        }
        if (going_on()) finish();
        result_.operations = work_.operations.size();
        return std::move(result_);
    }

  private:
    using Machine = typename Target::Machine;
    static constexpr const ModelInfo& info = Target::ModelType::info;

    [[nodiscard]] bool going_on() const { return !result_.violation && !interrupted_; }

    void begin() {
        const std::size_t count = work_.operations.size();
        sample_every_ = std::max<std::size_t>(1, count / std::max<std::size_t>(1, options_.moments));
        map_every_ = std::max<std::size_t>(1, count / std::max<std::size_t>(1, options_.maps));
        result_.timeline.reserve(count / sample_every_ + 2);
        first_blocks_ = machine_.free_blocks();
        if (first_blocks_) result_.bytes_per_frame = sizeof(Page);
        target_.open();
    }

    /// What is due before operation `i`.
    void at(std::size_t i) {
        position_ = i;
        if (i % sample_every_ == 0) sample(i);
        if (i % map_every_ == 0) map(i);
        if (options_.check_every != 0 && i != 0 && i % options_.check_every == 0) check();
        if (i % progress_every == 0) tell(i);
        for (const std::uint64_t wanted : options_.snapshots) {
            if (wanted == i) result_.snapshots.push_back({i, machine_.snapshot()});
        }
    }

    void step(const trace::Operation& op) {
        if (trace::is_allocation(op.kind())) {
            allocation(op);
        } else if (trace::is_free(op.kind())) {
            release(op);
        } else {
            perform(op);
        }
    }

    void allocation(const trace::Operation& op) {
        perform(op);
        void* const memory = target_.memory(op);
        const std::size_t requested = target_.requested(op);
        ++result_.allocations[index_of(machine_.last_path(op.cpu()))];
        if (requested == 0) return;  // G6: null and an address are equally good
        if (memory == nullptr) {
            ++result_.failures;
            hash_.add(~std::uint64_t{0});
            return;
        }
        hash_.add(relative(memory));
        note(witness_.born({.memory = memory,
                            .requested = requested,
                            .usable = target_.usable(op),
                            .alignment = target_.alignment(op),
                            .zeroed = op.gfp().has(__GFP_ZERO)}));
    }

    void release(const trace::Operation& op) {
        void* const memory = target_.memory(op);
        if (memory == nullptr) {
            // Of size 0: nothing was got, and nothing failed.
            if (target_.requested(op) != 0) ++result_.frees_skipped;
            return;
        }
        note(witness_.dies(memory));
        perform(op);
        const std::size_t path = index_of(machine_.last_path(op.cpu()));
        ++result_.frees[path];
        if (work_.other_cpu[position_]) ++result_.frees_on_other_cpu[path];
    }

    /// Nothing is written before the witness has looked (G5).
    void perform(const trace::Operation& op) {
        target_.template perform<Touch::no>(op, [](auto&& operation) { operation(); });
    }

    void finish() {
        const std::size_t count = position_ = work_.operations.size();
        sample(count);
        map(count);
        check();
        const bool wanted = std::find(options_.snapshots.begin(), options_.snapshots.end(), count) !=
                            options_.snapshots.end();
        if (options_.snapshot_at_end || wanted) result_.snapshots.push_back({count, machine_.snapshot()});
        for (const trace::Operation& op : work_.leftovers) {
            if (void* memory = target_.memory(op); memory != nullptr) note(witness_.dies(memory));
            perform(op);
        }
        if (!target_.close())
            note(violation("S11", "a cache cannot be destroyed though all objects are freed"));
        machine_.drain(CpuId{0});
        check();
        compare_with_begin();
        if (info.capabilities.deterministic) result_.address_hash = hash_.value();
        if constexpr (requires { machine_.why_failed(); }) {
            if (result_.failures > 0) result_.failure_reason = machine_.why_failed();
        }
        tell(count);
    }

    void compare_with_begin() {
        const FreeBlocks last = machine_.free_blocks();
        if (!first_blocks_ || !last) return;
        for (unsigned order = 0; order < order_count; ++order) {
            if ((*last)[order] == (*first_blocks_)[order]) continue;
            return note(violation(
                "B16", "all is freed and drained, but of order {} there are {} free blocks, {} before", order,
                (*last)[order], (*first_blocks_)[order]));
        }
    }

    [[nodiscard]] double seconds_at(std::size_t i) const {
        if (work_.times.empty()) return 0;
        return static_cast<double>(work_.times[std::min(i, work_.times.size() - 1)]) / 1e9;
    }

    /// Fragmentation, where the frames can be asked.
    void map(std::size_t i) {
        if constexpr (requires { machine_.arena().page(Pfn{}); }) {
            if (!first_blocks_) return;
            std::vector<std::uint16_t> free_pages = free_pages_map(machine_.arena());
            if (!free_pages.empty()) result_.huge_pages.push_back({i, seconds_at(i), std::move(free_pages)});
        }
    }

    void sample(std::size_t i) {
        const AllocatorStats stats = machine_.stats();
        result_.timeline.push_back({i, seconds_at(i), witness_.requested_bytes(), witness_.handed_out_bytes(),
                                    stats.held_bytes, stats.metadata_bytes, machine_.free_blocks()});
    }

    void check() {
        ++result_.checks;
        note(machine_.find_violation());
    }

    /// Keeps the first violation.
    void note(const MaybeViolation& found) {
        if (!found || result_.violation) return;
        result_.violation =
            fmt::format("{} (at operation {} of {})", found->message(), position_, work_.operations.size());
    }

    void tell(std::size_t done) {
        if (options_.progress) options_.progress(done, work_.operations.size());
        if (options_.interrupted && options_.interrupted()) interrupted_ = true;
    }

    /// Relative to the arena; without one, to the first address given out.
    [[nodiscard]] std::uint64_t relative(void* memory) {
        if constexpr (requires { machine_.arena().offset_of(memory); }) {
            return machine_.arena().offset_of(memory);
        } else {
            if (origin_ == nullptr) origin_ = memory;
            return reinterpret_cast<std::uintptr_t>(memory) - reinterpret_cast<std::uintptr_t>(origin_);
        }
    }

    [[nodiscard]] static std::size_t index_of(Path path) { return static_cast<std::size_t>(path); }

    static constexpr std::size_t progress_every = 4096;

    Target& target_;
    Machine& machine_;
    const Workload& work_;
    const ObserveOptions& options_;
    Observation result_;
    Witness witness_;
    AddressHash hash_;
    FreeBlocks first_blocks_;
    std::size_t sample_every_ = 1;
    std::size_t map_every_ = 1;
    std::size_t position_ = 0;
    void* origin_ = nullptr;
    bool interrupted_ = false;
};

}  // namespace kmemlab::replay
