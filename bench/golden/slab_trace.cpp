#include "bench/golden/slab_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "bench/golden/draws.hpp"

namespace kmemlab::golden {
namespace {

constexpr std::size_t most_live = 32768;
constexpr std::uint64_t operations_between_checks = 1000;

/// One file's experiment.
class SlabTrace {
  public:
    SlabTrace(Comparison& comparison, Context context)
        : comparison_{comparison},
          policy_{comparison.file()},
          slab_{comparison.file().parameter("allocator") == "slab"},
          operations_{comparison.file().number("nops", least_operations, most_operations)},
          draws_{comparison.file().number("seed", 1, ~std::uint64_t{0})},
          target_{make_target(comparison.file(), context)} {}

    void run_single() {
        begin("");
        dumps(0);
        for (std::uint64_t i = 0; i < operations_; ++i) {
            single(i);
            end_operation(i);
            if (policy_.several() && i == operations_ / 2 - 1) flush_and_shrink(i);
        }
        std::uint64_t i = operations_;
        for (; !live_.empty(); ++i) {
            free(live_.size() - 1, policy_.frees_at_end(i, live_.back().cpu), i);
            end_operation(i);
        }
        if (policy_.several()) dump(i);
        end();
    }

    void run_bulk() {
        begin(fmt::format("0,O,0,0,0,0,0{}", target_->after(CpuId{0})));
        std::uint64_t i = 0;
        for (; i < operations_; ++i) bulk(i);
        for (; !live_.empty(); ++i) {
            std::vector<Live> freed;
            while (!live_.empty() && freed.size() < 64) {
                freed.push_back(live_.back());
                live_.pop_back();
            }
            free_bulk(freed, i);
        }
        end();
    }

  private:
    struct Live {
        void* object;
        std::uint64_t id;
        CpuId cpu;
    };

    /// `ending`: the form of a bulk operation's last row; empty for single operations.
    void begin(const std::string& ending) {
        const bool bulk = !ending.empty();
        const std::string after = bulk ? "" : target_->after(CpuId{0});
        const char* const cpu = policy_.several() ? "0," : "";
        const char* const colour = policy_.several() && !slab_ ? "" : ",0";
        std::vector<std::string> forms{
            fmt::format("0,A,{}0,0,0,0{}{}", cpu, colour, after),
            fmt::format("0,F,{}0,0,0,0{}{}", cpu, colour, after),
            "0,D,0,0,0,0,0",
        };
        if (bulk) forms.push_back(ending);
        if (policy_.several()) forms.insert(forms.end(), {"0,K,0", "0,H,0", "0,X,**"});
        if (comparison_.file().parameter("allocator") == "slob") {
            forms.insert(forms.end(), {"0,P,0,0,0,0,0,*", "0,B,0,0,0,0,0,*"});
        }
        comparison_.set_forms(std::move(forms));
        comparison_.pass_header("op");
        target_->begin(comparison_);
        seen_.resize(static_cast<std::size_t>(target_->slabs_made()), true);
    }

    void end() {
        comparison_.end();
        comparison_.lawful(target_->find_violation());
    }

    void single(std::uint64_t i) {
        const std::uint64_t r = draws_.next();
        const std::uint64_t q = policy_.several() ? draws_.next() : 0;
        const bool allocates = wants_allocation(r, i, operations_) && live_.size() < most_live;
        if (live_.empty() || allocates) {
            const CpuId cpu = policy_.allocates(i, q);
            live_.push_back({target_->alloc(cpu), next_id_++, cpu});
            object_row(i, 'A', live_.back(), cpu, target_->after(cpu));
        } else {
            const std::size_t k = (r >> 8) % live_.size();
            free(k, policy_.frees(i, q, live_[k].cpu), i);
        }
    }

    void free(std::size_t k, CpuId cpu, std::uint64_t i) {
        const Live freed = take(k);
        const ObjectPlace place = target_->place_of(freed.object);
        target_->free(freed.object, cpu);
        place_row(i, 'F', freed.id, cpu, {place.slab, place.index, 0}, false, target_->after(cpu));
    }

    Live take(std::size_t k) {
        const Live taken = std::exchange(live_[k], live_.back());
        live_.pop_back();
        return taken;
    }

    void bulk(std::uint64_t i) {
        const std::uint64_t r = draws_.next();
        const std::size_t count = 1 + (r >> 16 & 63);
        const bool allocates = wants_allocation(r, i, operations_) && live_.size() + count <= most_live;
        if (live_.empty() || allocates) return alloc_bulk(count, i);
        std::vector<Live> freed(std::min<std::size_t>(live_.size(), 1 + (r >> 24 & 63)));
        for (Live& one : freed) one = take(draws_.next() % live_.size());
        free_bulk(freed, i);
    }

