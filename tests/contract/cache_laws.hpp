/// The laws of ObjectCaches, as functions over a subject that has caches.
#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "allocators/objects/cache.hpp"
#include "tests/contract/subject.hpp"
#include "tests/contract/user.hpp"

namespace kmemlab::test {

/// Objects of one cache as a careful caller has them (user.hpp).
template <ObjectCaches A>
class CacheUser {
  public:
    CacheUser(A& allocator, typename A::Cache& cache, CacheDescription description)
        : allocator_{allocator}, cache_{cache}, description_{std::move(description)} {}

    bool allocate(Gfp gfp, CpuId cpu) {
        if (found_) return false;
        void* const p = allocator_.kmem_cache_alloc(cache_, gfp, cpu);
        ++allocations_;
        if (p != nullptr) adopt(p, gfp);
        return p != nullptr && !found_;
    }
    void free(std::size_t which, CpuId cpu) {
        if (found_) return;
        void* const p = release(which);
        if (!found_) allocator_.kmem_cache_free(cache_, p, cpu);
    }
    /// All of `count` objects or none: anything else breaks U9.
    bool allocate_bulk(std::size_t count, Gfp gfp, CpuId cpu) {
        if (found_) return false;
        std::vector<void*> objects(count, nullptr);
        const std::size_t got = allocator_.kmem_cache_alloc_bulk(cache_, gfp, objects, cpu);
        if (got != count && got != 0) found_ = violation("U9", "{} of {} objects", got, count);
        for (std::size_t i = 0; i < got && !found_; ++i) adopt(objects[i], gfp);
        return got == count;
    }
    void free_bulk(std::size_t count, CpuId cpu) {
        std::vector<void*> objects;
        while (objects.size() < count && !objects_.empty() && !found_)
            objects.push_back(release(objects_.size() - 1));
        if (!found_) allocator_.kmem_cache_free_bulk(cache_, objects, cpu);
    }
    void free_all(CpuId cpu) {
        while (!objects_.empty() && !found_) free(objects_.size() - 1, cpu);
    }

    [[nodiscard]] std::size_t live() const { return objects_.size(); }
    [[nodiscard]] std::uint64_t allocations() const { return allocations_; }
    [[nodiscard]] const MaybeViolation& found() const { return found_; }

  private:
    void adopt(void* p, Gfp gfp) {
        const std::size_t size = description_.size;
        const std::size_t align = std::max<std::size_t>(description_.align, 1);
        if (p == nullptr) {
            found_ = violation("U9", "null among the objects");
        } else if (reinterpret_cast<std::uintptr_t>(p) % align != 0) {
            found_ = violation("G2", "{} of {} is not aligned to {}", p, description_.name, align);
        } else if (!ranges_.insert(p, size)) {
            found_ = violation("G1", "{}+{} overlaps what somebody else has", p, size);
        } else if (gfp.has(__GFP_ZERO) && !is_zero(p, size)) {
            found_ = violation("G5", "{}+{} is not zero", p, size);
        } else {
            write_pattern(p, size, ++seed_);
            objects_.emplace_back(p, seed_);
        }
    }
    void* release(std::size_t which) {
        const auto [p, seed] = std::exchange(objects_[which], objects_.back());
        objects_.pop_back();
        if (!has_pattern(p, description_.size, seed)) {
            found_ = violation("G4", "{} of {} was changed by somebody else", p, description_.name);
        }
        ranges_.erase(p);
        return p;
    }

