/// Part of slub.cpp: the laws, recounted from descriptors and from the objects themselves.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <vector>

#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
std::vector<FrameIndex> Slub<Cpus>::slabs_of(const Cache& cache) const {
    std::vector<FrameIndex> slabs;
    frames_used_.for_each_block(pages_, [&](FrameIndex head, PageState state) {
        if (state.kind == PageKind::slab && pages_[head].owner == &cache) slabs.push_back(head);
        return true;
    });
    return slabs;
}

/// One walk over everything. Each step notes what it sees, and the first law that it finds broken.
template <class Cpus>
class Slub<Cpus>::Audit {
  public:
    explicit Audit(const Slub& slub) : slub_{slub} {}

    [[nodiscard]] MaybeViolation run() {
        caches_.reserve(slub_.caches_.size());
        slabs_.reserve(64);
        check_list_of_caches();
        std::ranges::sort(caches_);
        slub_.frames_used_.for_each_block(slub_.pages_, [&](FrameIndex head, PageState state) {
            note_block(head, state);
            return !found_;
        });
        // The slabs of each cache are next to each other, by their frames.
        std::ranges::sort(slabs_, {}, [](const SlabNote& note) { return std::pair{note.cache, note.head}; });
        for (const auto& cache : slub_.caches_) {
            if (found_) break;
            check_cache(*cache);
        }
        check_pages();
        return found_;
    }

  private:
    enum class Place : std::uint8_t { none, cpu_slab, cpu_partial, node_partial, full };
    struct SlabNote {
        const Cache* cache = nullptr;
        FrameIndex head = no_frame;
        Place place = Place::none;
        unsigned cpu = 0;
    };
    using Slabs = std::span<SlabNote>;  ///< of one cache, by their frames

    template <class... Args>
    void broken(std::string_view law, fmt::format_string<Args...> format, Args&&... args) {
        if (!found_) found_ = violation(law, format, std::forward<Args>(args)...);
    }

    /// U12.
    void check_list_of_caches() {
        for (const auto& cache : slub_.caches_) {
            if (cache->references == 0 || (cache->references > 1 && !cache->mergeable)) {
                broken("U12", "cache {} serves {} descriptions", cache->name, cache->references);
            }
            caches_.push_back(cache.get());
        }
    }

    /// Each block belongs to one of our caches, or is large, and all its frames say so (U12, G8).
    void note_block(FrameIndex head, PageState state) {
        const Order order{state.order};
        pages_ += order.pages();
        for (std::uint64_t i = 0; i < order.pages(); ++i) {
            if (order == Order{0} && state.kind == PageKind::large) break;
            if (slub_.pages_[head + i].head != head) {
                return broken("U2", "frame {} of the slab at frame {} names frame {} as its head", head + i,
                              head, slub_.pages_[head + i].head);
            }
        }
        if (state.kind == PageKind::large) return;
        const auto* const cache = static_cast<const Cache*>(slub_.pages_[head].owner);
        if (!std::ranges::binary_search(caches_, cache))
            return broken("U12", "the slab at frame {} is of no cache", head);
        slabs_.push_back({.cache = cache, .head = head});
    }

    /// G8.
    void check_pages() {
        const std::uint64_t pages = pages_held(slub_.cpu_states_);
        if (pages != pages_) broken("G8", "{} pages taken, {} in slabs and large blocks", pages, pages_);
    }

    void check_cache(const Cache& cache) {
        const Slabs slabs{std::ranges::lower_bound(slabs_, &cache, {}, &SlabNote::cache),
                          std::ranges::upper_bound(slabs_, &cache, {}, &SlabNote::cache)};
        place_cpu_slabs(cache, slabs);
        place_node_slabs(cache, slabs);
        check_counts(cache, slabs);
        if (!found_) check_slabs(cache, slabs);
        check_random_order(cache);
    }

    /// Notes where a slab is; U2: nowhere else.
    void place(const Cache& cache, Slabs slabs, FrameIndex slab, Place where, unsigned cpu) {
        const auto found = std::ranges::lower_bound(slabs, slab, {}, &SlabNote::head);
        if (found == slabs.end() || found->head != slab) {
            return broken("U2", "{}: frame {} is listed but is no slab of it", cache.name, slab);
        }
        if (found->place != Place::none) {
            return broken("U2", "{}: the slab at frame {} is in two places", cache.name, slab);
        }
        found->place = where;
        found->cpu = cpu;
    }