    void alloc_bulk(std::size_t count, std::uint64_t i) {
        std::vector<void*> objects(count);
        if (!target_->alloc_bulk(objects, CpuId{0})) std::fill(objects.begin(), objects.end(), nullptr);
        for (void* object : objects) {
            live_.push_back({object, next_id_++, CpuId{0}});
            object_row(i, 'A', live_.back(), CpuId{0}, "");
        }
        end_bulk(count, i);
    }

    void free_bulk(const std::vector<Live>& freed, std::uint64_t i) {
        std::vector<void*> objects;
        for (const Live& one : freed) {
            const ObjectPlace place = target_->place_of(one.object);
            place_row(i, 'F', one.id, CpuId{0}, {place.slab, place.index, 0}, false, "");
            objects.push_back(one.object);
        }
        target_->free_bulk(objects, CpuId{0});
        end_bulk(freed.size(), i);
    }

    void end_bulk(std::size_t count, std::uint64_t i) {
        end_operation(i);
        comparison_.row(fmt::format("{},O,{},{},0,0,0{}", i, count, live_.size(), target_->after(CpuId{0})));
    }

    /// Of an object just allocated.
    void object_row(std::uint64_t i, char kind, const Live& live, CpuId cpu, std::string_view after) {
        if (live.object == nullptr) return comparison_.row(fmt::format("{},{}: no memory", i, kind));
        const ObjectPlace place = target_->place_of(live.object);
        const auto slab = static_cast<std::size_t>(place.slab);
        if (slab >= seen_.size()) seen_.resize(slab + 1);
        place_row(i, kind, live.id, cpu, place, !seen_[slab], after);
        seen_[slab] = true;
    }

    void place_row(std::uint64_t i, char kind, std::uint64_t id, CpuId cpu, const ObjectPlace& place,
                   bool is_new, std::string_view after) {
        const int appears = is_new ? 1 : 0;
        if (!policy_.several()) {
            comparison_.row(fmt::format("{},{},{},{},{},{},{}{}", i, kind, id, place.slab, place.index,
                                        appears, place.colour, after));
        } else {
            const std::string colour = slab_ ? fmt::format(",{}", place.colour) : "";
            comparison_.row(fmt::format("{},{},{},{},{},{},{}{}{}", i, kind, cpu.value(), id, place.slab,
                                        place.index, appears, colour, after));
        }
        cpu_ = cpu;
    }

    /// What comes behind the row of an operation: slabs that went back, and dumps.
    void end_operation(std::uint64_t i) {
        gone(i, cpu_);
        dumps(i);
        if (++done_ % operations_between_checks == 0) comparison_.lawful(target_->find_violation());
    }

    void gone(std::uint64_t i, CpuId cpu) {
        for (const std::int64_t slab : target_->take_gone()) {
            comparison_.row(policy_.several() ? fmt::format("{},D,{},0,{},0,0", i, cpu.value(), slab)
                                              : fmt::format("{},D,0,{},0,0,0", i, slab));
        }
    }

    void flush_and_shrink(std::uint64_t i) {
        for (CpuId cpu; cpu.value() < policy_.cpus(); ++cpu) {
            comparison_.row(fmt::format("{},K,{}", i, cpu.value()));
            target_->flush_cpu(cpu);
            gone(i, cpu);
        }
        dumps(i);
        comparison_.row(fmt::format("{},H,0", i));
        target_->shrink(CpuId{0});
        gone(i, CpuId{0});
        dumps(i);
    }

    /// Dumps stand where the file has them.
    void dumps(std::uint64_t i) {
        const std::string beginning = fmt::format("{},X,", i);
        while (comparison_.next().starts_with(beginning)) {
            const std::size_t before = comparison_.line();
            dump(i);
            if (comparison_.line() == before) comparison_.row(fmt::format("{}: nothing to dump", i));
        }
    }
    void dump(std::uint64_t i) {
        for (const std::string& row : target_->dump()) comparison_.row(fmt::format("{},{}", i, row));
    }

    Comparison& comparison_;
    CpuPolicy policy_;
    bool slab_;
    std::uint64_t operations_;
    Draws draws_;
    std::unique_ptr<SlabTraceTarget> target_;
    std::vector<Live> live_;
    std::vector<bool> seen_;  ///< slabs that gave an object already
    std::uint64_t next_id_ = 0;
    std::uint64_t done_ = 0;
    CpuId cpu_;  ///< of the last operation
};

}  // namespace

void check_slab_trace(Comparison& comparison, Context context) {
    const bool bulk = comparison.file().lines().size() > 2 &&
                      std::any_of(comparison.file().lines().begin(), comparison.file().lines().end(),
                                  [](std::string_view line) { return line.starts_with("# bulktrace "); });
    SlabTrace trace{comparison, context};
    bulk ? trace.run_bulk() : trace.run_single();
}

}  // namespace kmemlab::golden
