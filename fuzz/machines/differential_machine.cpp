#include "fuzz/machines/differential_machine.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "allocators/contract/registry.hpp"
#include "fuzz/machines/settings.hpp"

namespace kmemlab::fuzz {
namespace {

/// Nothing is hidden by poison: most of what lies between objects is not watched either.
constexpr bool open = true;

}  // namespace

DifferentialMachine::DifferentialMachine(const Setup& setup, const Language& language)
    : arena_bytes_{setup.arena_bytes()}, cpus_{setup.cpu_count()} {
    const auto settings = registry_settings(setup, language, "single");
    for_each_model([&]<class M>() {
        // What is not deterministic is not ours; a stack is one size.
        if constexpr (M::info.capabilities.deterministic && !M::info.capabilities.stacks) {
            AnyAllocator allocator = AnyAllocator::of<M>(configure<M>(settings));
            const FreeBlocks at_begin = allocator.free_blocks();
            models_.push_back({std::move(allocator), at_begin});
        }
    });
}

void DifferentialMachine::perform(const Operation& op) {
    Item* const item = slots_.next_full(op.slot);
    const CpuId cpu{op.cpu % cpus_};
    switch (op.kind) {
        case OpKind::alloc:
            return allocate(op, 1);
        case OpKind::alloc_many:
            return allocate(op, op.count);
        case OpKind::resize:
            if (item != nullptr) resize(*item, op);
            return;
        case OpKind::release:
            if (item != nullptr) release(*item, item->rows.size(), cpu);
            return;
        case OpKind::release_some:
            if (item != nullptr) release(*item, op.count, cpu);
            return;
        case OpKind::drain:
            for (Model& model : models_) model.allocator.drain(cpu);
            return;
        default:
            return;
    }
}

Request DifferentialMachine::request_of(const Operation& op) const {
    const std::size_t size = op.size < 0xffff0000 ? op.size : ~std::size_t{0} - (0xffffffff - op.size);
    return {.size = size,
            .gfp = gfp_of(op).gfp.has(__GFP_ZERO) ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL,
            .align = op.align == 0 ? 0 : std::size_t{1} << (op.align % 13),
            .cpu = CpuId{op.cpu % cpus_}};
}

// --- Judgement ---

/// A free block twice as large as the request, slab and header included, and a quarter of all memory beside
/// it, which is more than any watermark keeps. Who maps pages needs no block.
bool DifferentialMachine::had_memory(const Model& model, const Request& request) const {
    const Capabilities& can = model.allocator.capabilities();
    const std::size_t asked = std::max(request.size, request.align);
    if (asked > can.largest || request.align > can.largest_align || asked > arena_bytes_) return false;
    const FreeBlocks blocks = model.allocator.free_blocks();
    if (!blocks) return false;
    const bool whole_pages = can.pages || asked == can.largest;
    Order wanted = order_of(asked);
    if (can.areas)
        wanted = Order{0};
    else if (!whole_pages)
        wanted = std::max(costly_order, Order{wanted.value() + 1});
    if (can.headers && !whole_pages) ++wanted;
    std::uint64_t free = 0;
    bool in_one = false;
    for (Order order{0}; order <= max_order; ++order) {
        free += (*blocks)[order.value()] * order.pages();
        in_one = in_one || (order >= wanted && (*blocks)[order.value()] > 0);
    }
    const std::uint64_t taken = can.areas ? 2 * order_of(asked).pages() : wanted.pages();
    return in_one && free > taken + (arena_bytes_ >> page_shift) / 4;
}

/// G2, G3, G5, and G1, G4 from now on.
void DifferentialMachine::adopt(const Request& request, const Model& model, Object& object) {
    const std::string_view name = model.allocator.info().name;
    const bool natural =
        model.allocator.capabilities().natural_alignment && std::has_single_bit(request.size);
    const std::size_t due = std::max({request.align, natural ? request.size : 1, std::size_t{1}});
    object.usable = model.allocator.usable_size(object.p);
    if (object.usable < request.size)
        return break_law("G3", "{}: {} bytes asked, {} usable", name, request.size, object.usable);
    if (reinterpret_cast<std::uintptr_t>(object.p) % due != 0)
        return break_law("G2", "{}: {} of {} bytes is not aligned to {}", name, object.p, request.size, due);
    if (request.gfp.has(__GFP_ZERO) && !oracle::is_zero(object.p, request.size))
        return break_law("G5", "{}: {}+{} is not zero", name, object.p, request.size);
    if (auto found = live_.adopt(object, open)) break_law(found->law, "{}: {}", name, found->what);
}

bool DifferentialMachine::take(const Request& request, Row& row) {
    row.assign(models_.size(), {});
    bool any = false;
    for (std::size_t m = 0; m < models_.size(); ++m) {
        row[m] = {.p = models_[m].allocator.allocate(request), .size = request.size};
        any = any || row[m].p != nullptr;
    }
    for (std::size_t m = 0; m < models_.size() && !broken(); ++m) {
        if (row[m].p != nullptr && request.size > 0)
            adopt(request, models_[m], row[m]);
        else if (row[m].p == nullptr && any && request.size > 0 && had_memory(models_[m], request))
            break_law("G10", "{}: no memory for {} bytes aligned to {}, which others have, and it has too",
                      models_[m].allocator.info().name, request.size, request.align);
    }
    return !broken();
}

// --- Calls ---

void DifferentialMachine::keep(Item item, const Operation& op) {
    if (item.empty() || broken()) return;
    if (Item* const place = slots_.next_empty(op.slot)) {
        *place = std::move(item);
    } else {
        release(item, item.rows.size(), CpuId{op.cpu % cpus_});
    }
}

void DifferentialMachine::allocate(const Operation& op, std::size_t count) {
    constexpr std::size_t most_bytes = std::size_t{128} << 10;
    const Request request = request_of(op);
    count = std::min(count, 1 + most_bytes / std::max(request.size, std::size_t{32}));
    Item item;
    for (std::size_t i = 0; i < count; ++i) {
        Row row;
        if (!take(request, row)) return;
        item.rows.push_back(std::move(row));
    }
    keep(std::move(item), op);
}

void DifferentialMachine::give(Object& object, AnyAllocator& allocator, CpuId cpu) {
    if (auto found = live_.release(object))
        return break_law(found->law, "{}: {}", allocator.info().name, found->what);
    allocator.deallocate(object.p, cpu);
}

void DifferentialMachine::release(Item& item, std::size_t most, CpuId cpu) {
    for (; most > 0 && !item.rows.empty() && !broken(); --most) {
        for (std::size_t m = 0; m < models_.size() && !broken(); ++m) {
            if (item.rows.back()[m].p != nullptr) give(item.rows.back()[m], models_[m].allocator, cpu);
        }
        item.rows.pop_back();
    }
}

/// By allocating and freeing. Who gets nothing keeps what it has.
void DifferentialMachine::resize(Item& item, const Operation& op) {
    const Request request = request_of(op);
    Row row;
    if (request.size == 0 || !take(request, row)) return;
    Row& before = item.rows.back();
    for (std::size_t m = 0; m < models_.size() && !broken(); ++m) {
        if (row[m].p == nullptr) continue;
        if (before[m].p != nullptr) give(before[m], models_[m].allocator, request.cpu);
        before[m] = row[m];
    }
}

// --- Walks ---

MaybeViolation DifferentialMachine::find_violation() {
    for (const Model& model : models_) {
        if (auto found = model.allocator.find_violation())
            return violation(found->law, "{}: {}", model.allocator.info().name, found->what);
    }
    return {};
}

void DifferentialMachine::tear_down() {
    for (Item& item : slots_.all()) release(item, item.rows.size(), CpuId{0});
    if (broken()) return;
    for (Model& model : models_) {
        model.allocator.drain(CpuId{0});
        if (model.allocator.free_blocks() != model.at_begin)
            break_law("B16", "{}: free blocks are not as at the begin", model.allocator.info().name);
    }
    if (auto found = find_violation()) break_law(std::move(*found));
}

std::string DifferentialMachine::describe() const {
    std::string text;
    for (std::size_t i = 0; i < slot_count; ++i) {
        const Item& item = slots_.all()[i];
        if (item.empty()) continue;
        text += fmt::format("  slot {}: {} rows of {} bytes\n", i, item.rows.size(), item.rows[0][0].size);
    }
    return text;
}

}  // namespace kmemlab::fuzz