    A& allocator_;
    typename A::Cache& cache_;
    CacheDescription description_;
    std::vector<std::pair<void*, std::uint64_t>> objects_;
    Ranges ranges_;
    std::uint64_t seed_ = 0;
    std::uint64_t allocations_ = 0;
    MaybeViolation found_;
};

/// Sizes and alignments of caches, with one that no other is alike to.
[[nodiscard]] inline std::vector<CacheDescription> cache_shapes() {
    std::vector<CacheDescription> shapes;
    for (const std::size_t size :
         {1UL, 8UL, 24UL, 64UL, 100UL, 192UL, 700UL, 1024UL, 4095UL, 4096UL, 5000UL, 8192UL, 30000UL}) {
        for (const std::size_t align : {0UL, 8UL, 64UL, 512UL, 4096UL}) {
            shapes.push_back({.name = fmt::format("shape-{}-{}", size, align), .size = size, .align = align});
        }
    }
    return shapes;
}

/// G1, G2, G4, G5 for caches of many shapes, used on all CPUs; each can be destroyed when it is empty, and
/// then all memory is back.
template <class S>
[[nodiscard]] MaybeViolation caches_of_all_shapes(const S& subject) {
    const auto allocator = subject.make(roomy());
    const Balance before = Balance::of(*allocator);
    Random random;
    for (const CacheDescription& shape : cache_shapes()) {
        auto* const cache = allocator->kmem_cache_create(shape);
        if (cache == nullptr) return violation("M1", "no memory for cache {}", shape.name);
        CacheUser user{*allocator, *cache, shape};
        for (int round = 0; round < 2; ++round) {
            for (int i = 0; i < 100; ++i) {
                const Gfp zero = round == 1 ? __GFP_ZERO : Gfp{};
                if (!user.allocate(GFP_KERNEL | zero, random.cpu()))
                    return first_of(user.found(), violation("M1", "null from {}", shape.name));
            }
            while (user.live() > 0 && !user.found()) user.free(random.below(user.live()), random.cpu());
        }
        if (user.found()) return user.found();
        if (!allocator->kmem_cache_destroy(*cache, CpuId{0})) return violation("S11", "{} stays", shape.name);
    }
    allocator->drain(CpuId{0});
    return first_of(allocator->find_violation(), before.find_difference(*allocator));
}

/// A cache whose objects no slab can hold is refused.
template <class S>
[[nodiscard]] MaybeViolation refuses_giant_objects(const S& subject) {
    const auto allocator = subject.make(roomy());
    for (const std::size_t size : {max_order.bytes() + 1, ~std::size_t{0}, ~std::size_t{0} - 4096}) {
        try {
            if (allocator->kmem_cache_create({.name = "giant", .size = size}) != nullptr) {
                return violation("G6", "a cache for objects of {} bytes", size);
            }
            return violation("G6", "null, which tells of no memory, for objects of {} bytes", size);
        } catch (const UsageError&) {
            continue;
        }
    }
    return {};
}

/// U9, M1: bulk allocations are all or nothing, also when memory ends in the midst of one.
template <class S>
[[nodiscard]] MaybeViolation bulk_is_all_or_nothing(const S& subject) {
    for (const std::size_t size : {200UL, 3000UL, 8192UL}) {
        const CacheDescription shape{.name = "bulk", .size = size};
        const auto allocator = subject.make(tight());
        const Balance before = Balance::of(*allocator);
        auto& cache = *allocator->kmem_cache_create(shape);
        CacheUser user{*allocator, cache, shape};
        const CpuId cpu{1};
        for (const std::size_t count : {1UL, 2UL, 17UL, 64UL, 500UL}) {
            if (!user.allocate_bulk(count, GFP_KERNEL | __GFP_ZERO, cpu))
                return first_of(user.found(), violation("M1", "{} objects of {}", count, size));
        }
        while (user.allocate_bulk(61, GFP_KERNEL, cpu)) {
        }
        const std::size_t full = user.live();
        if (auto found = first_of(user.found(), allocator->find_violation())) return found;
        if (full * size < (std::size_t{8} << 20))
            return violation("M1", "null when {} objects of {} bytes were out", full, size);
        user.free_bulk(200, cpu);
        if (!user.allocate_bulk(61, GFP_KERNEL, cpu))
            return first_of(user.found(), violation("M4", "61 objects do not fit after 200 were freed"));
        while (user.live() > 0 && !user.found()) user.free_bulk(113, cpu);
        if (user.found()) return user.found();
        if (!allocator->kmem_cache_destroy(cache, cpu)) return violation("S11", "the cache stays");
        allocator->drain(cpu);
        if (auto found = first_of(allocator->find_violation(), before.find_difference(*allocator)))
            return found;
    }
    return {};
}

/// Once nothing is live, shrink leaves no slab; before, it changes nothing that is.
template <class S>
[[nodiscard]] MaybeViolation shrinks(const S& subject) {
    const auto allocator = subject.make(roomy());
    const Balance before = Balance::of(*allocator);
    const CacheDescription shape{.name = "shrinks", .size = 320};
    auto& cache = *allocator->kmem_cache_create(shape);
    CacheUser user{*allocator, cache, shape};
    Random random;
    for (int i = 0; i < 2000; ++i) user.allocate(GFP_KERNEL, random.cpu());
    while (user.live() > 100) user.free(random.below(user.live()), random.cpu());
    if (!allocator->kmem_cache_shrink(cache, CpuId{0}))
        return violation("U11", "no slab remains, but objects do");
    if (auto found = allocator->find_violation()) return found;
    user.free_all(CpuId{2});
    if (allocator->kmem_cache_shrink(cache, CpuId{0}))
        return violation("U11", "slabs remain when nothing is live");
    if (!allocator->kmem_cache_destroy(cache, CpuId{0})) return violation("S11", "the cache stays");
    allocator->drain(CpuId{0});
    return first_of(user.found(), allocator->find_violation(), before.find_difference(*allocator));
}

/// One path is counted for each object got or given, single or in bulk, also of caches that are gone.
template <class S>
[[nodiscard]] MaybeViolation counts_objects(const S& subject) {
    const auto allocator = subject.make(roomy());
    const CacheDescription shape{.name = "counted", .size = 48};
    auto& cache = *allocator->kmem_cache_create(shape);
    CacheUser user{*allocator, cache, shape};
    Random random;
    for (int i = 0; i < 3000; ++i) user.allocate(GFP_KERNEL, random.cpu());
    for (int i = 0; i < 10; ++i) user.allocate_bulk(100, GFP_KERNEL, random.cpu());
    for (int i = 0; i < 15; ++i) user.free_bulk(100, random.cpu());
    user.free_all(CpuId{3});
    if (auto found = first_of(user.found(), find_miscount(*allocator, 4000, 4000))) return found;
    if (!allocator->kmem_cache_destroy(cache, CpuId{0})) return violation("S11", "the cache stays");
    return find_miscount(*allocator, 4000, 4000);
}

/// What the constructor of the caches below has made; a constructor is a bare function.
struct Constructed {
    static constexpr std::uint64_t mark = 0x5eed5eed5eed5eed;
    static constexpr std::size_t size = 144;

