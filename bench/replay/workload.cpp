#include "bench/replay/workload.hpp"

#include <optional>

namespace kmemlab::replay {
namespace {

using trace::Operation;

Operation prepared(const Operation& op) {
    if (op.kind() != trace::Kind::page_alloc) return op;
    return {op.kind(), op.object(),   op.amount(), with_migrate_type(op.gfp(), op.migrate_type()),
            op.cpu(),  op.call_site()};
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
    Membership(Part part, std::uint32_t slots) : part_{part}, stacks_(part == Part::stacks ? slots : 0) {}

    [[nodiscard]] bool operator()(const Operation& op) {
        if (trace::layer_of(op.kind()) != layer_of(part_)) return false;
        if (part_ != Part::stacks) return true;
        if (op.kind() == trace::Kind::vmap_purge) return false;
        // A free does not tell how its area was aligned.
        if (trace::is_allocation(op.kind())) stacks_[op.object()] = is_stack(op);
        return stacks_[op.object()];
    }

  private:
    Part part_;
    std::vector<bool> stacks_;  ///< of each slot: what was allocated last is a stack
};

}  // namespace

std::string_view to_string(Part part) {
    return part == Part::stacks ? "stacks" : trace::to_string(layer_of(part));
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
    work.slots = trace.slots(layer_of(part));
    work.cpus = trace.cpus;
    if (part == Part::objects) work.caches = trace.caches;
    Membership belongs{part, work.slots};
    for (std::size_t i = 0; i < trace.operations.size(); ++i) {
        if (!belongs(trace.operations[i])) continue;
        work.operations.push_back(prepared(trace.operations[i]));
        work.times.push_back(trace.times[i]);
    }
    work.other_cpu = frees_elsewhere(work.operations, work.slots);
    work.leftovers = leftovers_of(work.operations, work.slots);
    return work;
}

}  // namespace kmemlab::replay
