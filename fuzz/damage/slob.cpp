#include "fuzz/damage/slob.hpp"

#include <array>
#include <cstring>

#include "allocators/slob/inside.hpp"
#include "fuzz/damage/pages.hpp"

namespace kmemlab::fuzz {
namespace {

template <class Cpus>
class Table {
    using Part = SlobPart<Cpus>;
    using Inside = typename Slob<Cpus>::Inside;
    using Entry = Ledger::Entries::value_type;

    static Page& page(const Part& p, FrameIndex frame) { return p.slob.arena().page_at(frame); }

    // --- Victims ---
    /// A page with at least so many free units; no_frame: there is none.
    static FrameIndex heap_page(const Part& p, const Damage& d, SlobUnits units) {
        auto pages = blocks_of(p.slob.arena(), PageKind::slab, &p.slob);
        std::erase_if(pages, [&](FrameIndex i) { return HeapPageWord::load(page(p, i)).units < units; });
        return pick_block(d, pages);
    }
    /// A block of pages of at least an order; no_frame: there is none.
    static FrameIndex large_block(const Part& p, const Damage& d, Order least = Order{0}) {
        auto blocks = blocks_of(p.slob.arena(), PageKind::large);
        std::erase_if(blocks, [&](FrameIndex i) { return Order{page(p, i).load_state().order} < least; });
        return pick_block(d, blocks);
    }
    /// What the ledger knows of an object that a condition holds for; nullptr: there is none, or no ledger.
    template <class Condition>
    static Entry* entry(const Part& p, const Damage& d, Condition&& condition) {
        std::vector<Entry*> found;
        for (Entry& e : Inside::ledger(p.slob).entries()) {
            if (e.second.kind != LedgerEntry::Kind::somebody_else && condition(e)) found.push_back(&e);
        }
        return found.empty() ? nullptr : found[d.pick(found.size())];
    }
    static bool in_heap(const Entry& e) {
        return e.second.kind == LedgerEntry::Kind::kmalloc || e.second.kind == LedgerEntry::Kind::cache;
    }

    // --- Changes ---
    template <class Change>
    static void change_word(const Part& p, Damage& d, FrameIndex frame, Change&& change) {
        if (frame == no_frame) return;
        d.keep(page(p, frame).word);
        HeapPageWord word = HeapPageWord::load(page(p, frame));
        change(word);
        word.store(page(p, frame));
    }
    static void write(Damage& d, std::byte* at, int value) {
        const auto word = static_cast<std::int16_t>(value);
        std::int16_t was = 0;
        std::memcpy(&was, at, sizeof was);
        d.repair_by([at, was] { std::memcpy(at, &was, sizeof was); });
        std::memcpy(at, &word, sizeof word);
    }
    /// The first free block of a page, and where it lies; of at least so many units.
    template <class Change>
    static void change_block(const Part& p, Damage& d, SlobUnits length, Change&& change) {
        const FrameIndex frame = heap_page(p, d, length);
        if (frame == no_frame) return;
        const HeapPage heap = Inside::page(p.slob, frame);
        const FreeBlock block = heap.block(heap.first());
        if (block.length >= length)
            change(block, p.slob.arena().address_at(frame) + block.at * slob_unit_bytes);
    }

    // --- O1, O2 ---
    static void count_units(const Part& p, Damage& d) {
        change_word(p, d, heap_page(p, d, 2), [](HeapPageWord& word) { --word.units; });
    }
    static void shorten(const Part& p, Damage& d) {
        change_block(p, d, 3, [&](const FreeBlock& block, std::byte* at) {
            write(d, at, static_cast<int>(block.length) - 1);
        });
    }
    static void lose_object(const Part& p, Damage& d) {
        const Entry* const lost = entry(p, d, in_heap);
        if (lost == nullptr) return;
        auto& entries = Inside::ledger(p.slob).entries();
        d.keep(entries);
        entries.erase(lost->first);
    }
    static void lead_back(const Part& p, Damage& d) {
        change_block(p, d, 2, [&](const FreeBlock& block, std::byte* at) {
            write(d, at + slob_unit_bytes, static_cast<int>(block.at));
        });
    }
    static void begin_outside(const Part& p, Damage& d) {
        change_word(p, d, heap_page(p, d, 1), [](HeapPageWord& word) { word.first = slob_page_units + 1; });
    }

    // --- O3, O4 ---
    static void take_off_list(const Part& p, Damage& d) {
        const FrameIndex frame = heap_page(p, d, 1);
        if (frame == no_frame) return;
        PageRing& list = Inside::list(p.slob, HeapPageWord::load(page(p, frame)).list);
        d.keep(list);
        for (const FrameIndex i : {page(p, frame).prev, page(p, frame).next}) {
            d.keep(page(p, i).next);
            d.keep(page(p, i).prev);
        }
        list.remove(p.slob.arena(), frame);
    }
    static void call_full(const Part& p, Damage& d) {
        change_word(p, d, heap_page(p, d, 1), [](HeapPageWord& word) { word.units = 0; });
    }
    static void call_empty(const Part& p, Damage& d) {
        change_word(p, d, heap_page(p, d, 1), [](HeapPageWord& word) { word.units = slob_page_units; });
    }
    static void change_list(const Part& p, Damage& d) {
        change_word(p, d, heap_page(p, d, 1), [](HeapPageWord& word) {
            word.list = word.list == SlobList::small ? SlobList::large : SlobList::small;
        });
    }
    static void change_size(const Part& p, Damage& d) {
        Entry* const e = entry(p, d, in_heap);
        if (e == nullptr) return;
        const auto frame = static_cast<FrameIndex>(e->first >> page_shift);
        const bool small = HeapPageWord::load(page(p, frame)).list == SlobList::small;
        for (std::size_t* const bytes : {&e->second.asked, &e->second.taken})
            d.set(*bytes, small ? 2000U : 8U);
    }

