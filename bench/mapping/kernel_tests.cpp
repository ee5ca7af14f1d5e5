// The workloads of the kernel's own vmalloc test module, by their names, on one CPU. SIZE is the number of
// pages in its `nr_pages` parameter, where the workload has one.
//
//   fix_size_alloc_test           one area of SIZE pages, a byte written, freed
//   full_fit_alloc_test           one page, in an address space full of one-page holes
//   long_busy_list_alloc_test     100 pages, then one, while 15,000 areas of a page live
//   random_size_alloc_test        1..100 pages
//   fix_align_alloc_test          5 pages
//   random_size_align_alloc_test  1..10 pages, aligned to 2^0..2^22
//   align_shift_alloc_test        one page, aligned to 2^0..2^63, of which the last must fail
//   pcpu_alloc_test               35,000 chunks of per-CPU areas (VM-60) taken, then given back: a unit is
//   one;
//                                 the kernel's test allocates in such chunks as well, which we do not model
//   vm_map_ram_test               a page mapped and unmapped
//
// full_fit_alloc_test makes fls(CPUs) * 8192 holes, as the kernel does; the host holds fewer mappings, so
// there it makes as many as a quarter of them allows. Random numbers are ours, the same in every run.
#include <fmt/format.h>

#include <array>
#include <bit>

#include "allocators/vmalloc/congruent_areas.hpp"
#include "bench/mapping/works.hpp"
#include "bench/measure/recorded_draws.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::size_t busy_areas = 15000;
constexpr unsigned most_shift = 63;

template <Mmu M>
class KernelTest {
  public:
    explicit KernelTest(const Setup& setup) : machine_{make_machine<M>(setup)}, setup_{setup} {}
    virtual ~KernelTest() = default;
    KernelTest(const KernelTest&) = delete;
    KernelTest& operator=(const KernelTest&) = delete;

    virtual void prepare(std::size_t) {}
    virtual void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) once();
        vm().vm_unmap_aliases(cpu0);
    }
    void finish() {
        for (const VirtAddr at : held_) vm().vfree(at, cpu0);
        held_.clear();
        vm().drain(cpu0);
    }
    [[nodiscard]] Contest::Units units() const { return {.least = 16}; }
    [[nodiscard]] std::string verify() {
        prepare(1);
        run(1);
        const auto broken = vm().find_violation();
        finish();
        return broken ? broken->message() : "";
    }

  protected:
    virtual void once() = 0;

    [[nodiscard]] auto& vm() { return machine_->vm(); }
    [[nodiscard]] VirtAddr take(std::size_t pages, std::size_t align = page_size) {
        const auto at = vm().vmalloc_range(pages << page_shift, align, GFP_KERNEL, false, cpu0);
        if (!at) throw UsageError("mapping: no memory, addresses or mappings left");
        return *at;
    }
    void take_and_free(std::size_t pages, std::size_t align = page_size) {
        const VirtAddr at = take(pages, align);
        machine_->use(at);
        vm().vfree(at, cpu0);
    }
    void hold(VirtAddr at) { held_.push_back(at); }
    [[nodiscard]] Machine<M>& machine() { return *machine_; }
    [[nodiscard]] const Setup& setup() const { return setup_; }
    [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return draws_.next() % below; }

  private:
    std::unique_ptr<Machine<M>> machine_;
    Setup setup_;
    std::vector<VirtAddr> held_;
    Draws draws_{1};
};

template <Mmu M>
class FixSize final : public KernelTest<M> {
  public:
    FixSize(const Setup& setup, std::size_t pages) : KernelTest<M>{setup}, pages_{pages} {}

  private:
    void once() override { this->take_and_free(pages_); }
    std::size_t pages_;
};

template <Mmu M>
class FullFit final : public KernelTest<M> {
  public:
    using KernelTest<M>::KernelTest;
    void prepare(std::size_t) override {
        std::vector<VirtAddr> junk;
        const std::size_t pairs = holes();
        for (std::size_t i = 0; i < pairs; ++i) {
            this->hold(this->take(1));
            junk.push_back(this->take(1));
        }
        for (const VirtAddr at : junk) this->vm().vfree(at, cpu0);
        this->vm().drain(cpu0);
    }

  private:
    void once() override { this->take_and_free(1); }
    [[nodiscard]] std::size_t holes() {
        const auto cpus = static_cast<unsigned>(this->setup().machine.machine.cpus);
        const std::size_t of_kernel = std::bit_width(cpus) * 8192UL;
        if (!Machine<M>::is_host) return of_kernel;
        // A pair of areas and their guards are at most four mappings.
        return std::min<std::size_t>(of_kernel, this->machine().mmu().stats().mapping_limit / 16);
    }
};

template <Mmu M>
class LongBusyList final : public KernelTest<M> {
  public:
    using KernelTest<M>::KernelTest;
    void prepare(std::size_t) override {
        for (std::size_t i = 0; i < busy_areas; ++i) this->hold(this->take(1));
    }

