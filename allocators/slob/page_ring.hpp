/// One of SLOB's page lists: a ring of page descriptors through Page::next and Page::prev, with a head where
/// a search begins. To move the head on is all that "rotating the list" takes (SLOB-14).
///
///          head
///           v
///     .-> [ A ] <-> [ B ] <-> [ C ] <-.     after rotate_to(B): B C A
///     '-------------------------------'
///
/// The ring owns its links only; the heap's lock guards it.
#pragma once

#include <cstdint>

#include "allocators/machine/arena.hpp"
#include "allocators/machine/page_list.hpp"

namespace kmemlab {

class PageRing {
  public:
    [[nodiscard]] bool empty() const { return head_ == no_frame; }
    [[nodiscard]] FrameIndex head() const { return head_; }
    [[nodiscard]] std::uint64_t length() const { return length_; }

    void push_head(PageArray pages, FrameIndex index) {
        push_tail(pages, index);
        head_ = index;
    }
    [[gnu::always_inline]] void push_tail(PageArray pages, FrameIndex index) {
        if (empty()) head_ = pages[index].next = pages[index].prev = index;
        const FrameIndex tail = pages[head_].prev;
        pages[index].next = head_;
        pages[index].prev = tail;
        pages[tail].next = pages[head_].prev = index;
        ++length_;
    }
    void remove(PageArray pages, FrameIndex index) {
        const Page& page = pages[index];
        if (head_ == index) head_ = page.next == index ? no_frame : page.next;
        pages[page.prev].next = page.next;
        pages[page.next].prev = page.prev;
        --length_;
    }
    /// `index`, a member, becomes the head; who stood before it now stands at the end, in order.
    void rotate_to(FrameIndex index) { head_ = index; }

    /// Calls visit(index) from the head on; false if the links are broken, or do not lead through as many
    /// pages as were put in.
    template <class Visit>
    bool walk(const Arena& arena, Visit&& visit) const {
        if (empty()) return length_ == 0;
        FrameIndex i = head_;
        std::uint64_t seen = 0;
        do {
            if (i >= arena.frames() || seen++ == length_) return false;
            const FrameIndex next = arena.page_at(i).next;
            if (next >= arena.frames() || arena.page_at(next).prev != i) return false;
            visit(i);
            i = next;
        } while (i != head_);
        return seen == length_;
    }

  private:
    FrameIndex head_ = no_frame;
    std::uint64_t length_ = 0;
};

}  // namespace kmemlab
