#include "fuzz/damage/slab.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "fuzz/damage/pages.hpp"

namespace kmemlab::fuzz {
namespace {

template <class Cpus>
class Table {
    using Part = SlabPart<Cpus>;

    static Page& page(const Part& p, FrameIndex slab) { return p.slab.arena().page_at(slab); }
    static SlabHead head(const Part& p, FrameIndex slab) { return SlabHead::load(page(p, slab)); }
    static std::byte* object(const Part& p, FrameIndex slab, std::size_t i) {
        return p.slab.arena().address_at(slab) + head(p, slab).colour + i * p.cache.geometry.size;
    }
    static std::uint8_t* indexes(const Part& p, FrameIndex slab) {
        const SlabGeometry& g = p.cache.geometry;
        const std::uint64_t position = head(p, slab).position;
        std::byte* at = p.slab.arena().address_at(slab) + g.order.bytes() - g.objects;
        if (g.place == IndexPlace::in_object) at = object(p, slab, position);
        if (g.place == IndexPlace::off_slab)
            at = p.slab.arena().address_at(0) + position * SlabHead::position_unit;
        return reinterpret_cast<std::uint8_t*>(at);
    }
    static FrameIndex any_slab(const Part& p, const Damage& d) {
        return pick_block(d, blocks_of(p.slab.arena(), PageKind::slab, &p.cache));
    }
    static FrameIndex full_slab(const Part& p, const Damage& d) {
        return pick_listed(d, p.slab.arena(), p.cache.node.full);
    }
    /// One with at least so many objects in it; no_frame: there is none.
    static FrameIndex slab_with(const Part& p, const Damage& d, std::uint32_t free) {
        auto slabs = blocks_of(p.slab.arena(), PageKind::slab, &p.cache);
        std::erase_if(slabs,
                      [&](FrameIndex s) { return head(p, s).active + free > p.cache.geometry.objects; });
        return pick_block(d, slabs);
    }
    /// A CPU's array, or the node's, with at least so many entries; nullptr: there is none.
    static ArrayCache* array_with(const Part& p, const Damage& d, std::uint32_t entries,
                                  const ArrayCache* other = nullptr) {
        const unsigned cpus = p.cache.arrays.count();
        for (unsigned i = 0; i <= cpus; ++i) {
            const auto c = static_cast<unsigned>((d.pick(cpus + 1) + i) % (cpus + 1));
            ArrayCache& array = c == cpus ? p.cache.node.shared : p.cache.arrays[CpuId{c}];
            if (array.avail >= entries && &array != other) return &array;
        }
        return nullptr;
    }
    static void set_entry(Damage& d, const ArrayCache* array, void* entry) {
        if (array != nullptr) d.set(array->entries[d.pick(array->avail)], entry);
    }
    template <class Change>
    static void change_head(const Part& p, Damage& d, FrameIndex slab, Change&& change) {
        if (slab == no_frame) return;
        d.keep(page(p, slab).word);
        SlabHead changed = head(p, slab);
        change(changed);
        changed.store(page(p, slab));
    }

    // --- S1 ---
    static void repeat_index(const Part& p, Damage& d) {
        const FrameIndex slab = slab_with(p, d, 2);
        if (slab == no_frame) return;
        std::uint8_t* const first = indexes(p, slab) + head(p, slab).active;
        d.set(first[0], first[1]);
    }
    static void overrun_index(const Part& p, Damage& d) {
        const FrameIndex slab = slab_with(p, d, 1);
        if (slab != no_frame) d.set(indexes(p, slab)[head(p, slab).active], max_slab_indexes);
    }
    static void array_free_object(const Part& p, Damage& d) {
        const FrameIndex slab = slab_with(p, d, 1);
        if (slab != no_frame)
            set_entry(d, array_with(p, d, 1), object(p, slab, indexes(p, slab)[head(p, slab).active]));
    }
    static void count_too_many(const Part& p, Damage& d) {
        if (p.cache.geometry.objects < max_slab_indexes)
            change_head(p, d, full_slab(p, d), [](SlabHead& h) { ++h.active; });
    }

