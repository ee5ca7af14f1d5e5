#include "bench/replay/kernel_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <sstream>
#include <type_traits>

#include "allocators/machine/machine_config.hpp"
#include "bench/guests/guest.hpp"

namespace kmemlab::replay {
namespace {

/// "kernel:NAME[:PART]"
struct KernelName {
    std::string kernel;
    Part part = Part::objects;

    explicit KernelName(std::string_view name) {
        const std::string_view rest = name.substr(guests::allocator_prefix.size());
        const std::size_t colon = rest.find(':');
        kernel = rest.substr(0, colon);
        if (colon == std::string_view::npos) return;
        const std::string_view wanted = rest.substr(colon + 1);
        for (const Part p : {Part::objects, Part::pages, Part::areas}) {
            if (to_string(p) != wanted) continue;
            part = p;
            return;
        }
        throw UsageError::of("{}: expected objects, pages or areas behind the kernel's name, found '{}'",
                             name, wanted);
    }
};

std::size_t memory_of(std::span<const Setting> settings) {
    MachineConfig machine;
    apply_settings(settings, machine.tunables());
    return machine.arena;
}

// ------------------------------------------------------------------ the forms of
// bench/kernel/kmemlab_replay.c

struct ProgramHead {
    std::array<char, 8> magic{'K', 'M', 'L', 'P', 'R', 'O', 'G', '1'};
    std::uint64_t operations = 0, leftovers = 0, caches = 0, slots = 0;
};

struct CacheForm {
    std::array<char, 56> name{};
    std::uint64_t size = 0;
};

struct MomentForm {
    std::uint64_t operation = 0, requested = 0, handed_out = 0, held = 0;
    std::array<std::uint64_t, 16> free_blocks{};
};

struct ObservationForm {
    std::uint64_t operations = 0, moments = 0, failures = 0, frees_skipped = 0;
    std::array<char, 224> violation{};
};

static_assert(sizeof(ProgramHead) == 40 && sizeof(CacheForm) == 64 && sizeof(MomentForm) == 160 &&
              sizeof(ObservationForm) == 256 && std::endian::native == std::endian::little);

template <class T>
void put(std::ofstream& out, const T* values, std::size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    out.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof(T)));
}

template <class T>
void get(std::ifstream& in, T* values, std::size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    in.read(reinterpret_cast<char*>(values), static_cast<std::streamsize>(count * sizeof(T)));
}

/// Names of caches are unique, and some of a trace are those that the guest itself has.
std::string cache_name(const Workload& work, std::size_t number) {
    return fmt::format("{}-{}", number, work.caches[number].name).substr(0, sizeof(CacheForm::name) - 1);
}

void write_program(const std::filesystem::path& file, const Workload& work) {
    std::ofstream out{file, std::ios::binary};
    ProgramHead head;
    head.operations = work.operations.size();
    head.leftovers = work.leftovers.size();
    head.caches = work.caches.size();
    head.slots = work.slots;
    put(out, &head, 1);
    for (std::size_t i = 0; i < work.caches.size(); ++i) {
        CacheForm cache;
        // Names of caches are unique, and some of a trace are those that the guest itself has.
        const std::string name =
            fmt::format("{}-{}", i, work.caches[i].name).substr(0, cache.name.size() - 1);
        std::copy(name.begin(), name.end(), cache.name.begin());
        cache.size = work.caches[i].object_size;
        put(out, &cache, 1);
    }
    put(out, work.operations.data(), work.operations.size());
    put(out, work.leftovers.data(), work.leftovers.size());
    if (!out.flush()) throw UsageError::of("cannot write {}", file.string());
}

/// What a SLUB with CONFIG_SLUB_STATS counts of its paths, below /sys/kernel/slab: of the caches of a replay
/// and those of kmalloc. Names are the kernel's (Documentation/ABI/testing/sysfs-kernel-slab).
class SlubCounts {
  public:
    SlubCounts(guests::Guest& guest, const Workload& work) {
        for (std::size_t i = 0; i < work.caches.size(); ++i) caches_.push_back(cache_name(work, i));
        constexpr std::array sizes{"8",   "16",  "32", "64", "96", "128", "192",
                                   "256", "512", "1k", "2k", "4k", "8k"};
        for (const char* kind : {"kmalloc-", "kmalloc-rcl-", "kmalloc-cg-"}) {
            for (const char* size : sizes) caches_.push_back(std::string{kind} + size);
        }
        std::erase_if(caches_, [&](const std::string& cache) {
            return guest.file(file_of(cache, "alloc_fastpath")).empty();
        });
        for (const Name& name : names) before_.push_back(sum(guest, name.file));
    }

