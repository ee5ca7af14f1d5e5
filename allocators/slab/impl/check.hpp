/// Part of slab.cpp: the laws, recounted from descriptors, free indexes and arrays themselves.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <map>
#include <set>

#include "allocators/slab/slab.hpp"

namespace kmemlab {

/// One walk over everything. Each step notes what it sees, and the first law that it finds broken.
template <class Cpus>
class Slab<Cpus>::Audit {
  public:
    explicit Audit(const Slab& slab) : slab_{slab} {}

    [[nodiscard]] MaybeViolation run() {
        for (const auto& cache : slab_.caches_) slabs_[cache.get()];
        slab_.frames_used_.for_each_block(slab_.pages_, [&](FrameIndex head, PageState state) {
            note_block(head, state);
            return !found_;
        });
        for (const auto& cache : slab_.caches_) {
            if (found_) break;
            check_cache(*cache);
        }
        for (const auto& cache : slab_.caches_) {
            if (found_) break;
            if (cache->geometry.place == IndexPlace::off_slab) check_index_memory(*cache);
        }
        check_pages();
        return found_;
    }

  private:
    enum class Place : std::uint8_t { none, partial, full, free };
    struct SlabNote {
        Place place = Place::none;
        std::bitset<max_slab_indexes> free;     ///< among the free indexes
        std::bitset<max_slab_indexes> arrayed;  ///< in an array
    };
    using Slabs = std::map<FrameIndex, SlabNote>;

    template <class... Args>
    void broken(std::string_view law, fmt::format_string<Args...> format, Args&&... args) {
        if (!found_) found_ = violation(law, format, std::forward<Args>(args)...);
    }

    /// S11: each block belongs to a cache that is there, or is large; all its frames say so.
    void note_block(FrameIndex head, PageState state) {
        const Order order{state.order};
        pages_ += order.pages();
        for (std::uint64_t i = 0; i < order.pages(); ++i) {
            if (order == Order{0} && state.kind == PageKind::large) break;
            if (slab_.pages_[head + i].head != head) {
                return broken("S9", "frame {} of the slab at frame {} names frame {} as its head", head + i,
                              head, slab_.pages_[head + i].head);
            }
        }
        if (state.kind == PageKind::large) return;
        const auto owner = slabs_.find(static_cast<const Cache*>(slab_.pages_[head].owner));
        if (owner == slabs_.end()) return broken("S11", "the slab at frame {} is of no cache", head);
        owner->second[head];
    }

    /// G8.
    void check_pages() {
        const std::uint64_t pages = pages_held(slab_.cpu_states_);
        if (pages != pages_) broken("G8", "{} pages taken, {} in slabs and large blocks", pages, pages_);
    }

    void check_cache(const Cache& cache) {
        Slabs& slabs = slabs_[&cache];
        check_index_arithmetic(cache);
        place_slabs(cache, slabs, cache.node.partial, Place::partial);
        place_slabs(cache, slabs, cache.node.full, Place::full);
        place_slabs(cache, slabs, cache.node.free, Place::free);
        std::uint64_t active = 0;
        for (auto& [head, note] : slabs) {
            if (found_) return;
            active += check_slab(cache, head, note);
        }
        check_counts(cache, slabs, active);
        check_arrays(cache, slabs, active);
        check_constructed(cache);
    }

    /// S9.
    void check_index_arithmetic(const Cache& cache) {
        for (std::uint32_t i = 0; i < cache.geometry.objects; ++i) {
            if (cache.index_at(i * cache.geometry.size) != i) {
                return broken("S9", "{}: object {} is taken for object {}", cache.name, i,
                              cache.index_at(i * cache.geometry.size));
            }
        }
    }

    /// S2: each listed slab is one of this cache, and on one list.
    void place_slabs(const Cache& cache, Slabs& slabs, const PageList& list, Place where) {
        const bool whole = list.walk(slab_.arena_, slabs.size(), [&](FrameIndex slab) {
            const auto found = slabs.find(slab);
            if (found == slabs.end()) {
                broken("S2", "{}: frame {} is listed but is no slab of it", cache.name, slab);
            } else if (found->second.place != Place::none) {
                broken("S2", "{}: the slab at frame {} is in two places", cache.name, slab);
            } else {
                found->second.place = where;
            }
            return !found_;
        });
        if (!whole) broken("S2", "{}: a list of the node is not linked well", cache.name);
    }

    /// Returns the objects out of the slab.
    std::uint64_t check_slab(const Cache& cache, FrameIndex slab, SlabNote& note) {
        const SlabHead head = SlabHead::load(slab_.pages_[slab]);
        check_place(cache, slab, note, head);
        check_colour(cache, slab, head);
        if (!found_) check_indexes(cache, slab, note, head);
        return head.active;
    }

