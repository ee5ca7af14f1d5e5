#include "bench/replay/workload.hpp"

#include <algorithm>
#include <optional>

namespace kmemlab::replay {
namespace {

using trace::Operation;

Operation prepared(const Operation& op, Part part) {
    if (op.kind() == trace::Kind::page_alloc) {
        return {op.kind(), op.object(),   op.amount(), with_migrate_type(op.gfp(), op.migrate_type()),
                op.cpu(),  op.call_site()};
    }
    if (part != Part::stacks) return op;
    return {trace::is_allocation(op.kind()) ? trace::Kind::vmap_alloc : trace::Kind::vmap_free,
            op.object(),
            stack_pages,
            op.gfp(),
            op.cpu(),
            op.call_site(),
            stack_align_order};
}

Operation end_of(const Operation& allocation) {
    return {trace::free_of(allocation.kind()),
            allocation.object(),
            allocation.amount(),
            Gfp{},
            allocation.cpu(),
            allocation.call_site()};
}

/// Of each operation, whether it ends what another CPU began.
std::vector<bool> frees_elsewhere(const std::vector<Operation>& operations, std::uint32_t slots) {
    std::vector<CpuId> allocated_on(slots);
    std::vector<bool> elsewhere;
    elsewhere.reserve(operations.size());
    for (const Operation& op : operations) {
        if (op.kind() == trace::Kind::vmap_purge) {
            elsewhere.push_back(false);
            continue;
        }
        CpuId& from = allocated_on[op.object()];
        elsewhere.push_back(!trace::is_allocation(op.kind()) && from != op.cpu());
        from = op.cpu();
    }
    return elsewhere;
}

/// The frees of what lives at the end, by object number.
std::vector<Operation> leftovers_of(const std::vector<Operation>& operations, std::uint32_t slots) {
    std::vector<std::optional<Operation>> live(slots);
    for (const Operation& op : operations) {
        if (op.kind() == trace::Kind::vmap_purge) continue;
        auto& slot = live[op.object()];
        if (trace::is_allocation(op.kind())) {
            slot = op;
        } else {
            slot.reset();
        }
    }
    std::vector<Operation> frees;
    for (const auto& slot : live) {
        if (slot) frees.push_back(end_of(*slot));
    }
    return frees;
}

/// Which operations belong to a part; to be asked about all of a trace, in order.
class Membership {
  public:
    Membership(Part part, const trace::Trace& trace)
        : part_{part},
          layer_{part == Part::stacks ? trace::Layer::objects : static_cast<trace::Layer>(part)} {
        if (part != Part::stacks) return;
        const auto names_tasks = [](const trace::Cache& cache) { return cache.name == "task_struct"; };
        const auto found = std::find_if(trace.caches.begin(), trace.caches.end(), names_tasks);
        if (found != trace.caches.end()) {
            tasks_ = static_cast<std::uint32_t>(found - trace.caches.begin());
        } else {
            layer_ = trace::Layer::areas;
            stacks_.resize(trace.slots(layer_));
        }
    }

    [[nodiscard]] trace::Layer layer() const { return layer_; }
    [[nodiscard]] bool operator()(const Operation& op) {
        if (trace::layer_of(op.kind()) != layer_) return false;
        if (part_ != Part::stacks) return true;
        if (tasks_) {
            return (op.kind() == trace::Kind::kmem_cache_alloc ||
                    op.kind() == trace::Kind::kmem_cache_free) &&
                   op.cache() == *tasks_;
        }
        if (op.kind() == trace::Kind::vmap_purge) return false;
        // A free does not tell how its area was aligned.
        if (trace::is_allocation(op.kind())) stacks_[op.object()] = is_stack(op);
        return stacks_[op.object()];
    }

  private:
    Part part_;
    trace::Layer layer_;
    std::optional<std::uint32_t> tasks_;  ///< the cache of task_struct
    std::vector<bool> stacks_;            ///< of each slot: what was allocated last is a stack
};

}  // namespace

std::string_view to_string(Part part) {
    return part == Part::stacks ? "stacks" : trace::to_string(static_cast<trace::Layer>(part));
}

std::string to_string(OperationKind kind) {
    return std::string{trace::to_string(kind.kind)} + (kind.other_cpu ? "-other-cpu" : "");
}

Gfp with_migrate_type(Gfp gfp, unsigned migrate_type) {
    constexpr Gfp mobility = __GFP_MOVABLE | __GFP_RECLAIMABLE;
    switch (migrate_type) {
        case 0:
            return gfp.without(mobility);
        case 1:
            return gfp.without(mobility) | __GFP_MOVABLE;
        case 2:
            return gfp.without(mobility) | __GFP_RECLAIMABLE;
        default:
            return (gfp & mobility) == mobility ? gfp.without(mobility) : gfp;
    }
}

Workload workload_of(const trace::Trace& trace, Part part) {
    Workload work;
    work.part = part;
    Membership belongs{part, trace};
    work.layer = belongs.layer();
    work.slots = trace.slots(work.layer);
    work.cpus = trace.cpus;
    if (part == Part::objects) work.caches = trace.caches;
    for (std::size_t i = 0; i < trace.operations.size(); ++i) {
        if (!belongs(trace.operations[i])) continue;
        work.operations.push_back(prepared(trace.operations[i], part));
        work.times.push_back(trace.times[i]);
    }
    work.other_cpu = frees_elsewhere(work.operations, work.slots);
    work.leftovers = leftovers_of(work.operations, work.slots);
    return work;
}

}  // namespace kmemlab::replay
