#include "bench/peers/malloc_contests.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "bench/measure/sequence.hpp"
#include "bench/peers/calls.hpp"
#include "bench/peers/works.hpp"

namespace kmemlab::peers {
namespace {

constexpr std::size_t small = 64;
constexpr std::array<std::size_t, 4> batch_sizes{16, 128, 1024, 16384};
constexpr std::array<Sequence, 3> sequences{Sequence::lifo, Sequence::fifo, Sequence::random};
constexpr std::size_t live_objects = 4096;
constexpr std::size_t draws = 1 << 14;
constexpr std::size_t long_enough = 1 << 18;  ///< units beside which waking the partner is nothing

/// Sizes or places, uniform in [least, most], the same in every run.
std::vector<std::uint32_t> drawn(std::uint32_t least, std::uint32_t most, unsigned seed) {
    std::mt19937 random{seed};
    std::vector<std::uint32_t> numbers(draws);
    for (std::uint32_t& number : numbers)
        number = least + static_cast<std::uint32_t>(random() % (most - least + 1));
    return numbers;
}

/// Calls of any size.
class AnySize {
  public:
    explicit AnySize(const PeerLibrary& library)
        : malloc_{laundered(library.malloc)}, free_{laundered(library.free)} {}
    [[nodiscard]] void* take(std::size_t size) const { return FirstWord::used(malloc_(size)); }
    void put(void* p) const { free_(p); }

  private:
    PeerLibrary::Malloc malloc_;
    PeerLibrary::Free free_;
};

/// A work with the state that it needs between units, one for each thread.
class Work {
  public:
    virtual ~Work() = default;
    virtual void run(std::size_t count) = 0;
};

class Pairs final : public Work {
  public:
    explicit Pairs(const PeerLibrary& library) : call_{library, small} {}
    void run(std::size_t count) override { pairs(call_, count); }

  private:
    MallocCall call_;
};

class MixedPairs final : public Work {
  public:
    explicit MixedPairs(const PeerLibrary& library) : call_{library}, sizes_{drawn(8, 8192, 1)} {}
    void run(std::size_t count) override {
        for (std::size_t i = 0; i < count; ++i) {
            call_.put(call_.take(sizes_[i % draws]));
            forget();
        }
    }

  private:
    AnySize call_;
    std::vector<std::uint32_t> sizes_;
};

class Batches final : public Work {
  public:
    Batches(const PeerLibrary& library, std::size_t objects, Sequence sequence)
        : call_{library}, objects_(objects), order_{positions(sequence, objects)} {}
    void run(std::size_t count) override {
        for (std::size_t done = 0; done < count; done += objects_.size()) {
            for (void*& object : objects_) object = call_.take(small);
            for (const std::uint32_t i : order_) call_.put(objects_[i]);
        }
    }

  private:
    AnySize call_;
    std::vector<void*> objects_;
    std::vector<std::uint32_t> order_;
};

class Churn final : public Work {
  public:
    Churn(const PeerLibrary& library, unsigned seed)
        : call_{library},
          objects_(live_objects),
          sizes_{drawn(8, 1023, seed)},
          places_{drawn(0, live_objects - 1, seed + 1)} {
        for (std::size_t i = 0; i < objects_.size(); ++i) objects_[i] = call_.take(sizes_[i]);
    }
    ~Churn() override {
        for (void* const object : objects_) call_.put(object);
    }
    Churn(const Churn&) = delete;
    Churn& operator=(const Churn&) = delete;
    void run(std::size_t count) override {
        for (std::size_t i = 0; i < count; ++i, ++at_) {
            void*& object = objects_[places_[at_ % draws]];
            call_.put(object);
            object = call_.take(sizes_[(at_ + at_ / draws) % draws]);
        }
    }

  private:
    AnySize call_;
    std::vector<void*> objects_;
    std::vector<std::uint32_t> sizes_;
    std::vector<std::uint32_t> places_;
    std::size_t at_ = 0;
};

// ---- Two threads ---------------------------------------------------------------------------------------

/// A second thread, on another CPU, that runs what it is given when it is told.
class Partner {
  public:
    Partner() : thread_{[this] { serve(); }} {}
    ~Partner() {
        wait();
        quit_ = true;
        go_.fetch_add(1, std::memory_order_release);
        go_.notify_one();
        thread_.join();
    }
    Partner(const Partner&) = delete;
    Partner& operator=(const Partner&) = delete;

    void start(std::function<void()> work) {
        wait();
        if (!placed_) go_apart();
        work_ = std::move(work);
        go_.fetch_add(1, std::memory_order_release);
        go_.notify_one();
    }
    void wait() const {
        // Sleeping: this thread's CPU time is what is measured.
        const unsigned wanted = go_.load(std::memory_order_relaxed);
        for (unsigned now = done_.load(std::memory_order_acquire); now != wanted;
             now = done_.load(std::memory_order_acquire)) {
            done_.wait(now, std::memory_order_acquire);
        }
    }

  private:
    /// Not before work begins: only then the other thread is where it stays.
    void go_apart() {
        placed_ = true;
        const int here = sched_getcpu();
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(cpu, &set);
            if (static_cast<int>(cpu) == here) continue;
            if (pthread_setaffinity_np(thread_.native_handle(), sizeof set, &set) == 0) return;
        }
    }
    void serve() {
        for (unsigned next = 1;; ++next) {
            go_.wait(next - 1, std::memory_order_acquire);
            if (quit_) return;
            work_();
            done_.store(next, std::memory_order_release);
            done_.notify_one();
        }
    }