    /// S1, S2: the list by the number of objects that are out.
    void check_place(const Cache& cache, FrameIndex slab, const SlabNote& note, const SlabHead& head) {
        const std::uint32_t objects = cache.geometry.objects;
        if (head.active > objects) {
            return broken("S1", "{}: {} of {} objects are out of the slab at frame {}", cache.name,
                          head.active, objects, slab);
        }
        Place right = head.active == 0 ? Place::free : Place::partial;
        if (head.active == objects) right = Place::full;
        if (note.place != right) {
            broken("S2", "{}: the slab at frame {} with {} of {} objects out is not on the list for those",
                   cache.name, slab, head.active, objects);
        }
    }

    /// S6.
    void check_colour(const Cache& cache, FrameIndex slab, const SlabHead& head) {
        const SlabGeometry& g = cache.geometry;
        const std::size_t after =
            head.colour + g.objects * g.size + (g.place == IndexPlace::on_slab ? g.objects : 0);
        const bool in_step = head.colour % g.colour_off == 0 && head.colour / g.colour_off <= g.colours;
        if (!in_step || head.colour > g.left || after > g.order.bytes()) {
            broken("S6",
                   "{}: the objects of the slab at frame {} begin {} bytes behind its start, {} are left",
                   cache.name, slab, head.colour, g.left);
        }
        const std::uint32_t next = cache.node.colour_next.load(std::memory_order_relaxed);
        if (next >= std::max(1U, g.colours)) {
            broken("S6", "{}: colour {} is next, there are {}", cache.name, next, g.colours);
        }
    }

    /// S1, S7: the free indexes, and where they lie.
    void check_indexes(const Cache& cache, FrameIndex slab, SlabNote& note, const SlabHead& head) {
        const SlabGeometry& g = cache.geometry;
        if (head.active == g.objects) return;
        const bool off = g.place == IndexPlace::off_slab;
        if (g.place == IndexPlace::in_object && head.position >= g.objects) {
            return broken("S7", "{}: no free object holds the indexes of the slab at frame {}", cache.name,
                          slab);
        }
        if (off && head.position * SlabHead::position_unit + g.objects > slab_.arena_bytes_) {
            return broken("S7", "{}: the indexes of the slab at frame {} lie outside", cache.name, slab);
        }
        const std::uint8_t* const indexes = slab_.indexes_of(cache, slab, head);
        if (g.place == IndexPlace::in_object && indexes[g.objects - 1] != head.position) {
            return broken("S7", "{}: object {} holds the indexes of the slab at frame {}, {} goes out last",
                          cache.name, head.position, slab, indexes[g.objects - 1]);
        }
        for (std::uint32_t i = head.active; i < g.objects; ++i) {
            if (indexes[i] >= g.objects || note.free[indexes[i]]) {
                return broken("S1", "{}: free index {} of the slab at frame {} is {} {}", cache.name, i, slab,
                              indexes[i], indexes[i] >= g.objects ? "of no object" : "twice there");
            }
            note.free[indexes[i]] = true;
        }
    }

    /// S3.
    void check_counts(const Cache& cache, const Slabs& slabs, std::uint64_t active) {
        const SlabNode& node = cache.node;
        const std::uint64_t free = slabs.size() * cache.geometry.objects - active;
        const std::uint64_t counted = node.free_objects.load(std::memory_order_relaxed);
        const auto empty = static_cast<std::uint64_t>(std::count_if(
            slabs.begin(), slabs.end(), [](const auto& s) { return s.second.place == Place::free; }));
        if (free != counted) broken("S3", "{}: {} free objects, counted {}", cache.name, free, counted);
        if (slabs.size() != node.total_slabs) {
            broken("S3", "{}: {} slabs, counted {}", cache.name, slabs.size(), node.total_slabs);
        }
        if (empty != node.free_slabs) {
            broken("S3", "{}: {} free slabs, counted {}", cache.name, empty, node.free_slabs);
        }
    }

    /// S4, S5.
    void check_arrays(const Cache& cache, Slabs& slabs, std::uint64_t active) {
        std::uint64_t arrayed = 0;
        for (CpuId c{0}; c.value() < slab_.cpus_.count(); ++c) {
            arrayed += check_array(cache, slabs, cache.arrays[c], fmt::format("CPU {}", c.value()));
        }
        arrayed += check_array(cache, slabs, cache.node.shared, "the node");
        if (cache.node.shared.avail != cache.node.shared_avail.load(std::memory_order_relaxed)) {
            broken("S4", "{}: {} shared entries, told {}", cache.name, cache.node.shared.avail,
                   cache.node.shared_avail.load(std::memory_order_relaxed));
        }
        if (active - arrayed != cache.live()) {
            broken("S5", "{}: {} objects out of slabs and in no array, {} handed out and not back",
                   cache.name, active - arrayed, cache.live());
        }
    }

