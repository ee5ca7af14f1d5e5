#include "fuzz/machines/kmap_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace kmemlab::fuzz {

std::vector<Tunable> KmapSettings::tunables() {
    return {integer_tunable("kmap.low_pages", "frames that are mapped for good", low_pages, 0, 64),
            integer_tunable("kmap.slots", "slots of kmap", slots, 1, 64),
            switch_tunable("kmap.debug", "a page without mapping below each level", debug)};
}

std::vector<Knob> kmap_knobs() {
    std::vector<Knob> all = mapping_knobs();
    all.push_back({"kmap.low_pages", {"0", "1"}});
    all.push_back({"kmap.slots", {"1", "2", "16"}});
    all.push_back({"kmap.debug", {"1"}});
    return all;
}

void KmapMachine::perform(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    Item* const item = slots_.next_full(op.slot);
    switch (op.kind) {
        case OpKind::map:
            map(op);
            break;
        case OpKind::release:
            if (item != nullptr) unmap(*item, cpu);
            break;
        case OpKind::map_local:
            map_local(op);
            break;
        case OpKind::unmap_local:
            unmap_local(cpu);
            break;
        case OpKind::leave:
            stop(cpu);
            break;
        case OpKind::enter:
            resume(cpu);
            break;
        case OpKind::touch:
            touch(op);
            break;
        case OpKind::fail:
            fail(op);
            break;
        case OpKind::walk:
            break;
        case OpKind::damage:
            damage(op);
            break;
        default:
            return misuse(op);
    }
    judge_operation();
}

void KmapMachine::damage(const Operation& op) {
    std::vector<KmapPart> parts;
    for (CpuId cpu{0}; cpu.value() < cpus_.count(); ++cpu)
        parts.push_back({*kmap_, memory_.start() + (memory_.frames() - 1), cpu});
    Machine::damage(op, std::span{parts}, kmap_damages(), [&] { return kmap_->find_violation(); });
}

void KmapMachine::judge_mapping(const Mapping& mapping, CpuId cpu) {
    if (mmu_->frame_of(mapping.at) != mapping.frame)
        return break_law("V5", "{:#x} is not mapped to frame {:#x}", mapping.at.value(),
                         mapping.frame.value());
    const auto found = mmu_->translate(mapping.at, cpu);
    if (found != mapping.frame)
        break_law("V5", "cpu {} finds {} at {:#x}, not frame {:#x}", cpu.value(),
                  found ? fmt::format("frame {:#x}", found->value()) : "nothing", mapping.at.value(),
                  mapping.frame.value());
}

void KmapMachine::judge_gone(const std::vector<Mapping>& levels, CpuId cpu) {
    for (const Mapping& level : levels) {
        if (mmu_->frame_of(level.at) || mmu_->touch(level.at, cpu))
            return break_law("V7", "cpu {} still finds {:#x}, a level that is undone", cpu.value(),
                             level.at.value());
    }
}

// --- Slots for everybody ---

void KmapMachine::map(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    const Pfn frame = frame_of(op);
    const std::uint64_t refused = pages_.refused();
    Item* const slot = slots_.next_empty(op.slot);
    if (slot == nullptr) return;
    const auto at = kmap_->kmap(frame, cpu);
    if (!at) {
        if (users_.count(frame) != 0 || kmap_->is_low(frame))
            return break_law("M1", "no kmap of frame {:#x}, which is mapped", frame.value());
        if (users_.size() < settings_.slots && pages_.refused() == refused &&
            pages_to_be_had(0, GFP_KERNEL, cpu))
            break_law("M1", "no kmap, though {} of {} slots have users", users_.size(), settings_.slots);
        return;
    }
    const Mapping mapping{*at, frame};
    *slot = {true, mapping};
    judge_mapping(mapping, cpu);
    if (kmap_->is_low(frame)) return;
    for (const auto& [other, users] : users_) {
        if (users.at == *at && other != frame)
            return break_law("V6", "frames {:#x} and {:#x} have the same slot", frame.value(), other.value());
    }
    Users& users = users_[frame];
    if (users.count > 0 && users.at != *at)
        return break_law("V6", "frame {:#x} has two slots", frame.value());
    users = {*at, users.count + 1};
}

void KmapMachine::unmap(Item& item, CpuId cpu) {
    judge_mapping(item.mapping, cpu);
    const Pfn frame = item.mapping.frame;
    item = {};
    kmap_->kunmap(frame, cpu);
    const auto users = users_.find(frame);
    if (users != users_.end() && --users->second.count == 0) users_.erase(users);
}

// --- Levels of the task that runs on a CPU ---

