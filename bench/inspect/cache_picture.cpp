#include "bench/inspect/cache_picture.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <span>
#include <utility>

#include "bench/inspect/page_map.hpp"
#include "bench/inspect/words.hpp"

namespace kmemlab::inspect {
namespace {

using Frames = std::vector<FrameIndex>;

/// The slabs of each owner, by ascending frames.
class SlabsByOwner {
  public:
    explicit SlabsByOwner(const Arena& arena) {
        for_each_block(arena, [&](FrameIndex head, PageState state, std::uint64_t) {
            if (state.kind == PageKind::slab) slabs_[arena.page_at(head).owner].push_back(head);
        });
    }
    [[nodiscard]] const Frames& of(const void* owner) const {
        const auto found = slabs_.find(owner);
        return found == slabs_.end() ? none_ : found->second;
    }

  private:
    std::map<const void*, Frames> slabs_;
    Frames none_;
};

/// Slabs of one cache, taken out one by one as they are found on lists; what remains is on none.
class Slabs {
  public:
    explicit Slabs(const Arena& arena) : arena_{arena} {}

    void add(FrameIndex head, std::string objects) {
        slabs_[head] = {arena_.pfn_at(head), Order{arena_.page_at(head).load_state().order}.pages(),
                        std::move(objects)};
    }
    /// Marks the object at `p`, which lies `begin` bytes behind its slab's first byte if it is the first one.
    void mark(const void* p, std::size_t begin, std::size_t size, char as) {
        const FrameIndex head = arena_.page(arena_.pfn(p)).head;
        const std::size_t offset = arena_.offset_of(p) - (std::size_t{head} << page_shift);
        slabs_.at(head).objects.at((offset - begin) / size) = as;
    }
    [[nodiscard]] SlabPicture take(FrameIndex head) { return std::move(slabs_.extract(head).mapped()); }
    [[nodiscard]] std::vector<SlabPicture> take(const PageList& list) {
        std::vector<SlabPicture> slabs;
        list.walk(arena_, arena_.frames(),
                  [&](FrameIndex head) { return slabs.push_back(take(head)), true; });
        return slabs;
    }
    [[nodiscard]] std::vector<SlabPicture> take_rest() {
        std::vector<SlabPicture> slabs;
        for (auto& [head, slab] : std::exchange(slabs_, {})) slabs.push_back(std::move(slab));
        return slabs;
    }
    [[nodiscard]] std::map<FrameIndex, SlabPicture>& all() { return slabs_; }

