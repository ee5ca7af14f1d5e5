#include "tests/support/slab_trace.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tests/support/golden.hpp"

namespace kmemlab::test {

void SlabTrace::expect(std::string_view what, const Row& row, std::int64_t expected, std::int64_t found) {
    if (expected == found) return;
    differ(fmt::format("{}: expected {}, found {} at row {}", what, expected, found, fmt::join(row, ",")));
}

void SlabTrace::compare_place(const Row& row, std::size_t at, const void* object, bool allocated) {
    if (object == nullptr) return differ(fmt::format("no object at row {}", fmt::join(row, ",")));
    const ObjectPlace place = target_.place_of(object);
    const bool is_new = allocated && seen_.insert(place.slab).second;
    expect("slab", row, number(row[at]), place.slab);
    expect("index", row, number(row[at + 1]), place.index);
    expect("new slab", row, number(row[at + 2]), is_new ? 1 : 0);
    if (form_.colour) expect("colour", row, number(row[at + 3]), allocated ? place.colour : 0);
}

void SlabTrace::compare_after(const Row& row, std::size_t at, CpuId cpu) {
    for (const std::int64_t value : target_.after(cpu)) {
        expect(fmt::format("column {}", at), row, number(row[at]), value);
        ++at;
    }
    expect("columns", row, static_cast<std::int64_t>(row.size()), static_cast<std::int64_t>(at));
}

void SlabTrace::trace_row(const Row& row) {
    const CpuId cpu{form_.cpu ? static_cast<unsigned>(number(row[2])) : 0U};
    const std::size_t id_at = form_.cpu ? 3 : 2;
    const std::size_t after_at = id_at + (form_.colour ? 5 : 4);
    const std::int64_t id = row.size() > id_at ? number(row[id_at]) : 0;
    switch (row[1][0]) {
        case 'A': {
            void* const object = target_.alloc(cpu);
            live_[id] = object;
            compare_place(row, id_at + 1, object, true);
            return compare_after(row, after_at, cpu);
        }
        case 'F': {
            void* const object = live_.at(id);
            compare_place(row, id_at + 1, object, false);
            live_.erase(id);
            target_.free(object, cpu);
            return compare_after(row, after_at, cpu);
        }
        case 'D':
            expected_gone_.insert(number(row[id_at + 1]));
            return;
        case 'K':
            return target_.flush_cpu(cpu);
        case 'H':
            return target_.shrink(cpu);
        default:
            differ(fmt::format("unknown row {}", fmt::join(row, ",")));
    }
}

/// All A or F rows of one bulk operation, then its O row.
void SlabTrace::bulk_rows() {
    const Row last = bulk_.back();
    bulk_.pop_back();
    const bool allocates = bulk_.front()[1] == "A";
    std::vector<void*> objects(bulk_.size());
    const CpuId cpu{0};
    if (allocates && !target_.alloc_bulk(objects, cpu)) return differ("a bulk allocation failed");
    for (std::size_t i = 0; i < objects.size(); ++i) {
        const std::int64_t id = number(bulk_[i][2]);
        if (allocates) {
            live_[id] = objects[i];
        } else {
            objects[i] = live_.at(id);
            live_.erase(id);
        }
        compare_place(bulk_[i], 3, objects[i], allocates);
    }
    if (!allocates) target_.free_bulk(objects, cpu);
    compare_after(last, 7, cpu);
    bulk_.clear();
}

/// A run of X rows is one dump, or the same state dumped twice.
void SlabTrace::compare_dump() {
    if (dump_rows_.empty()) return;
    const auto ours = target_.dump();
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

/// The slabs that the operation before gave back are known now.
void SlabTrace::begin_operation(std::string_view operation) {
    const auto gone = target_.pages().take_gone();
    if (gone != expected_gone_) {
        differ(fmt::format("op {}: expected slabs to go back: {}; went: {}", operation_,
                           fmt::join(expected_gone_, " "), fmt::join(gone, " ")));
    }
    expected_gone_.clear();
    operation_ = operation;
}

void SlabTrace::check_laws() {
    if (const auto v = target_.find_violation()) differ(v->message());
}

void SlabTrace::row(const Row& row) {
    if (!bulk_trace_ || row[1] == "D") return trace_row(row);
    bulk_.push_back(row);
    if (row[1] == "O") bulk_rows();
}

ReplayResult SlabTrace::run(bool check) {
    bulk_trace_ = text_.find("# bulktrace") != std::string_view::npos;
    std::uint64_t operations = 0;
    for (const std::string_view line : lines_of(text_)) {
        if (line.starts_with('#') || line.starts_with("op,")) continue;
        const Row fields = fields_of(line);
        ++result_.rows;
        if (fields[1] == "X") {
            dump_rows_.push_back(line);
            continue;
        }
        compare_dump();
        if (fields[0] != operation_) {
            begin_operation(fields[0]);
            if (check && ++operations % 1000 == 0) check_laws();
        }
        row(fields);
        if (!result_.difference.empty()) return result_;
    }
    compare_dump();
    begin_operation("");
    if (check) check_laws();
    return result_;
}

}  // namespace kmemlab::test
