/// Arenas that are used again: mapping one and touching its pages costs more than a short program. A borrowed
/// arena has fresh descriptors and memory with whatever was left there, so it is for machines whose page
/// source writes over what it gives (WatchedPages), or which clean up, and a run is the same in every
/// process.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "allocators/machine/arena.hpp"

namespace kmemlab::oracle {

class BorrowedArena {
  public:
    BorrowedArena(std::size_t bytes, Pfn start) : arena_{take(bytes, start)} {
        std::memset(static_cast<void*>(&arena_->page(start)), 0, arena_->metadata_bytes());
    }
    ~BorrowedArena() {
        if (shelf().size() < most_kept) shelf().push_back(std::move(arena_));
    }
    BorrowedArena(const BorrowedArena&) = delete;
    BorrowedArena& operator=(const BorrowedArena&) = delete;

    [[nodiscard]] Arena& get() { return *arena_; }

  private:
    using Shelf = std::vector<std::unique_ptr<Arena>>;
    static constexpr std::size_t most_kept = 32;  ///< as many as programs can ask for

    /// Of the process, and of this thread alone: the one thing that outlives a machine.
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
        return std::make_unique<Arena>(bytes, start);
    }

    std::unique_ptr<Arena> arena_;
};

}  // namespace kmemlab::oracle
