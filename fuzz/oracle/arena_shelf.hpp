/// Arenas that are used again: mapping one and touching its pages costs more than a short program. A borrowed
/// arena has fresh descriptors and memory with whatever was left there, so it is for machines whose page
/// source writes over what it gives (WatchedPages), or which clean up, and a run is the same in every
/// process. All are views of one memory, so that it stays in the processor's caches.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "allocators/machine/arena.hpp"

namespace kmemlab::oracle {

class BorrowedArena {
  public:
    BorrowedArena(std::size_t bytes, Pfn start)
        : alone_{lent() || bytes > memory().bytes()},
          arena_{alone_ ? std::make_unique<Arena>(bytes, start) : take(bytes, start)} {
        if (alone_) return;
        lent() = true;
        std::memset(static_cast<void*>(&arena_->page(start)), 0, arena_->metadata_bytes());
    }
    ~BorrowedArena() {
        if (alone_) return;
        lent() = false;
        if (shelf().size() < most_kept) shelf().push_back(std::move(arena_));
    }
    BorrowedArena(const BorrowedArena&) = delete;
    BorrowedArena& operator=(const BorrowedArena&) = delete;

    [[nodiscard]] Arena& get() { return *arena_; }

  private:
    using Shelf = std::vector<std::unique_ptr<Arena>>;
    static constexpr std::size_t most_kept = 32;  ///< as many as programs can ask for

    // Of the process, and of this thread alone: what outlives a machine.
    static const Arena& memory() {
        thread_local const Arena arena{std::size_t{32} << 20};  // as much as programs can ask for
        return arena;
    }
    static bool& lent() {
        thread_local bool now = false;
        return now;
    }
    static Shelf& shelf() {
        thread_local Shelf arenas;
        return arenas;
    }
    static std::unique_ptr<Arena> take(std::size_t bytes, Pfn start) {
        for (auto& kept : shelf()) {
            if (kept->bytes() != bytes || kept->start() != start) continue;
            std::unique_ptr<Arena> found = std::move(kept);
            kept = std::move(shelf().back());
            shelf().pop_back();
            return found;
        }
        if (shelf().size() == most_kept) shelf().erase(shelf().begin());
        return std::make_unique<Arena>(memory(), bytes, start);
    }

    bool alone_;  ///< another machine has the memory, or it is too small
    std::unique_ptr<Arena> arena_;
};

}  // namespace kmemlab::oracle
