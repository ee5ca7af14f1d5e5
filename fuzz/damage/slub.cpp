#include "fuzz/damage/slub.hpp"

#include <array>
#include <cstring>

#include "fuzz/damage/pages.hpp"

namespace kmemlab::fuzz {
namespace {

/// One of the CPUs that a condition holds for; nullptr: there is none.
template <class Cache, class Condition>
CpuSlot* pick_slot(Cache& cache, const Damage& damage, Condition&& condition) {
    const unsigned cpus = cache.slots.count();
    for (unsigned i = 0; i < cpus; ++i) {
        CpuSlot& slot = cache.slots[CpuId{static_cast<unsigned>((damage.pick(cpus) + i) % cpus)}];
        if (condition(slot)) return &slot;
    }
    return nullptr;
}
bool has_slab(const CpuSlot& slot) {
    return slot.slab != no_frame;
}
bool has_objects(const CpuSlot& slot) {
    return slot.freelist != nullptr;
}

template <class Cpus>
class Table {
    using Part = SlubPart<Cpus>;

    static FrameIndex any_slab(const Part& p, const Damage& d) {
        return pick_block(d, blocks_of(p.slub.arena(), PageKind::slab, &p.cache));
    }
    static FrameIndex partial_slab(const Part& p, const Damage& d) {
        return pick_listed(d, p.slub.arena(), p.cache.partial);
    }
    static Page& page(const Part& p, FrameIndex slab) { return p.slub.arena().page_at(slab); }

    template <class Change>
    static void change_word(const Part& p, Damage& d, FrameIndex slab, Change&& change) {
        if (slab == no_frame) return;
        d.keep(page(p, slab).word);
        SlabWord word = SlabWord::load(page(p, slab));
        change(word);
        word.store(page(p, slab));
    }
    /// Makes the free object `from` lead to `to`, whatever that is.
    static void lead(const Part& p, Damage& d, void* from, const void* to) {
        auto* const at = static_cast<std::byte*>(from) + p.cache.free_offset;
        std::array<std::byte, sizeof(std::uintptr_t)> was{};
        std::memcpy(was.data(), at, sizeof was);
        d.repair_by([at, was] { std::memcpy(at, was.data(), sizeof was); });
        auto value = reinterpret_cast<std::uintptr_t>(to);
        if (p.cache.encoded)
            value = encode_free_pointer(p.cache, value, reinterpret_cast<std::uintptr_t>(at));
        std::memcpy(at, &value, sizeof value);
    }
    /// The first free object of a listed slab, and null without one.
    static void* free_object(const Part& p, const Damage& d) {
        const FrameIndex slab = partial_slab(p, d);
        return slab == no_frame ? nullptr : p.slub.first_free(slab);
    }

    // --- U1 ---
    static void bite_tail(const Part& p, Damage& d) {
        if (void* const o = free_object(p, d)) lead(p, d, o, o);
    }
    static void leave_stride(const Part& p, Damage& d) {
        if (void* const o = free_object(p, d)) lead(p, d, o, static_cast<std::byte*>(o) + 1);
    }
    static void cut_short(const Part& p, Damage& d) {
        void* const o = free_object(p, d);
        if (o != nullptr && get_free_pointer(p.cache, o) != nullptr) lead(p, d, o, nullptr);
    }
    static void bite_cpu_tail(const Part& p, Damage& d) {
        if (const CpuSlot* const slot = pick_slot(p.cache, d, has_objects))
            lead(p, d, slot->freelist, slot->freelist);
    }
    static void share_objects(const Part& p, Damage& d) {
        const CpuSlot* const slot = pick_slot(p.cache, d, has_objects);
        if (slot == nullptr) return;
        change_word(p, d, slot->slab, [&](SlabWord& word) {
            const auto* const start = p.slub.arena().address_at(slot->slab);
            word.freelist = static_cast<std::uint32_t>(static_cast<std::byte*>(slot->freelist) - start) / 8;
        });
    }

    // --- U2 ---
    static void thaw(const Part& p, Damage& d) {
        if (const CpuSlot* const slot = pick_slot(p.cache, d, has_slab))
            change_word(p, d, slot->slab, [](SlabWord& word) { word.frozen = false; });
    }
    static void freeze(const Part& p, Damage& d) {
        change_word(p, d, partial_slab(p, d), [](SlabWord& word) { word.frozen = true; });
    }
    static void share_slab(const Part& p, Damage& d) {
        const CpuSlot* const slot = pick_slot(p.cache, d, has_slab);
        CpuSlot* const other = pick_slot(p.cache, d, [&](const CpuSlot& s) { return &s != slot; });
        if (slot != nullptr && other != nullptr) d.set(other->slab, slot->slab);
    }
    static void forget_slab(const Part& p, Damage& d) {
        if (CpuSlot* const slot = pick_slot(p.cache, d, has_objects)) d.set(slot->slab, no_frame);
    }
    static void shift_range(const Part& p, Damage& d) {
        if (CpuSlot* const slot = pick_slot(p.cache, d, has_slab))
            d.set(slot->slab_begin, slot->slab_begin + 8);
    }
    static void take_stranger(const Part& p, Damage& d) {
        const FrameIndex frame = static_cast<FrameIndex>(d.pick(p.slub.arena().frames()));
        if (page(p, frame).owner != &p.cache) d.set(p.cache.slots[CpuId{0}].partial, frame);
    }
    static void rename_head(const Part& p, Damage& d) {
        fuzz::rename_head(d, p.slub.arena(), any_slab(p, d));
    }

