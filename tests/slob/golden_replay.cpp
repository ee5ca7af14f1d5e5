#include "tests/slob/golden_replay.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "allocators/slob/state.hpp"
#include "tests/support/golden.hpp"

namespace kmemlab::test {
namespace {

constexpr std::size_t arena_bytes = std::size_t{256} << 20;
constexpr Gfp gfp = GFP_NOWAIT | __GFP_NOWARN;
constexpr CpuId cpu{0};

SlobList list_named(std::string_view name) {
    for (const SlobList list : {SlobList::small, SlobList::medium, SlobList::large}) {
        if (to_string(list) == name) return list;
    }
    throw std::runtime_error("no list " + std::string{name});
}

}  // namespace

template <class Cpus>
GoldenReplay<Cpus>::GoldenReplay(std::string_view text, const SlobConfig& config)
    : text_{text},
      arena_{arena_bytes},
      pages_{arena_},
      cpus_{1},
      slob_{pages_, cpus_, config, log_},
      cache_{slob_.kmem_cache_create(
          {.name = "golden", .size = static_cast<std::size_t>(number(parameter(text, "size")))})} {}

/// Rows P and B. Returns how many lines they and what stands before them take.
template <class Cpus>
std::size_t GoldenReplay<Cpus>::restore_state(const std::vector<std::string_view>& lines) {
    std::vector<SlobPageState> state;
    std::size_t at = 0;
    for (; at < lines.size(); ++at) {
        if (lines[at].starts_with('#') || lines[at].starts_with("op,")) continue;
        const Row row = fields_of(lines[at]);
        if (row[1] == "P") {
            state.push_back({list_named(row[7]), {}});
        } else if (row[1] == "B") {
            state.back().blocks.push_back(
                {static_cast<SlobUnits>(number(row[4])) / 2, static_cast<SlobUnits>(number(row[6]))});
        } else {
            break;
        }
        ++result_.rows;
    }
    if (restore(slob_, state, cpu).size() != state.size()) differ("no page for the recorded state");
    if (record(slob_) != state) differ("the recorded state is not what was put in");
    return at;
}

template <class Cpus>
void GoldenReplay<Cpus>::compare(const Row& row, void* object) {
    if (object == nullptr) return differ(fmt::format("no object at row {}", fmt::join(row, ",")));
    const std::int64_t page = pages_.number_of(arena_.pfn(object));
    const auto offset = static_cast<std::int64_t>(arena_.offset_of(object) % page_size);
    if (page == number(row[3]) && offset == number(row[4])) return;
    differ(fmt::format("found page {} offset {} at row {}", page, offset, fmt::join(row, ",")));
}

template <class Cpus>
void GoldenReplay<Cpus>::single_row(const Row& row) {
    const std::int64_t id = number(row[2]);
    if (row[1] == "A") {
        const std::int64_t taken = pages_.taken();
        void* const object = slob_.kmem_cache_alloc(*cache_, gfp, cpu);
        live_[id] = object;
        compare(row, object);
        if (pages_.taken() - taken != number(row[5]))
            differ(fmt::format("{} pages taken at row {}", pages_.taken() - taken, fmt::join(row, ",")));
    } else if (row[1] == "F") {
        void* const object = live_.at(id);
        compare(row, object);
        live_.erase(id);
        slob_.kmem_cache_free(*cache_, object, cpu);
    } else {
        differ(fmt::format("unknown row {}", fmt::join(row, ",")));
    }
}

/// All A or F rows of one bulk operation, then its O row.
template <class Cpus>
void GoldenReplay<Cpus>::bulk_rows() {
    const Row last = bulk_.back();
    bulk_.pop_back();
    std::vector<void*> objects(bulk_.size());
    if (bulk_.front()[1] == "A") {
        std::int64_t expected = pages_.taken();
        for (const Row& row : bulk_) expected += number(row[5]);
        if (slob_.kmem_cache_alloc_bulk(*cache_, gfp, objects, cpu) != objects.size())
            return differ("a bulk allocation failed");
        for (std::size_t i = 0; i < objects.size(); ++i) {
            live_[number(bulk_[i][2])] = objects[i];
            compare(bulk_[i], objects[i]);
        }
        if (pages_.taken() != expected) differ(fmt::format("new pages at row {}", fmt::join(last, ",")));
    } else {
        for (std::size_t i = 0; i < objects.size(); ++i) {
            objects[i] = live_.at(number(bulk_[i][2]));
            compare(bulk_[i], objects[i]);
            live_.erase(number(bulk_[i][2]));
        }
        slob_.kmem_cache_free_bulk(*cache_, objects, cpu);
    }
    if (number(last[2]) != static_cast<std::int64_t>(objects.size()) ||
        number(last[3]) != static_cast<std::int64_t>(live_.size()))
        differ(fmt::format("{} objects live at row {}", live_.size(), fmt::join(last, ",")));
    bulk_.clear();
}

template <class Cpus>
void GoldenReplay<Cpus>::finish_operation() {
    const auto gone = pages_.take_gone();
    if (gone != expected_gone_) {
        differ(fmt::format("op {}: expected pages to go back: {}; went: {}", operation_,
                           fmt::join(expected_gone_, " "), fmt::join(gone, " ")));
    }
    expected_gone_.clear();
}

template <class Cpus>
void GoldenReplay<Cpus>::check_laws() {
    if (const auto violation = slob_.find_violation()) differ(violation->message());
}

template <class Cpus>
ReplayResult GoldenReplay<Cpus>::run() {
    const auto lines = lines_of(text_);
    const bool bulk = text_.find("# bulktrace") != std::string_view::npos;
    std::uint64_t operations = 0;
    for (std::size_t i = restore_state(lines); i < lines.size(); ++i) {
        const Row row = fields_of(lines[i]);
        ++result_.rows;
        if (row[0] != operation_) {
            finish_operation();
            operation_ = row[0];
            if (++operations % 1000 == 0) check_laws();
        }
        if (row[1] == "D") {
            expected_gone_.insert(number(row[3]));
        } else if (bulk) {
            bulk_.push_back(row);
            if (row[1] == "O") bulk_rows();
        } else {
            single_row(row);
        }
        if (!result_.difference.empty()) return result_;
    }
    finish_operation();
    check_laws();
    return result_;
}

template class GoldenReplay<OwnedCpus>;
template class GoldenReplay<SimulatedCpus>;

}  // namespace kmemlab::test
