/// Rows of threads that own no CPU: SLUB by restartable sections (slub/rseq_cache.hpp), and the floor under
/// it, the same pop and push on a per-CPU list without a question: neither whether the CPU is locked nor
/// whose the object is.
#pragma once

#include <unistd.h>

#include <array>
#include <cstddef>
#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/slub/rseq_cache.hpp"
#include "bench/peers/calls.hpp"

namespace kmemlab::peers {

/// Lists of free objects, one for each CPU of this machine.
class RseqFloor {
  public:
    struct alignas(64) Head {
        void* first = nullptr;
    };

    RseqFloor() : heads_(static_cast<std::size_t>(sysconf(_SC_NPROCESSORS_CONF))), objects_(heads_.size()) {
        for (std::size_t cpu = 0; cpu < heads_.size(); ++cpu) {
            for (Object& object : objects_[cpu]) {
                object.next = heads_[cpu].first;
                heads_[cpu].first = &object;
            }
        }
    }
    [[nodiscard]] Head* heads() { return heads_.data(); }

  private:
    struct alignas(64) Object {
        void* next = nullptr;
    };
    std::vector<Head> heads_;
    std::vector<std::array<Object, 1024>> objects_;
};

#if KMEMLAB_HAS_RSEQ

class RseqFloorCall {
  public:
    explicit RseqFloorCall(RseqFloor& floor) : heads_{floor.heads()} {}
    [[nodiscard, gnu::always_inline]] void* take() const {
        return rseq_bare_pop(reinterpret_cast<std::byte*>(heads_));
    }
    [[gnu::always_inline]] void put(void* p) const {
        rseq_bare_push(reinterpret_cast<std::byte*>(heads_), p);
    }

  private:
    RseqFloor::Head* heads_;
};

/// A page allocator, SLUB and a cache of 64-byte objects on as many CPUs as this machine has.
struct RseqSlub {
    Arena arena;
    OwnedCpus cpus{static_cast<std::uint64_t>(sysconf(_SC_NPROCESSORS_CONF))};
    MisuseLog log;
    Buddy<OwnedCpus> buddy{arena, cpus, {}, log};
    Slub<OwnedCpus> slub{buddy, cpus, {}, log};
    RseqCpus rseq{cpus.count()};
    RseqCache cache{slub, *slub.kmem_cache_create({.name = "peers-64", .size = 64}), rseq};
};

class RseqSlubCall {
  public:
    explicit RseqSlubCall(RseqSlub& slub) : cache_{&slub.cache} {}
    [[nodiscard, gnu::always_inline]] void* take() const { return cache_->alloc(GFP_KERNEL); }
    [[gnu::always_inline]] void put(void* p) const { cache_->free(p); }

  private:
    RseqCache* cache_;
};

#endif

}  // namespace kmemlab::peers
