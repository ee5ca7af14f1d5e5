/// Part of slub.cpp: operations of caches with debug flags, each under the cache's lock (SLUB-72..77).
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "allocators/objects/debug_bytes.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
OwnerRecord Slub<Cpus>::owner_now(const void* address, CpuId cpu) {
    OwnerRecord owner;
    owner.address = reinterpret_cast<std::uintptr_t>(address);
    owner.cpu = cpu.value();
    owner.when = operations_.fetch_add(1, std::memory_order_relaxed) + 1;
    return owner;
}

/// SLUB-72 (T).
template <class Cpus>
void Slub<Cpus>::trace_line(const Cache& cache, std::string_view what, FrameIndex slab, const void* object) {
    if (!has(cache.geometry.flags, CacheFlags::trace)) return;
    const SlabWord word = SlabWord::load(pages_[slab]);
    const std::string line = fmt::format("TRACE {} {} 0x{:016x} inuse={} fp=0x{:016x}\n", cache.name, what,
                                         reinterpret_cast<std::uintptr_t>(object), word.inuse,
                                         reinterpret_cast<std::uintptr_t>(first_free(slab, word)));
    if (on_trace_)
        on_trace_(line);
    else
        std::fputs(line.c_str(), stderr);
}

template <class Cpus>
void Slub<Cpus>::debug_new_slab(Cache& cache, FrameIndex slab, std::uint32_t objects) {
    DebugReporter reporter{log_, cache, tainted_};
    SlabChecker{arena_, cache, reporter, 0}.init_slab(slab, objects);
}

/// Takes the first object of a slab on the node's list, or of a new one. nullptr: the slab is bad and was
/// taken out of use (SLUB-75). The lock is held.
template <class Cpus>
void* Slub<Cpus>::debug_take(Cache& cache, SlabChecker& checker, FrameIndex slab, const OwnerRecord& owner,
                             std::size_t asked) {
    Page& page = pages_[slab];
    SlabWord word = SlabWord::load(page);
    auto* const object = static_cast<std::byte*>(first_free(slab, word));
    if (has(cache.geometry.flags, CacheFlags::consistency_checks)) {
        bool good = checker.check_slab(slab) && object != nullptr;
        if (good && !checker.valid_pointer(slab, object)) {
            checker.slab_bug(MisuseKind::corrupt_list, slab, object, "Freelist Pointer check fails");
            good = false;
        }
        if (!good || !checker.check_object(slab, object, red_zone_free)) {
            SlabWord{SlabWord::no_object, word.objects, word.objects, true}.store(page);
            cache.damaged = true;
            return nullptr;
        }
    }
    word.freelist = free_index(slab, get_free_pointer(cache, object));
    ++word.inuse;
    word.store(page);
    checker.record(object, OwnerKind::allocated, owner);
    checker.record_size(object, asked);
    trace_line(cache, "alloc", slab, object);
    checker.init_object(object, red_zone_live);
    return object;
}

template <class Cpus>
void* Slub<Cpus>::debug_alloc(Cache& cache, CpuSlot& slot, Gfp gfp, CpuId cpu, Path& path,
                              const Caller& caller) {
    const OwnerRecord owner = owner_now(caller.address, cpu);
    DebugReporter reporter{log_, cache, tainted_};  // tells when the lock is released
    SlabChecker checker{arena_, cache, reporter, owner.when};
    const auto file = [&](FrameIndex slab) {  // where a slab of the node now belongs
        if (SlabWord::load(pages_[slab]).has_free()) return;
        remove_partial(cache, slab);
        if (SlabWord::load(pages_[slab]).frozen) {
            reporter.fix("Marking all objects used");
        } else if (cache.store_user()) {
            cache.full.push_head(arena_, slab);
            cache.nr_full.fetch_add(1, std::memory_order_relaxed);
        }
    };
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        while (!cache.partial.empty()) {
            const FrameIndex slab = cache.partial.head();
            void* const object = debug_take(cache, checker, slab, owner, caller.asked);
            file(slab);
            if (object == nullptr) continue;
            slot.count(SlubEvent::alloc_from_partial);
            path = Path::node_partial;
            return object;
        }
    }
    void* freelist = nullptr;
    const FrameIndex slab = new_slab(cache, slot, gfp, cpu, freelist);
    if (slab == no_frame) return nullptr;
    path = Path::new_slab;
    const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
    SlabWord word = SlabWord::load(pages_[slab]);
    word = {free_index(slab, freelist), 0, word.objects, false};
    word.store(pages_[slab]);
    add_partial(cache, slab, true);
    void* const object = debug_take(cache, checker, slab, owner, caller.asked);
    file(slab);
    return object;
}

/// SLUB-76. The lock is held.
template <class Cpus>
bool Slub<Cpus>::debug_may_free(Cache& cache, SlabChecker& checker, FrameIndex slab, void* object) {
    const bool checks = has(cache.geometry.flags, CacheFlags::consistency_checks);
    if (checks && !checker.check_slab(slab)) return false;
    const SlabWord word = SlabWord::load(pages_[slab]);
    if (word.inuse == 0) {
        checker.slab_bug(MisuseKind::double_free, slab, object,
                         "Slab has 0 allocated objects but 1 are to be freed\n");
        return false;
    }
    if (!on_stride(cache, slab, object)) {
        checker.slab_bug(
            MisuseKind::interior_pointer, slab, object,
            fmt::format("Invalid object pointer 0x{:016x}", reinterpret_cast<std::uintptr_t>(object)));
        return false;
    }
    if (!checks) return true;
    auto* const bytes = static_cast<std::byte*>(object);
    if (checker.on_freelist(slab, object)) {
        checker.object_bug(MisuseKind::double_free, slab, bytes, object, "Object already free");
        return false;
    }
    return checker.check_object(slab, bytes, red_zone_live);
}

