#include "bench/replay/workload.hpp"

#include <algorithm>
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

}  // namespace

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

Workload workload_of(const trace::Trace& trace, trace::Layer layer) {
    Workload work;
    work.layer = layer;
    work.slots = trace.slots(layer);
    work.cpus = trace.cpus;
    if (layer == trace::Layer::objects) work.caches = trace.caches;
    const auto belongs = [&](const Operation& op) { return trace::layer_of(op.kind()) == layer; };
    const auto count = std::count_if(trace.operations.begin(), trace.operations.end(), belongs);
    work.operations.reserve(static_cast<std::size_t>(count));
    work.times.reserve(static_cast<std::size_t>(count));
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