    // --- O5, O6, O7 ---
    static void change_header(const Part& p, Damage& d) {
        const Entry* const e =
            entry(p, d, [](const Entry& x) { return x.second.kind == LedgerEntry::Kind::kmalloc; });
        if (e != nullptr) write(d, p.slob.arena().address_at(0) + e->first, -1);
    }
    static void ask_alignment(const Part& p, Damage& d) {
        Entry* const e = entry(p, d, [](const Entry& x) { return x.first > 0; });
        if (e != nullptr) d.set(e->second.align, 2 * p.slob.arena().bytes());
    }
    static void encode_nothing(const Part& p, Damage& d) {
        change_block(p, d, 1, [&](const FreeBlock&, std::byte* at) { write(d, at, 0); });
    }
    static void lead_beyond(const Part& p, Damage& d) {
        constexpr auto beyond = static_cast<int>(slob_page_units) + 1;
        change_block(p, d, 1, [&](const FreeBlock&, std::byte* at) { write(d, at, -beyond); });
    }

    // --- O8 ---
    static void link_outside(const Part& p, Damage& d) {
        const FrameIndex frame = heap_page(p, d, 1);
        if (frame != no_frame) d.set(page(p, frame).next, p.slob.arena().frames());
    }
    static void lose_page(const Part& p, Damage& d) {
        const FrameIndex frame = heap_page(p, d, 1);
        if (frame != no_frame) d.set(page(p, frame).owner, nullptr);
    }
    static void lose_full_page(const Part& p, Damage& d) {
        auto pages = blocks_of(p.slob.arena(), PageKind::slab, &p.slob);
        std::erase_if(pages, [&](FrameIndex i) { return HeapPageWord::load(page(p, i)).units > 0; });
        const FrameIndex frame = pick_block(d, pages);
        if (frame != no_frame) d.set(page(p, frame).owner, nullptr);
    }

    // --- O9, O10 ---
    static void count_construction(const Part& p, Damage& d) {
        for (const auto& cache : p.slob.caches()) {
            if (cache->constructor == nullptr) continue;
            std::uint64_t& constructions = cache->works[CpuId{0}].constructions;
            return d.set(constructions, constructions + 1);
        }
    }
    static void change_order(const Part& p, Damage& d) {
        const FrameIndex block = large_block(p, d, Order{1});
        if (block == no_frame) return;
        PageState state = page(p, block).load_state();
        --state.order;
        d.set(page(p, block).state, state);
    }
    static void rename_head(const Part& p, Damage& d) {
        const FrameIndex block = large_block(p, d, Order{1});
        if (block != no_frame && page(p, block).owner == &p.slob) d.set(page(p, block + 1).head, no_frame);
    }
    static void change_owner(const Part& p, Damage& d) {
        fuzz::change_owner(d, p.slob.arena(), large_block(p, d));
    }
    static void lose_block(const Part& p, Damage& d) {
        fuzz::lose_block(d, p.slob.arena(), large_block(p, d));
    }

  public:
    static constexpr std::array<DamageKind<Part>, 22> kinds{{
        {"a wrong number of free units", "O1", count_units},
        {"a free block that is too short", "O1", shorten},
        {"an object that is neither free nor used", "O1", lose_object},
        {"a free block that leads to itself", "O2 O7", lead_back},
        {"a first free block outside of the page", "O2", begin_outside},
        {"a page with free units on no list", "O3", take_off_list},
        {"a full page on a list", "O3", call_full},
        {"an empty page on a list", "O3", call_empty},
        {"a page on the list of another class", "O4", change_list},
        {"an object in a page of another class", "O4", change_size},
        {"a changed header", "O5", change_header},
        {"an object that is not aligned", "O6", ask_alignment},
        {"a free block without a length", "O7", encode_nothing},
        {"a free block that leads beyond the page", "O7", lead_beyond},
        {"a list that leads out of memory", "O8", link_outside},
        {"a page of nobody on a list", "O8", lose_page},
        {"objects in a page of nobody", "O1 G8", lose_full_page},
        {"a constructor that ran once too often", "O9", count_construction},
        {"a block of a lower order", "O10 G8", change_order},
        {"a frame of a block that names another head", "O10", rename_head},
        {"a block of no owner", "O10", change_owner},
        {"a block that was lost", "G8 O10", lose_block},
    }};
};

}  // namespace

template <class Cpus>
std::span<const DamageKind<SlobPart<Cpus>>> slob_damages() {
    return Table<Cpus>::kinds;
}

template std::span<const DamageKind<SlobPart<OwnedCpus>>> slob_damages();

}  // namespace kmemlab::fuzz
