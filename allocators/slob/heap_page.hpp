/// A page of SLOB's heap: free blocks by ascending place, chained through the memory they are (SLOB-1, 3).
///
///     word 0 of a free block       length of the block in units, if it is 2 or more; then
///     word 1                       the place of the next free block
///     word 0 of a block of 1 unit  minus the place of the next: there is no room for more
///
///     0      places in units         2048
///     | object |4|a| object |-b| object |    the last block's next is 2048, the page's end
///              `-> a        a   `-> b
///
/// Words have 16 bits. How many units are free, where the first block begins and which list the page serves
/// stands in Page::word. Whoever uses these holds the heap's lock, or is alone.
#pragma once

#include <cstdint>
#include <cstring>

#include "allocators/machine/page.hpp"
#include "allocators/slob/geometry.hpp"

namespace kmemlab {

/// A heap page's Page::word.
struct HeapPageWord {
    SlobUnits units = 0;                ///< free, 0..2048
    SlobUnits first = slob_page_units;  ///< place of the first free block; 2048: none
    SlobList list{};                    ///< that the page serves until it is empty (SLOB-4)

    [[nodiscard]] static HeapPageWord load(const Page& page) {
        return {static_cast<SlobUnits>(page.word & 0xffff), static_cast<SlobUnits>(page.word >> 16 & 0xffff),
                static_cast<SlobList>(page.word >> 32 & 0xff)};
    }
    void store(Page& page) const {
        page.word = units | std::uint64_t{first} << 16 | std::uint64_t{static_cast<std::uint8_t>(list)} << 32;
    }
};

struct FreeBlock {
    SlobUnits at = slob_page_units;  ///< its place
    SlobUnits length = 0;
    SlobUnits next = slob_page_units;

    [[nodiscard]] SlobUnits end() const { return at + length; }
    /// Are length and next such as a free block can have? (O7)
    [[nodiscard]] bool encoded() const { return length > 0 && next > 0 && next <= slob_page_units; }
    /// Is the next one behind it and apart, and both in the page? (O2)
    [[nodiscard]] bool in_order() const {
        return end() < next || (end() == slob_page_units && next == slob_page_units);
    }
};

/// A page as its user holds it: for a few steps, in registers. So those that are taken at each call are
/// inlined.
class HeapPage {
  public:
    HeapPage(std::byte* start, Page& page) : start_{start}, page_{page}, word_{HeapPageWord::load(page)} {}

    [[nodiscard]] SlobUnits units() const { return word_.units; }
    [[nodiscard]] SlobUnits first() const { return word_.first; }
    [[nodiscard]] SlobList list() const { return word_.list; }

    /// The free block at `at`, as the memory tells it; not encoded() if that is no free block (O7).
    [[nodiscard, gnu::always_inline]] FreeBlock block(SlobUnits at) const {
        const std::int16_t word = read(at);
        if (word < 0) return {at, 1, static_cast<SlobUnits>(-word)};
        if (word < 2 || at + 1 >= slob_page_units) return {at, 0, 0};
        return {at, static_cast<SlobUnits>(word), static_cast<std::uint16_t>(read(at + 1))};
    }

    /// Makes the page one free block (SLOB-15).
    void clear(SlobList list) {
        word_ = {slob_page_units, 0, list};
        write({0, slob_page_units, slob_page_units});
        word_.store(page_);
    }
    /// Makes the page one without free blocks, for a recorded state to be put into.
    void fill(SlobList list) {
        word_ = {0, slob_page_units, list};
        word_.store(page_);
    }

