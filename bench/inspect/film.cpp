#include "bench/inspect/film.hpp"

#include "allocators/base/check.hpp"

namespace kmemlab::inspect {
namespace {

Json owners_json(const OwnerTable& table) {
    Json owners = Json::array();
    for (const Owner& owner : table.owners()) {
        Json entry{{"kind", to_string(owner.use)}, {"name", owner.name}};
        if (owner.use == PageUse::free) entry["order"] = owner.order;
        owners.push_back(std::move(entry));
    }
    return owners;
}

Json frame_json(const PageMap& map, const replay::Workload& work) {
    Json runs = Json::array();
    for (const Run& run : map.runs) {
        for (const std::uint32_t number : {run.owner, run.pages, run.blocks}) runs.push_back(number);
    }
    const std::uint64_t time = map.operation == 0 ? 0 : work.times[map.operation - 1];
    return {{"operation", map.operation},
            {"time_s", static_cast<double>(time) * 1e-9},
            {"pageblocks", map.pageblocks},
            {"runs", std::move(runs)}};
}

}  // namespace

std::vector<std::uint64_t> moments(std::uint64_t last, std::uint64_t frames) {
    if (frames > last + 1)
        throw UsageError::of("--frames {}: there are {} operations, so at most {} moments", frames, last,
                             last + 1);
    if (frames == 1) return {last};
    std::vector<std::uint64_t> all;
    for (std::uint64_t i = 0; i < frames; ++i) all.push_back(last * i / (frames - 1));
    return all;
}

Film film(Inspection& inspection, const std::vector<std::uint64_t>& moments, const FilmOptions& options) {
    Film film;
    for (const std::uint64_t moment : moments) {
        if (options.interrupted && options.interrupted()) return {};
        if (options.progress) options.progress(film.frames.size(), moments.size());
        inspection.advance(moment);
        film.frames.push_back(inspection.map(film.table));
    }
    return film;
}

Json to_json(const Film& film, Inspection& inspection, const std::string& allocator,
             const std::string& trace) {
    const replay::Workload& work = inspection.work();
    Json frames = Json::array();
    for (const PageMap& map : film.frames) frames.push_back(frame_json(map, work));
    return {{"allocator", allocator},
            {"trace", trace},
            {"layer", to_string(work.part)},
            {"operations", work.operations.size()},
            {"failures", inspection.failures()},
            {"first_pfn", inspection.arena().start().value()},
            {"pages", inspection.arena().frames()},
            {"pageblock_pages", inspection.pageblock_pages()},
            {"owners", owners_json(film.table)},
            {"frames", std::move(frames)}};
}

}  // namespace kmemlab::inspect
