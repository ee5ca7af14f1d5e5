/// A doubly linked list of page descriptors, threaded through Page::next and Page::prev. Head is the end
/// that takers take from. The list owns its links only; the caller holds whatever lock guards it.
#pragma once

#include <cstdint>

#include "allocators/machine/arena.hpp"

namespace kmemlab {

/// The descriptors that links count in: those of an arena, from its first frame on.
class PageArray {
  public:
    // NOLINTNEXTLINE(google-explicit-constructor): both are such an array
    PageArray(Page* first) : first_{first} {}
    // NOLINTNEXTLINE(google-explicit-constructor)
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
        Page& page = pages[index];
        page.prev = no_frame;
        page.next = head_;
        (head_ == no_frame ? tail_ : pages[head_].prev) = index;
        head_ = index;
    }
    void push_tail(PageArray pages, FrameIndex index) {
        Page& page = pages[index];
        page.next = no_frame;
        page.prev = tail_;
        (tail_ == no_frame ? head_ : pages[tail_].next) = index;
        tail_ = index;
    }
    /// Puts `index` behind `before`, which is on this list.
    void insert_after(PageArray pages, FrameIndex before, FrameIndex index) {
        if (before == tail_) return push_tail(pages, index);
        Page& page = pages[index];
        page.prev = before;
        page.next = pages[before].next;
        pages[page.next].prev = index;
        pages[before].next = index;
    }
    void remove(PageArray pages, FrameIndex index) {
        const Page& page = pages[index];
        (page.prev == no_frame ? head_ : pages[page.prev].next) = page.next;
        (page.next == no_frame ? tail_ : pages[page.next].prev) = page.prev;
    }
    /// The list must not be empty.
    FrameIndex pop_head(PageArray pages) {
        const FrameIndex index = head_;
        head_ = pages[index].next;
        (head_ == no_frame ? tail_ : pages[head_].prev) = no_frame;
        return index;
    }
    FrameIndex pop_tail(PageArray pages) {
        const FrameIndex index = tail_;
        tail_ = pages[index].prev;
        (tail_ == no_frame ? head_ : pages[tail_].next) = no_frame;
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
            if (i >= arena.frames() || limit-- == 0 || arena.page_at(i).prev != before) return false;
            if (!visit(i)) return true;
        }
        return tail_ == before;
    }

  private:
    FrameIndex head_ = no_frame;
    FrameIndex tail_ = no_frame;
};

}  // namespace kmemlab