    [[nodiscard]] bool there() const { return !caches_.empty(); }

    /// What was counted since it was made: paths of allocations and of frees.
    void read(guests::Guest& guest) {
        std::uint64_t slow = 0;
        for (std::size_t i = 0; i < names.size(); ++i) {
            const Name& name = names[i];
            const std::uint64_t count = sum(guest, name.file) - before_[i];
            if (name.path == Path::slab) {
                slow += count;
            } else {
                (name.allocates ? allocations_ : frees_)[index_of(name.path)] += count;
            }
        }
        // Slow frees that changed no list went into a slab that stayed where it was.
        const std::uint64_t told = frees_[index_of(Path::node_partial)] + frees_[index_of(Path::discard)];
        frees_[index_of(Path::slab)] = slow - std::min(slow, told);
    }
    void enter(Observation& seen) const {
        seen.allocations = allocations_;
        seen.frees = frees_;
        seen.frees_on_other_cpu = {};
    }

  private:
    struct Name {
        const char* file;
        bool allocates;
        Path path;
    };
    static constexpr std::array<Name, 9> names{{{"alloc_fastpath", true, Path::fast},
                                                {"alloc_refill", true, Path::refill},
                                                {"alloc_from_partial", true, Path::node_partial},
                                                {"alloc_slab", true, Path::new_slab},
                                                {"cpu_partial_alloc", true, Path::cpu_partial},
                                                {"free_fastpath", false, Path::fast},
                                                {"free_add_partial", false, Path::node_partial},
                                                {"free_slab", false, Path::discard},
                                                {"free_slowpath", false, Path::slab}}};

    static std::size_t index_of(Path path) { return static_cast<std::size_t>(path); }
    static std::string file_of(const std::string& cache, const char* name) {
        return fmt::format("/sys/kernel/slab/{}/{}", cache, name);
    }
    /// A file holds the sum, then what each CPU counted.
    [[nodiscard]] std::uint64_t sum(guests::Guest& guest, const char* name) const {
        std::uint64_t all = 0;
        for (const std::string& cache : caches_) {
            std::istringstream text{guest.file(file_of(cache, name))};
            std::uint64_t count = 0;
            if (text >> count) all += count;
        }
        return all;
    }

    std::vector<std::string> caches_;
    std::vector<std::uint64_t> before_;
    PathCounts allocations_{};
    PathCounts frees_{};
};

class KernelSession final : public Session {
  public:
    KernelSession(std::string_view name, const guests::Kernel& kernel, std::size_t memory,
                  const Workload& work)
        : work_{work}, name_{name}, follows_{kernel.description()}, guest_{kernel, memory} {
        info_.name = name_;
        info_.follows = follows_;
        info_.what = "a kernel as a guest";
        const std::filesystem::path program = guest_.folder() / "program";
        write_program(program, work);
        guest_.ask("load " + program.string());
    }

    [[nodiscard]] const ModelInfo& info() const override { return info_; }
    [[nodiscard]] const Workload& work() const override { return work_; }

    [[nodiscard]] Observation observe(const ObserveOptions& options) override {
        Observation seen;
        SlubCounts counts{guest_, work_};
        drive(options, seen);
        // Before the leftovers are freed.
        if (counts.there()) counts.read(guest_);
        read_observation(seen);
        if (counts.there()) counts.enter(seen);
        return seen;
    }

    void warm_up() override {
        guest_.follow_affinity();
        (void)throughput_pass();
    }

    [[nodiscard]] PassTime throughput_pass() override {
        std::istringstream said{guest_.ask("throughput")};
        PassTime time;
        said >> time.wall_ns >> time.cpu_ns;
        return time;
    }

    void latency_pass(LatencySamples& samples) override {
        const std::filesystem::path file = guest_.folder() / "ticks";
        guest_.ask("latency " + file.string());
        std::vector<std::uint32_t> ticks(work_.operations.size());
        std::ifstream in{file, std::ios::binary};
        get(in, ticks.data(), ticks.size());
        if (!in) throw UsageError::of("{}: the guest's samples are truncated", name_);
        for (std::size_t i = 0; i < ticks.size(); ++i) {
            if (ticks[i] == ~std::uint32_t{0}) {
                samples.skip(i);
            } else {
                samples.set(i, ticks[i], Path::opaque);
            }
        }
    }

