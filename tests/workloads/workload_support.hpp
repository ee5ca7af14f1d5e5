/// Traces of workloads, and what tests ask about them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bench/trace/trace.hpp"
#include "bench/workloads/workload.hpp"

namespace kmemlab::workloads {

/// The trace of "larson,threads=2".
[[nodiscard]] inline trace::Trace made(const std::string& text) {
    return make_trace("workload:" + text);
}

/// A life: an allocation and the free that ends it.
struct Life {
    trace::Operation allocation;
    trace::Operation free;
    std::size_t born = 0;  ///< index of the allocation
    std::size_t died = 0;  ///< of the free
    [[nodiscard]] bool crosses() const { return allocation.cpu() != free.cpu(); }
};

/// In the order of their ends.
[[nodiscard]] inline std::vector<Life> lives_of(const trace::Trace& trace) {
    std::vector<std::vector<Life>> open(trace::layer_count);
    for (unsigned i = 0; i < trace::layer_count; ++i) open[i].resize(trace.slots_per_layer[i]);
    std::vector<Life> lives;
    for (std::size_t i = 0; i < trace.operations.size(); ++i) {
        const trace::Operation& op = trace.operations[i];
        Life& life = open[static_cast<unsigned>(trace::layer_of(op.kind()))][op.object()];
        if (trace::is_allocation(op.kind())) {
            life = {op, {}, i, 0};
        } else {
            life.free = op;
            life.died = i;
            lives.push_back(life);
        }
    }
    return lives;
}

}  // namespace kmemlab::workloads