    static std::map<void*, unsigned>& times() {
        static std::map<void*, unsigned> counts;  // cleared by each user
        return counts;
    }
    static void construct(void* object) {
        ++times()[object];
        for (std::size_t at = 0; at < size; at += sizeof mark) {
            std::memcpy(static_cast<std::byte*>(object) + at, &mark, sizeof mark);
        }
    }
    [[nodiscard]] static bool intact(const void* object) {
        for (std::size_t at = 0; at < size; at += sizeof mark) {
            if (std::memcmp(static_cast<const std::byte*>(object) + at, &mark, sizeof mark) != 0)
                return false;
        }
        return true;
    }
};

/// S8: the constructor runs once for each object of a slab, and an object given back as constructed comes
/// back so. O9: or at each allocation, where the model says so.
template <class S>
[[nodiscard]] MaybeViolation constructs_once(const S& subject) {
    const auto allocator = subject.make(roomy());
    Constructed::times().clear();
    auto& cache = *allocator->kmem_cache_create(
        {.name = "constructed", .size = Constructed::size, .constructor = Constructed::construct});
    const bool each_time = subject.info.capabilities.constructs_each_time;
    std::map<void*, unsigned> given;
    std::vector<void*> objects;
    Random random;
    for (int round = 0; round < 3; ++round) {
        while (objects.size() < 1000) {
            void* const p = allocator->kmem_cache_alloc(cache, GFP_KERNEL, random.cpu());
            if (p == nullptr) return violation("M1", "null");
            if (!Constructed::intact(p)) return violation("S8", "{} is not in constructed state", p);
            if (Constructed::times()[p] != (each_time ? ++given[p] : 1U))
                return violation("S8", "{} was constructed {} times", p, Constructed::times()[p]);
            objects.push_back(p);
        }
        // About every second goes, so that hardly a slab becomes empty and is made anew.
        for (std::size_t i = 0; i < objects.size(); i += 2) {
            allocator->kmem_cache_free(cache, objects[i], random.cpu());
            objects[i] = objects.back();
            objects.pop_back();
        }
    }
    allocator->kmem_cache_free_bulk(cache, objects, CpuId{0});
    if (!allocator->kmem_cache_destroy(cache, CpuId{0})) return violation("S11", "the cache stays");
    return allocator->find_violation();
}

}  // namespace kmemlab::test