  private:
    /// All operations, with a stop at each snapshot.
    void drive(const ObserveOptions& options, Observation& seen) {
        const std::size_t count = work_.operations.size();
        const std::size_t every = std::max<std::size_t>(1, count / std::max<std::size_t>(1, options.moments));
        std::vector<std::uint64_t> stops;
        for (const std::uint64_t wanted : options.snapshots) {
            if (wanted < count) stops.push_back(wanted);
        }
        stops.push_back(count);
        std::uint64_t from = 0;
        for (const std::uint64_t to : stops) {
            guest_.ask(fmt::format("observe {} {} {}", from, to, every));
            from = to;
            const bool at_end =
                options.snapshot_at_end || (!options.snapshots.empty() && options.snapshots.back() == count);
            if (to < count || at_end) seen.snapshots.push_back({to, texts()});
            if (options.progress) options.progress(to, count);
        }
    }

    [[nodiscard]] std::vector<Text> texts() {
        std::vector<Text> list;
        for (const char* path : {"/proc/slabinfo", "/proc/buddyinfo", "/proc/pagetypeinfo", "/proc/zoneinfo",
                                 "/proc/vmallocinfo"}) {
            std::string text = guest_.file(path);
            if (!text.empty()) list.push_back({std::string{path}.substr(1), std::move(text)});
        }
        return list;
    }

    void read_observation(Observation& seen) {
        const std::filesystem::path file = guest_.folder() / "observed";
        guest_.ask("observed " + file.string());
        std::ifstream in{file, std::ios::binary};
        ObservationForm form;
        get(in, &form, 1);
        std::vector<MomentForm> moments(in ? form.moments : 0);
        get(in, moments.data(), moments.size());
        if (!in) throw UsageError::of("{}: what the guest observed is truncated", name_);
        seen.operations = form.operations;
        seen.failures = form.failures;
        seen.frees_skipped = form.frees_skipped;
        for (const MomentForm& moment : moments) seen.timeline.push_back(moment_of(moment));
        for (std::size_t i = 0; i < work_.operations.size(); ++i) {
            const trace::Operation& op = work_.operations[i];
            if (op.kind() == trace::Kind::vmap_purge) continue;
            const bool allocates = trace::is_allocation(op.kind());
            ++(allocates ? seen.allocations : seen.frees)[static_cast<std::size_t>(Path::opaque)];
            if (work_.other_cpu[i]) ++seen.frees_on_other_cpu[static_cast<std::size_t>(Path::opaque)];
        }
        if (form.violation[0] != 0) seen.violation = form.violation.data();
    }

    [[nodiscard]] Moment moment_of(const MomentForm& form) const {
        Moment moment;
        moment.operation = form.operation;
        if (!work_.times.empty()) {
            const std::size_t at = std::min<std::size_t>(form.operation, work_.times.size() - 1);
            moment.time_s = static_cast<double>(work_.times[at]) / 1e9;
        }
        moment.requested_bytes = form.requested;
        moment.handed_out_bytes = form.handed_out;
        moment.held_bytes = form.held;
        moment.free_blocks.emplace();
        std::copy_n(form.free_blocks.begin(), moment.free_blocks->size(), moment.free_blocks->begin());
        return moment;
    }

    const Workload& work_;
    std::string name_;
    std::string follows_;
    ModelInfo info_{};
    guests::Guest guest_;
};

}  // namespace

bool is_kernel(std::string_view name) {
    return name.starts_with(guests::allocator_prefix);
}

Part kernel_part(std::string_view name) {
    return KernelName{name}.part;
}

std::vector<TunableValue> kernel_tunables(std::string_view name, std::span<const Setting> settings) {
    const guests::Kernel kernel = guests::find_kernel(KernelName{name}.kernel);
    return {{"machine.arena", "bytes of the guest's memory", "", fmt::format("{}", memory_of(settings))},
            {"kernel." + kernel.name, "what it is; not to be set", "", kernel.description()}};
}

std::unique_ptr<Session> open_kernel(std::string_view name, std::span<const Setting> settings,
                                     const Workload& work) {
    const guests::Kernel kernel = guests::find_kernel(KernelName{name}.kernel);
    return std::make_unique<KernelSession>(name, kernel, memory_of(settings), work);
}

}  // namespace kmemlab::replay
