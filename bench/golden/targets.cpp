#include <memory>

#include "bench/golden/slab_target.hpp"
#include "bench/golden/slob_target.hpp"
#include "bench/golden/slub_target.hpp"

namespace kmemlab::golden {
namespace {

template <class Cpus>
std::unique_ptr<SlabTraceTarget> make(const GoldenFile& file) {
    const std::string_view allocator = file.parameter("allocator");
    const auto cpus = static_cast<unsigned>(file.number("nr_cpu_ids", 1, max_cpus));
    CacheDescription description;
    description.name = "golden";
    description.size = file.number("size", 1, kmalloc_max_size);
    if (allocator == "slab") return std::make_unique<SlabTarget<Cpus>>(description, cpus);
    if (allocator == "slob") return std::make_unique<SlobTarget<Cpus>>(description);
    if (allocator != "slub") {
        throw file.bad(file.line_of_parameter("allocator"), "allocator={}: expected slub, slab or slob",
                       allocator);
    }
    SlubConfig config;
    if (file.find_parameter("slub_min_objects")) {
        config.min_objects = file.number("slub_min_objects", 0, max_slab_objects);
    }
    return std::make_unique<SlubTarget<Cpus>>(description, cpus, config);
}

}  // namespace

std::unique_ptr<SlabTraceTarget> make_target(const GoldenFile& file, Context context) {
    return context == Context::owned ? make<OwnedCpus>(file) : make<SimulatedCpus>(file);
}

}  // namespace kmemlab::golden
