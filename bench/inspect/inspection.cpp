#include "bench/inspect/inspection.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <concepts>
#include <set>
#include <utility>
#include <vector>

#include "allocators/contract/registry.hpp"
#include "bench/inspect/cache_picture.hpp"
#include "bench/inspect/zone_text.hpp"
#include "bench/replay/targets.hpp"

namespace kmemlab::inspect {
namespace {

using replay::Part;

/// Stands on a buddy allocator that can be looked at.
template <class M>
concept OnBuddy = requires(M& model) {
    { model.buddy() } -> std::same_as<Buddy<OwnedCpus>&>;
};
template <class M>
concept HasPictures = requires(M& model) {
    { pictures_of(model) } -> std::same_as<std::vector<CachePicture>>;
};

Owner slab_owner(SlubModel&, const Page& page) {
    return {PageUse::slab, static_cast<const SlubCache<OwnedCpus>*>(page.owner)->name};
}
Owner slab_owner(SheavesModel&, const Page& page) {
    return {PageUse::slab, static_cast<const SlubCache<OwnedCpus>*>(page.owner)->name};
}
Owner slab_owner(SlabModel&, const Page& page) {
    return {PageUse::slab, static_cast<const SlabCache<OwnedCpus>*>(page.owner)->name};
}
Owner slab_owner(SlobModel&, const Page& page) {
    return {PageUse::slab, fmt::format("list of {} objects", to_string(HeapPageWord::load(page).list))};
}

/// What a request for pages asks for (BUDDY-4).
std::string_view mobility(Gfp gfp) {
    if (gfp.has(__GFP_MOVABLE)) return "movable pages";
    return gfp.has(__GFP_RECLAIMABLE) ? "reclaimable pages" : "unmovable pages";
}

std::string_view pages_name(Part part) {
    switch (part) {
        case Part::areas:
            return "vmalloc";
        case Part::stacks:
            return "kernel stacks";
        default:
            return "pages";
    }
}

template <OnBuddy M>
class InspectionOf final : public Inspection {
  public:
    InspectionOf(const typename M::Config& config, const trace::Trace& trace, Part part)
        : work_{replay::workload_of(trace, part)}, target_{config, work_} {
        if (work_.operations.empty()) {
            throw UsageError::of("{}: allocator {} replays {}, and the trace has none", trace.name,
                                 M::info.name, to_string(part));
        }
        if (part == Part::pages) asked_.resize(arena().frames());
        target_.open();
    }

    [[nodiscard]] const replay::Workload& work() const override { return work_; }
    [[nodiscard]] std::uint64_t done() const override { return done_; }
    [[nodiscard]] std::uint64_t failures() const override { return failures_; }

    void advance(std::uint64_t operations) override {
        for (; done_ < operations; ++done_) perform(work_.operations[done_]);
    }

    [[nodiscard]] std::string list() override {
        if constexpr (HasPictures<M>) {
            return list_text(pictures_of(target_.machine()));
        } else {
            return zones_text(buddy(), arena());
        }
    }

    [[nodiscard]] std::string show(std::string_view cache) override {
        if constexpr (HasPictures<M>) {
            return picture_text(cache);
        } else {
            throw UsageError::of("--cache {}: {} has no object caches", cache, M::info.name);
        }
    }

    [[nodiscard]] PageMap map(OwnerTable& table) override {
        PageMap map = map_of(buddy(), arena(), table,
                             [&](FrameIndex frame, PageState state) { return owner_of(frame, state); });
        map.operation = done_;
        return map;
    }
    [[nodiscard]] const Arena& arena() override { return buddy().arena(); }
    [[nodiscard]] std::uint64_t pageblock_pages() override {
        return buddy().zones().front()->pageblock_pages();
    }

  private:
    [[nodiscard]] Buddy<OwnedCpus>& buddy() { return target_.machine().buddy(); }

    void perform(const trace::Operation& op) {
        target_.template perform<replay::Touch::no>(op, [](auto&& operation) { operation(); });
        if (!trace::is_allocation(op.kind())) return;
        const void* const memory = target_.memory(op);
        if (memory == nullptr)
            failures_ += target_.requested(op) != 0 ? 1 : 0;
        else if (!asked_.empty())
            asked_[arena().index(arena().pfn(memory))] = op.gfp();
    }

    [[nodiscard]] Owner owner_of(FrameIndex frame, PageState state) {
        if (state.kind == PageKind::large) return {PageUse::large, "objects of whole pages"};
        if constexpr (HasPictures<M>) {
            if (state.kind == PageKind::slab) return slab_owner(target_.machine(), arena().page_at(frame));
        }
        const std::string_view name = asked_.empty() ? pages_name(work_.part) : mobility(asked_[frame]);
        return {PageUse::pages, std::string{name}};
    }

    /// The names of the trace's caches that `name` serves, itself left out.
    [[nodiscard]] std::set<std::string> served_by(const std::string& name) const {
        std::set<std::string> served;
        for (std::size_t i = 0; i < work_.caches.size(); ++i) {
            if (target_.cache(i).name == name && work_.caches[i].name != name)
                served.insert(work_.caches[i].name);
        }
        return served;
    }

    [[nodiscard]] std::string picture_text(std::string_view cache) {
        std::string name{cache};
        for (std::size_t i = 0; i < work_.caches.size(); ++i) {
            if (work_.caches[i].name == cache) name = target_.cache(i).name;
        }
        std::vector<std::string> names;
        for (const CachePicture& picture : pictures_of(target_.machine())) {
            names.push_back(picture.name);
            if (picture.name != name) continue;
            const auto served = served_by(name);
            const std::string also =
                served.empty() ? "" : fmt::format("serves also {}\n", fmt::join(served, ", "));
            return also + to_text(picture);
        }
        throw UsageError::of("--cache: no cache '{}'; there are: {}", cache, fmt::join(names, ", "));
    }

    replay::Workload work_;
    replay::TargetOf<M> target_;
    std::uint64_t done_ = 0;
    std::uint64_t failures_ = 0;
    std::vector<Gfp> asked_;  ///< of blocks of pages, by their first frame: who was given one asked so
};

/// Calls visit.operator()<M>() for the model of that name. Throws UsageError if it cannot be inspected.
template <class Visit>
void visit_inspectable(std::string_view allocator, Visit&& visit) {
    std::vector<std::string_view> names;
    bool found = false;
    for_each_model([&]<class M>() {
        if constexpr (OnBuddy<M>) {
            names.push_back(M::info.name);
            if (M::info.name != allocator) return;
            found = true;
            visit.template operator()<M>();
        }
    });
    if (!found)
        throw UsageError::of("--allocator: cannot look into '{}'; there are: {}", allocator,
                             fmt::join(names, ", "));
}

}  // namespace

void check_inspectable(std::string_view allocator, std::span<const Setting> settings) {
    visit_inspectable(allocator, [&]<class M>() { check_settings(settings, tunables_of<M>(settings)); });
}

std::unique_ptr<Inspection> open_inspection(std::string_view allocator, std::span<const Setting> settings,
                                            const trace::Trace& trace) {
    std::unique_ptr<Inspection> inspection;
    visit_inspectable(allocator, [&]<class M>() {
        inspection = std::make_unique<InspectionOf<M>>(configure<M>(settings), trace,
                                                       replay::part_of(M::info.capabilities));
    });
    return inspection;
}

}  // namespace kmemlab::inspect
