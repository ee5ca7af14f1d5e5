/// Targets of the page allocator.
#include "fuzz/machines/page_machine.hpp"
#include "fuzz/targets/target.hpp"

namespace kmemlab::fuzz {
namespace {

constexpr OpSet page_operations =
    op_set(OpKind::pages, OpKind::pages_bulk, OpKind::pages_exact, OpKind::pages_fill, OpKind::release,
           OpKind::release_some, OpKind::hold, OpKind::drop, OpKind::local_drain, OpKind::unreserve,
           OpKind::drain, OpKind::walk, OpKind::misuse_order, OpKind::misuse_twice, OpKind::damage);

const std::vector<Knob>& page_knobs() {
    static const std::vector<Knob> knobs{
        {"pcp.enabled", {"0"}},
        {"pcp.batch", {"1", "7", "31"}},
        {"pcp.high", {"1", "16", "200"}},
        {"zone.min_free_kbytes", {"128", "1024"}},
        {"zone.pageblock_order", {"5", "7", "10"}},
        {"zone.lowmem_reserve_ratio", {"0", "2/2/2", "256/32"}},
        {"zone.watermark_boost_factor", {"0", "30000"}},
    };
    return knobs;
}

template <class Cpus>
Target target(std::string_view name, std::string_view what) {
    return {.name = name,
            .what = what,
            .language = {name, page_operations, page_knobs()},
            .make = [](const Setup& setup, const Language& language) -> std::unique_ptr<Machine> {
                return std::make_unique<PageMachine<Cpus>>(setup, language);
            },
            .threaded = "buddy"};
}

}  // namespace

std::vector<Target> page_targets() {
    return {
        target<OwnedCpus>("buddy", "the page allocator alone"),
        target<SimulatedCpus>("pcp-schedule", "the page allocator, struck by other CPUs at marked points")};
}

}  // namespace kmemlab::fuzz
