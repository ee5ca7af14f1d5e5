/// Part of slob.cpp: the laws, recounted from descriptors, from the free blocks and, if there is one, from
/// the ledger. What only a ledger shows (headers, alignment, whether free blocks and objects fill the pages)
/// is not looked at without one.
#pragma once

#include <vector>

#include "allocators/slob/slob.hpp"

namespace kmemlab {

/// One walk over everything; notes the first law that it finds broken.
template <class Cpus>
class Slob<Cpus>::Audit {
  public:
    explicit Audit(const Slob& slob) : slob_{slob} {}

    [[nodiscard]] MaybeViolation run() {
        for (std::size_t list = 0; list < slob_lists; ++list) check_list(static_cast<SlobList>(list));
        check_frames();
        check_units();
        if (slob_.config_.track) check_ledger();
        for (const auto& cache : slob_.caches_) check_cache(*cache);
        check_pages();
        return found_;
    }

  private:
    /// What is known of a frame; kept for those between the lowest and the highest ever used.
    struct Note {
        bool listed = false;
        SlobUnits free = 0;
        SlobUnits live = 0;  ///< as the ledger says
        bool heap = false;
    };

    template <class... Args>
    void broken(std::string_view law, fmt::format_string<Args...> format, Args&&... args) {
        if (!found_) found_ = violation(law, format, std::forward<Args>(args)...);
    }
    [[nodiscard]] Note& note(FrameIndex frame) {
        if (frame >= notes_.size()) notes_.resize(std::size_t{frame} + 1);
        return notes_[frame];
    }
    [[nodiscard]] const Page& page(FrameIndex frame) const { return slob_.arena_.page_at(frame); }
    [[nodiscard]] bool is_heap(FrameIndex frame) const {
        return page(frame).load_state().kind == PageKind::slab && page(frame).owner == &slob_;
    }

    /// O3, O4, O8: what a ring leads to.
    void check_list(SlobList list) {
        const bool whole = slob_.list(list).walk(slob_.arena_, [&](FrameIndex frame) {
            if (!is_heap(frame))
                return broken("O8", "frame {} on list {} is no page of the heap", frame, to_string(list));
            const auto word = HeapPageWord::load(page(frame));
            if (word.list != list)
                broken("O4", "frame {} of class {} is on list {}", frame, to_string(word.list),
                       to_string(list));
            if (word.units == 0) broken("O3", "frame {} is full and on list {}", frame, to_string(list));
            note(frame).listed = true;
            units_listed_ += word.units;
        });
        if (!whole) broken("O8", "the {} list does not lead to all its pages and back", to_string(list));
    }

    /// Every page of the heap and every block of pages.
    void check_frames() {
        if (found_) return;
        slob_.frames_used_.for_each_block(slob_.arena_, [&](FrameIndex head, PageState state) {
            const Order order{state.order};
            if (state.kind == PageKind::large) check_block(head, order);
            if (is_heap(head)) check_page(head);
            if (state.kind == PageKind::large || is_heap(head)) pages_ += order.pages();
            return true;
        });
    }

    /// O3, then the free blocks.
    void check_page(FrameIndex frame) {
        const SlobUnits units = HeapPageWord::load(page(frame)).units;
        note(frame).heap = true;
        units_ += units;
        if (units >= slob_page_units) broken("O3", "frame {} is empty and was not given back", frame);
        if (units > 0 && !note(frame).listed)
            broken("O3", "frame {} has {} free units and is on no list", frame, units);
        const SlobUnits counted = count_free(frame);
        note(frame).free = counted;
        if (!found_ && counted != units)
            broken("O1", "frame {} has {} free units, counts {}", frame, counted, units);
    }

    /// O2, O7: the chain from the first free block on. Returns the units in it.
    SlobUnits count_free(FrameIndex frame) {
        const HeapPage heap = slob_.heap_page(frame);
        SlobUnits counted = 0;
        for (SlobUnits at = heap.first(); at != slob_page_units && !found_;) {
            if (at > slob_page_units) {
                broken("O2", "frame {}: its first free block is at unit {}", frame, at);
                break;
            }
            const FreeBlock block = heap.block(at);
            if (!block.encoded())
                broken("O7", "frame {}: what is at unit {} encodes no free block", frame, at);
            else if (!block.in_order())
                broken("O2", "frame {}: a free block at unit {} of {} is followed by one at {}", frame, at,
                       block.length, block.next);
            counted += block.length;
            at = block.next;
        }
        return counted;
    }

