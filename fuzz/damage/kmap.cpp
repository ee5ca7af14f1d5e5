#include <array>

#include "allocators/kmap/inside.hpp"
#include "fuzz/damage/mapping.hpp"

namespace kmemlab::fuzz {
namespace {

class Slots {
    using Part = KmapPart;
    using Inside = Kmap<OwnedCpus, SoftMmu>::Inside;

    /// One of the slots that hold a page, or do not; nullptr: there is none.
    static auto* pick_slot(const Part& p, const Damage& d, bool used) {
        auto& slots = Inside::slots(p.kmap);
        for (std::size_t i = 0; i < slots.size(); ++i) {
            auto& slot = slots[(d.pick(slots.size()) + i) % slots.size()];
            if ((slot.count != 0) == used) return &slot;
        }
        return static_cast<decltype(slots.data())>(nullptr);
    }
    static auto& levels(const Part& p) { return Inside::levels(p.kmap, p.cpu); }

    static void forget_users(const Part& p, Damage& d) {
        if (auto* const slot = pick_slot(p, d, true)) d.set(slot->count, 0U);
    }
    static void invent_user(const Part& p, Damage& d) {
        if (auto* const slot = pick_slot(p, d, false)) d.set(slot->count, 2U);
    }
    static void change_frame(const Part& p, Damage& d) {
        if (auto* const slot = pick_slot(p, d, true)) d.set(slot->frame, slot->frame + 1);
    }
    static void know_other(const Part& p, Damage& d) {
        const auto* const slot = pick_slot(p, d, true);
        if (slot == nullptr) return;
        unsigned& known = Inside::slot_of(p.kmap).at(slot->frame.value());
        d.set(known, known + 1);
    }
    static void know_too_many(const Part& p, Damage& d) {
        auto& slot_of = Inside::slot_of(p.kmap);
        if (!slot_of.emplace(p.high.value(), 0U).second) return;
        d.repair_by([&slot_of, high = p.high.value()] { slot_of.erase(high); });
    }
    static void add_level(const Part& p, Damage& d) {
        if (levels(p).size() == p.kmap.max_levels()) return;
        d.keep(levels(p));
        levels(p).push_back(p.high);
    }
    static void lose_level(const Part& p, Damage& d) {
        if (levels(p).empty()) return;
        d.keep(levels(p));
        levels(p).pop_back();
    }
    static void change_level(const Part& p, Damage& d) {
        if (!levels(p).empty()) d.set(levels(p)[0], levels(p)[0] + 1);
    }

  public:
    static constexpr std::array<DamageKind<Part>, 8> kinds{{
        {"a slot in use without users", "V5", forget_users},
        {"a slot with a user and without a page", "V5", invent_user},
        {"a slot of another page", "V5", change_frame},
        {"a page that is known to have another slot", "V6", know_other},
        {"a page that is known to have a slot, and has none", "V4", know_too_many},
        {"a level that is not mapped", "V5", add_level},
        {"a level that its task lost", "V5", lose_level},
        {"a level of another page", "V5", change_level},
    }};
};

}  // namespace

std::span<const DamageKind<KmapPart>> kmap_damages() {
    return Slots::kinds;
}

}  // namespace kmemlab::fuzz
