#include "bench/workloads/fork_storm.hpp"

#include <algorithm>
#include <deque>
#include <string>

#include "bench/workloads/play.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {
namespace {

class ForkStorm {
  public:
    static constexpr WorkloadInfo info{
        "fork-storm",
        "shells fork children that run on any CPU, exec, exit there, and are waited for by their parents",
        "counts and sizes for one child: bench/traces/forkstorm.trace.zst",
        "caches, objects, pages and areas",
        "one fork, exec, exit or wait, drawn among those that are due on the CPU"};
    struct Config : Basics {
        std::uint64_t children = 32;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables({integer_tunable("children", "at most at once", children, 1, 10'000)});
        }
    };

    ForkStorm(const Config& config, Maker& maker)
        : maker_{maker}, config_{config}, dice_{config.seed}, places_(config.threads) {
        for (const ChildPart& part : child_objects) {
            caches_.push_back(part.cache.empty() ? 0 : maker.cache(std::string{part.cache}, part.bytes));
        }
    }

    void turn(CpuId cpu) {
        Place& place = places_[cpu.value()];
        std::vector<void (ForkStorm::*)(CpuId)> due;
        if (children_ < config_.children) due.push_back(&ForkStorm::fork);
        if (!place.forked.empty()) due.push_back(&ForkStorm::exec);
        if (!place.running.empty()) due.push_back(&ForkStorm::exit);
        if (!place.zombies.empty()) due.push_back(&ForkStorm::wait);
        if (!due.empty()) (this->*due[dice_.below(due.size())])(cpu);
    }

  private:
    struct Child {
        std::vector<Object> task;
        std::vector<Object> map;
        CpuId parent;
    };
    /// Children by what they do next: on their own CPU, or, once dead, on their parent's.
    struct Place {
        std::deque<Child> forked;
        std::deque<Child> running;
        std::deque<Child> zombies;
    };
    enum class Half : std::uint8_t { first, second };

    void fork(CpuId cpu) {
        Child child;
        child.parent = cpu;
        child.task.push_back(maker_.like(stack, cpu));
        add(Keep::task, child.task, cpu);
        add_map(Half::first, child.map, cpu);
        places_[dice_.below(places_.size())].forked.push_back(std::move(child));
        ++children_;
    }
    void exec(CpuId cpu) {
        Place& place = places_[cpu.value()];
        Child child = next(place.forked);
        std::vector<Object> call;
        add(Keep::call, call, cpu);
        free_newest_first(child.map, cpu);
        add_map(Half::second, child.map, cpu);
        free_newest_first(call, cpu);
        place.running.push_back(std::move(child));
    }
    void exit(CpuId cpu) {
        Child child = next(places_[cpu.value()].running);
        free_newest_first(child.map, cpu);
        places_[child.parent.value()].zombies.push_back(std::move(child));
    }
    void wait(CpuId cpu) {
        Child child = next(places_[cpu.value()].zombies);
        free_newest_first(child.task, cpu);
        --children_;
    }

    void add(Keep keep, std::vector<Object>& objects, CpuId cpu) {
        for (std::size_t i = 0; i < child_objects.size(); ++i) {
            if (child_objects[i].keep == keep) add(i, child_objects[i].count, objects, cpu);
        }
    }
    /// Of odd counts the exec's half is the greater one.
    void add_map(Half half, std::vector<Object>& objects, CpuId cpu) {
        const auto part = [&](std::uint32_t count) {
            return half == Half::first ? count / 2 : count - count / 2;
        };
        for (std::size_t i = 0; i < child_objects.size(); ++i) {
            if (child_objects[i].keep == Keep::map) add(i, part(child_objects[i].count), objects, cpu);
        }
        for (std::uint32_t i = 0; i < part(child_kernel_pages); ++i) {
            objects.push_back(maker_.kernel_pages(Order{0}, cpu));
        }
        for (std::uint32_t i = 0; i < part(child_user_pages); ++i) {
            objects.push_back(maker_.user_pages(Order{0}, cpu));
        }
    }
    void add(std::size_t part, std::uint32_t count, std::vector<Object>& objects, CpuId cpu) {
        const bool by_size = child_objects[part].cache.empty();
        for (; count > 0; --count) {
            objects.push_back(by_size ? maker_.kmalloc(child_objects[part].bytes, cpu)
                                      : maker_.cache_alloc(caches_[part], cpu));
        }
    }
    void free_newest_first(std::vector<Object>& objects, CpuId cpu) {
        std::for_each(objects.rbegin(), objects.rend(), [&](Object object) { maker_.free(object, cpu); });
        objects.clear();
    }
    static Child next(std::deque<Child>& children) {
        Child child = std::move(children.front());
        children.pop_front();
        return child;
    }

    /// Four pages and a guard, aligned to 16 KiB.
    static constexpr trace::Operation stack{trace::Kind::vmap_alloc, 0, 5, Gfp{}, CpuId{0}, 0, 2};

    Maker& maker_;
    Config config_;
    Dice dice_;
    std::vector<std::uint32_t> caches_;  ///< of each part
    std::vector<Place> places_;
    std::uint64_t children_ = 0;
};

}  // namespace

Workload fork_storm() {
    return entry<ForkStorm>();
}

}  // namespace kmemlab::workloads
