/// The target that runs one program on all allocators.
#include "fuzz/machines/differential_machine.hpp"
#include "fuzz/targets/target.hpp"

namespace kmemlab::fuzz {

std::vector<Target> differential_targets() {
    constexpr OpSet operations = op_set(OpKind::alloc, OpKind::alloc_many, OpKind::resize, OpKind::release,
                                        OpKind::release_some, OpKind::drain, OpKind::walk);
    static const std::vector<Knob> knobs{
        {"pcp.enabled", {"0"}},
        {"pcp.batch", {"1", "7"}},
        {"slub.max_order", {"0", "1", "5"}},
        {"slub.min_partial", {"0"}},
        {"slub.cpu_partial", {"0", "6"}},
        {"sheaves.capacity", {"4", "60"}},
        {"slab.limit", {"1", "5"}},
        {"slab.shared", {"0", "1"}},
        {"slab.max_order", {"0", "5"}},
        {"vmalloc.lazy", {"0"}},
        {"vmalloc.huge", {"0"}},
        {"vmalloc.lazy_max_pages", {"1", "64"}},
    };
    return {{.name = "differential",
             .what = "one program on every allocator",
             .language = {"differential", operations, knobs},
             .make = [](const Setup& setup, const Language& language) -> std::unique_ptr<Machine> {
                 return std::make_unique<DifferentialMachine>(setup, language);
             }}};
}

}  // namespace kmemlab::fuzz
