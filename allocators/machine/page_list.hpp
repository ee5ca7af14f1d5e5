/// A doubly linked list of page descriptors, threaded through Page::next and Page::prev. Head is the end
/// that takers take from. The list owns its links only; the caller holds whatever lock guards it.
#pragma once

#include <cstdint>

#include "allocators/machine/arena.hpp"

namespace kmemlab {

class PageList {
  public:
    [[nodiscard]] bool empty() const { return head_ == no_frame; }
    [[nodiscard]] FrameIndex head() const { return head_; }
    [[nodiscard]] FrameIndex tail() const { return tail_; }

    void push_head(const Arena& arena, FrameIndex index) {
        Page& page = arena.page_at(index);
        page.prev = no_frame;
        page.next = head_;
        (head_ == no_frame ? tail_ : arena.page_at(head_).prev) = index;
        head_ = index;
    }
    void push_tail(const Arena& arena, FrameIndex index) {
        Page& page = arena.page_at(index);
        page.next = no_frame;
        page.prev = tail_;
        (tail_ == no_frame ? head_ : arena.page_at(tail_).next) = index;
        tail_ = index;
    }
    /// Puts `index` behind `before`, which is on this list.
    void insert_after(const Arena& arena, FrameIndex before, FrameIndex index) {
        if (before == tail_) return push_tail(arena, index);
        Page& page = arena.page_at(index);
        page.prev = before;
        page.next = arena.page_at(before).next;
        arena.page_at(page.next).prev = index;
        arena.page_at(before).next = index;
    }
    void remove(const Arena& arena, FrameIndex index) {
        const Page& page = arena.page_at(index);
        (page.prev == no_frame ? head_ : arena.page_at(page.prev).next) = page.next;
        (page.next == no_frame ? tail_ : arena.page_at(page.next).prev) = page.prev;
    }
    /// The list must not be empty.
    FrameIndex pop_head(const Arena& arena) {
        const FrameIndex index = head_;
        head_ = arena.page_at(index).next;
        (head_ == no_frame ? tail_ : arena.page_at(head_).prev) = no_frame;
        return index;
    }
    FrameIndex pop_tail(const Arena& arena) {
        const FrameIndex index = tail_;
        tail_ = arena.page_at(index).prev;
        (tail_ == no_frame ? head_ : arena.page_at(tail_).next) = no_frame;
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