    std::atomic<unsigned> go_{0};
    std::atomic<unsigned> done_{0};
    bool quit_ = false;
    bool placed_ = false;
    std::function<void()> work_;
    std::thread thread_;
};

/// Two of the same work at once.
class Both final : public Work {
  public:
    Both(std::unique_ptr<Work> mine, std::unique_ptr<Work> theirs, std::shared_ptr<Partner> partner)
        : mine_{std::move(mine)}, theirs_{std::move(theirs)}, partner_{std::move(partner)} {}
    void run(std::size_t count) override {
        std::atomic<bool> here{false};
        partner_->start([&] {
            here.store(true);
            theirs_->run(count);
        });
        while (!here.load()) sched_yield();
        mine_->run(count);
        partner_->wait();
    }

  private:
    std::unique_ptr<Work> mine_;
    std::unique_ptr<Work> theirs_;
    std::shared_ptr<Partner> partner_;
};

class Handoff final : public Work {
  public:
    Handoff(const PeerLibrary& library, std::shared_ptr<Partner> partner)
        : call_{library}, partner_{std::move(partner)} {}
    void run(std::size_t count) override {
        partner_->start([&] { consume(count); });
        for (std::size_t i = 0; i < count; ++i) {
            void* const object = call_.take(small);
            while (ring_[i % ring_.size()].load(std::memory_order_relaxed) != nullptr) sched_yield();
            ring_[i % ring_.size()].store(object, std::memory_order_release);
        }
        partner_->wait();
    }

  private:
    void consume(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            auto& place = ring_[i % ring_.size()];
            void* object = nullptr;
            while ((object = place.load(std::memory_order_acquire)) == nullptr) sched_yield();
            place.store(nullptr, std::memory_order_release);
            call_.put(object);
        }
    }

    AnySize call_;
    std::shared_ptr<Partner> partner_;
    std::array<std::atomic<void*>, 1024> ring_{};
};

// ---- Rows ----------------------------------------------------------------------------------------------

class WorkContest final : public Contest {
  public:
    WorkContest(std::string name, const PeerLibrary& library, std::function<std::unique_ptr<Work>()> make,
                std::size_t least)
        : name_{std::move(name)}, call_{library, small}, make_{std::move(make)}, least_{least} {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] Units units() override { return {.least = least_}; }
    void prepare(std::size_t) override {
        if (work_ == nullptr) work_ = make_();
    }
    void run(std::size_t count) override { work_->run(count); }
    [[nodiscard]] std::string verify() override { return verified(call_, small); }

  private:
    std::string name_;
    MallocCall call_;
    std::function<std::unique_ptr<Work>()> make_;
    std::size_t least_;
    std::unique_ptr<Work> work_;
};

class Rows {
  public:
    Rows(Contests& contests, PeerLibrary library, std::shared_ptr<Partner> partner)
        : contests_{contests}, library_{std::move(library)}, partner_{std::move(partner)} {}

    void add_all() {
        add("pair/64", [this_library = library_] { return std::make_unique<Pairs>(this_library); });
        add("pair/8-8192", [this_library = library_] { return std::make_unique<MixedPairs>(this_library); });
        for (const std::size_t objects : batch_sizes) {
            for (const Sequence sequence : sequences) {
                add(
                    fmt::format("batch{}-{}/64", objects, to_string(sequence)),
                    [=, this_library = library_] {
                        return std::make_unique<Batches>(this_library, objects, sequence);
                    },
                    objects);
            }
        }
        add("churn/8-1023", [this_library = library_] { return std::make_unique<Churn>(this_library, 1); });
        if (std::thread::hardware_concurrency() < 2) return;
        add_both("threads2-pair/64",
                 [this_library = library_] { return std::make_unique<Pairs>(this_library); });
        add_both("threads2-batch128/64", [this_library = library_] {
            return std::make_unique<Batches>(this_library, 128, Sequence::random);
        });
        add_both("threads2-churn/8-1023",
                 [this_library = library_] { return std::make_unique<Churn>(this_library, 1); });
        add(
            "handoff/64",
            [this_library = library_, partner = partner_] {
                return std::make_unique<Handoff>(this_library, partner);
            },
            long_enough);
    }

  private:
    using Make = std::function<std::unique_ptr<Work>()>;

    void add(std::string_view work, Make make, std::size_t least = 1) {
        contests_.push_back(std::make_unique<WorkContest>(fmt::format("malloc-{}/{}", work, library_.name),
                                                          library_, std::move(make), least));
    }
    void add_both(std::string_view work, const Make& make) {
        add(
            work, [make, partner = partner_] { return std::make_unique<Both>(make(), make(), partner); },
            long_enough);
    }

    Contests& contests_;
    PeerLibrary library_;
    std::shared_ptr<Partner> partner_;
};

}  // namespace

void add_malloc_contests(Contests& contests, std::span<const PeerLibrary> libraries) {
    const auto partner = std::make_shared<Partner>();
    for (const PeerLibrary& library : libraries) {
        if (library.absent.empty()) Rows{contests, library, partner}.add_all();
    }
}

}  // namespace kmemlab::peers
