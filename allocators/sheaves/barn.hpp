/// A barn: the sheaves of a cache that wait on its node for any CPU (SHEAF-2).
///
///     full   [ooooo] [ooooo] ...  <- the last one put is the first taken; at most most_full()
///     empty  [.....] ...          <- likewise; at most most_empty()
///
/// Both lists are changed under the lock. Their lengths may be read without it: who finds no full sheaf
/// there, or no room for one, does not take the lock. Each call takes it at most once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "allocators/machine/cpus.hpp"
#include "allocators/sheaves/sheaf.hpp"

namespace kmemlab {

template <class Cpus>
class Barn {
  public:
    Barn(std::size_t most_full, std::size_t most_empty) : most_full_{most_full}, most_empty_{most_empty} {
        full.reserve(most_full);
        empty.reserve(most_empty);
    }

    /// A full sheaf in exchange for `main`, which is empty; what of it finds no room is dropped. False, and
    /// nothing happens, if there is no full one.
    [[nodiscard]] bool exchange_empty(Sheaf& main, Cpus& cpus, CpuId cpu) {
        if (nr_full.load(std::memory_order_relaxed) == 0) return false;
        const LockGuard<Cpus> guard{cpus, lock, cpu};
        if (full.empty()) return false;
        if (empty.size() < most_empty_) empty.push_back(std::move(main));
        main = take_last(full);
        note_lengths();
        return true;
    }
    /// An empty sheaf in exchange for `main`, which is full; none if there is no empty one. False, and
    /// nothing happens, if there is no room.
    [[nodiscard]] bool exchange_full(Sheaf& main, Cpus& cpus, CpuId cpu) {
        if (nr_full.load(std::memory_order_relaxed) >= most_full_) return false;
        const LockGuard<Cpus> guard{cpus, lock, cpu};
        if (full.size() >= most_full_) return false;
        full.push_back(std::move(main));
        if (!empty.empty()) main = take_last(empty);
        note_lengths();
        return true;
    }
    /// An empty sheaf, or none.
    [[nodiscard]] Sheaf take_empty(Cpus& cpus, CpuId cpu) {
        if (nr_empty.load(std::memory_order_relaxed) == 0) return {};
        const LockGuard<Cpus> guard{cpus, lock, cpu};
        if (empty.empty()) return {};
        Sheaf sheaf = take_last(empty);
        note_lengths();
        return sheaf;
    }
    /// A full sheaf, or none, and then no empty one stays either.
    [[nodiscard]] Sheaf clear_out(Cpus& cpus, CpuId cpu) {
        const LockGuard<Cpus> guard{cpus, lock, cpu};
        Sheaf sheaf;
        if (full.empty())
            empty.clear();
        else
            sheaf = take_last(full);
        note_lengths();
        return sheaf;
    }

    [[nodiscard]] std::size_t most_full() const { return most_full_; }
    [[nodiscard]] std::size_t most_empty() const { return most_empty_; }
    /// Of the lists, and of the sheaves on them, each with room for `capacity` objects.
    [[nodiscard]] std::size_t metadata_bytes(std::size_t capacity) const {
        const std::size_t sheaves =
            nr_full.load(std::memory_order_relaxed) + nr_empty.load(std::memory_order_relaxed);
        return (most_full_ + most_empty_) * sizeof(Sheaf) + sheaves * Sheaf::metadata_bytes(capacity);
    }

    std::vector<Sheaf> full;
    std::vector<Sheaf> empty;
    std::atomic<std::size_t> nr_full{0};
    std::atomic<std::size_t> nr_empty{0};
    typename Cpus::Lock lock;

  private:
    [[nodiscard]] static Sheaf take_last(std::vector<Sheaf>& sheaves) {
        Sheaf sheaf = std::move(sheaves.back());
        sheaves.pop_back();
        return sheaf;
    }
    void note_lengths() {
        nr_full.store(full.size(), std::memory_order_relaxed);
        nr_empty.store(empty.size(), std::memory_order_relaxed);
    }

    std::size_t most_full_;
    std::size_t most_empty_;
};

}  // namespace kmemlab
