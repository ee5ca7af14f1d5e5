#include "tests/slub/golden_replay.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "tests/support/golden.hpp"

namespace kmemlab::test {
namespace {

constexpr std::size_t arena_bytes = std::size_t{256} << 20;
constexpr Gfp gfp = GFP_NOWAIT | __GFP_NOWARN;

}  // namespace

template <class Cpus>
GoldenReplay<Cpus>::GoldenReplay(std::string_view text, unsigned cpus, const SlubConfig& config)
    : text_{text},
      arena_{arena_bytes},
      pages_{arena_},
      cpus_{cpus},
      slub_{pages_, cpus_, config, log_},
      cache_{slub_.kmem_cache_create(
          {.name = "golden", .size = static_cast<std::size_t>(number(parameter(text, "size")))})},
      smp_{cpus > 1} {}

template <class Cpus>
void GoldenReplay<Cpus>::expect(std::string_view what, const Row& row, std::int64_t expected,
                                std::int64_t found) {
    if (expected == found) return;
    differ(fmt::format("{}: expected {}, found {} at row {}", what, expected, found, fmt::join(row, ",")));
}

template <class Cpus>
FrameIndex GoldenReplay<Cpus>::slab_of(const void* object) const {
    return arena_.page(arena_.pfn(object)).head;
}

template <class Cpus>
void GoldenReplay<Cpus>::compare_slab(const Row& row, std::size_t at, void* object, bool is_new) {
    if (object == nullptr) return differ(fmt::format("no object at row {}", fmt::join(row, ",")));
    const FrameIndex slab = slab_of(object);
    const auto offset = static_cast<const std::byte*>(object) - arena_.address_at(slab);
    expect("slab", row, number(row[at]), pages_.number_of(slab));
    expect("index", row, number(row[at + 1]), offset / static_cast<std::int64_t>(cache_->geometry.size));
    expect("new slab", row, number(row[at + 2]), is_new ? 1 : 0);
}

template <class Cpus>
void GoldenReplay<Cpus>::compare_after(const Row& row, std::size_t at, CpuId cpu) {
    const CpuSlot& slot = cache_->slots[cpu];
    expect("cpu_slab", row, number(row[at++]), pages_.number_of(slot.slab));
    if (smp_) expect("cpu_partial", row, number(row[at++]), slot.partial_count);
    expect("nr_partial", row, number(row[at]), static_cast<std::int64_t>(cache_->nr_partial.load()));
}

template <class Cpus>
void GoldenReplay<Cpus>::trace_row(const Row& row) {
    const CpuId cpu{smp_ ? static_cast<unsigned>(number(row[2])) : 0U};
    const std::size_t id_at = smp_ ? 3 : 2;
    const std::size_t after_at = id_at + (smp_ ? 4 : 5);  // one CPU: there is a column "colour"
    const std::int64_t id = row.size() > id_at ? number(row[id_at]) : 0;
    switch (row[1][0]) {
        case 'A': {
            const std::uint64_t slabs = cache_->total(SlubEvent::alloc_slab);
            void* const object = slub_.kmem_cache_alloc(*cache_, gfp, cpu);
            live_[id] = object;
            compare_slab(row, id_at + 1, object, cache_->total(SlubEvent::alloc_slab) != slabs);
            return compare_after(row, after_at, cpu);
        }
        case 'F': {
            void* const object = live_.at(id);
            compare_slab(row, id_at + 1, object, false);
            live_.erase(id);
            slub_.kmem_cache_free(*cache_, object, cpu);
            return compare_after(row, after_at, cpu);
        }
        case 'D':
            expected_gone_.insert(number(row[id_at + 1]));
            return;
        case 'K':
            return slub_.flush_cpu(*cache_, cpu, cpu);
        case 'H':
            slub_.kmem_cache_shrink(*cache_, cpu);
            return;
        default:
            differ(fmt::format("unknown row {}", fmt::join(row, ",")));
    }
}

/// All A or F rows of one bulk operation, then its O row.
template <class Cpus>
void GoldenReplay<Cpus>::bulk_rows() {
    const Row last = bulk_.back();
    bulk_.pop_back();
    std::vector<void*> objects(bulk_.size());
    const CpuId cpu{0};
    if (bulk_.front()[1] == "A") {
        std::set<FrameIndex> known;
        for (const auto& [id, object] : live_) known.insert(slab_of(object));
        const std::int64_t slabs = static_cast<std::int64_t>(cache_->total(SlubEvent::alloc_slab));
        std::int64_t fresh = 0;
        for (const Row& row : bulk_) fresh += number(row[5]);
        const std::size_t got = slub_.kmem_cache_alloc_bulk(*cache_, gfp, objects, cpu);
        if (got != objects.size()) return differ("a bulk allocation failed");
        expect("new slabs", last, fresh,
               static_cast<std::int64_t>(cache_->total(SlubEvent::alloc_slab)) - slabs);
        for (std::size_t i = 0; i < objects.size(); ++i) {
            live_[number(bulk_[i][2])] = objects[i];
            compare_slab(bulk_[i], 3, objects[i], bulk_[i][5] == "1");
        }
    } else {
        for (std::size_t i = 0; i < objects.size(); ++i) {
            const std::int64_t id = number(bulk_[i][2]);
            objects[i] = live_.at(id);
            compare_slab(bulk_[i], 3, objects[i], false);
            live_.erase(id);
        }
        slub_.kmem_cache_free_bulk(*cache_, objects, cpu);
    }
    compare_after(last, 7, cpu);
    bulk_.clear();
}

template <class Cpus>
std::string GoldenReplay<Cpus>::free_list(FrameIndex slab, const void* first) const {
    std::vector<std::size_t> indexes;
    for (const void* o = first; o != nullptr; o = slub_.next_free(*cache_, o)) {
        const auto offset = static_cast<const std::byte*>(o) - arena_.address_at(slab);
        indexes.push_back(static_cast<std::size_t>(offset) / cache_->geometry.size);
    }
    return fmt::format("{}", fmt::join(indexes, " "));
}

/// Our state, in the words of X rows behind the operation's number.
template <class Cpus>
std::vector<std::string> GoldenReplay<Cpus>::dump() const {
    std::vector<std::string> rows;
    const auto add = [&](std::string_view place, FrameIndex slab, std::string_view slabs) {
        const SlabWord word = SlabWord::load(arena_.page_at(slab));
        const void* const first =
            word.has_free() ? arena_.address_at(slab) + std::size_t{word.freelist} * 8 : nullptr;
        const bool remote = place.starts_with("cpuremote");
        const std::string frozen = remote ? "" : fmt::format("frozen={},", word.frozen ? 1 : 0);
        rows.push_back(fmt::format("X,{},slab={},{}inuse={},{}free={}", place, pages_.number_of(slab), slabs,
                                   word.inuse, frozen, free_list(slab, first)));
    };
    for (unsigned c = 0; c < cpus_.count(); ++c) {
        const CpuSlot& slot = cache_->slots[CpuId{c}];
        if (slot.slab != no_frame) {
            rows.push_back(fmt::format("X,cpu,{},slab={},inuse={},free={}", c, pages_.number_of(slot.slab),
                                       SlabWord::load(arena_.page_at(slot.slab)).inuse,
                                       free_list(slot.slab, slot.freelist)));
            add(fmt::format("cpuremote,{}", c), slot.slab, "");
        }
        unsigned position = 0;
        for (FrameIndex s = slot.partial; s != no_frame; s = arena_.page_at(s).next, ++position) {
            add(fmt::format("cpartial,{},{}", c, position), s,
                fmt::format("slabs={},", slot.partial_count - position));
        }
    }
    unsigned position = 0;
    for (FrameIndex s = cache_->partial.head(); s != no_frame; s = arena_.page_at(s).next, ++position) {
        add(fmt::format("node,{}", position), s, "");
    }
    return rows;
}

/// A run of X rows is one dump, or the same state dumped twice.
template <class Cpus>
void GoldenReplay<Cpus>::compare_dump() {
    if (dump_rows_.empty()) return;
    const auto ours = dump();
    if (ours.empty() || dump_rows_.size() % ours.size() != 0) {
        differ(fmt::format("dump of {} rows, ours has {}", dump_rows_.size(), ours.size()));
    }
    for (std::size_t i = 0; result_.difference.empty() && i < dump_rows_.size(); ++i) {
        const std::string_view row = dump_rows_[i];
        if (row.substr(row.find(',') + 1) != ours[i % ours.size()]) {
            differ(fmt::format("expected {}\n   found {}", row, ours[i % ours.size()]));
        }
    }
    dump_rows_.clear();
}

template <class Cpus>
void GoldenReplay<Cpus>::finish_operation() {
    const auto gone = pages_.take_gone();
    if (gone != expected_gone_) {
        differ(fmt::format("op {}: expected slabs to go back: {}; went: {}", operation_,
                           fmt::join(expected_gone_, " "), fmt::join(gone, " ")));
    }
    expected_gone_.clear();
}

template <class Cpus>
ReplayResult GoldenReplay<Cpus>::run(bool check) {
    std::uint64_t operations = 0;
    for (const std::string_view line : lines_of(text_)) {
        if (line.starts_with('#') || line.starts_with("op,")) continue;
        const Row row = fields_of(line);
        ++result_.rows;
        if (row[1] == "X") {
            dump_rows_.push_back(line);
            continue;
        }
        compare_dump();
        if (row[0] != operation_) {
            finish_operation();
            operation_ = row[0];
            if (check && ++operations % 1000 == 0) {
                if (const auto v = slub_.find_violation()) differ(v->message());
            }
        }
        const bool bulk = text_.find("# bulktrace") != std::string_view::npos;
        if (bulk && row[1] != "D") {
            bulk_.push_back(row);
            if (row[1] == "O") bulk_rows();
        } else {
            trace_row(row);
        }
        if (!result_.difference.empty()) return result_;
    }
    compare_dump();
    finish_operation();
    if (check && result_.difference.empty()) {
        if (const auto v = slub_.find_violation()) differ(v->message());
    }
    return result_;
}

template class GoldenReplay<OwnedCpus>;
template class GoldenReplay<SimulatedCpus>;

}  // namespace kmemlab::test
