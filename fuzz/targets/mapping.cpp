/// Targets of what maps: vmalloc with one tree or with nodes, the MMU, per-CPU areas, kmap, stacks.
#include <algorithm>
#include <initializer_list>

#include "fuzz/machines/kmap_machine.hpp"
#include "fuzz/machines/mmu_machine.hpp"
#include "fuzz/machines/percpu_machine.hpp"
#include "fuzz/machines/stack_machine.hpp"
#include "fuzz/machines/vmalloc_machine.hpp"
#include "fuzz/targets/target.hpp"

namespace kmemlab::fuzz {
namespace {

constexpr OpSet vmalloc_operations =
    op_set(OpKind::area, OpKind::area_huge, OpKind::map, OpKind::map_ram, OpKind::release, OpKind::touch,
           OpKind::purge, OpKind::drain, OpKind::fail, OpKind::walk, OpKind::misuse_foreign,
           OpKind::misuse_inside, OpKind::misuse_twice, OpKind::damage);

constexpr OpSet mmu_operations =
    op_set(OpKind::map, OpKind::map_huge, OpKind::release, OpKind::release_some, OpKind::touch, OpKind::purge,
           OpKind::flush_range, OpKind::leave, OpKind::enter, OpKind::fail, OpKind::walk, OpKind::damage);
constexpr OpSet percpu_operations =
    op_set(OpKind::chunk, OpKind::area, OpKind::release, OpKind::purge, OpKind::drain, OpKind::walk);
constexpr OpSet kmap_operations = op_set(
    OpKind::map, OpKind::release, OpKind::map_local, OpKind::unmap_local, OpKind::leave, OpKind::enter,
    OpKind::touch, OpKind::fail, OpKind::walk, OpKind::misuse_order, OpKind::misuse_foreign, OpKind::damage);
constexpr OpSet stack_operations = op_set(
    OpKind::fork, OpKind::release, OpKind::run, OpKind::look, OpKind::forget, OpKind::grace, OpKind::offline,
    OpKind::area, OpKind::drain, OpKind::fail, OpKind::walk, OpKind::misuse_twice, OpKind::damage);
constexpr OpSet host_stack_operations = stack_operations | bit(OpKind::reach);
/// Nobody else may map beside dynamic stacks.
constexpr OpSet dynamic_stack_operations =
    (host_stack_operations & ~bit(OpKind::area)) | bit(OpKind::populate);

/// Behind those of an MMU.
std::vector<Knob> vmalloc_knobs(std::vector<Knob> all) {
    all.push_back({"vmalloc.lazy_max_pages", {"1", "8", "64", "512"}});
    all.push_back({"vmalloc.lazy", {"0"}});
    all.push_back({"vmalloc.huge", {"0"}});
    return all;
}

const std::vector<Knob>& stack_knobs() {
    static const std::vector<Knob> knobs = [] {
        std::vector<Knob> all = mapping_knobs();
        all.push_back({std::string_view{"stacks"}, {"direct"}});
        all.push_back({"kstack.arch", {"arm64", "arm"}});
        all.push_back({"kstack.kasan", {"1"}});
        all.push_back({"kstack.cache", {"0"}});
        all.push_back({"kstack.usage", {"1"}});
        all.push_back({"kstack.interrupt_stacks", {"0"}});
        all.push_back({"vmalloc.lazy_max_pages", {"1", "16"}});
        all.push_back({"vmalloc.lazy", {"0"}});
        return all;
    }();
    return knobs;
}

/// Knobs of stacks on real mappings, `more` behind them.
std::vector<Knob> host_stack_knobs(std::initializer_list<Knob> more) {
    std::vector<Knob> all = host_mapping_knobs();
    all.push_back({"kstack.kasan", {"1"}});
    all.push_back({"kstack.cache", {"0"}});
    all.push_back({"kstack.usage", {"1"}});
    all.push_back({"kstack.interrupt_stacks", {"0"}});
    all.insert(all.end(), more);
    return all;
}

template <class M, unsigned most_nodes>
std::unique_ptr<Machine> make_vmalloc(const Setup& setup, const Language& language) {
    return std::make_unique<VmallocMachine<M>>(setup, language, VmallocConfig{.most_nodes = most_nodes});
}
template <class M>
std::unique_ptr<Machine> make(const Setup& setup, const Language& language) {
    return std::make_unique<M>(setup, language);
}
std::unique_ptr<Machine> make_stacks(const Setup& setup, const Language& language) {
    const auto settings = settings_of(setup, language);
    const bool direct = std::any_of(settings.begin(), settings.end(),
                                    [](const auto& setting) { return setting.first == "stacks"; });
    if (direct) return make<StackMachine<DirectBelow>>(setup, language);
    return make<StackMachine<MappedBelow<SoftMmu>>>(setup, language);
}

}  // namespace

std::vector<Target> mapping_targets() {
    static const std::vector<Knob> of_mmu = mapping_knobs();
    static const std::vector<Knob> of_vmalloc = vmalloc_knobs(mapping_knobs());
    static const std::vector<Knob> of_host_vmalloc = vmalloc_knobs(host_mapping_knobs());
    static const std::vector<Knob> of_percpu = percpu_knobs();
    static const std::vector<Knob> of_kmap = kmap_knobs();
    static const std::vector<Knob> of_host_stacks = host_stack_knobs({{"kstack.arch", {"arm64", "arm"}},
                                                                      {"vmalloc.lazy_max_pages", {"1", "16"}},
                                                                      {"vmalloc.lazy", {"0"}}});
    static const std::vector<Knob> of_dynamic_stacks = host_stack_knobs(
        {{"kstack.arch", {"arm64", "arm", "i386"}}, {"kstack.reserve", {"0", "1", "2", "7", "20"}}});
    const auto target = [](std::string_view name, std::string_view what, OpSet operations,
                           const std::vector<Knob>& knobs, MachineMaker maker) {
        return Target{
            .name = name, .what = what, .language = {name, operations, knobs}, .make = std::move(maker)};
    };
    return {
        target("vmalloc", "vmalloc with one tree of areas", vmalloc_operations, of_vmalloc,
               make_vmalloc<SoftMmu, 1>),
        target("vmalloc-nodes", "vmalloc with a node for each CPU", vmalloc_operations, of_vmalloc,
               make_vmalloc<SoftMmu, most_vmap_nodes>),
        target("vmalloc-host", "vmalloc on real mappings", vmalloc_operations, of_host_vmalloc,
               make_vmalloc<HostMmu, 1>),
        target("mmu", "the software MMU alone", mmu_operations, of_mmu, make<MmuMachine>),
        target("percpu", "congruent areas for per-CPU memory", percpu_operations, of_percpu,
               make<PercpuMachine>),
        target("kmap", "kmap and kmap_local", kmap_operations, of_kmap, make<KmapMachine>),
        target("stacks", "kernel stacks, mapped or direct", stack_operations, stack_knobs(), make_stacks),
        target("stacks-host", "kernel stacks on real mappings", host_stack_operations, of_host_stacks,
               make<StackMachine<MappedBelow<HostMmu>>>),
        target("stacks-dynamic", "kernel stacks that grow by real faults", dynamic_stack_operations,
               of_dynamic_stacks, make<StackMachine<DynamicBelow>>),
    };
}

}  // namespace kmemlab::fuzz