    /// O8: nothing that is free is out of reach.
    void check_units() {
        if (units_ != units_listed_)
            broken("O8", "{} units are free, the lists lead to {}", units_, units_listed_);
    }

    /// O10.
    void check_block(FrameIndex head, Order order) {
        const void* const owner = page(head).owner;
        if (owner == &slob_) {
            if (order == Order{0}) return;
            for (std::uint64_t i = 0; i < order.pages(); ++i) {
                const auto frame = static_cast<FrameIndex>(head + i);
                if (page(frame).head != head)
                    broken("O10", "frame {} of the compound block at {} has head {}", frame, head,
                           page(frame).head);
            }
            return;
        }
        for (const auto& cache : slob_.caches_) {
            if (cache.get() != owner) continue;
            if (!cache->geometry.pages() || cache->geometry.order() != order)
                broken("O10", "cache {}: an object at frame {} has order {}", cache->name, head,
                       order.value());
            return;
        }
        broken("O10", "the block at frame {} has no owner", head);
    }

    void check_ledger() {
        for (const auto& [begin, entry] : slob_.ledger_.entries()) {
            if (found_) return;
            const bool block = entry.kind == LedgerEntry::Kind::kmalloc_pages ||
                               entry.kind == LedgerEntry::Kind::cache_pages;
            if (block)
                check_block_entry(begin, entry);
            else
                check_heap_entry(begin, entry);
        }
        for (FrameIndex frame = 0; frame < notes_.size(); ++frame) {
            const Note& n = notes_[frame];
            if (n.heap && n.free + n.live != slob_page_units)
                broken("O1", "frame {} has {} free units and {} in objects", frame, n.free, n.live);
        }
    }

    /// O10: as many pages as the size asks for, at a block's begin.
    void check_block_entry(std::size_t begin, const LedgerEntry& entry) {
        const auto frame = static_cast<FrameIndex>(begin >> page_shift);
        const PageState state = page(frame).load_state();
        if (state.kind != PageKind::large || Order{state.order}.bytes() != entry.taken)
            broken("O10", "an object of {} bytes at frame {} is no block of {} bytes", entry.asked, frame,
                   entry.taken);
        if (begin % entry.align != 0)
            broken("O6", "an object of {} bytes at frame {} is not aligned to {}", entry.asked, frame,
                   entry.align);
    }

    /// O4, O5, O6 of an object in the heap.
    void check_heap_entry(std::size_t begin, const LedgerEntry& entry) {
        const auto frame = static_cast<FrameIndex>(begin >> page_shift);
        note(frame).live += static_cast<SlobUnits>(entry.taken / slob_unit_bytes);
        if (!is_heap(frame)) return broken("O1", "frame {} holds an object and is not of the heap", frame);
        if (entry.kind == LedgerEntry::Kind::somebody_else) return;
        const bool kmalloc = entry.kind == LedgerEntry::Kind::kmalloc;
        const std::size_t header = kmalloc ? slob_header : 0;
        if (HeapPageWord::load(page(frame)).list != slob_list(kmalloc ? entry.asked + header : entry.taken))
            broken("O4", "an object of {} bytes lies in frame {} of another class", entry.asked, frame);
        if ((begin + header) % entry.align != 0)
            broken("O6", "an object of {} bytes at {} is not aligned to {}", entry.asked, begin + header,
                   entry.align);
        const std::byte* const object = slob_.arena_.address_at(0) + begin + header;
        if (kmalloc && header_of(object) != entry.asked)
            broken("O5", "the header of an object of {} bytes at {} says {}", entry.asked, begin + header,
                   header_of(object));
    }

    /// O9.
    void check_cache(const SlobCache& cache) {
        const SlobCache::Work work = cache.work();
        if (cache.constructor != nullptr && work.constructions != work.allocations)
            broken("O9", "cache {}: {} allocations, {} constructions", cache.name, work.allocations,
                   work.constructions);
    }

    /// G8.
    void check_pages() {
        const std::uint64_t held = slob_.stats().held_bytes / page_size;
        if (held != pages_) broken("G8", "{} pages taken, {} in the heap and in blocks", held, pages_);
    }

    const Slob& slob_;
    std::vector<Note> notes_;
    std::uint64_t units_listed_ = 0;
    std::uint64_t units_ = 0;
    std::uint64_t pages_ = 0;
    MaybeViolation found_;
};

template <class Cpus>
MaybeViolation Slob<Cpus>::find_violation() const {
    return Audit{*this}.run();
}

}  // namespace kmemlab