    // --- S2 ---
    static void move_slab(const Part& p, Damage& d) {
        const FrameIndex slab = full_slab(p, d);
        if (slab == no_frame) return;
        keep_list(d, p.slab.arena(), p.cache.node.partial, slab);
        take_off(d, p.slab.arena(), p.cache.node.full, slab);
        p.cache.node.partial.push_head(p.slab.arena(), slab);
    }
    static void lose_slab(const Part& p, Damage& d) {
        const FrameIndex slab = full_slab(p, d);
        if (slab != no_frame) take_off(d, p.slab.arena(), p.cache.node.full, slab);
    }
    static void break_list(const Part& p, Damage& d) {
        for (const PageList* list : {&p.cache.node.full, &p.cache.node.partial, &p.cache.node.free})
            if (!d.done()) break_links(d, p.slab.arena(), *list);
    }
    static void list_twice(const Part& p, Damage& d) {
        if (!p.cache.node.full.empty()) d.set(p.cache.node.free, p.cache.node.full);
    }
    static void list_stranger(const Part& p, Damage& d) {
        const auto frame = static_cast<FrameIndex>(d.pick(p.slab.arena().frames()));
        if (page(p, frame).owner == &p.cache) return;
        keep_list(d, p.slab.arena(), p.cache.node.partial, frame);
        p.cache.node.partial.push_head(p.slab.arena(), frame);
    }

    // --- S3 ---
    static void count_objects(const Part& p, Damage& d) {
        d.set(p.cache.node.free_objects, p.cache.node.free_objects + 1);
    }
    static void count_slabs(const Part& p, Damage& d) {
        d.set(p.cache.node.total_slabs, p.cache.node.total_slabs + 1);
    }
    static void count_free_slabs(const Part& p, Damage& d) {
        d.set(p.cache.node.free_slabs, p.cache.node.free_slabs + 1);
    }

    // --- S4, S5, S10 ---
    static void overfill(const Part& p, Damage& d) {
        ArrayCache& array = *array_with(p, d, 0);
        d.set(array.avail, array.limit + 1);
    }
    static void batch_too_much(const Part& p, Damage& d) {
        ArrayCache& array = *array_with(p, d, 0);
        d.set(array.batchcount, std::max(array.limit, p.cache.geometry.limit) + 1);
    }
    static void repeat_entry(const Part& p, Damage& d) {
        if (const ArrayCache* const array = array_with(p, d, 2)) d.set(array->entries[0], array->entries[1]);
    }
    static void share_entry(const Part& p, Damage& d) {
        const ArrayCache* const from = array_with(p, d, 1);
        const ArrayCache* const to = array_with(p, d, 1, from);
        if (from != nullptr && to != nullptr) d.set(to->entries[0], from->entries[0]);
    }
    static void array_stranger(const Part& p, Damage& d) {
        const FrameIndex block = pick_block(d, blocks_of(p.slab.arena(), PageKind::slab));
        if (block != no_frame && page(p, block).owner != &p.cache)
            set_entry(d, array_with(p, d, 1), p.slab.arena().address_at(block));
    }
    static void shift_entry(const Part& p, Damage& d, std::size_t bytes) {
        if (const ArrayCache* const array = array_with(p, d, 1))
            d.set(array->entries[0], static_cast<std::byte*>(array->entries[0]) + bytes);
    }
    static void enter_object(const Part& p, Damage& d) { shift_entry(p, d, min_object_align); }
    static void mark_entry(const Part& p, Damage& d) { shift_entry(p, d, 1); }
    static void tell_shared(const Part& p, Damage& d) {
        d.set(p.cache.node.shared_avail, p.cache.node.shared_avail + 1);
    }
    static void count_allocation(const Part& p, Damage& d) {
        ArrayCache& array = *array_with(p, d, 0, &p.cache.node.shared);
        d.set(array.alloc_hits, array.alloc_hits + 1);
    }
    static void lose_entry(const Part& p, Damage& d) {
        if (ArrayCache* const array = array_with(p, d, 1, &p.cache.node.shared))
            d.set(array->avail, array->avail - 1);
    }

    // --- S6 ---
    static void shift_objects(const Part& p, Damage& d) {
        change_head(p, d, any_slab(p, d), [&](SlabHead& h) {
            h.colour = (p.cache.geometry.left / SlabHead::colour_unit + 1) * SlabHead::colour_unit;
        });
    }
    static void skip_colours(const Part& p, Damage& d) {
        if (any_slab(p, d) != no_frame) d.set(p.cache.node.colour_next, p.cache.geometry.colours + 1);
    }

