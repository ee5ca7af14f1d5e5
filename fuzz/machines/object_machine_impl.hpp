/// Part of object_machine.hpp: the calls and their judgement.
#pragma once

#include "fuzz/machines/object_machine.hpp"

namespace kmemlab::fuzz {

template <class Objects>
void ObjectMachine<Objects>::perform(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    const std::size_t first_report = reports_.size();
    switch (op.kind) {
        case OpKind::alloc:
            allocate(op, 1);
            break;
        case OpKind::alloc_many:
            allocate(op, op.count);
            break;
        case OpKind::resize:
            resize(op);
            break;
        case OpKind::release:
            release(op, ~std::size_t{0}, false);
            break;
        case OpKind::release_bulk:
            release(op, ~std::size_t{0}, true);
            break;
        case OpKind::release_some:
            release(op, op.count, false);
            break;
        case OpKind::cache_create:
            create(op);
            break;
        case OpKind::cache_destroy:
            destroy(op);
            break;
        case OpKind::cache_alloc:
            allocate_from_cache(op, 1);
            break;
        case OpKind::cache_bulk:
            allocate_from_cache(op, op.count);
            break;
        case OpKind::shrink:
            if (Register* const r = next_cache(op)) {
                objects_.kmem_cache_shrink(*r->cache, cpu);
                if (op.strike_at == 0) judge_shrunk(*r->cache);
            }
            break;
        case OpKind::flush:
            if (Register* const r = next_cache(op)) {
                const CpuId whose{op.count % cpus_.count()};
                if constexpr (requires { objects_.flush_cpu(*r->cache, whose, cpu); })
                    objects_.flush_cpu(*r->cache, whose, cpu);
                else if constexpr (requires { objects_.drain_cpu(*r->cache, whose, cpu); })
                    objects_.drain_cpu(*r->cache, whose, cpu);
            }
            break;
        case OpKind::tune:
            if (Register* const r = next_cache(op)) {
                if constexpr (requires { objects_.set_cpu_partial(*r->cache, 0, cpu); }) {
                    objects_.set_cpu_partial(*r->cache, op.size % 64, cpu);
                    objects_.set_min_partial(*r->cache, op.count % 12);
                } else if constexpr (requires { objects_.tune(*r->cache, 1, 1, 0, cpu); }) {
                    const std::uint32_t limit = 1 + op.size % 200;
                    static_cast<void>(
                        objects_.tune(*r->cache, limit, 1 + op.count % limit, op.count % 16, cpu));
                }
            }
            break;
        case OpKind::validate:
            if (Register* const r = next_cache(op)) {
                if constexpr (requires { objects_.validate(*r->cache, cpu); })
                    objects_.validate(*r->cache, cpu);
            }
            break;
        case OpKind::advance:
            if constexpr (requires { objects_.advance_clock(1); }) objects_.advance_clock(op.size % 20000);
            break;
        case OpKind::drain:
            objects_.drain(cpu);
            buddy_.drain(cpu);
            break;
        case OpKind::fail:
            pages_.fail(1 + op.count, op.size % 256, Order{(op.size >> 8) % 8});
            break;
        case OpKind::walk:
            judge_texts(op);
            break;
        case OpKind::damage:
            damage(op);
            break;
        default:
            return misuse(op);
    }
    if (reports_.size() > first_report && !ended()) judge_reports();
}

// --- Allocation ---

template <class Objects>
void ObjectMachine<Objects>::judge_null(const Operation& op, std::uint64_t refused_before, std::size_t size,
                                        Gfp gfp) {
    // What struck may have freed memory after the last look.
    if (op.strike_at != 0 || pages_.refused() != refused_before || size > kmalloc_max_size) return;
    const CpuId cpu = cpu_of(op);
    // Large kmalloc wants just its order; a slab of such objects at most what tunables and debugging add.
    constexpr Order largest_slab{5};
    const bool large = op.kind != OpKind::cache_alloc && size > kmalloc_max_cache_size;
    Order wanted = order_of(size);
    if (!large) wanted = std::min(std::max(largest_slab, ++Order{wanted}), max_order);
    Gfp asked = gfp.without(__GFP_ZERO | __GFP_MOVABLE | __GFP_HIGHMEM);
    if (!Objects::passes_nofail) asked = asked.without(__GFP_NOFAIL);
    const auto block = buddy_.take(wanted, asked, cpu);
    if (!block) return;
    buddy_.give(*block, wanted, cpu);
    break_law("M1", "no memory for {} bytes, but there was a free block of order {}", size, wanted.value());
}

/// U11: after a shrink the fullest slabs are in front, as far as the rule sorts them (SLUB-43).
template <class Objects>
void ObjectMachine<Objects>::judge_shrunk(const Cache& cache) {
    if constexpr (requires { cache.nr_partial; }) {
        constexpr std::uint32_t sorted = 32;  // slabs with so many free objects, or less
        std::uint32_t before = 0;
        static_cast<void>(cache.partial.walk(arena_, cache.nr_partial, [&](FrameIndex slab) {
            const SlabWord word = SlabWord::load(arena_.page_at(slab));
            const std::uint32_t free = std::min(word.objects - word.inuse, sorted + 1);
            if (free < before)
                break_law("U11", "{}: after a shrink a slab with {} free objects is behind one with {}",
                          cache.name, free, before);
            before = free;
            return !broken();
        }));
    }
}

/// What the kernel shows can be shown at any time: in turn a line for each cache, and all that is shown of
/// one.
template <class Objects>
void ObjectMachine<Objects>::judge_texts(const Operation& op) {
    if constexpr (requires { record(objects_); }) {
        judge_record();
    } else if (op.count % 2 == 0) {
        const std::string all = objects_.slabinfo();
        for (const Register& r : registers_) {
            if (r.cache != nullptr && all.find("\n" + r.cache->name) == std::string::npos)
                break_law("text", "no line of slabinfo tells of {}", r.cache->name);
        }
    } else if (const Register* const r = next_cache(op)) {
        if constexpr (requires { objects_.attributes(*r->cache); }) {
            for (const Text& text : objects_.attributes(*r->cache)) {
                if (text.content.empty()) break_law("text", "{}/{} is empty", r->cache->name, text.name);
            }
        }
        if constexpr (requires { objects_.event_texts(*r->cache); }) {
            if (objects_.event_texts(*r->cache).empty())
                break_law("text", "{} has no events", r->cache->name);
        }
    }
}

/// SLOB's heap, put into a fresh machine, is there what it is here.
template <class Objects>
void ObjectMachine<Objects>::judge_record() {
    Arena arena{arena_.bytes(), arena_.start()};
    Buddy<Cpus> buddy{arena, cpus_, config_.buddy, log_};
    Allocator objects{buddy, cpus_, config_.objects, log_};
    const auto recorded = record(objects_);
    if (restore(objects, recorded, CpuId{0}).size() == recorded.size() && record(objects) != recorded)
        break_law("text", "a heap of {} pages is another one after its recording", recorded.size());
}

/// All of it, or the ends of what is large.
inline bool looks_zero(const void* p, std::size_t size) {
    constexpr std::size_t most = std::size_t{64} << 10;
    if (size <= most) return oracle::is_zero(p, size);
    return oracle::is_zero(p, most) &&
           oracle::is_zero(static_cast<const std::byte*>(p) + size - page_size, page_size);
}

template <class Objects>
void ObjectMachine<Objects>::check_new(const Object& object, const Item& item, std::size_t align, Gfp gfp) {
    const bool of_cache = item.cache != no_cache;
    const bool natural = !of_cache && std::has_single_bit(object.size);
    const std::size_t due = std::max({align, natural ? object.size : 1, std::size_t{1}});
    if (object.usable < object.size) {
        break_law("G3", "{} bytes asked, {} usable", object.size, object.usable);
    } else if (reinterpret_cast<std::uintptr_t>(object.p) % due != 0) {
        break_law("G2", "{} of {} bytes is not aligned to {}", object.p, object.size, due);
    } else if (!arena_.contains(object.p) ||
               !arena_.contains(static_cast<const std::byte*>(object.p) + object.usable - 1)) {
        break_law("G1", "{}+{} leaves the memory", object.p, object.usable);
    } else if (gfp.has(__GFP_ZERO) && !looks_zero(object.p, object.usable)) {
        break_law("G5", "{}+{} is not zero", object.p, object.usable);
    } else if (of_cache && registers_[item.cache].description.constructor != nullptr &&
               !Constructed::intact(object.p)) {
        break_law("S8", "{} is not in constructed state", object.p);
    }
}

/// True if it is fine, and the caller's from now on.
template <class Objects>
bool ObjectMachine<Objects>::adopt(Item& item, void* p, std::size_t size, std::size_t align, Gfp gfp) {
    Object object{.p = p, .size = size};
    if (size > 0) object.usable = item.cache != no_cache ? size : objects_.usable_size(p);
    if (size > 0) check_new(object, item, align, gfp);
    if (broken()) return false;
    if (auto found = live_.adopt(object, open(item.cache))) {
        break_law(std::move(*found));
        return false;
    }
    item.objects.push_back(object);
    count(item.cache, 1);
    return true;
}

template <class Objects>
void ObjectMachine<Objects>::keep(Item item, std::size_t slot, CpuId cpu) {
    if (item.empty()) return;
    if (Item* const place = slots_.next_empty(slot)) {
        *place = std::move(item);
    } else {
        free_all(item, cpu, false);
    }
}

template <class Objects>
void ObjectMachine<Objects>::allocate(const Operation& op, std::size_t count) {
    const CpuId cpu = cpu_of(op);
    const std::size_t align = op.align == 0 ? 0 : std::size_t{1} << (op.align % 13);
    const Request request{.size = size_of(op), .gfp = object_gfp(op), .align = align, .cpu = cpu};
    Item item;
    count = bounded(count, request.size);
    item.objects.reserve(count);
    for (std::size_t i = 0; i < count && !broken(); ++i) {
        const std::uint64_t refused = pages_.refused();
        void* const p = objects_.allocate(request);
        if (p == nullptr) {
            if (request.size > 0) judge_null(op, refused, std::max(request.size, align), request.gfp);
            break;
        }
        if (!adopt(item, p, request.size, align, request.gfp)) return;
    }
    keep(std::move(item), op.slot, cpu);
}

template <class Objects>
void ObjectMachine<Objects>::allocate_from_cache(const Operation& op, std::size_t count) {
    Register* const r = next_cache(op);
    if (r == nullptr) return;
    const CpuId cpu = cpu_of(op);
    const CacheDescription& description = r->description;
    Gfp gfp = object_gfp(op);
    if (description.constructor != nullptr) gfp = gfp.without(__GFP_ZERO);  // refused and reported (S8)
    count = bounded(count, description.size);
    std::array<void*, most_at_once> all{};
    const std::span got{all.data(), count};
    const std::uint64_t refused = pages_.refused();
    std::size_t n = 0;
    if (op.kind == OpKind::cache_bulk) {
        n = objects_.kmem_cache_alloc_bulk(*r->cache, gfp, got, cpu);
        if (n != 0 && n != count) break_law("U9", "{} of {} objects", n, count);
    } else {
        got[0] = objects_.kmem_cache_alloc(*r->cache, gfp, cpu);
        n = got[0] == nullptr ? 0 : 1;
    }
    // A bulk that fails has given back what it got, so nobody can say afterwards that memory was there.
    if (n == 0 && count == 1) judge_null(op, refused, description.size + description.align, gfp);
    Item item{.objects = {}, .cache = static_cast<std::uint8_t>(r - registers_.data())};
    item.objects.reserve(n);
    for (std::size_t i = 0; i < n && !broken(); ++i) {
        if (got[i] == nullptr) return break_law("U9", "null among {} objects", n);
        if (!adopt(item, got[i], description.size, description.align, gfp)) return;
    }
    keep(std::move(item), op.slot, cpu);
}

template <class Objects>
void ObjectMachine<Objects>::resize(const Operation& op) {
    Item* const item = slots_.next_full(op.slot);
    if (item == nullptr || item->cache != no_cache || item->objects.size() != 1) return;
    const CpuId cpu = cpu_of(op);
    Item taken = std::exchange(*item, {});
    const Object before = taken.objects[0];
    if (!prepare_release(before, taken)) return;
    const std::uint64_t refused = pages_.refused();
    const std::size_t size = size_of(op);
    const Gfp gfp = object_gfp(op).without(__GFP_ZERO);
    void* p = objects_.krealloc(before.p, size, gfp, cpu);
    Object after = before;
    if (p == nullptr) {
        judge_null(op, refused, size, gfp);
        p = before.p;  // it stays as it was
    } else {
        after = {.p = p, .size = size, .usable = size == 0 ? 0 : objects_.usable_size(p)};
        if (after.usable < size) return break_law("G3", "{} bytes asked, {} usable", size, after.usable);
    }
    const std::size_t kept = std::min(before.usable, after.usable);
    if (kept > 0 && !Sample::holds(p, before.usable, before.seed, kept)) {
        return break_law("G4", "krealloc from {} to {} bytes lost content", before.usable, size);
    }
    if (auto found = live_.adopt(after, open_kmalloc_)) return break_law(std::move(*found));
    keep(Item{.objects = {after}}, op.slot, cpu);
}

// --- Return ---

/// False: its content was changed.
template <class Objects>
bool ObjectMachine<Objects>::prepare_release(const Object& object, const Item& item) {
    if (auto found = live_.release(object)) {
        break_law(std::move(*found));
        return false;
    }
    if (item.cache != no_cache && registers_[item.cache].description.constructor != nullptr) {
        Constructed::construct(object.p);
    }
    return true;
}

template <class Objects>
void ObjectMachine<Objects>::free_all(Item& item, CpuId cpu, bool bulk) {
    const std::vector<Object> freed = std::exchange(item.objects, {});
    for (const Object& object : freed) {
        if (!prepare_release(object, item)) return;
    }
    Cache* const cache = item.cache == no_cache ? nullptr : registers_[item.cache].cache;
    if (bulk) {
        std::vector<void*> all;
        all.reserve(freed.size());
        for (const Object& object : freed) {
            if (cache != nullptr || !is_zero_or_null(object.p)) all.push_back(object.p);
        }
        if (cache != nullptr)
            objects_.kmem_cache_free_bulk(*cache, all, cpu);
        else
            objects_.kfree_bulk(all, cpu);
    } else {
        for (const Object& object : freed) {
            if (cache != nullptr)
                objects_.kmem_cache_free(*cache, object.p, cpu);
            else
                objects_.deallocate(object.p, cpu);
        }
    }
    count(item.cache, -static_cast<std::int64_t>(freed.size()));
}

template <class Objects>
void ObjectMachine<Objects>::release(const Operation& op, std::size_t most, bool bulk) {
    Item* const item = slots_.next_full(op.slot);
    if (item == nullptr || most == 0) return;
    Item freed{.objects = {}, .cache = item->cache};
    if (most >= item->objects.size()) {
        freed = std::exchange(*item, {});
    } else {
        freed.objects.assign(item->objects.begin(),
                             item->objects.begin() + static_cast<std::ptrdiff_t>(most));
        item->objects.erase(item->objects.begin(), item->objects.begin() + static_cast<std::ptrdiff_t>(most));
    }
    free_all(freed, cpu_of(op), bulk);
}

// --- Caches ---

template <class Objects>
auto ObjectMachine<Objects>::next_cache(const Operation& op) -> Register* {
    for (std::size_t i = 0; i < cache_count; ++i) {
        Register& r = registers_[(cache_of(op) + i) % cache_count];
        if (r.cache != nullptr) return &r;
    }
    return nullptr;
}

template <class Objects>
void ObjectMachine<Objects>::create(const Operation& op) {
    Register& r = registers_[cache_of(op)];
    if (r.cache != nullptr) return;
    constexpr CacheFlags all_checks =
        CacheFlags::consistency_checks | CacheFlags::red_zone | CacheFlags::poison | CacheFlags::store_user;
    constexpr std::array<CacheFlags, 7> flags{
        CacheFlags::hwcache_align, CacheFlags::reclaim_account, CacheFlags::none,           all_checks,
        CacheFlags::red_zone,      CacheFlags::poison,          CacheFlags::typesafe_by_rcu};
    CacheDescription d{.name = fmt::format("fuzz-{}", caches_made_++), .size = size_of(op)};
    if (d.size < 0xffff0000) d.size = 1 + (d.size < 40000 ? d.size : d.size % 8192);
    if (op.align % 16 > 0) d.align = std::size_t{1} << (op.align % 13);
    for (std::size_t i = 0; i < flags.size(); ++i) {
        if ((op.count >> i & 1U) != 0) d.flags = d.flags | flags[i];
    }
    const bool constructs = (op.count & 4U) != 0 && d.size >= sizeof Constructed::mark;
    if (constructs) d.constructor = Constructed::construct;
    try {
        r.cache = objects_.kmem_cache_create(d);
    } catch (const UsageError&) {
        return;  // no slab can hold such objects
    }
    if (r.cache != nullptr && d.size > kmalloc_max_size)
        return break_law("G6", "a cache for objects of {} bytes", d.size);
    r.description = d;
}

template <class Objects>
void ObjectMachine<Objects>::destroy(const Operation& op) {
    Register* const r = next_cache(op);
    if (r == nullptr) return;
    const auto shares = std::count_if(registers_.begin(), registers_.end(),
                                      [&](const Register& other) { return other.cache == r->cache; });
    const bool alone = shares == 1 && r->cache->name == r->description.name;
    constexpr std::uint64_t most_named = 64;  // by the report, of which each line is dear
    if (r->live > 0 && (!alone || r->live > most_named)) return;
    const std::size_t first = reports_.size();
    const bool gone = objects_.kmem_cache_destroy(*r->cache, cpu_of(op));
    if (r->live == 0) {
        if (!gone) return break_law("S11", "{} stays, though none of its objects lives", r->description.name);
        *r = {};
        return;
    }
    if (gone) return break_law("S11", "{} is gone, with {} objects alive", r->description.name, r->live);
    const auto wrong = std::count_if(reports_.begin() + static_cast<std::ptrdiff_t>(first), reports_.end(),
                                     [](const Misuse& m) { return m.kind != MisuseKind::objects_remain; });
    if (wrong > 0 || reports_.size() == first)
        return break_law("S11", "{} of {} reports do not say that objects remain", wrong,
                         reports_.size() - first);
    reports_.resize(first);
}

// --- Damage and misuse ---

template <class Objects>
void ObjectMachine<Objects>::damage(const Operation& op) {
    Objects::with_damages(op, objects_, [&](auto parts, auto kinds) {
        Machine::damage(op, std::span{parts}, kinds, [&] { return objects_.find_violation(); });
    });
}

/// G11: one report, of that kind. Nothing else is asked of the machine afterwards.
template <class Objects>
template <class Call>
void ObjectMachine<Objects>::expect_report(MisuseKind kind, Call&& call) {
    const std::size_t first = reports_.size();
    call();
    if constexpr (requires { Objects::checks_late; }) objects_.drain(CpuId{0});
    // Where nothing else was left in the slab, its pages may be gone already.
    judge_report(first, kind, kind == MisuseKind::double_free ? MisuseKind::foreign_pointer : kind);
}

template <class Objects>
void ObjectMachine<Objects>::misuse(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    if (op.kind == OpKind::misuse_foreign) {
        std::array<std::byte, 64> mine{};
        return expect_report(MisuseKind::foreign_pointer,
                             [&] { objects_.deallocate(mine.data() + op.count % 8 * 8, cpu); });
    }
    Item* const item = slots_.next_full(op.slot);
    if (item == nullptr) return;
    const Object object = item->objects[0];
    if (object.usable <= sizeof(std::uint64_t) || object.usable > kmalloc_max_cache_size) return;
    Cache* const own = item->cache != no_cache ? registers_[item->cache].cache : nullptr;
    const CacheFlags checks = Objects::checks(objects_, own, object.usable);
    auto* p = static_cast<std::byte*>(object.p);
    const auto free = [&] {
        if (own != nullptr)
            objects_.kmem_cache_free(*own, p, cpu);
        else
            objects_.deallocate(p, cpu);
    };
    const bool checked = has(checks, CacheFlags::consistency_checks);
    // Constructed objects, and those that may be read after their free, are not poisoned (SLUB-74).
    const bool poisoned = has(checks, CacheFlags::poison) && !has(checks, CacheFlags::typesafe_by_rcu) &&
                          (own == nullptr || own->constructor == nullptr);
    // Without checks too, unless the slab is the CPU's own, to which everything is just pushed.
    const bool sees_inside = op.kind == OpKind::misuse_inside && lies_elsewhere(own, object.p, cpu);
    const bool judged =
        (checked && (op.kind != OpKind::misuse_overwrite || has(checks, CacheFlags::red_zone))) ||
        sees_inside;
    if constexpr (requires { Objects::checks_late; }) {
        if (op.kind == OpKind::misuse_twice && !debug_checks) return;
    }
    if (!judged || !prepare_release(object, *item)) return;
    item->objects.erase(item->objects.begin());
    switch (op.kind) {
        case OpKind::misuse_overwrite:
            p[object.usable] = std::byte{0x5c};
            return expect_report(MisuseKind::overwritten, free);
        case OpKind::misuse_twice:
            free();
            return expect_report(MisuseKind::double_free, free);
        case OpKind::misuse_inside:
            p += 1 + op.count % (object.usable - 1);
            return expect_report(MisuseKind::interior_pointer, free);
        case OpKind::misuse_cache:
            for (Register& other : registers_) {
                if (other.cache == nullptr || other.cache == own) continue;
                return expect_report(MisuseKind::wrong_cache,
                                     [&] { objects_.kmem_cache_free(*other.cache, p, cpu); });
            }
            return end();
        default:
            break;
    }
    free();
    if (arena_.page(arena_.pfn(p)).load_state().kind != PageKind::slab || own == nullptr) return end();
    if constexpr (requires { objects_.validate(*own, cpu); }) use_freed(*own, p, poisoned, op);
    end();
}

/// Of a cache whose CPUs have slabs, and no sheaves before them: in another slab than the CPU's.
template <class Objects>
bool ObjectMachine<Objects>::lies_elsewhere(Cache* own, const void* p, CpuId cpu) {
    if constexpr (requires { objects_.set_cpu_partial(*own, 0, cpu); }) {
        return own != nullptr && own->slots[cpu].slab != arena_.page(arena_.pfn(p)).head;
    } else {
        return false;
    }
}

/// What lies free is written to: its poison, or the pointer to the next that is free. The next who takes it
/// finds it, and goes on with another slab (SLUB-75, U11); or a validation does, and repairs it, so that the
/// next one finds nothing.
template <class Objects>
void ObjectMachine<Objects>::use_freed(Cache& cache, std::byte* p, bool poisoned, const Operation& op) {
    constexpr std::uint64_t other_pointer = 0x7f00'0000'5a5a'0003;
    constexpr int most_allocations = 1000;
    const CpuId cpu = cpu_of(op);
    const std::size_t first = reports_.size();
    const MisuseKind due = poisoned ? MisuseKind::overwritten : MisuseKind::corrupt_list;
    if (poisoned) {
        p[op.count / 2U % cache.geometry.object_size] ^= std::byte{0xff};
    } else {
        std::uint64_t next = 0;
        std::memcpy(&next, p + cache.geometry.free_offset, sizeof next);
        next ^= other_pointer;
        std::memcpy(p + cache.geometry.free_offset, &next, sizeof next);
    }
    const auto judge = [&](std::size_t from, std::size_t most) {
        if (reports_.size() > from + most)
            break_law("G11", "{} reports of {}", reports_.size() - from, to_string(due));
        for (std::size_t i = from; i < reports_.size(); ++i) {
            // Those that the cut chain has lost pass as live from then on, whose red zones are others.
            if (reports_[i].kind != due &&
                (i == first || poisoned || reports_[i].kind == MisuseKind::corrupt_list))
                break_law("G11", "reported as {} instead of {}", to_string(reports_[i].kind), to_string(due));
        }
    };
    if (op.count % 2 == 0) {
        objects_.validate(cache, cpu);
        if (reports_.size() == first) break_law("G11", "no report of {}", to_string(due));
        judge(first, poisoned ? 1 : 3);  // the chain, the count, a red zone
        const std::size_t repaired = reports_.size();
        objects_.validate(cache, cpu);
        for (std::size_t i = repaired; i < reports_.size(); ++i) {
            if (reports_[i].kind == due) break_law("G11", "{}, again after its repair", to_string(due));
        }
        return;
    }
    for (int i = 0; i < most_allocations && reports_.size() == first; ++i) {
        const std::uint64_t slabs = cache.nr_slabs;
        const bool others = cache.nr_partial > 1;
        if (objects_.kmem_cache_alloc(cache, GFP_KERNEL, cpu) == nullptr) return;
        if (reports_.size() > first && others && cache.nr_slabs > slabs)
            break_law("U11", "{}: a new slab, though another one had objects", cache.name);
    }
    judge(first, 1);
}

// --- Walks ---

template <class Objects>
MaybeViolation ObjectMachine<Objects>::find_violation() {
    // A rotating sample; every object is looked at when it is freed.
    for (std::size_t i = 0; i < slot_count / 8; ++i) {
        const Item& item = slots_.all()[looked_at_++ % slot_count];
        for (std::size_t k = 0; k < std::min<std::size_t>(item.objects.size(), 16); ++k) {
            if (auto found = live_.find_change_of_hidden(item.objects[k], open(item.cache))) return found;
        }
    }
    if (auto found = objects_.find_violation()) return found;
    if (auto found = buddy_.find_violation()) return found;
    const std::uint64_t held = objects_.stats().held_bytes;
    const std::uint64_t given = buddy_.pages_in_use() << page_shift;
    if (held != given) return violation("G8", "objects hold {} bytes of pages, buddy gave {}", held, given);
    return {};
}

template <class Objects>
void ObjectMachine<Objects>::tear_down() {
    const CpuId cpu{0};
    pages_.fail_never();
    for (Item& item : slots_.all()) {
        if (!item.empty()) free_all(item, cpu, false);
        if (broken()) return;
    }
    for (Register& r : registers_) {
        if (r.cache == nullptr) continue;
        if (!objects_.kmem_cache_destroy(*r.cache, cpu))
            return break_law("S11", "{} stays, though none of its objects lives", r.description.name);
    }
    objects_.drain(cpu);
    buddy_.drain(cpu);
    if (auto found = find_violation()) return break_law(std::move(*found));
    if (buddy_.pages_in_use() != 0)
        return break_law("G8", "{} pages are still out when nothing lives", buddy_.pages_in_use());
    judge_free_blocks(free_at_begin_, buddy_.free_blocks());
    judge_reports();
}

template <class Objects>
std::string ObjectMachine<Objects>::describe() const {
    std::string text;
    for (std::size_t i = 0; i < slot_count; ++i) {
        const Item& item = slots_.all()[i];
        if (item.empty()) continue;
        const Object& first = item.objects[0];
        text += fmt::format(
            "  slot {}: {} objects of {} bytes{}{}\n", i, item.objects.size(), first.size,
            first.usable == 0 ? "" : fmt::format(", the first at +{:#x}", arena_.offset_of(first.p)),
            item.cache == no_cache ? "" : fmt::format(", cache {}", item.cache));
    }
    return text;
}

}  // namespace kmemlab::fuzz
