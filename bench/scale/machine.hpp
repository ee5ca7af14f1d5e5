/// SimulatedMachine: an object allocator of the registry on CPUs that one thread plays, with every taking of
/// a shared lock counted. The object layer and the page layer below it have a context each, so that their
/// locks are told apart. Nobody is interrupted: what is counted is what each operation needs, not what it
/// waits for.
///
/// Any model of the form ObjectsModel<Objects<OwnedCpus>, ...> whose caches tell their traffic can be one.
#pragma once

#include <cstdint>

#include "allocators/contract/models.hpp"

namespace kmemlab::scale {

class LockCounter final : public Schedule {
  public:
    void at(Point point, CpuId) override { taken_ += point == Point::lock ? 1 : 0; }
    [[nodiscard]] std::uint64_t taken() const { return taken_; }

  private:
    std::uint64_t taken_ = 0;
};

template <class M>
class SimulatedMachine;

template <template <class> class Objects, class ObjectsConfig, const ModelInfo& Info>
class SimulatedMachine<ObjectsModel<Objects<OwnedCpus>, ObjectsConfig, Info>> {
  public:
    using Config = typename ObjectsModel<Objects<OwnedCpus>, ObjectsConfig, Info>::Config;
    using Cache = typename Objects<SimulatedCpus>::Cache;

    explicit SimulatedMachine(const Config& config)
        : arena_{config.machine.arena, Pfn{config.machine.start_pfn}},
          page_cpus_{config.machine.cpus, &zone_locks_},
          object_cpus_{config.machine.cpus, &node_locks_},
          buddy_{arena_, page_cpus_, config.buddy, misuse_},
          objects_{buddy_, object_cpus_, config.objects, misuse_} {}

    [[nodiscard]] Objects<SimulatedCpus>& objects() { return objects_; }
    /// Locks that CPUs share in the object layer: of node lists, shared arrays and barns, SLOB's heap.
    [[nodiscard]] std::uint64_t node_locks() const { return node_locks_.taken(); }
    /// The same in the page allocator.
    [[nodiscard]] std::uint64_t zone_locks() const { return zone_locks_.taken(); }
    [[nodiscard]] MaybeViolation find_violation() const {
        if (auto found = objects_.find_violation()) return found;
        return buddy_.find_violation();
    }

  private:
    LockCounter zone_locks_;
    LockCounter node_locks_;
    MisuseLog misuse_;
    Arena arena_;
    SimulatedCpus page_cpus_;
    SimulatedCpus object_cpus_;
    Buddy<SimulatedCpus> buddy_;
    Objects<SimulatedCpus> objects_;
};

template <class M>
concept Simulatable = requires(const typename SimulatedMachine<M>::Cache& cache) {
    { cache.traffic() } -> std::same_as<CacheTraffic>;
};

}  // namespace kmemlab::scale