/// SLUB-73: the object goes to its slab, the slab to where it now belongs. The lock is held; for
/// Path::discard the slab is on no list and the caller's to discard.
template <class Cpus>
Path Slub<Cpus>::debug_give(Cache& cache, CpuSlot& slot, FrameIndex slab, void* object) {
    const SlabWord before = SlabWord::load(pages_[slab]);
    set_free_pointer(cache, object, first_free(slab, before));
    SlabWord after = before;
    after.freelist = free_index(slab, object);
    --after.inuse;
    after.store(pages_[slab]);
    const bool was_full = !before.has_free();
    if (was_full && cache.store_user()) {
        cache.full.remove(arena_, slab);
        cache.nr_full.fetch_sub(1, std::memory_order_relaxed);
    }
    if (after.inuse == 0 && cache.nr_partial.load(std::memory_order_relaxed) >= cache.min_partial) {
        if (!was_full) {
            remove_partial(cache, slab);
            slot.count(SlubEvent::free_remove_partial);
        }
        return Path::discard;
    }
    if (!was_full) return Path::slab;
    add_partial(cache, slab, false);
    slot.count(SlubEvent::free_add_partial);
    return Path::node_partial;
}

template <class Cpus>
void Slub<Cpus>::debug_free(Cache& cache, FrameIndex slab, void* object, CpuId cpu, const void* caller) {
    const OwnerRecord owner = owner_now(caller, cpu);
    CpuSlot& slot = cache.slots[cpu];
    Path path = Path::slab;
    DebugReporter reporter{log_, cache, tainted_};
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        SlabChecker checker{arena_, cache, reporter, owner.when};
        // Linux 6.1 ends the chain to be freed before it looks at its objects. An object freed twice so loses
        // what follows it on the free list, which the next validation finds.
        if (on_stride(cache, slab, object)) set_free_pointer(cache, object, nullptr);
        if (!debug_may_free(cache, checker, slab, object)) {
            return reporter.fix(
                fmt::format("Object at 0x{:016x} not freed", reinterpret_cast<std::uintptr_t>(object)));
        }
        auto* const bytes = static_cast<std::byte*>(object);
        checker.record(bytes, OwnerKind::freed, owner);
        trace_line(cache, "free", slab, object);
        checker.init_object(bytes, red_zone_free);
        path = debug_give(cache, slot, slab, object);
    }
    slot.count(SlubEvent::free_slowpath);
    cpu_states_[cpu].count(&CpuWork::frees, path);
    if (path != Path::discard) return;
    slot.count(SlubEvent::free_slab);
    discard_slab(cache, slab, cpu);
}

template <class Cpus>
std::uint64_t Slub<Cpus>::validate(Cache& cache, CpuId cpu) {
    flush_all(cache, cpu);
    if (!cache.debug) return 0;
    std::uint64_t slabs = 0;
    DebugReporter reporter{log_, cache, tainted_};
    const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
    SlabChecker checker{arena_, cache, reporter, operations_.load(std::memory_order_relaxed)};
    for (const PageList* list : {&cache.partial, &cache.full}) {
        list->walk(arena_, frames_, [&](FrameIndex slab) {
            checker.validate(slab);
            ++slabs;
            return true;
        });
    }
    return slabs;
}

/// SLUB-44: one report per slab that still has objects on the node's list, naming each object in use.
template <class Cpus>
void Slub<Cpus>::report_remaining(Cache& cache) {
    DebugReporter reporter{log_, cache, tainted_};
    SlabChecker checker{arena_, cache, reporter, operations_.load(std::memory_order_relaxed)};
    const std::string reason = fmt::format("Objects remaining in {} on __kmem_cache_shutdown()", cache.name);
    for (const FrameIndex slab : slabs_of(cache)) {
        const SlabWord word = SlabWord::load(pages_[slab]);
        std::vector<bool> free(word.objects);
        std::uint32_t left = word.objects;
        for (const void* o = first_free(slab, word); o != nullptr && left > 0; --left) {
            const auto* const p = static_cast<const std::byte*>(o);
            free[static_cast<std::size_t>(p - object_at(cache, slab, 0)) / cache.geometry.size] = true;
            o = get_free_pointer(cache, o);
        }
        std::string objects;
        for (std::uint32_t i = 0; i < word.objects; ++i) {
            if (free[i]) continue;
            const std::byte* const object = object_at(cache, slab, i);
            fmt::format_to(std::back_inserter(objects), "Object 0x{:016x} @offset={}\n{}",
                           reinterpret_cast<std::uintptr_t>(object), object - slab_start(slab),
                           checker.owners_text(object));
        }
        checker.slab_bug(MisuseKind::objects_remain, slab, slab_start(slab), reason, objects);
    }
}

}  // namespace kmemlab