void KmapMachine::map_local(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    const Pfn frame = frame_of(op);
    Tasks& tasks = tasks_of(cpu);
    const bool full = tasks.levels.size() == kmap_->max_levels() && !kmap_->is_low(frame);
    const std::size_t first = reports_.size();
    const std::uint64_t refused = pages_.refused();
    const auto at = kmap_->kmap_local(frame, cpu);
    if (full) {
        if (at || reports_.size() != first + 1 || reports_[first].kind != MisuseKind::bad_request)
            break_law("G11", "a level too many is not refused and reported once");
        reports_.resize(first);
        return;
    }
    if (!at) {
        if (pages_.refused() == refused && pages_to_be_had(0, GFP_KERNEL, cpu))
            break_law("M1", "no kmap_local on level {}", tasks.levels.size());
        return;
    }
    const Mapping mapping{*at, frame};
    judge_mapping(mapping, cpu);
    if (kmap_->is_low(frame)) return;
    for (const Tasks& others : cpu_tasks_) {
        for (const Mapping& level : others.levels) {
            if (level.at == *at) return break_law("V6", "{:#x} is another level's already", at->value());
        }
    }
    tasks.levels.push_back(mapping);
}

void KmapMachine::unmap_local(CpuId cpu) {
    auto& levels = tasks_of(cpu).levels;
    if (levels.empty()) return;
    judge_mapping(levels.back(), cpu);
    const Mapping gone = levels.back();
    levels.pop_back();
    kmap_->kunmap_local(gone.at, cpu);
    judge_gone({gone}, cpu);
}

void KmapMachine::stop(CpuId cpu) {
    Tasks& tasks = tasks_of(cpu);
    std::vector<Mapping> levels = std::exchange(tasks.levels, {});
    KmapTask task = kmap_->switch_out(cpu);
    judge_gone(levels, cpu);
    tasks.stopped.emplace_back(std::move(task), std::move(levels));
}

void KmapMachine::resume(CpuId cpu) {
    Tasks& tasks = tasks_of(cpu);
    if (!tasks.levels.empty() || tasks.stopped.empty()) return;
    auto [task, levels] = std::move(tasks.stopped.front());
    tasks.stopped.erase(tasks.stopped.begin());
    kmap_->switch_in(task, cpu);
    tasks.levels = std::move(levels);
    for (const Mapping& level : tasks.levels) judge_mapping(level, cpu);
}

// --- Of all ---

void KmapMachine::touch(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    if (const Item* const item = slots_.next_full(op.slot)) judge_mapping(item->mapping, cpu);
    const auto& levels = tasks_of(cpu).levels;
    if (!levels.empty()) judge_mapping(levels[op.size % levels.size()], cpu);
}

void KmapMachine::misuse(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    const std::size_t first = reports_.size();
    if (op.kind == OpKind::misuse_order) {
        const auto& levels = tasks_of(cpu).levels;
        if (levels.size() < 2) return;
        kmap_->kunmap_local(levels[op.count % (levels.size() - 1)].at, cpu);
        return judge_report(first, MisuseKind::bad_request, MisuseKind::bad_request);
    }
    const Pfn frame = frame_of(op);
    if (kmap_->is_low(frame) || users_.count(frame) != 0) return;
    // A slot that nobody uses keeps its page until it is flushed.
    kmap_->kunmap(frame, cpu);
    judge_report(first, MisuseKind::foreign_pointer, MisuseKind::double_free);
}

MaybeViolation KmapMachine::find_violation() {
    if (auto found = kmap_->find_violation()) return found;
    return find_violation_below(0);
}

void KmapMachine::tear_down() {
    pages_.fail_never();
    for (Item& item : slots_.all()) {
        if (!item.empty()) unmap(item, CpuId{0});
    }
    for (CpuId cpu{0}; cpu.value() < cpus_.count(); ++cpu) {
        while (!tasks_of(cpu).levels.empty()) unmap_local(cpu);
    }
    judge_operation();
    if (auto found = find_violation()) return break_law(std::move(*found));
    const std::uint64_t mapped = mmu_->stats().mapped_pages;
    if (mapped > settings_.low_pages + settings_.slots)
        break_law("V5", "{} pages are mapped when nobody maps any", mapped);
    kmap_.reset();
    tear_down_below();
}

std::string KmapMachine::describe() const {
    std::string text;
    for (const auto& [frame, users] : users_) {
        text += fmt::format("  frame {:#x} at +{:#x}: {} users\n", frame.value(),
                            users.at - mmu_->window().begin, users.count);
    }
    for (std::size_t cpu = 0; cpu < cpu_tasks_.size(); ++cpu) {
        text += fmt::format("  cpu {}: {} levels, {} tasks stopped\n", cpu, cpu_tasks_[cpu].levels.size(),
                            cpu_tasks_[cpu].stopped.size());
    }
    return text;
}

}  // namespace kmemlab::fuzz