    /// U2, U4, U6.
    void place_cpu_slabs(const Cache& cache, Slabs slabs) {
        for (unsigned c = 0; c < slub_.cpus_.count(); ++c) {
            const CpuSlot& slot = cache.slots[CpuId{c}];
            if (slot.slab != no_frame)
                place(cache, slabs, slot.slab, Place::cpu_slab, c);
            else if (slot.freelist != nullptr)
                broken("U2", "{}: CPU {} has objects of no slab", cache.name, c);
            const std::span<const std::byte> memory = slub_.memory_of(slot.slab);
            if (slot.slab_begin != reinterpret_cast<std::uintptr_t>(memory.data()) ||
                slot.slab_bytes != memory.size()) {
                broken("U2", "{}: CPU {} takes {} bytes of objects at 0x{:x}, its slab is at frame {}",
                       cache.name, c, slot.slab_bytes, slot.slab_begin, slot.slab);
            }
            if (Cpus::preemptible && slot.tid % slub_.tid_step_ != c) {
                broken("U6", "{}: tid {} of CPU {} is another CPU's", cache.name, slot.tid, c);
            }
            std::uint32_t length = 0;
            for (FrameIndex s = slot.partial; s != no_frame && !found_; s = slub_.pages_[s].next, ++length) {
                place(cache, slabs, s, Place::cpu_partial, c);
            }
            if (length != slot.partial_count || length > cache.partial_slab_limit + 1) {
                broken("U4", "{}: CPU {} has {} partial slabs, counts {}, limit {}", cache.name, c, length,
                       slot.partial_count, cache.partial_slab_limit);
            }
        }
    }

    /// U3: the lists and their lengths.
    void place_node_slabs(const Cache& cache, Slabs slabs) {
        std::uint64_t empty = 0;
        const auto walk = [&](const PageList& list, const std::atomic<std::uint64_t>& count, Place where) {
            std::uint64_t length = 0;
            const bool whole = list.walk(slub_.arena_, slabs.size(), [&](FrameIndex slab) {
                place(cache, slabs, slab, where, 0);
                const SlabWord word = SlabWord::load(slub_.pages_[slab]);
                if (where == Place::node_partial && word.inuse == 0) ++empty;
                ++length;
                return !found_;
            });
            if (!whole) broken("U3", "{}: a list of the node is not linked well", cache.name);
            if (length != count.load(std::memory_order_relaxed)) {
                broken("U3", "{}: {} slabs on a list of the node, counted {}", cache.name, length,
                       count.load(std::memory_order_relaxed));
            }
        };
        walk(cache.partial, cache.nr_partial, Place::node_partial);
        walk(cache.full, cache.nr_full, Place::full);
        // Who decides without the lock that an empty slab may stay (SLUB-41) can be one of all CPUs at once.
        const std::uint64_t most = cache.most_empty + (cache.kept_late ? slub_.cpus_.count() - 1 : 0);
        if (empty > most) {
            broken("U3", "{}: {} empty slabs kept, at most {} may be", cache.name, empty, most);
        }
    }

    /// U3: nr_slabs, total_objects.
    void check_counts(const Cache& cache, Slabs slabs) {
        std::uint64_t objects = 0;
        for (const SlabNote& note : slabs) objects += SlabWord::load(slub_.pages_[note.head]).objects;
        const std::uint64_t counted = cache.total_objects.load(std::memory_order_relaxed);
        if (slabs.size() != cache.nr_slabs.load(std::memory_order_relaxed)) {
            broken("U3", "{}: {} slabs, counted {}", cache.name, slabs.size(), cache.nr_slabs.load());
        }
        if (objects != counted) broken("U3", "{}: {} objects, counted {}", cache.name, objects, counted);
    }

    /// U5: what users hold is what no list holds.
    void check_slabs(const Cache& cache, Slabs slabs) {
        std::uint64_t live = 0;
        for (const SlabNote& note : slabs) {
            if (found_) return;
            live += check_slab(cache, note);
        }
        if (!cache.damaged && live != cache.live()) {
            broken("U5", "{}: {} objects on no free list, {} handed out and not back", cache.name, live,
                   cache.live());
        }
    }

    /// Returns the objects of a slab that are on no free list.
    std::uint64_t check_slab(const Cache& cache, const SlabNote& note) {
        const SlabWord word = SlabWord::load(slub_.pages_[note.head]);
        check_word(cache, note, word);
        if (found_) return 0;
        free_.assign(word.objects, false);
        const std::uint32_t on_slab =
            walk_chain(cache, note.head, slub_.first_free(note.head, word), "slab's");
        if (on_slab != word.objects - word.inuse && !cache.damaged) {
            broken("U1", "{}: {} objects on the list of the slab at frame {}, counted {}", cache.name,
                   on_slab, note.head, word.objects - word.inuse);
        }
        std::uint32_t on_cpu = 0;
        if (note.place == Place::cpu_slab) {
            on_cpu = walk_chain(cache, note.head, cache.slots[CpuId{note.cpu}].freelist, "CPU's");
        }
        if (cache.debug && !found_) check_bytes(cache, note.head, word);
        return word.objects - on_slab - on_cpu;
    }

