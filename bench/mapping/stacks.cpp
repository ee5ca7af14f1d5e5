// Kernel stacks: made, handed out again, given back, grown; who gets one, and what they hold.
//
//   stack-create   a stack of new memory for a task, no CPU having one to reuse
//   stack-destroy  its task exits and its memory goes back, with its share of one flush for all
//   stack-reuse    a task exits and the next one gets its stack out of the CPU's slot; row `clear` is what
//                  clearing that stack alone costs
//   stack-grow     a page more under a stack: by a fault, or asked for beforehand (`populate`)
//   stack-success  SIZE percent of the free memory is in blocks of order 2 or more, the rest in single
//                  pages; as many stacks are asked for as half of it could hold; counts tell how many came
//   stack-memory   SIZE live tasks, each as deep as the distribution says; counts tell what they hold
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "allocators/contract/stack_models.hpp"
#include "bench/mapping/works.hpp"
#include "bench/measure/keep.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::array<unsigned, 5> whole_percents{0, 25, 50, 75, 100};
constexpr std::size_t tasks_of_memory = 4000;

/// A machine with stacks, and the tasks that live on it.
template <class Model>
class Tasks {
  public:
    explicit Tasks(const Setup& setup, std::size_t arena = 0) : model_{config_of(setup, arena)} {}

    [[nodiscard]] Model& model() { return model_; }
    [[nodiscard]] auto& stacks() { return model_.stacks(); }
    /// Room for so many, that making them asks for no other memory.
    void reserve(std::size_t count) { live_.reserve(count); }
    /// False: no memory.
    bool create() {
        KernelStack* const stack = stacks().create(live_.size(), cpu0);
        if (stack != nullptr) live_.push_back(stack);
        return stack != nullptr;
    }
    void must_create() {
        if (!create()) throw UsageError("mapping: no memory, addresses or mappings left for a kernel stack");
    }
    void exit() {
        model_.exit(*live_.back(), cpu0);
        live_.pop_back();
    }
    void exit_all() {
        while (!live_.empty()) exit();
        stacks().drain(cpu0);
    }
    [[nodiscard]] const std::vector<KernelStack*>& live() const { return live_; }
    [[nodiscard]] std::string broken() const {
        const auto found = model_.find_violation();
        return found ? found->message() : "";
    }

  private:
    static typename Model::Config config_of(const Setup& setup, std::size_t arena) {
        typename Model::Config config;
        config.machine = setup.machine.machine;
        config.buddy = setup.machine.buddy;
        if constexpr (requires { config.parts.vmalloc; }) config.parts.vmalloc = setup.machine.vmalloc;
        if (arena != 0) config.machine.arena = arena;
        return config;
    }

    Model model_;
    std::vector<KernelStack*> live_;
};

/// What all works here are over.
template <class Model>
class StackWork {
  public:
    explicit StackWork(const Setup& setup) : tasks_{setup} {}
    [[nodiscard]] static Contest::Units units() { return {.least = 16, .most = 2048}; }
    void finish() { tasks_.exit_all(); }
    [[nodiscard]] std::string verify() {
        tasks_.must_create();
        const auto use = tasks_.stacks().use(*tasks_.live().back(), 3 * page_size, cpu0);
        const std::string found = tasks_.broken();
        tasks_.exit_all();
        return use.outcome == StackUse::Outcome::fine ? found : "a stack cannot be used";
    }

  protected:
    [[nodiscard]] Tasks<Model>& tasks() { return tasks_; }

  private:
    Tasks<Model> tasks_;
};

template <class Model>
class Create : public StackWork<Model> {
  public:
    using StackWork<Model>::StackWork;
    void prepare(std::size_t count) { this->tasks().reserve(count); }
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) this->tasks().must_create();
    }
};

template <class Model>
class Destroy : public StackWork<Model> {
  public:
    using StackWork<Model>::StackWork;
    void prepare(std::size_t count) {
        while (this->tasks().live().size() < count) this->tasks().must_create();
    }
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count && !this->tasks().live().empty(); ++i) this->tasks().exit();
        this->tasks().stacks().drain(cpu0);
    }
};

template <class Model>
class Reuse {
  public:
    explicit Reuse(const Setup& setup) : tasks_{setup} {
        tasks_.must_create();
        tasks_.exit();
    }
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            tasks_.must_create();
            keep(tasks_.live().back());
            tasks_.exit();
        }
    }
    [[nodiscard]] std::string verify() {
        const StackStats before = tasks_.stacks().stats();
        run(100);
        if (tasks_.stacks().stats().reused != before.reused + 100)
            return "a stack did not come out of a slot";
        return tasks_.broken();
    }

  private:
    Tasks<Model> tasks_;
};

/// Clears the stack that Reuse hands out.
class Clear {
  public:
    explicit Clear(const Setup& setup) : tasks_{setup} { tasks_.must_create(); }
    void run(std::size_t count) {
        void* const stack = HostMmu::pointer(tasks_.live().back()->base);
        for (std::size_t i = 0; i < count; ++i) {
            std::memset(stack, 0, tasks_.stacks().layout().size);
            keep(stack);
            forget();
        }
    }
    [[nodiscard]] static std::string verify() { return {}; }

  private:
    Tasks<VmappedStackModel> tasks_;
};

enum class Growth : std::uint8_t { fault, populate };

