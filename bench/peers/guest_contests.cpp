#include "bench/peers/guest_contests.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>

#include "allocators/base/check.hpp"
#include "allocators/base/units.hpp"
#include "bench/guests/guest.hpp"
#include "bench/peers/works.hpp"

namespace kmemlab::peers {
namespace {

constexpr std::size_t guest_memory = std::size_t{1} << 30;

/// A loop of the guest's: of `count` objects at a time.
struct Loop {
    std::string_view name;  ///< kmem_cache, kmalloc, pages, floor; NAME_untouched: nothing is written
    std::size_t size = 0;
    std::size_t count = 1;
    std::string_view order = "lifo";

    [[nodiscard]] bool needs_cache() const { return name.starts_with("kmem_cache"); }
};

class GuestContest final : public Contest {
  public:
    GuestContest(std::string name, Loop loop, std::shared_ptr<guests::Guest> guest)
        : name_{std::move(name)}, loop_{loop}, guest_{std::move(guest)} {}

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] Units units() override { return Units::in_batches_of(loop_.count); }
    void prepare(std::size_t) override {
        if (loop_.needs_cache()) guest_->ask(fmt::format("cache {}", loop_.size));
    }
    void finish() override {
        if (loop_.needs_cache()) guest_->ask("uncache");
    }
    void run(std::size_t count) override {
        std::istringstream said{
            guest_->ask(fmt::format("loop {} {} {} {} {}", loop_.name, loop_.size, loop_.count, loop_.order,
                                    (count + loop_.count - 1) / loop_.count))};
        double wall_ns = 0;
        said >> wall_ns >> cpu_ns_;
    }
    [[nodiscard]] std::optional<double> cpu_ns() const override { return cpu_ns_; }
    [[nodiscard]] std::string verify() override {
        guest_->follow_affinity();
        prepare(1);
        guest_->ask(fmt::format("check {} {}", loop_.name, loop_.size));
        finish();
        return {};
    }

  private:
    std::string name_;
    Loop loop_;
    std::shared_ptr<guests::Guest> guest_;
    double cpu_ns_ = 0;
};

constexpr std::array<std::string_view, 3> orders{"lifo", "fifo", "random"};
constexpr std::array<std::size_t, 10> sizes{8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
constexpr std::size_t batch_size = 64;
constexpr std::size_t many_pages = 16384;
constexpr std::size_t huge_page = std::size_t{2} << 20;

/// Of a recorded work; nothing if a guest cannot do it.
std::optional<Loop> loop_of(const RecordedRow& row) {
    switch (row.work) {
        case KernelWork::cache_pair_none_held:
        case KernelWork::batch:
            return Loop{"kmem_cache_untouched", row.size, row.count, to_string(row.sequence)};
        case KernelWork::kmalloc_pair:
            return Loop{"kmalloc_untouched", row.size};
        case KernelWork::page_pair:
        case KernelWork::page_batch:
            return Loop{"pages", page_size << row.size, row.count, to_string(row.sequence)};
        default:
            return {};
    }
}

class Adder {
  public:
    Adder(Contests& contests, const guests::Kernel& kernel)
        : contests_{contests},
          who_{guests::as_allocator(kernel.name)},
          allocator_{kernel.allocator},
          guest_{std::make_shared<guests::Guest>(kernel, guest_memory)} {}

    void add_all() {
        for (const std::size_t size : sizes) {
            add_pair("", {"kmem_cache", size});
            add_pair("-kmalloc", {"kmalloc", size});
        }
        add_pair("-floor", {"floor", batch_size});
        add_pair("-pages", {"pages", page_size});
        add_pair("-pages", {"pages", huge_page});
        for (const std::string_view order : orders) {
            add_batch("", {"kmem_cache", batch_size, batch_objects, order});
            add_batch("-floor", {"floor", batch_size, batch_objects, order});
            add_batch("-pages", {"pages", page_size, batch_objects, order});
        }
        add_batch("-pages", {"pages", page_size, many_pages, "fifo"});
    }

    void add_works(const KernelTimes& times) {
        if (times.allocator() != allocator_) return;
        for (const RecordedRow& row : times.rows()) {
            const std::optional<Loop> loop = loop_of(row);
            if (loop && works_.insert(row.name).second) add(row.work_and_size() + who_, *loop);
        }
    }

  private:
    void add_pair(std::string_view suffix, const Loop& loop) {
        add(fmt::format("pair/{}/{}{}", loop.size, who_, suffix), loop);
    }
    void add_batch(std::string_view suffix, const Loop& loop) {
        add(fmt::format("batch{}-{}/{}/{}{}", loop.count, loop.order, loop.size, who_, suffix), loop);
    }
    void add(std::string name, const Loop& loop) {
        contests_.push_back(std::make_unique<GuestContest>(std::move(name), loop, guest_));
    }

    Contests& contests_;
    std::string who_;
    std::string allocator_;
    std::set<std::string> works_;  ///< files may have the same
    std::shared_ptr<guests::Guest> guest_;
};

}  // namespace

void add_guest_contests(Contests& contests, std::span<const guests::Kernel> kernels,
                        std::span<const KernelTimes> times) {
    for (const guests::Kernel& kernel : kernels) {
        Adder adder{contests, kernel};
        adder.add_all();
        for (const KernelTimes& each : times) adder.add_works(each);
    }
}

}  // namespace kmemlab::peers
