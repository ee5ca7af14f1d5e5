/// Part of sheaves.cpp: the laws of sheaves (H1..H5), after those of the slabs below.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "allocators/sheaves/sheaves.hpp"

namespace kmemlab {

/// One walk over all sheaves. Each step notes the first law that it finds broken.
template <class Cpus>
class Sheaves<Cpus>::Audit {
  public:
    explicit Audit(const Sheaves& sheaves) : slub_{sheaves.slub_} {
        for (const auto& cache : slub_.caches()) {
            if (!found_) check_cache(sheafed(*cache));
        }
    }
    [[nodiscard]] MaybeViolation found() { return std::move(found_); }

  private:
    template <class... Args>
    void broken(std::string_view law, fmt::format_string<Args...> format, Args&&... args) {
        if (!found_) found_ = violation(law, format, std::forward<Args>(args)...);
    }

    void check_cache(const Cache& cache) {
        objects_.clear();
        for (CpuId c{0}; c.value() < cache.sheaves.count(); ++c) check_slot(cache, c);
        check_barn(cache);
        if (!found_) check_objects(cache);
        if (found_ || cache.capacity == 0) return;
        if (cache.live() + objects_.size() != cache.out_of_slabs()) {
            broken("H4", "{}: {} objects in use and {} in sheaves, {} out of the slabs", cache.name,
                   cache.live(), objects_.size(), cache.out_of_slabs());
        }
    }

    void check_slot(const Cache& cache, CpuId c) {
        const SheafSlot& slot = cache.sheaves[c];
        if (slot.main.none() != (cache.capacity == 0)) {
            return broken("H1", "{}: CPU {} has {} main", cache.name, c.value(),
                          slot.main.none() ? "no" : "a");
        }
        note(cache, slot.main);
        note(cache, slot.spare);
        if (!slot.spare.empty() && !slot.spare.full()) {
            broken("H2", "{}: the spare of CPU {} has {} of {} objects", cache.name, c.value(),
                   slot.spare.count(), slot.spare.capacity());
        }
        const CpuSlot& below = cache.slots[c];
        if (below.slab != no_frame || below.partial != no_frame) {
            broken("H5", "{}: CPU {} has a slab", cache.name, c.value());
        }
    }

    void check_barn(const Cache& cache) {
        const Barn<Cpus>& barn = cache.barn;
        check_list(cache, barn.full, barn.nr_full.load(), barn.most_full(), cache.capacity);
        check_list(cache, barn.empty, barn.nr_empty.load(), barn.most_empty(), 0);
    }
    void check_list(const Cache& cache, const std::vector<Sheaf>& sheaves, std::size_t told, std::size_t most,
                    std::uint32_t count) {
        if (sheaves.size() != told || sheaves.size() > most) {
            broken("H2", "{}: {} sheaves on a list of the barn, told {}, at most {}", cache.name,
                   sheaves.size(), told, most);
        }
        for (const Sheaf& sheaf : sheaves) {
            if (sheaf.none() || sheaf.count() != count) {
                return broken("H2", "{}: a sheaf with {} objects on the barn's list of those with {}",
                              cache.name, sheaf.count(), count);
            }
            note(cache, sheaf);
        }
    }

    /// H1; remembers the objects.
    void note(const Cache& cache, const Sheaf& sheaf) {
        if (sheaf.none() && sheaf.empty() && sheaf.capacity() == 0) return;
        if (sheaf.capacity() != cache.capacity || sheaf.count() > sheaf.capacity()) {
            return broken("H1", "{}: a sheaf with {} objects of {}, it should hold {}", cache.name,
                          sheaf.count(), sheaf.capacity(), cache.capacity);
        }
        const auto objects = sheaf.objects();
        objects_.insert(objects_.end(), objects.begin(), objects.end());
    }

    /// H3.
    void check_objects(const Cache& cache) {
        std::sort(objects_.begin(), objects_.end());
        const auto twice = std::adjacent_find(objects_.begin(), objects_.end());
        if (twice != objects_.end()) {
            return broken("H3", "{}: {} is in sheaves twice", cache.name, fmt::ptr(*twice));
        }
        FrameIndex walked = no_frame;
        for (void* const object : objects_) {
            const FrameIndex slab = slub_.slab_with(cache, object);
            if (slab == no_frame) {
                return broken("H3", "{}: {} in a sheaf is no object of it", cache.name, fmt::ptr(object));
            }
            if (slab != walked) check_free_list(cache, slab);
            walked = slab;
        }
    }
    void check_free_list(const Cache& cache, FrameIndex slab) {
        for (void* o = slub_.first_free(slab); o != nullptr; o = Slub<Cpus>::next_free(cache, o)) {
            if (std::binary_search(objects_.begin(), objects_.end(), o)) {
                return broken("H3", "{}: {} is in a sheaf and free in its slab", cache.name, fmt::ptr(o));
            }
        }
    }

    const Slub<Cpus>& slub_;
    std::vector<void*> objects_;  ///< in sheaves of the cache looked at
    MaybeViolation found_;
};

template <class Cpus>
MaybeViolation Sheaves<Cpus>::find_violation() const {
    if (auto found = slub_.find_violation()) return found;
    return Audit{*this}.found();
}

}  // namespace kmemlab
