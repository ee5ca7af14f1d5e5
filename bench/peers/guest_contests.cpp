#include "bench/peers/guest_contests.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>
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
    std::string_view name;  ///< kmem_cache, kmalloc, pages, floor
    std::size_t size = 0;
    std::size_t count = 1;
    std::string_view order = "lifo";

    [[nodiscard]] bool needs_cache() const { return name == "kmem_cache"; }
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

class Adder {
  public:
    Adder(Contests& contests, const std::string& name)
        : contests_{contests},
          who_{"kernel:" + name},
          guest_{std::make_shared<guests::Guest>(guests::find_kernel(name), guest_memory)} {}

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
    std::shared_ptr<guests::Guest> guest_;
};

}  // namespace

void add_guest_contests(Contests& contests, const std::vector<std::string>& kernels) {
    for (const std::string& name : kernels) Adder{contests, name}.add_all();
}

}  // namespace kmemlab::peers
