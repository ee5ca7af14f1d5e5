#include "fuzz/damage/sheaves.hpp"

#include <array>
#include <memory>
#include <utility>

#include "fuzz/damage/pages.hpp"

namespace kmemlab::fuzz {
namespace {

template <class Cpus>
class Table {
    using Part = SheafPart<Cpus>;

    static SheafSlot& any_slot(const Part& p, const Damage& d) {
        return p.cache.sheaves[CpuId{static_cast<unsigned>(d.pick(p.cache.sheaves.count()))}];
    }
    /// The main sheaf of one of the CPUs that has so many objects there; nullptr: none has.
    static Sheaf* main_with(const Part& p, const Damage& d, std::uint32_t objects) {
        const unsigned cpus = p.cache.sheaves.count();
        for (unsigned i = 0; i < cpus; ++i) {
            Sheaf& main = p.cache.sheaves[CpuId{static_cast<unsigned>((d.pick(cpus) + i) % cpus)}].main;
            if (main.count() >= objects) return &main;
        }
        return nullptr;
    }
    static void replace(Damage& d, Sheaf& place, Sheaf other) {
        const auto was = std::make_shared<Sheaf>(std::exchange(place, std::move(other)));
        d.repair_by([&place, was] { place = std::move(*was); });
    }

    // --- H1 ---
    static void take_main(const Part& p, Damage& d) {
        // A cache of debugging has none.
        replace(d, any_slot(p, d).main, p.cache.capacity == 0 ? Sheaf{1} : Sheaf{});
    }
    static void overfill(const Part& p, Damage& d) {
        Sheaf& main = any_slot(p, d).main;
        if (!main.none()) d.set(main.top, main.end + 1);
    }
    static void grow_spare(const Part& p, Damage& d) {
        Sheaf& spare = any_slot(p, d).spare;
        if (!spare.none()) d.set(spare.end, spare.end + 1);
    }

    // --- H2 ---
    static void take_from_spare(const Part& p, Damage& d) {
        Sheaf& spare = any_slot(p, d).spare;
        if (spare.count() > 1) d.set(spare.top, spare.top - 1);
    }
    static void exchange(const Part& p, Damage& d) {
        auto& barn = p.cache.barn;
        if (barn.full.empty() || barn.empty.empty()) return;
        std::swap(barn.full[0], barn.empty[0]);
        d.repair_by([&barn] { std::swap(barn.full[0], barn.empty[0]); });
    }
    static void put_nothing(const Part& p, Damage& d) {
        if (!p.cache.barn.empty.empty()) replace(d, p.cache.barn.empty[0], Sheaf{});
    }
    static void tell_full(const Part& p, Damage& d) { d.set(p.cache.barn.nr_full, p.cache.barn.nr_full + 1); }
    static void tell_empty(const Part& p, Damage& d) {
        d.set(p.cache.barn.nr_empty, p.cache.barn.nr_empty + 1);
    }

    // --- H3 ---
    static void enter(const Part& p, Damage& d, void* object) {
        Sheaf* const main = main_with(p, d, 1);
        if (main != nullptr && object != nullptr) d.set(main->entries[0], object);
    }
    static void repeat_object(const Part& p, Damage& d) {
        if (Sheaf* const main = main_with(p, d, 2)) d.set(main->entries[0], main->entries[1]);
    }
    static void share_object(const Part& p, Damage& d) {
        if (!p.cache.barn.full.empty()) enter(p, d, p.cache.barn.full[0].entries[0]);
    }
    static void enter_free(const Part& p, Damage& d) {
        const FrameIndex slab = pick_listed(d, p.slub.arena(), p.cache.partial);
        if (slab != no_frame) enter(p, d, p.slub.first_free(slab));
    }
    static void enter_stranger(const Part& p, Damage& d) {
        const FrameIndex slab = pick_block(d, blocks_of(p.slub.arena(), PageKind::slab));
        if (slab != no_frame && p.slub.arena().page_at(slab).owner != &p.cache)
            enter(p, d, p.slub.arena().address_at(slab));
    }
    static void enter_inside(const Part& p, Damage& d) {
        if (Sheaf* const main = main_with(p, d, 1))
            enter(p, d, static_cast<std::byte*>(main->entries[0]) + 1);
    }

    // --- H4, H5 ---
    static void lose_object(const Part& p, Damage& d) {
        if (Sheaf* const main = main_with(p, d, 1)) d.set(main->top, main->top - 1);
    }
    static void count_allocation(const Part& p, Damage& d) {
        if (p.cache.capacity == 0) return;
        SheafSlot& slot = any_slot(p, d);
        d.keep(slot.events);
        slot.count(SheafEvent::alloc_fastpath);
    }
    static void keep_slab(const Part& p, Damage& d) {
        const Arena& arena = p.slub.arena();
        const FrameIndex slab = p.cache.capacity == 0 ? no_frame : pick_listed(d, arena, p.cache.partial);
        if (slab == no_frame) return;
        Page& page = arena.page_at(slab);
        take_off(d, arena, p.cache.partial, slab);
        d.set(p.cache.nr_partial, p.cache.nr_partial - 1);
        SlabWord word = SlabWord::load(page);
        word.frozen = true;
        d.keep(page.word);
        word.store(page);
        CpuSlot& slot = p.cache.slots[CpuId{0}];
        d.keep(slot);
        slot.slab = slab;
        slot.slab_begin = reinterpret_cast<std::uintptr_t>(arena.address_at(slab));
        slot.slab_bytes = Order{page.load_state().order}.bytes();
    }

  public:
    static constexpr std::array<DamageKind<Part>, 16> kinds{{
        {"a CPU without its main sheaf", "H1", take_main},
        {"a sheaf with more than its capacity", "H1", overfill},
        {"a spare of another capacity", "H1", grow_spare},
        {"a spare that is neither full nor empty", "H2", take_from_spare},
        {"a full sheaf among the empty ones", "H2", exchange},
        {"a sheaf of the barn that is none", "H2", put_nothing},
        {"a wrong number of full sheaves", "H2", tell_full},
        {"a wrong number of empty sheaves", "H2", tell_empty},
        {"an object that is in a sheaf twice", "H3", repeat_object},
        {"an object that is in two sheaves", "H3", share_object},
        {"an object in a sheaf that is free in its slab", "H3", enter_free},
        {"another cache's memory in a sheaf", "H3", enter_stranger},
        {"the inside of an object in a sheaf", "H3", enter_inside},
        {"an object that a sheaf lost", "H4", lose_object},
        {"an allocation that was none", "H4", count_allocation},
        {"a slab of a CPU", "H5", keep_slab},
    }};
};

}  // namespace

template <class Cpus>
std::span<const DamageKind<SheafPart<Cpus>>> sheaf_damages() {
    return Table<Cpus>::kinds;
}

template std::span<const DamageKind<SheafPart<OwnedCpus>>> sheaf_damages();
template std::span<const DamageKind<SheafPart<SimulatedCpus>>> sheaf_damages();

}  // namespace kmemlab::fuzz
