/// A doubly linked list of page descriptors, threaded through Page::next and Page::prev. Head is the end
/// that takers take from; its prev means nothing, so that taking it touches no other descriptor. The list
/// owns its links only; the caller holds whatever lock guards it.
#pragma once

#include <cstdint>

#include "allocators/machine/arena.hpp"

namespace kmemlab {

/// The descriptors that links count in: those of an arena, from its first frame on.
class PageArray {
  public:
    // NOLINTNEXTLINE(google-explicit-constructor): both are such an array
    PageArray(Page* first) : first_{first} {}
    // NOLINTNEXTLINE(google-explicit-constructor): as above
    PageArray(const Arena& arena) : first_{&arena.page_at(0)} {}
    [[nodiscard]] Page& operator[](FrameIndex index) const { return first_[index]; }

  private:
    Page* first_;
};

class PageList {
  public:
    [[nodiscard]] bool empty() const { return head_ == no_frame; }
    [[nodiscard]] FrameIndex head() const { return head_; }
    [[nodiscard]] FrameIndex tail() const { return tail_; }

    void push_head(PageArray pages, FrameIndex index) {
        pages[index].next = head_;
        (head_ == no_frame ? tail_ : pages[head_].prev) = index;
        head_ = index;
    }
    void push_tail(PageArray pages, FrameIndex index) {
        pages[index].next = no_frame;
        pages[index].prev = tail_;
        (tail_ == no_frame ? head_ : pages[tail_].next) = index;
        tail_ = index;
    }
    void remove(PageArray pages, FrameIndex index) {
        const Page& page = pages[index];
        (index == head_ ? head_ : pages[page.prev].next) = page.next;
        (index == tail_ ? tail_ : pages[page.next].prev) = page.prev;
        if (head_ == no_frame) tail_ = no_frame;
    }
    /// The list must not be empty.
    FrameIndex pop_head(PageArray pages) {
        const FrameIndex index = head_;
        head_ = pages[index].next;
        if (head_ == no_frame) [[unlikely]] {
            tail_ = no_frame;
        }
        return index;
    }
    FrameIndex pop_tail(PageArray pages) {
        const FrameIndex index = tail_;
        remove(pages, index);
        return index;
    }
    /// Forgets the members; their links stay.
    void clear() { head_ = tail_ = no_frame; }

    /// Calls visit(index) from head to tail; stops when it returns false. A list whose links are broken is
    /// not followed: returns false if prev and next disagree or the list is longer than `limit`.
    template <class Visit>
    bool walk(const Arena& arena, std::uint64_t limit, Visit&& visit) const {
        FrameIndex before = no_frame;
        for (FrameIndex i = head_; i != no_frame; before = i, i = arena.page_at(i).next) {
            if (i >= arena.frames() || limit-- == 0) return false;
            if (i != head_ && arena.page_at(i).prev != before) return false;
            if (!visit(i)) return true;
        }
        return tail_ == before;
    }

  private:
    FrameIndex head_ = no_frame;
    FrameIndex tail_ = no_frame;
};

}  // namespace kmemlab