  private:
    void once() override {
        const VirtAddr large = this->take(100);
        const VirtAddr small = this->take(1);
        this->machine().use(large);
        this->machine().use(small);
        this->vm().vfree(large, cpu0);
        this->vm().vfree(small, cpu0);
    }
};

template <Mmu M>
class RandomSize final : public KernelTest<M> {
  public:
    using KernelTest<M>::KernelTest;

  private:
    void once() override { this->take_and_free(1 + this->draw(100)); }
};

template <Mmu M>
class FixAlign final : public KernelTest<M> {
  public:
    using KernelTest<M>::KernelTest;

  private:
    void once() override { this->take_and_free(5); }
};

template <Mmu M>
class RandomSizeAlign final : public KernelTest<M> {
  public:
    using KernelTest<M>::KernelTest;

  private:
    void once() override {
        const std::size_t align = std::size_t{1} << this->draw(23);
        this->take_and_free(1 + this->draw(10), align);
    }
};

/// A unit is the whole series of alignments.
template <Mmu M>
class AlignShift final : public KernelTest<M> {
  public:
    using KernelTest<M>::KernelTest;

  private:
    void once() override {
        for (unsigned shift = 0; shift <= most_shift; ++shift) {
            const auto at =
                this->vm().vmalloc_range(page_size, std::size_t{1} << shift, GFP_KERNEL, false, cpu0);
            if (at) this->vm().vfree(*at, cpu0);
            if (at && shift == most_shift) throw UsageError("mapping: an alignment to 2^63 was satisfied");
        }
    }
};

template <Mmu M>
class MapRam final : public KernelTest<M> {
  public:
    explicit MapRam(const Setup& setup) : KernelTest<M>{setup}, frames_{this->machine().frames(1, true)} {}

  private:
    void once() override {
        const auto at = this->vm().vm_map_ram(frames_, cpu0);
        if (!at) throw UsageError("mapping: no addresses or mappings left");
        this->machine().use(*at);
        this->vm().vm_unmap_ram(*at, frames_.size(), cpu0);
    }
    std::vector<Pfn> frames_;
};

/// Addresses alone: nothing is mapped there, so that it runs on no MMU.
class PerCpuAreas {
  public:
    [[nodiscard]] static Contest::Units units() { return {.least = chunks, .most = chunks}; }
    void run(std::size_t count) {
        std::vector<VirtAddr> taken;
        for (std::size_t i = 0; i < count; ++i) {
            const auto base = areas_.take(cpu0);
            if (!base) throw UsageError("mapping: no addresses left for per-CPU areas");
            taken.push_back(*base);
        }
        for (const VirtAddr base : taken) {
            if (areas_.give(base, cpu0).value_or(false)) space_.purge(cpu0);
        }
    }
    [[nodiscard]] std::string verify() {
        run(2);
        const auto broken = areas_.find_violation();
        return broken ? broken->message() : "";
    }

    static constexpr std::size_t chunks = 35000;

  private:
    static constexpr std::uint64_t group_bytes = std::uint64_t{256} << 10;

    OwnedCpus cpus_{1};
    VmapSpace<OwnedCpus> space_{cpus_, lazy_max_pages(1), [](std::uint64_t, std::uint64_t, CpuId) {}};
    CongruentAreas<OwnedCpus> areas_{
        space_, cpus_, vmalloc_window(4), {{0, group_bytes}, {4 * group_bytes, group_bytes}}, page_size};
};

template <Mmu M>
void add_tests(Contests& contests, const Setup& setup, const char* who) {
    const auto row = [&]<class Test>(const char* name, std::size_t pages, std::type_identity<Test>) {
        add(contests, fmt::format("{}/{}/{}", name, pages, who),
            [=] { return std::make_unique<Test>(setup); });
    };
    for (const std::size_t pages : {1U, 10U, 100U}) {
        add(contests, fmt::format("fix_size_alloc_test/{}/{}", pages, who),
            [=] { return std::make_unique<FixSize<M>>(setup, pages); });
    }
    row("full_fit_alloc_test", 1, std::type_identity<FullFit<M>>{});
    row("long_busy_list_alloc_test", 100, std::type_identity<LongBusyList<M>>{});
    row("random_size_alloc_test", 100, std::type_identity<RandomSize<M>>{});
    row("fix_align_alloc_test", 5, std::type_identity<FixAlign<M>>{});
    row("random_size_align_alloc_test", 10, std::type_identity<RandomSizeAlign<M>>{});
    row("align_shift_alloc_test", 1, std::type_identity<AlignShift<M>>{});
    row("vm_map_ram_test", 1, std::type_identity<MapRam<M>>{});
}

}  // namespace

void add_kernel_tests(Contests& contests, const Setup& setup) {
    if (setup.host) add_tests<HostMmu>(contests, setup, "host");
    if (!setup.soft) return;
    add_tests<SoftMmu>(contests, setup, "soft");
    add(contests, fmt::format("pcpu_alloc_test/{}/soft", PerCpuAreas::chunks),
        [] { return std::make_unique<PerCpuAreas>(); });
}

}  // namespace kmemlab::mapping