    /// SLOB-12, 13: the first block that holds the shape gives it. Its place, or 2048: none does; 2048 as
    /// well, and is_corrupt(), if somebody wrote over a free block before that.
    [[nodiscard, gnu::always_inline]] SlobUnits take(SlobShape shape) {
        const SlobUnits needed = shape.units();
        FreeBlock before;
        for (SlobUnits at = word_.first; at != slob_page_units;) {
            const FreeBlock found = sound_block(at);
            if (corrupt_) return slob_page_units;
            const SlobUnits place = aligned(at, shape);
            if (place + needed <= found.end()) {
                split(before, found, place, needed);
                return place;
            }
            before = found;
            at = found.next;
        }
        return slob_page_units;
    }

    /// The free blocks around a place.
    struct Neighbours {
        FreeBlock before;  ///< length 0: none
        SlobUnits next = slob_page_units;
    };
    [[nodiscard, gnu::always_inline]] Neighbours neighbours(SlobUnits place) {
        Neighbours around{{}, word_.first};
        while (around.next != slob_page_units && around.next < place && !corrupt_) {
            around.before = sound_block(around.next);
            around.next = around.before.next;
        }
        return around;
    }

    /// SLOB-22: the units go back between `around`, joined with what they touch.
    [[gnu::always_inline]] void give(SlobUnits place, SlobUnits length, const Neighbours& around) {
        FreeBlock merged{place, length, around.next};
        if (merged.end() == around.next && around.next != slob_page_units) {
            const FreeBlock after = sound_block(around.next);
            if (corrupt_) return;
            merged.length += after.length;
            merged.next = after.next;
        }
        link(around.before, merged);
        word_.units += length;
        word_.store(page_);
    }
    /// A free block was met that is none: somebody wrote into memory that he had freed. Nothing was changed.
    [[nodiscard]] bool is_corrupt() const { return corrupt_; }

  private:
    [[nodiscard, gnu::always_inline]] FreeBlock sound_block(SlobUnits at) {
        const FreeBlock found = block(at);
        corrupt_ = corrupt_ || !found.encoded() || !found.in_order();
        return found;
    }
    /// Where an object of that shape would begin in a block at `at`.
    [[nodiscard, gnu::always_inline]] static SlobUnits aligned(SlobUnits at, SlobShape shape) {
        const SlobUnits header = slob_units(shape.header);
        const SlobUnits below = slob_units(shape.align) - 1;
        return ((at + header + below) & ~below) - header;
    }
    [[gnu::always_inline]] void split(const FreeBlock& before, const FreeBlock& found, SlobUnits place,
                                      SlobUnits needed) {
        SlobUnits next = found.next;
        if (place + needed < found.end()) {
            next = place + needed;
            write({next, found.end() - next, found.next});
        }
        if (place > found.at)
            write({found.at, place - found.at, next});
        else
            lead_to(before, next);
        word_.units -= needed;
        word_.store(page_);
    }
    /// Puts `block` behind `before`, as one if they touch.
    [[gnu::always_inline]] void link(const FreeBlock& before, const FreeBlock& block) {
        if (before.length > 0 && before.end() == block.at)
            return write({before.at, before.length + block.length, block.next});
        lead_to(before, block.at);
        write(block);
    }
    [[gnu::always_inline]] void lead_to(const FreeBlock& before, SlobUnits next) {
        if (before.length == 0)
            word_.first = next;
        else
            write({before.at, before.length, next});
    }

    [[nodiscard]] std::int16_t read(SlobUnits at) const {
        std::int16_t word = 0;
        std::memcpy(&word, start_ + at * slob_unit_bytes, sizeof word);
        return word;
    }
    void write(SlobUnits at, SlobUnits value) {
        const auto word = static_cast<std::int16_t>(value);
        std::memcpy(start_ + at * slob_unit_bytes, &word, sizeof word);
    }
    [[gnu::always_inline]] void write(const FreeBlock& block) {
        if (block.length == 1) return write(block.at, 0U - block.next);
        write(block.at, block.length);
        write(block.at + 1, block.next);
    }

    std::byte* start_;
    Page& page_;
    HeapPageWord word_;
    bool corrupt_ = false;
};

}  // namespace kmemlab