    // --- S7 ---
    static void lose_indexes(const Part& p, Damage& d) {
        if (p.cache.geometry.place != IndexPlace::on_slab)
            change_head(p, d, slab_with(p, d, 1), [](SlabHead& h) { h.position = SlabHead::no_position; });
    }
    static void move_indexes(const Part& p, Damage& d) {
        const FrameIndex slab = slab_with(p, d, 2);
        if (slab == no_frame || p.cache.geometry.place != IndexPlace::in_object) return;
        const std::uint8_t* const from = indexes(p, slab);
        const std::uint8_t first = from[head(p, slab).active];
        auto* const to = reinterpret_cast<std::uint8_t*>(object(p, slab, first));
        for (std::uint32_t i = 0; i < p.cache.geometry.objects; ++i) d.set(to[i], from[i]);
        change_head(p, d, slab, [&](SlabHead& h) { h.position = first; });
    }
    static void share_indexes(const Part& p, Damage& d) {
        const auto slabs = blocks_of(p.slab.arena(), PageKind::slab, &p.cache);
        if (slabs.size() < 2 || p.cache.geometry.place != IndexPlace::off_slab) return;
        change_head(p, d, slabs[0], [&](SlabHead& h) { h.position = head(p, slabs[1]).position; });
    }

    // --- S8, S9, S11, G8 ---
    static void count_constructed(const Part& p, Damage& d) {
        d.set(p.cache.constructed, p.cache.constructed + 1);
    }
    static void miscalculate(const Part& p, Damage& d) {
        if (p.cache.geometry.objects > 1) d.set(p.cache.reciprocal, 0U);
    }
    static void rename_head(const Part& p, Damage& d) {
        fuzz::rename_head(d, p.slab.arena(), any_slab(p, d));
    }
    static void change_owner(const Part& p, Damage& d) {
        fuzz::change_owner(d, p.slab.arena(), any_slab(p, d));
    }
    static void lose_large(const Part& p, Damage& d) {
        lose_block(d, p.slab.arena(), pick_block(d, blocks_of(p.slab.arena(), PageKind::large)));
    }

  public:
    static constexpr std::array<DamageKind<Part>, 32> kinds{{
        {"a free index that is there twice", "S1", repeat_index},
        {"a free index of no object", "S1 S7", overrun_index},
        {"an object that is free in its slab and in an array", "S1", array_free_object},
        {"a slab that counts an object too many", "S1", count_too_many},
        {"a full slab among the partial ones", "S2", move_slab},
        {"a slab on no list", "S2", lose_slab},
        {"a list of slabs with a wrong link", "S2", break_list},
        {"slabs on two lists", "S2", list_twice},
        {"a frame that is no slab on a list", "S2", list_stranger},
        {"a wrong number of free objects", "S3", count_objects},
        {"a wrong number of slabs", "S3", count_slabs},
        {"a wrong number of free slabs", "S3", count_free_slabs},
        {"an array with more than its limit", "S4", overfill},
        {"a batch larger than an array", "S4", batch_too_much},
        {"an object that is in an array twice", "S4", repeat_entry},
        {"an object that is in two arrays", "S4", share_entry},
        {"another cache's memory in an array", "S4", array_stranger},
        {"the inside of an object in an array", "S4", enter_object},
        {"a wrong number of shared objects", "S4", tell_shared},
        {"an allocation that was none", "S5", count_allocation},
        {"an object that an array lost", "S5", lose_entry},
        {"objects beyond what is left over", "S6", shift_objects},
        {"a colour that there is not", "S6", skip_colours},
        {"free indexes that lie nowhere", "S7", lose_indexes},
        {"free indexes in an object that does not go out last", "S7", move_indexes},
        {"the free indexes of two slabs in one place", "S7 S1", share_indexes},
        {"a constructor that ran once too often", "S8", count_constructed},
        {"an object that has the number of another", "S9", miscalculate},
        {"a frame of a slab that names another head", "S9", rename_head},
        {"a bit beside an address in an array", "S10", mark_entry},
        {"a slab of a cache that is not there", "S11", change_owner},
        {"a large block that was lost", "G8", lose_large},
    }};
};

}  // namespace

template <class Cpus>
std::span<const DamageKind<SlabPart<Cpus>>> slab_damages() {
    return Table<Cpus>::kinds;
}

template std::span<const DamageKind<SlabPart<OwnedCpus>>> slab_damages();
template std::span<const DamageKind<SlabPart<SimulatedCpus>>> slab_damages();

}  // namespace kmemlab::fuzz