    /// S4: returns the number of entries.
    std::uint64_t check_array(const Cache& cache, Slabs& slabs, const ArrayCache& array,
                              const std::string& whose) {
        if (array.avail > array.limit || array.batchcount > std::max(array.limit, cache.geometry.limit)) {
            broken("S4", "{}: the array of {} has {} entries of {}, batch {}", cache.name, whose, array.avail,
                   array.limit, array.batchcount);
            return 0;
        }
        for (std::uint32_t i = 0; i < array.avail && !found_; ++i) {
            check_entry(cache, slabs, array.entries[i], whose);
        }
        return array.avail;
    }

    void check_entry(const Cache& cache, Slabs& slabs, const void* entry, const std::string& whose) {
        if (reinterpret_cast<std::uintptr_t>(entry) % min_object_align != 0) {
            return broken("S10", "{}: {} in the array of {} has bits beside an address", cache.name,
                          fmt::ptr(entry), whose);
        }
        const FrameIndex slab = slab_.block_of(entry);
        const auto found = slabs.find(slab);
        if (slab == no_frame || found == slabs.end()) {
            return broken("S4", "{}: {} in the array of {} lies in no slab of it", cache.name,
                          fmt::ptr(entry), whose);
        }
        const SlabHead head = SlabHead::load(slab_.pages_[slab]);
        const auto offset =
            static_cast<std::size_t>(static_cast<const std::byte*>(entry) - slab_.slab_start(slab));
        const std::uint64_t index = (offset - head.colour) / cache.geometry.size;
        if (offset < head.colour || index >= cache.geometry.objects ||
            head.colour + index * cache.geometry.size != offset) {
            return broken("S4", "{}: {} in the array of {} is not the begin of an object", cache.name,
                          fmt::ptr(entry), whose);
        }
        if (found->second.free[index]) {
            return broken("S1", "{}: object {} of the slab at frame {} is free there and in the array of {}",
                          cache.name, index, slab, whose);
        }
        if (found->second.arrayed[index]) {
            return broken("S4", "{}: object {} of the slab at frame {} is twice in arrays", cache.name, index,
                          slab);
        }
        found->second.arrayed[index] = true;
    }

    /// S8: as often as there were objects.
    void check_constructed(const Cache& cache) {
        const std::uint64_t made = cache.slabs_made.load(std::memory_order_relaxed);
        const std::uint64_t due = cache.constructor == nullptr ? 0 : made * cache.geometry.objects;
        const std::uint64_t done = cache.constructed.load(std::memory_order_relaxed);
        if (done != due) broken("S8", "{}: {} objects constructed of {}", cache.name, done, due);
    }

    /// S7: indexes off their slab lie in a live object of a kmalloc cache, and each slab has its own.
    void check_index_memory(const Cache& cache) {
        for (const auto& [head, note] : slabs_[&cache]) {
            const std::uint64_t position = SlabHead::load(slab_.pages_[head]).position;
            const std::byte* const at = slab_.memory_ + position * SlabHead::position_unit;
            const Cache& home = slab_.kmalloc_cache(cache.geometry.objects, GFP_KERNEL);
            const auto& slabs = slabs_[&home];
            const auto found = slabs.find(slab_.block_of(at));
            bool live = found != slabs.end() && index_memory_.insert(at).second;
            if (live) {
                const SlabHead holder = SlabHead::load(slab_.pages_[found->first]);
                const auto offset = static_cast<std::size_t>(at - slab_.slab_start(found->first));
                const std::uint64_t index = (offset - holder.colour) / home.geometry.size;
                live = offset >= holder.colour && index < home.geometry.objects &&
                       !found->second.free[index] && !found->second.arrayed[index];
            }
            if (!live) {
                return broken("S7",
                              "{}: the indexes of the slab at frame {} lie in no live object of {} of"
                              " their own",
                              cache.name, head, home.name);
            }
        }
    }

    const Slab& slab_;
    std::map<const Cache*, Slabs> slabs_;
    std::set<const std::byte*> index_memory_;
    std::uint64_t pages_ = 0;
    MaybeViolation found_;
};

template <class Cpus>
MaybeViolation Slab<Cpus>::find_violation() const {
    return Audit{*this}.run();
}

}  // namespace kmemlab