    // --- U3, U4 ---
    static void count_partial(const Part& p, Damage& d) { d.set(p.cache.nr_partial, p.cache.nr_partial + 1); }
    static void count_full(const Part& p, Damage& d) { d.set(p.cache.nr_full, p.cache.nr_full + 1); }
    static void count_slabs(const Part& p, Damage& d) { d.set(p.cache.nr_slabs, p.cache.nr_slabs + 1); }
    static void count_objects(const Part& p, Damage& d) {
        d.set(p.cache.total_objects, p.cache.total_objects + 1);
    }
    static void break_list(const Part& p, Damage& d) { break_links(d, p.slub.arena(), p.cache.partial); }
    static void lose_partial(const Part& p, Damage& d) {
        const FrameIndex slab = partial_slab(p, d);
        if (slab == no_frame) return;
        take_off(d, p.slub.arena(), p.cache.partial, slab);
        d.set(p.cache.nr_partial, p.cache.nr_partial - 1);
    }
    static void lose_full(const Part& p, Damage& d) {
        const FrameIndex slab = pick_listed(d, p.slub.arena(), p.cache.full);
        if (slab == no_frame) return;
        take_off(d, p.slub.arena(), p.cache.full, slab);
        d.set(p.cache.nr_full, p.cache.nr_full - 1);
    }
    static void keep_less_empty(const Part& p, Damage& d) {
        bool empty = false;
        static_cast<void>(p.cache.partial.walk(p.slub.arena(), p.cache.nr_partial, [&](FrameIndex slab) {
            empty = empty || SlabWord::load(page(p, slab)).inuse == 0;
            return true;
        }));
        if (!empty) return;
        d.set(p.cache.most_empty, 0U);
        d.set(p.cache.kept_late, false);
    }
    static void count_cpu_partial(const Part& p, Damage& d) {
        CpuSlot& slot = *pick_slot(p.cache, d, [](const CpuSlot&) { return true; });
        d.set(slot.partial_count, slot.partial_count + 1);
    }

    // --- U5 to U12, G8 ---
    static void count_allocation(const Part& p, Damage& d) {
        CpuSlot& slot = *pick_slot(p.cache, d, [](const CpuSlot&) { return true; });
        d.keep(slot.events);
        slot.count(SlubEvent::alloc_slowpath);
    }
    static void step_into_other(const Part& p, Damage& d) {
        if (!Cpus::preemptible || p.cache.slots.count() == 1) return;
        CpuSlot& slot = *pick_slot(p.cache, d, [](const CpuSlot&) { return true; });
        d.set(slot.tid, slot.tid + 1);
    }
    static void shrink_slab(const Part& p, Damage& d) {
        const FrameIndex slab = partial_slab(p, d);
        if (slab == no_frame) return;
        change_word(p, d, slab, [](SlabWord& word) { --word.objects; });
        d.set(p.cache.total_objects, p.cache.total_objects - 1);
    }
    static void flip(Damage& d, std::byte& byte) { d.set(byte, ~byte); }
    static bool has(const Part& p, CacheFlags flag) { return kmemlab::has(p.cache.geometry.flags, flag); }
    /// An object of a cache that has the flag; nullptr: none.
    static std::byte* object_with(const Part& p, const Damage& d, CacheFlags flag) {
        const FrameIndex slab = has(p, flag) ? any_slab(p, d) : no_frame;
        if (slab == no_frame) return nullptr;
        const std::size_t i = d.pick(SlabWord::load(page(p, slab)).objects);
        return p.slub.arena().address_at(slab) + p.cache.geometry.left_pad + i * p.cache.geometry.size;
    }
    static void write_before(const Part& p, Damage& d) {
        if (std::byte* const o = object_with(p, d, CacheFlags::red_zone)) flip(d, o[-1]);
    }
    static void write_behind(const Part& p, Damage& d) {
        const Geometry& g = p.cache.geometry;
        std::byte* o = object_with(p, d, CacheFlags::red_zone);
        if (o == nullptr) o = object_with(p, d, CacheFlags::poison);
        if (o != nullptr && g.inuse > g.object_size) flip(d, o[g.object_size]);
    }
    static std::byte* poisoned_object(const Part& p, const Damage& d) {
        const bool poisoned = has(p, CacheFlags::poison) && p.cache.constructor == nullptr &&
                              !has(p, CacheFlags::typesafe_by_rcu);
        return poisoned ? static_cast<std::byte*>(free_object(p, d)) : nullptr;
    }
    static void write_freed(const Part& p, Damage& d) {
        if (std::byte* const o = poisoned_object(p, d)) flip(d, o[d.pick(p.cache.geometry.object_size)]);
    }
    static void write_end_of_freed(const Part& p, Damage& d) {
        if (std::byte* const o = poisoned_object(p, d)) flip(d, o[p.cache.geometry.object_size - 1]);
    }
    static void write_padding(const Part& p, Damage& d) {
        const Geometry& g = p.cache.geometry;
        const std::size_t tracked =
            has(p, CacheFlags::store_user)
                ? 2 * sizeof(OwnerRecord) + (p.cache.kmalloc ? sizeof(std::uint32_t) : 0)
                : 0;
        std::byte* const o = object_with(p, d, CacheFlags::poison);
        if (o != nullptr && g.info_end() + tracked < g.size_from_object())
            flip(d, o[g.size_from_object() - 1]);
    }
    static void write_tail(const Part& p, Damage& d) {
        const FrameIndex slab = has(p, CacheFlags::poison) ? any_slab(p, d) : no_frame;
        if (slab == no_frame) return;
        const std::size_t bytes = Order{page(p, slab).load_state().order}.bytes();
        if (bytes % p.cache.geometry.size != 0) flip(d, p.slub.arena().address_at(slab)[bytes - 1]);
    }
    static void forge_owner(const Part& p, Damage& d) {
        if (std::byte* const o = object_with(p, d, CacheFlags::store_user))
            flip(d, o[p.cache.geometry.info_end() + offsetof(OwnerRecord, cpu)]);
    }
    static void repeat_order(const Part& p, Damage& d) {
        auto& order = p.cache.random_order;
        if (order.size() > 1) d.set(order[0], order[1]);
    }
    static void change_owner(const Part& p, Damage& d) {
        fuzz::change_owner(d, p.slub.arena(), any_slab(p, d));
    }
    static void drop_references(const Part& p, Damage& d) { d.set(p.cache.references, 0U); }
    static void lose_large(const Part& p, Damage& d) {
        lose_block(d, p.slub.arena(), pick_block(d, blocks_of(p.slub.arena(), PageKind::large)));
    }

