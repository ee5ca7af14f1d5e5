/// A SLOB to test: an arena of 32 MiB, pages that count, and every misuse report kept.
#pragma once

#include <string>
#include <vector>

#include "allocators/slob/slob.hpp"
#include "tests/support/page_sources.hpp"

namespace kmemlab::test {

struct SlobMachine {
    explicit SlobMachine(bool track = true, unsigned cpu_count = 1)
        : cpus{cpu_count}, slob{pages, cpus, {.track = track}, log} {}

    /// The first broken law with what was found, or nothing.
    [[nodiscard]] std::string violation() const {
        const auto found = slob.find_violation();
        return found ? found->message() : "";
    }
    /// Its number alone.
    [[nodiscard]] std::string law() const {
        const auto found = slob.find_violation();
        return found ? std::string{found->law} : "";
    }
    /// The kind of the one report since the call before; empty if there was none, "several" if more.
    [[nodiscard]] std::string misuse() {
        const std::string kind = reports.empty()       ? ""
                                 : reports.size() == 1 ? std::string{to_string(reports[0].kind)}
                                                       : "several";
        reports.clear();
        return kind;
    }
    [[nodiscard]] std::size_t offset_in_page(const void* p) const { return arena.offset_of(p) % page_size; }
    [[nodiscard]] FrameIndex frame(const void* p) const { return arena.index(arena.pfn(p)); }

    Arena arena{std::size_t{32} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus;
    std::vector<Misuse> reports;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& m) { reports.push_back(m); });
    Slob<OwnedCpus> slob;
};

}  // namespace kmemlab::test
