/// A doubly linked list of page descriptors, threaded through Page::next and Page::prev. Head is the end
/// that takers take from; its prev means nothing, so that taking it touches no other descriptor. The list
/// owns its links only; the caller holds whatever lock guards it. Only empty() may be asked without: it then
/// is a hint, as when a watermark is tested before the zone's lock is taken.
#pragma once

#include <atomic>
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
    PageList() = default;
    PageList(const PageList& other) : tail_{other.tail_} { set_head(other.head()); }
    PageList& operator=(const PageList& other) {
        set_head(other.head());
        tail_ = other.tail_;
        return *this;
    }
    ~PageList() = default;

    [[nodiscard]] bool empty() const { return head() == no_frame; }
    [[nodiscard]] FrameIndex head() const { return head_.load(std::memory_order_relaxed); }
    [[nodiscard]] FrameIndex tail() const { return tail_; }

    void push_head(PageArray pages, FrameIndex index) {
        const FrameIndex second = head();
        pages[index].next = second;
        (second == no_frame ? tail_ : pages[second].prev) = index;
        set_head(index);
    }
    void push_tail(PageArray pages, FrameIndex index) {
        pages[index].next = no_frame;
        pages[index].prev = tail_;
        link_after(pages, tail_, index);
        tail_ = index;
    }
    /// So many, at least one, each `distance` behind the other.
    void push_tail(PageArray pages, FrameIndex first, std::uint64_t count, FrameIndex distance) {
        FrameIndex before = tail_;
        link_after(pages, before, first);
        for (FrameIndex index = first;; index += distance) {
            tail_ = index;
            pages[index].prev = before;
            pages[index].next = index + distance;
            before = index;
            if (--count == 0) break;
        }
        pages[tail_].next = no_frame;
    }
    void remove(PageArray pages, FrameIndex index) {
        const Page& page = pages[index];
        link_after(pages, index == head() ? no_frame : page.prev, page.next);
        (index == tail_ ? tail_ : pages[page.next].prev) = page.prev;
        if (empty()) tail_ = no_frame;
    }
    /// The list must not be empty.
    FrameIndex pop_head(PageArray pages) {
        const FrameIndex index = head();
        const FrameIndex second = pages[index].next;
        set_head(second);
        if (second == no_frame) [[unlikely]] {
            tail_ = no_frame;
        }
        return index;
    }
    FrameIndex pop_tail(PageArray pages) {
        const FrameIndex index = tail_;
        remove(pages, index);
        return index;
    }
    /// Takes all from `index` to the tail.
    void cut(PageArray pages, FrameIndex index) {
        tail_ = index == head() ? no_frame : pages[index].prev;
        link_after(pages, tail_, no_frame);
    }
    /// Forgets the members; their links stay.
    void clear() {
        set_head(no_frame);
        tail_ = no_frame;
    }

    /// Calls visit(index) from head to tail; stops when it returns false. A list whose links are broken is
    /// not followed: returns false if prev and next disagree or the list is longer than `limit`.
    template <class Visit>
    bool walk(const Arena& arena, std::uint64_t limit, Visit&& visit) const {
        FrameIndex before = no_frame;
        for (FrameIndex i = head(); i != no_frame; before = i, i = arena.page_at(i).next) {
            if (i >= arena.frames() || limit-- == 0) return false;
            if (i != head() && arena.page_at(i).prev != before) return false;
            if (!visit(i)) return true;
        }
        return tail_ == before;
    }

  private:
    void set_head(FrameIndex index) { head_.store(index, std::memory_order_relaxed); }
    /// `before` is no_frame for the list's begin.
    void link_after(PageArray pages, FrameIndex before, FrameIndex index) {
        if (before == no_frame) {
            set_head(index);
        } else {
            pages[before].next = index;
        }
    }

    std::atomic<FrameIndex> head_ = no_frame;
    FrameIndex tail_ = no_frame;
};

}  // namespace kmemlab