  public:
    static constexpr std::array<DamageKind<Part>, 35> kinds{{
        {"a free list that bites its tail", "U1", bite_tail},
        {"a free list that leads between objects", "U1", leave_stride},
        {"a free list that is cut short", "U1", cut_short},
        {"a CPU's free list that bites its tail", "U1", bite_cpu_tail},
        {"objects on the lists of a CPU and of its slab", "U1", share_objects},
        {"a CPU's slab that is not frozen", "U2", thaw},
        {"a frozen slab of no CPU", "U2", freeze},
        {"a slab of two CPUs", "U2", share_slab},
        {"objects of no slab on a CPU", "U2", forget_slab},
        {"a range that is not the slab's", "U2", shift_range},
        {"a frame that is no slab among a CPU's slabs", "U2", take_stranger},
        {"a frame of a slab that names another head", "U2", rename_head},
        {"a wrong number of partial slabs", "U3", count_partial},
        {"a wrong number of full slabs", "U3", count_full},
        {"a wrong number of slabs", "U3", count_slabs},
        {"a wrong number of objects", "U3", count_objects},
        {"a list of slabs with a wrong link", "U3", break_list},
        {"a slab with free objects on no list", "U3", lose_partial},
        {"a full slab on no list", "U3", lose_full},
        {"more empty slabs than may be kept", "U3", keep_less_empty},
        {"a wrong number of a CPU's partial slabs", "U4", count_cpu_partial},
        {"an allocation that was none", "U5", count_allocation},
        {"a transaction number of another CPU", "U6", step_into_other},
        {"a slab that counts an object too few", "U7", shrink_slab},
        {"a changed left red zone", "U8", write_before},
        {"a changed byte behind an object", "U8", write_behind},
        {"a changed poison", "U8", write_freed},
        {"a changed end of a poison", "U8", write_end_of_freed},
        {"a changed padding", "U8", write_padding},
        {"a changed byte behind the last object", "U8", write_tail},
        {"an owner on a CPU that is not there", "U8", forge_owner},
        {"a random order with a number twice", "U10", repeat_order},
        {"a slab of a cache that is not there", "U12", change_owner},
        {"a cache that serves nobody", "U12", drop_references},
        {"a large block that was lost", "G8", lose_large},
    }};
};

}  // namespace

template <class Cpus>
std::span<const DamageKind<SlubPart<Cpus>>> slub_damages() {
    return Table<Cpus>::kinds;
}

template std::span<const DamageKind<SlubPart<OwnedCpus>>> slub_damages();
template std::span<const DamageKind<SlubPart<SimulatedCpus>>> slub_damages();

}  // namespace kmemlab::fuzz