  private:
    const Arena& arena_;
    std::map<FrameIndex, SlabPicture> slabs_;
};

std::string slab_text(std::size_t objects, std::size_t size, std::size_t asked, Order order) {
    const std::string inside = asked == size ? "" : fmt::format(" ({} asked)", asked);
    return fmt::format("{} of {} bytes{} in a slab of {}", counted(objects, "object"), size, inside,
                       counted(order.pages(), "page"));
}

std::string cpu_name(CpuId cpu) {
    return fmt::format("CPU {}", cpu.value());
}

/// The list of slabs that have free objects, and the full ones, as SLUB's node has them.
void add_node(CachePicture& picture, const SlubCache<OwnedCpus>& cache, Slabs& slabs) {
    Place partial{"node", "partial", "", slabs.take(cache.partial)};
    partial.note = fmt::format("{}, up to {} stay even if empty", counted(partial.slabs.size(), "slab"),
                               cache.min_partial);
    picture.places.push_back(std::move(partial));
    Place full{"node", "full", "", slabs.take_rest()};
    if (!full.slabs.empty())
        full.note = counted(full.slabs.size(), "slab") + (cache.full.empty() ? ", on no list" : "");
    picture.places.push_back(std::move(full));
}

/// The slabs of a cache of SLUB, with the objects on each slab's own free list marked.
Slabs slub_slabs(const Slub<OwnedCpus>& slub, const SlubCache<OwnedCpus>& cache, const Frames& heads) {
    Slabs slabs{slub.arena()};
    for (const FrameIndex head : heads) {
        const std::uint32_t objects = SlabWord::load(slub.arena().page_at(head)).objects;
        slabs.add(head, std::string(objects, in_use));
        for (const void* p = slub.first_free(head); p != nullptr; p = Slub<OwnedCpus>::next_free(cache, p))
            slabs.mark(p, cache.geometry.left_pad, cache.geometry.size, is_free);
    }
    return slabs;
}

CachePicture begin_picture(const SlubCache<OwnedCpus>& cache) {
    const Geometry& g = cache.geometry;
    return {cache.name, g.object_size, g.size, slab_text(g.objects, g.size, g.object_size, g.order)};
}

void add_cpu(CachePicture& picture, const Slub<OwnedCpus>& slub, const SlubCache<OwnedCpus>& cache, CpuId cpu,
             Slabs& slabs) {
    const CpuSlot& slot = cache.slots[cpu];
    for (const void* p = slot.freelist; p != nullptr; p = Slub<OwnedCpus>::next_free(cache, p))
        slabs.mark(p, cache.geometry.left_pad, cache.geometry.size, kept);
    Place own{cpu_name(cpu), "slab", ""};
    if (slot.slab != no_frame) own.slabs.push_back(slabs.take(slot.slab));
    picture.places.push_back(std::move(own));

    Place partial{cpu_name(cpu), "partial", ""};
    for (FrameIndex slab = slot.partial; slab != no_frame; slab = slub.arena().page_at(slab).next)
        partial.slabs.push_back(slabs.take(slab));
    if (!partial.slabs.empty())
        partial.note =
            fmt::format("{}, at most {}", counted(partial.slabs.size(), "slab"), cache.partial_slab_limit);
    picture.places.push_back(std::move(partial));
}

CachePicture picture_of(const Slub<OwnedCpus>& slub, const SlubCache<OwnedCpus>& cache, const Frames& heads) {
    CachePicture picture = begin_picture(cache);
    Slabs slabs = slub_slabs(slub, cache, heads);
    for (CpuId cpu; cpu.value() < cache.slots.count(); ++cpu) add_cpu(picture, slub, cache, cpu, slabs);
    add_node(picture, cache, slabs);
    return picture;
}

CachePicture picture_of(const Slub<OwnedCpus>& slub, const SheafCache<OwnedCpus>& cache,
                        const Frames& heads) {
    CachePicture picture = begin_picture(cache);
    Slabs slabs = slub_slabs(slub, cache, heads);
    const auto keep = [&](const Sheaf& sheaf) {
        for (const void* const p : sheaf.objects())
            slabs.mark(p, cache.geometry.left_pad, cache.geometry.size, kept);
        return Fill{sheaf.count(), sheaf.capacity()};
    };
    for (CpuId cpu; cpu.value() < cache.sheaves.count(); ++cpu) {
        const SheafSlot& slot = cache.sheaves[cpu];
        picture.places.push_back({cpu_name(cpu), "main", "", {}, keep(slot.main)});
        Place spare{cpu_name(cpu), "spare", ""};
        if (!slot.spare.none()) spare.array = keep(slot.spare);
        picture.places.push_back(std::move(spare));
    }
    for (const Sheaf& sheaf : cache.barn.full) (void)keep(sheaf);
    Place barn{"node", "barn", ""};
    barn.note = fmt::format("full sheaves: {} of at most {}; empty: {} of at most {}", cache.barn.full.size(),
                            cache.barn.most_full(), cache.barn.empty.size(), cache.barn.most_empty());
    picture.places.push_back(std::move(barn));
    add_node(picture, cache, slabs);
    return picture;
}

CachePicture picture_of(const Slab<OwnedCpus>& slab, const SlabCache<OwnedCpus>& cache, const Frames& heads) {
    const SlabGeometry& g = cache.geometry;
    CachePicture picture{cache.name, g.object_size, g.size,
                         slab_text(g.objects, g.size, g.object_size, g.order)};
    Slabs slabs{slab.arena()};
    for (const FrameIndex head : heads) {
        std::string objects(g.objects, in_use);
        for (const std::uint8_t free : slab.free_objects(cache, head)) objects[free] = is_free;
        slabs.add(head, std::move(objects));
    }
    const auto keep = [&](const ArrayCache& array) {
        for (std::uint32_t i = 0; i < array.avail; ++i) {
            const Page& page =
                slab.arena().page_at(slab.arena().page(slab.arena().pfn(array.entries[i])).head);
            slabs.mark(array.entries[i], SlabHead::load(page).colour, g.size, kept);
        }
        return Fill{array.avail, array.limit};
    };
    for (CpuId cpu; cpu.value() < cache.arrays.count(); ++cpu)
        picture.places.push_back({cpu_name(cpu), "array", "", {}, keep(cache.arrays[cpu])});
    if (cache.node.shared.limit != 0)
        picture.places.push_back({"node", "shared", "", {}, keep(cache.node.shared)});
    const auto add_list = [&](const char* what, const PageList& list) {
        Place place{"node", what, "", slabs.take(list)};
        if (!place.slabs.empty()) place.note = counted(place.slabs.size(), "slab");
        picture.places.push_back(std::move(place));
    };
    add_list("partial", cache.node.partial);
    add_list("full", cache.node.full);  // objects in arrays are out of their slabs
    add_list("free", cache.node.free);
    return picture;
}

/// The units of a page of SLOB's heap.
std::string units_of(const Arena& arena, FrameIndex frame) {
    const HeapPage page{arena.address_at(frame), arena.page_at(frame)};
    std::string units(slob_page_units, in_use);
    for (SlobUnits at = page.first(); at != slob_page_units;) {
        const FreeBlock block = page.block(at);
        if (!block.encoded() || !block.in_order()) break;
        units.replace(block.at, block.length, block.length, is_free);
        at = block.next;
    }
    return units;
}

constexpr const char* units_text = "units of 2 bytes";

CachePicture picture_of(const Slob<OwnedCpus>& slob, SlobList list, const Frames& heads) {
    const Arena& arena = slob.arena();
    CachePicture picture{std::string{to_string(list)}, 0, 0,
                         "a list of SLOB's heap, of objects of many sizes", units_text};
    Slabs pages{arena};
    for (const FrameIndex frame : heads) {
        if (HeapPageWord::load(arena.page_at(frame)).list == list) pages.add(frame, units_of(arena, frame));
    }
    Place ring{"node", "list", ""};
    (void)slob.list(list).walk(arena, [&](FrameIndex frame) { ring.slabs.push_back(pages.take(frame)); });
    if (!ring.slabs.empty())
        ring.note = fmt::format("{}, a search begins at the first", counted(ring.slabs.size(), "page"));
    picture.places.push_back(std::move(ring));
    Place full{"node", "full", "", pages.take_rest()};
    if (!full.slabs.empty()) full.note = counted(full.slabs.size(), "page") + ", on no list";
    picture.places.push_back(std::move(full));
    return picture;
}

/// The pages that have objects of each cache; of nullptr: of kmalloc.
using PagesByCache = std::map<const SlobCache*, Slabs>;

PagesByCache pages_by_cache(const Slob<OwnedCpus>& slob) {
    const Arena& arena = slob.arena();
    PagesByCache pages;
    for (const auto& [begin, entry] : slob.ledger().entries()) {
        const auto frame = static_cast<FrameIndex>(begin >> page_shift);
        Slabs& of_cache = pages.try_emplace(entry.cache, arena).first->second;
        if (arena.page_at(frame).load_state().kind == PageKind::large) {
            const std::size_t pages_of_it = Order{arena.page_at(frame).load_state().order}.pages();
            of_cache.add(frame, std::string(pages_of_it * slob_page_units, in_use));
            continue;
        }
        if (of_cache.all().count(frame) == 0) {
            std::string units = units_of(arena, frame);
            for (char& unit : units) unit = unit == in_use ? another : unit;
            of_cache.add(frame, std::move(units));
        }
        std::string& units = of_cache.all().at(frame).objects;
        const std::size_t first = (begin & (page_size - 1)) / slob_unit_bytes;
        const std::size_t length = slob_units(entry.taken);
        units.replace(first, length, length, in_use);
    }
    return pages;
}

CachePicture picture_of(const std::string& name, const SlobGeometry& geometry, Slabs* pages) {
    CachePicture picture{name, geometry.object_size, geometry.size,
                         geometry.size == 0
                             ? "objects of many sizes in the pages of SLOB's heap"
                             : fmt::format("objects of {} bytes in the pages of SLOB's heap", geometry.size),
                         units_text};
    Place place{"node", "pages", ""};
    if (pages != nullptr) place.slabs = pages->take_rest();
    picture.places.push_back(std::move(place));
    return picture;
}

/// Where each cache has slabs of its own.
template <class M>
std::vector<CachePicture> pictures_of_caches(M& model) {
    const SlabsByOwner slabs{model.arena()};
    std::vector<CachePicture> pictures;
    for (const auto& cache : model.objects().caches()) {
        pictures.push_back(picture_of(model.objects(), *cache, slabs.of(cache.get())));
    }
    return pictures;
}

}  // namespace

std::vector<CachePicture> pictures_of(SlubModel& model) {
    return pictures_of_caches(model);
}

std::vector<CachePicture> pictures_of(SheavesModel& model) {
    const Slub<OwnedCpus>& slub = model.objects().slabs();
    const SlabsByOwner slabs{model.arena()};
    std::vector<CachePicture> pictures;
    for (const auto& cache : slub.caches()) {
        pictures.push_back(
            picture_of(slub, static_cast<const SheafCache<OwnedCpus>&>(*cache), slabs.of(cache.get())));
    }
    return pictures;
}

std::vector<CachePicture> pictures_of(SlabModel& model) {
    return pictures_of_caches(model);
}

std::vector<CachePicture> pictures_of(SlobModel& model) {
    const Slob<OwnedCpus>& slob = model.objects();
    const SlabsByOwner slabs{model.arena()};
    const Frames& heap = slabs.of(&slob);
    std::vector<CachePicture> pictures;
    for (const SlobList list : {SlobList::small, SlobList::medium, SlobList::large})
        pictures.push_back(picture_of(slob, list, heap));
    PagesByCache pages = pages_by_cache(slob);
    const auto pages_of = [&](const SlobCache* cache) {
        const auto found = pages.find(cache);
        return found == pages.end() ? nullptr : &found->second;
    };
    pictures.push_back(picture_of("kmalloc", {}, pages_of(nullptr)));
    for (const auto& cache : slob.caches())
        pictures.push_back(picture_of(cache->name, cache->geometry, pages_of(cache.get())));
    return pictures;
}

}  // namespace kmemlab::inspect