    /// U7, U2, U3: the word against the slab's order and place.
    void check_word(const Cache& cache, const SlabNote& note, const SlabWord& word) {
        const Order order{slub_.pages_[note.head].load_state().order};
        const std::size_t most = std::min(order.bytes() / cache.geometry.size, max_slab_objects);
        if (word.inuse > word.objects || word.objects != most) {
            return broken("U7", "{}: {} in use of {} objects in the slab at frame {} of order {}", cache.name,
                          word.inuse, word.objects, note.head, order.value());
        }
        const bool of_cpu = note.place == Place::cpu_slab || note.place == Place::cpu_partial;
        const bool given_up = cache.debug && cache.damaged && word.frozen;  // SLUB-75
        if (word.frozen != of_cpu && !given_up) {
            return broken("U2", "{}: the slab at frame {} is {}frozen and {} a CPU's", cache.name, note.head,
                          word.frozen ? "" : "not ", of_cpu ? "is" : "is not");
        }
        const bool listed = note.place == Place::node_partial;
        if (!of_cpu && !given_up && listed != word.has_free()) {
            return broken("U3", "{}: the slab at frame {} with {} of {} in use is {}on the partial list",
                          cache.name, note.head, word.inuse, word.objects, listed ? "" : "not ");
        }
        const bool belongs_on_full = cache.store_user() && !word.has_free() && !given_up;
        if ((note.place == Place::full) != belongs_on_full) {
            broken("U3", "{}: the slab at frame {} is {}on the full list", cache.name, note.head,
                   belongs_on_full ? "not " : "");
        }
    }

    /// U1: in the slab, on the stride, each once. Returns the length.
    std::uint32_t walk_chain(const Cache& cache, FrameIndex slab, const void* first, std::string_view whose) {
        std::uint32_t length = 0;
        for (const void* o = first; o != nullptr; o = get_free_pointer(cache, o), ++length) {
            if (slub_.offset_of(o) >= slub_.arena_bytes_ || !slub_.on_stride(cache, slab, o)) {
                broken("U1", "{}: the {} list of the slab at frame {} leads to {}", cache.name, whose, slab,
                       fmt::ptr(o));
                break;
            }
            const auto distance = static_cast<const std::byte*>(o) - slub_.object_at(cache, slab, 0);
            const std::size_t i = static_cast<std::size_t>(distance) / cache.geometry.size;
            if (free_[i]) {
                broken("U1", "{}: object {} of the slab at frame {} is free twice", cache.name, i, slab);
                break;
            }
            free_[i] = true;
        }
        return length;
    }

    /// U8.
    void check_bytes(const Cache& cache, FrameIndex slab, const SlabWord& word) {
        if (cache.damaged) return;
        auto& core = const_cast<Cache&>(cache);  // the checker can repair; these calls do not
        MisuseLog nobody = MisuseLog::keep_going();
        std::atomic<bool> tainted{false};
        DebugReporter reporter{nobody, core, tainted};
        const SlabChecker checker{slub_.arena_, core, reporter, 0};
        for (std::uint32_t i = 0; i < word.objects; ++i) {
            const std::string_view fault = checker.find_byte_fault(slab, i, !free_[i], slub_.cpus_.count());
            if (!fault.empty()) {
                return broken("U8", "{}: {} of object {} of the slab at frame {}", cache.name, fault, i,
                              slab);
            }
        }
        if (!checker.tail_intact(slab)) {
            broken("U8", "{}: padding behind the objects of the slab at frame {}", cache.name, slab);
        }
    }

    /// U10.
    void check_random_order(const Cache& cache) {
        seen_.assign(cache.random_order.size(), false);
        for (const std::uint32_t i : cache.random_order) {
            if (i >= seen_.size() || seen_[i]) {
                return broken("U10", "{}: its random order is no permutation", cache.name);
            }
            seen_[i] = true;
        }
    }

    const Slub& slub_;
    std::vector<const Cache*> caches_;
    std::vector<SlabNote> slabs_;
    std::vector<bool> free_;  ///< the objects of a slab
    std::vector<bool> seen_;  ///< the numbers of a random order
    std::uint64_t pages_ = 0;
    MaybeViolation found_;
};

template <class Cpus>
MaybeViolation Slub<Cpus>::find_violation() const {
    return Audit{*this}.run();
}

}  // namespace kmemlab