/// A unit is a page; each stack grows by all that it lacks.
template <Growth how>
class Grow : public StackWork<DynamicStackModel> {
  public:
    using StackWork::StackWork;
    void prepare(std::size_t count) {
        next_ = 0;
        while (tasks().live().size() < count / growth + 1) tasks().must_create();
    }
    void run(std::size_t count) {
        const std::size_t depth = tasks().stacks().layout().size - sizeof stack_end_magic;
        for (std::size_t i = 0; i < count && next_ < tasks().live().size(); i += growth) {
            KernelStack& stack = *tasks().live()[next_++];
            if constexpr (how == Growth::populate) static_cast<void>(tasks().stacks().populate(stack, cpu0));
            static_cast<void>(tasks().stacks().use(stack, depth, cpu0));
        }
    }

  private:
    static constexpr std::size_t growth = 3;  ///< pages from one to four
    std::size_t next_ = 0;
};

/// Memory of which half is free: `whole` percent of that in blocks of order 2, the rest in single pages.
template <class Model>
class Success {
  public:
    Success(const Setup& setup, unsigned whole) : tasks_{setup, arena_bytes} { fragment(whole); }
    [[nodiscard]] static Contest::Units units() { return {.least = attempts, .most = attempts}; }
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) static_cast<void>(tasks_.create());
    }
    void finish() { tasks_.exit_all(); }
    [[nodiscard]] std::string verify() const { return ""; }
    [[nodiscard]] Counts counts() {
        run(attempts);
        const std::uint64_t succeeded = tasks_.live().size();
        finish();
        return {{"attempts", attempts}, {"succeeded", succeeded}};
    }

  private:
    static constexpr std::size_t arena_bytes = std::size_t{32} << 20;
    static constexpr std::size_t attempts = arena_bytes / 4 / 4 / page_size;  ///< a quarter of the memory

    void fragment(unsigned whole) {
        auto& buddy = tasks_.model().buddy();
        std::vector<Pfn> pages;
        while (const auto page = buddy.take(Order{0}, GFP_KERNEL | __GFP_NOWARN, cpu0))
            pages.push_back(*page);
        std::sort(pages.begin(), pages.end());
        // Whole blocks give four free pages, the others two each: half of all pages, whatever the percentage.
        const std::size_t blocks = pages.size() / 4;
        const std::size_t whole_blocks = blocks * whole / 200;
        const std::size_t halves = blocks * (100 - whole) / 100;
        for (const Pfn page : pages) {
            const std::size_t block = (page - pages.front()) / 4;
            const bool even = page.value() % 2 == 0;
            if (block < whole_blocks || (even && block < whole_blocks + halves))
                buddy.give(page, Order{0}, cpu0);
        }
        buddy.drain(cpu0);
    }

    Tasks<Model> tasks_;
};

template <class Model>
class Memory {
  public:
    explicit Memory(const Setup& setup) : tasks_{setup}, depths_{setup.depths} {
        tasks_.reserve(tasks_of_memory);
    }
    [[nodiscard]] static Contest::Units units() {
        return {.least = tasks_of_memory, .most = tasks_of_memory};
    }
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            tasks_.must_create();
            static_cast<void>(tasks_.stacks().use(*tasks_.live().back(), depths_.of_task(i), cpu0));
        }
    }
    void finish() { tasks_.exit_all(); }
    [[nodiscard]] static std::string verify() { return {}; }
    [[nodiscard]] Counts counts() {
        run(tasks_of_memory);
        const StackStats seen = tasks_.stacks().stats();
        const std::string broken = tasks_.broken();
        if (!broken.empty()) throw UsageError::of("mapping: {}", broken);
        finish();
        return {{"tasks", tasks_of_memory}, {"bytes", seen.held_by_tasks}, {"faults", seen.grown_pages}};
    }

  private:
    Tasks<Model> tasks_;
    stacks::Depths depths_;
};

template <class Model>
void add_kind(Contests& contests, const Setup& setup, std::string_view who) {
    if constexpr (Model::info.name != VmappedStackModel::info.name) {
        add(contests, fmt::format("stack-create/16384/{}", who),
            [=] { return std::make_unique<Create<Model>>(setup); });
        add(contests, fmt::format("stack-destroy/16384/{}", who),
            [=] { return std::make_unique<Destroy<Model>>(setup); });
    }
    if constexpr (Model::info.name == UncachedStackModel::info.name) return;
    for (const unsigned whole : whole_percents) {
        add(contests, fmt::format("stack-success/{}/{}", whole, who),
            [=] { return std::make_unique<Success<Model>>(setup, whole); });
    }
    add(contests, fmt::format("stack-memory/{}/{}", tasks_of_memory, who),
        [=] { return std::make_unique<Memory<Model>>(setup); });
}

}  // namespace

void add_stacks(Contests& contests, const Setup& setup) {
    if (!setup.host) return;
    add(contests, "stack-reuse/16384/vmap",
        [=] { return std::make_unique<Reuse<VmappedStackModel>>(setup); });
    add(contests, "stack-reuse/16384/clear", [=] { return std::make_unique<Clear>(setup); });
    add(contests, "stack-reuse/16384/dynamic",
        [=] { return std::make_unique<Reuse<DynamicStackModel>>(setup); });
    add_kind<DirectStackModel>(contests, setup, "direct");
    add_kind<VmappedStackModel>(contests, setup, "vmap");
    add_kind<UncachedStackModel>(contests, setup, "vmap-uncached");
    add_kind<DynamicStackModel>(contests, setup, "dynamic");
    add(contests, "stack-grow/4096/fault", [=] { return std::make_unique<Grow<Growth::fault>>(setup); });
    add(contests, "stack-grow/4096/populate",
        [=] { return std::make_unique<Grow<Growth::populate>>(setup); });
}

}  // namespace kmemlab::mapping
