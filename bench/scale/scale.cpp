#include "bench/scale/scale.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allocators/contract/registry.hpp"
#include "bench/scale/machine.hpp"

namespace kmemlab::scale {
namespace {

constexpr std::string_view cpus_key = "machine.cpus";

/// One allocator on its way through the steps of a pattern.
template <class M>
class Course {
  public:
    Course(const typename SimulatedMachine<M>::Config& config, std::size_t size)
        : machine_{config}, cache_{machine_.objects().kmem_cache_create({.name = "scale", .size = size})} {
        if (cache_ == nullptr) throw UsageError::of("{}: no memory for the cache", M::info.name);
        row_.allocator = M::info.name;
        row_.follows = M::info.follows;
        row_.cpus = static_cast<unsigned>(config.machine.cpus);
    }

    [[nodiscard]] Row row(const std::vector<Step>& steps) && {
        row_.operations = steps.size();
        objects_.resize(steps.size());
        for (const Step& step : steps) step.allocates ? allocate(step) : free(step);
        row_.zone_locks = machine_.zone_locks();
        row_.traffic = cache_->traffic();
        if (const auto found = machine_.find_violation()) row_.violation = found->message();
        return std::move(row_);
    }

  private:
    struct Object {
        void* memory = nullptr;
        CpuId allocated_on;
    };

    void allocate(const Step& step) {
        const std::uint64_t before = machine_.node_locks();
        void* const memory = machine_.objects().kmem_cache_alloc(*cache_, GFP_KERNEL, step.cpu);
        objects_[step.object] = {memory, step.cpu};
        row_.allocation_node_locks += machine_.node_locks() - before;
        count(row_.allocations, step.cpu);
    }

    void free(const Step& step) {
        const Object& object = objects_[step.object];
        if (object.memory == nullptr) return;  // it failed
        const std::uint64_t before = machine_.node_locks();
        machine_.objects().kmem_cache_free(*cache_, object.memory, step.cpu);
        row_.free_node_locks += machine_.node_locks() - before;
        row_.remote_frees += object.allocated_on == step.cpu ? 0 : 1;
        count(row_.frees, step.cpu);
    }

    void count(PathCounts& counts, CpuId cpu) {
        ++counts[static_cast<std::size_t>(machine_.objects().last_path(cpu))];
    }

    SimulatedMachine<M> machine_;
    typename SimulatedMachine<M>::Cache* cache_;
    std::vector<Object> objects_;
    Row row_;
};

/// Calls visit.operator()<M>() for the model of that name. Throws UsageError if it cannot run here.
template <class Visit>
void visit_simulatable(std::string_view name, Visit&& visit) {
    visit_model(name, [&]<class M>() {
        if constexpr (Simulatable<M>) {
            visit.template operator()<M>();
        } else {
            throw UsageError::of("{} does not run on simulated CPUs; those that do: {}", name,
                                 fmt::join(allocator_names(), ", "));
        }
    });
}

void check(const Options& options) {
    for (const std::string& name : options.allocators) visit_simulatable(name, []<class M>() {});
    for (const unsigned cpus : options.cpus) (void)checked_cpu_count(cpus);
    for (const Setting& setting : options.settings) {
        if (setting.key == cpus_key) throw UsageError::of("{}: --cpus tells on how many", cpus_key);
    }
    check_settings(options.settings, options.allocators);
}

std::vector<Setting> tunables_in_use(const Options& options) {
    std::vector<Setting> values;
    for (const std::string& name : options.allocators) {
        for (TunableValue& tunable : tunables_of(name, options.settings)) {
            if (tunable.key != cpus_key) values.push_back({std::move(tunable.key), std::move(tunable.value)});
        }
    }
    return values;
}

}  // namespace

std::vector<std::string> allocator_names() {
    std::vector<std::string> names;
    for_each_model([&]<class M>() {
        if constexpr (Simulatable<M>) names.emplace_back(M::info.name);
    });
    return names;
}

bool Result::found_violation() const {
    return std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.violation.has_value(); });
}

Row count(std::string_view allocator, const std::vector<Step>& steps, unsigned cpus, std::size_t size,
          std::span<const Setting> settings) {
    Row row;
    visit_simulatable(allocator, [&]<class M>() {
        auto config = configure<M>(settings);
        config.machine.cpus = cpus;
        row = Course<M>{config, size}.row(steps);
    });
    return row;
}

Result run(const Options& options) {
    check(options);
    Result result;
    result.options = options;
    result.tunables = tunables_in_use(options);
    const std::size_t total = options.patterns.size() * options.allocators.size() * options.cpus.size();
    const auto add = [&](Pattern pattern, const std::string& name, unsigned cpus) {
        const auto steps = steps_of(pattern, cpus, cpus * options.operations_per_cpu, options.seed);
        result.rows.push_back(count(name, steps, cpus, options.size, options.settings));
        result.rows.back().pattern = pattern;
        if (options.progress) options.progress(result.rows.size(), total);
    };
    for (const Pattern pattern : options.patterns) {
        for (const std::string& name : options.allocators) {
            for (const unsigned cpus : options.cpus) {
                result.interrupted = options.interrupted && options.interrupted();
                if (result.interrupted) return result;
                add(pattern, name, cpus);
            }
        }
    }
    return result;
}

}  // namespace kmemlab::scale
