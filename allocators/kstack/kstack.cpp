#include "allocators/kstack/stacks.hpp"
#include "allocators/kstack/task_stacks_impl.hpp"

namespace kmemlab {
namespace {

std::string architecture_names() {
    std::string names;
    for (const ThreadLayout& layout : thread_layouts) {
        names += names.empty() ? "" : ", ";
        names += layout.architecture;
    }
    return names;
}

Tunable architecture_tunable(std::string& variable) {
    return {"kstack.arch", "whose THREAD_SIZE and THREAD_ALIGN stacks have", architecture_names(),
            [&variable](std::string_view value) {
                if (!thread_layout(value)) return false;
                variable = value;
                return true;
            },
            [&variable] { return variable; }};
}

}  // namespace

std::vector<Tunable> StackConfig::tunables() {
    return {
        architecture_tunable(architecture),
        switch_tunable("kstack.kasan", "stacks of twice the size", kasan),
        switch_tunable("kstack.cache", "each CPU keeps two freed stacks, of the kinds that can", cache),
        switch_tunable("kstack.usage", "the used depth of each stack is measured at exit", usage),
        switch_tunable("kstack.interrupt_stacks", "each CPU has a stack for interrupts", interrupt_stacks),
        integer_tunable("kstack.reserve", "pages that each CPU keeps for the growth of dynamic stacks",
                        reserve, 0, most_reserve),
    };
}

ThreadLayout StackConfig::layout() const {
    const auto found = thread_layout(architecture, kasan ? Kasan::on : Kasan::off);
    if (!found) {
        throw UsageError::of("kstack.arch={}: no such architecture; there are: {}", architecture,
                             architecture_names());
    }
    return *found;
}

template class TaskStacks<OwnedCpus, DirectMemory<OwnedCpus>>;
template class TaskStacks<OwnedCpus, VmappedMemory<OwnedCpus, HostMmu>>;
template class TaskStacks<OwnedCpus, VmappedMemory<OwnedCpus, SoftMmu>>;
template class TaskStacks<OwnedCpus, DynamicMemory<OwnedCpus>>;

}  // namespace kmemlab
