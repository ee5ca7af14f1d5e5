/// The laws of Allocator as functions: each makes fresh allocators of a subject, uses them, and returns the
/// first law that is broken. test_conformance.cpp holds every model to them, test_faults.cpp shows that they
/// notice.
#pragma once

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "allocators/objects/kmalloc_classes.hpp"
#include "tests/contract/subject.hpp"
#include "tests/contract/user.hpp"

namespace kmemlab::test {

/// Requests up to this size must succeed on an empty roomy machine, whatever serves them.
inline constexpr std::size_t surely_there = std::size_t{4} << 20;

/// Each size class and each power of two, and what lies beside them, up to the largest request.
[[nodiscard]] inline std::vector<std::size_t> edge_sizes(const Capabilities& capabilities) {
    std::vector<std::size_t> sizes{1, 2, 3, 5, 7};
    const auto around = [&](std::size_t edge) {
        for (const std::size_t size : {edge - 1, edge, edge + 1}) {
            if (size <= std::min(capabilities.largest, surely_there)) sizes.push_back(size);
        }
    };
    for (const std::size_t edge : kmalloc_class_sizes) around(edge);
    for (std::size_t edge = 2 * kmalloc_max_cache_size; edge <= surely_there; edge *= 2) around(edge);
    return sizes;
}

/// G1..G4 and M1 at the edges of all sizes, with everything live at once.
template <class S>
[[nodiscard]] MaybeViolation serves_all_sizes(const S& subject) {
    const auto allocator = subject.make(roomy());
    User user{*allocator, subject.info.capabilities};
    for (const std::size_t size : edge_sizes(subject.info.capabilities)) user.must_allocate({.size = size});
    user.check_all();
    user.free_all(CpuId{0});
    return first_of(user.found(), allocator->find_violation());
}

/// G6: sizes at which arithmetic overflows.
template <class S>
[[nodiscard]] MaybeViolation survives_absurd_sizes(const S& subject) {
    const bool own_memory = subject.own_memory();
    const auto allocator = subject.make(roomy());
    User user{*allocator, subject.info.capabilities};
    const std::size_t largest = subject.info.capabilities.largest;
    const auto try_size = [&](std::size_t size, std::size_t align, Gfp gfp) {
        const bool got = user.allocate({.size = size, .gfp = gfp, .align = align});
        if (got) user.free(user.live() - 1, CpuId{0});
        return got && size > largest && own_memory;
    };
    constexpr std::array<std::size_t, 6> edges{0, 1, 8, 63, 4095, 4096};
    for (const std::size_t k : edges) {
        for (const std::size_t size :
             {largest + 1 + k, std::numeric_limits<std::size_t>::max() - k, (std::size_t{1} << 31) + k,
              (std::size_t{1} << 31) - k, (std::size_t{1} << 32) + k, (std::size_t{1} << 32) - k}) {
            for (const std::size_t align : {std::size_t{0}, std::size_t{64}, std::size_t{4096}}) {
                if (try_size(size, align, GFP_KERNEL)) return violation("G6", "{} bytes given", size);
            }
            if (try_size(size, 0, GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY)) {
                return violation("G6", "{} bytes given", size);
            }
        }
    }
    return first_of(user.found(), allocator->find_violation());
}

/// G6: 0 bytes are nothing, or an address that only deallocate takes.
template <class S>
[[nodiscard]] MaybeViolation takes_back_nothing(const S& subject) {
    const auto allocator = subject.make(roomy());
    const Balance before = Balance::of(*allocator);
    const CpuId cpu{0};
    for (const std::size_t align : {0UL, 8UL, 4096UL}) {
        for (const Gfp gfp : {GFP_KERNEL, GFP_KERNEL | __GFP_ZERO}) {
            allocator->deallocate(allocator->allocate({.size = 0, .gfp = gfp, .align = align}), cpu);
        }
    }
    const std::uint64_t frees = sum(allocator->stats().frees);
    allocator->deallocate(nullptr, cpu);
    if (sum(allocator->stats().frees) != frees) return violation("stats", "freeing nullptr counts");
    allocator->drain(cpu);
    return first_of(before.find_difference(*allocator), allocator->find_violation());
}

/// G2 for alignments that are asked for; refused beyond the largest, never ignored.
template <class S>
[[nodiscard]] MaybeViolation aligns(const S& subject) {
    const Capabilities& capabilities = subject.info.capabilities;
    const auto allocator = subject.make(roomy());
    User user{*allocator, capabilities};
    for (std::size_t align = 1; align <= 2 * capabilities.largest_align; align *= 2) {
        for (const std::size_t size : {std::size_t{1}, std::size_t{24}, std::size_t{96}, std::size_t{192},
                                       std::size_t{5000}, align / 2 + 1, align, align + 1}) {
            const bool due =
                align <= capabilities.largest_align &&
                std::bit_ceil(std::max(size, align)) <= std::min(capabilities.largest, surely_there);
            const Request request{.size = size, .align = align};
            if (due) {
                user.must_allocate(request);
            } else {
                user.allocate(request);
            }
        }
        user.free_all(CpuId{0});
    }
    return first_of(user.found(), allocator->find_violation());
}

/// G5: memory that others have written to comes zero if asked.
template <class S>
[[nodiscard]] MaybeViolation zeroes_what_was_dirty(const S& subject) {
    const auto allocator = subject.make(roomy());
    User user{*allocator, subject.info.capabilities};
    for (const std::size_t size : edge_sizes(subject.info.capabilities)) {
        for (const std::size_t align : {std::size_t{0}, std::size_t{256}}) {
            Request request{.size = size, .align = align};
            const std::size_t count = size <= written_whole ? 20 : 2;
            for (const Gfp gfp : {GFP_KERNEL, GFP_KERNEL | __GFP_ZERO, GFP_ATOMIC | __GFP_ZERO}) {
                request.gfp = gfp;
                for (std::size_t i = 0; i < count; ++i) user.allocate(request);
                user.free_all(CpuId{0});
            }
        }
    }
    return user.found();
}

/// Blocks, or requests, by which counts of free pages may lag behind, as in Linux (B9).
inline constexpr int most_that_lag = 8;

/// M4: a full allocator has room again once some blocks are given back. One is enough where counts are exact.
template <class A>
[[nodiscard]] MaybeViolation finds_room_again(User<A>& user, const Request& request) {
    for (int given = 0; given < most_that_lag; ++given) {
        user.free(user.live() / 2, request.cpu);
        if (user.allocate(request)) return {};
    }
    return first_of(user.found(), violation("M4", "null for {} bytes after {} such blocks were given back",
                                            request.size, most_that_lag));
}

/// M1: an allocator may first say no when it holds 7/8 of its memory, and its user has 3/4 of it, less what
/// the alignment of its size classes takes.
[[nodiscard]] inline MaybeViolation too_early(std::uint64_t held, std::uint64_t had, std::size_t size,
                                              const Capabilities& capabilities) {
    if (held < tight_arena / 8 * 7) return violation("M1", "null while {} bytes are held", held);
    const std::size_t stride =
        (size + capabilities.class_align - 1) / capabilities.class_align * capabilities.class_align;
    if (had < tight_arena / 4 * 3 * size / stride) {
        return violation("M1", "of {} bytes held only {} are with the user", held, had);
    }
    return {};
}

/// M4, M1, G9: fills all memory with blocks of one size, `count` of them, and empties it again.
template <class A>
[[nodiscard]] MaybeViolation fill_and_empty(A& allocator, User<A>& user, std::size_t size,
                                            const Capabilities& capabilities, std::size_t& count) {
    const Balance before = Balance::of(allocator);
    const Request request{.size = size};
    // Of an area each frame is asked for by itself, so that counts which lag may refuse it once too often.
    const int nulls_at_the_end = capabilities.areas ? most_that_lag : 1;
    for (int nulls = 0; nulls < nulls_at_the_end;) nulls = user.allocate(request) ? 0 : nulls + 1;
    count = user.live();
    if (auto found = too_early(allocator.stats().held_bytes, user.live_bytes(), size, capabilities)) {
        return first_of(user.found(),
                        violation("M1", "{} objects of {} bytes: {}", count, size, found->what));
    }
    const Balance full = Balance::of(allocator);
    if (user.allocate(request)) return violation("G9", "null, and memory at the next request");
    // Of an area the frames that were there come and go by way of the CPU's lists (VM-53).
    const auto changed =
        capabilities.areas ? full.find_difference_in_bytes(allocator) : full.find_difference(allocator);
    if (changed) return violation("G9", "{}", changed->what);
    if (auto found = finds_room_again(user, request)) return found;
    user.free_all(request.cpu);
    allocator.drain(request.cpu);
    return first_of(user.found(), allocator.find_violation(), before.find_difference(allocator));
}

/// M4, M1, G9: of memory that is the allocator's own most can be had; when it has ended, one freed is one to
/// have; a request that fails changes nothing; all of it comes back (G7, B16).
template <class S>
[[nodiscard]] MaybeViolation fills_and_empties(const S& subject) {
    if (!subject.own_memory()) return {};
    const Capabilities& capabilities = subject.info.capabilities;
    const auto allocator = subject.make(tight());
    User user{*allocator, subject.info.capabilities};
    for (const std::size_t size : {64UL, 96UL, 700UL, 4096UL, 8192UL, 40000UL, 300000UL}) {
        std::size_t first = 0;
        std::size_t again = 0;
        const bool many = size < 500;
        if (many && capabilities.headers && size != 96) continue;  // SLOB looks for each among all
        if (auto found = fill_and_empty(*allocator, user, size, capabilities, first)) return found;
        if (many && capabilities.headers) continue;
        if (auto found = fill_and_empty(*allocator, user, size, capabilities, again)) return found;
        if (again != first) {
            return violation("M4", "{} objects of {} bytes fit at first, then {}", first, size, again);
        }
    }
    return {};
}

/// G7: what was the largest request at the start can be had again after everything was in use.
template <class S>
[[nodiscard]] MaybeViolation gives_the_largest_again(const S& subject) {
    if (!subject.own_memory()) return {};
    const auto allocator = subject.make(tight());
    User user{*allocator, subject.info.capabilities};
    std::size_t largest = subject.info.capabilities.largest;
    while (largest > 1 && !user.allocate({.size = largest})) largest /= 2;
    user.free_all(CpuId{0});
    while (user.allocate({.size = 1000})) {
    }
    for (std::size_t i = 0; user.live() > 0; i += 7919) user.free(i % user.live(), CpuId{0});
    allocator->drain(CpuId{0});
    user.must_allocate({.size = largest});
    return user.found();
}

/// M4, M1: memory filled by requests of several kinds keeps nothing back once it is given back: one freed is
/// one to have, and in the end as much fits as on a new machine.
template <class S>
[[nodiscard]] MaybeViolation is_as_new_when_empty(const S& subject) {
    if (!subject.own_memory()) return {};
    const auto allocator = subject.make(tight());
    const auto fresh = subject.make(tight());
    User user{*allocator, subject.info.capabilities};
    User other{*fresh, subject.info.capabilities};
    constexpr std::array<Gfp, 3> kinds{GFP_KERNEL, GFP_KERNEL | __GFP_RECLAIMABLE, GFP_NOIO};
    constexpr std::array<std::size_t, 4> sizes{3000, 60000, 500, 9000};
    for (std::size_t i = 0, nulls = 0; nulls < kinds.size() * sizes.size() && !user.found(); ++i) {
        const bool got = user.allocate({.size = sizes[i % 4], .gfp = kinds[i % 3]});
        nulls = got ? 0 : nulls + 1;
    }
    bool lagged = false;
    for (std::size_t i = 1; i <= 50 && !user.found(); ++i) {
        const std::size_t which = i * 7919 % user.live();
        const Request request = user.request(which);
        user.free(which, CpuId{0});
        if (user.allocate(request)) continue;
        // Counts of free pages lag (B9): once some pages may have gone out below the mark.
        if (lagged) return violation("M1", "null for {} bytes that were just given back", request.size);
        lagged = true;
        if (auto found = finds_room_again(user, request)) return found;
    }
    user.free_all(CpuId{0});
    allocator->drain(CpuId{0});
    while (user.allocate({.size = 4096})) {
    }
    while (other.allocate({.size = 4096})) {
    }
    if (user.live() != other.live() && !user.found()) {
        return violation("M4", "{} pages fit, {} on a new machine", user.live(), other.live());
    }
    return user.found();
}

/// Sizes as programs have them: mostly small, now and then beyond the classes.
[[nodiscard]] inline std::size_t random_size(Random& random) {
    const std::uint64_t kind = random.below(100);
    if (kind < 80) return 1 + random.below(512);
    return 1 + random.below(kind < 98 ? 10000 : 100000);
}

[[nodiscard]] inline Request random_request(Random& random, const Capabilities& capabilities) {
    constexpr std::array<Gfp, 5> flags{GFP_KERNEL, GFP_ATOMIC, GFP_KERNEL | __GFP_ZERO, GFP_NOWAIT,
                                       GFP_KERNEL | __GFP_RECLAIMABLE};
    Request request{
        .size = random_size(random), .gfp = flags[random.below(flags.size())], .cpu = random.cpu()};
    if (random.below(8) == 0) request.align = std::size_t{1} << random.below(13);
    request.align = std::min(request.align, capabilities.largest_align);
    return request;
}

/// Random operations on all CPUs, everything checked now and then; in the end all is as it was.
template <class S>
[[nodiscard]] MaybeViolation survives_churn(const S& subject, std::uint64_t operations = 20000) {
    constexpr std::size_t most_live = 3000;
    const auto allocator = subject.make(roomy());
    const Balance before = Balance::of(*allocator);
    User user{*allocator, subject.info.capabilities};
    Random random;
    for (std::uint64_t i = 1; i <= operations && !user.found(); ++i) {
        // Waves: the number of live objects rises and falls, so that slabs fill and become empty.
        const std::uint64_t wanted = (i / (operations / 6)) % 2 == 0 ? most_live : most_live / 10;
        if (user.live() > 0 && random.below(most_live + wanted) < user.live()) {
            user.free(random.below(user.live()), random.cpu());
        } else {
            user.must_allocate(random_request(random, subject.info.capabilities));
        }
        if (i % 1000 == 0) {
            user.check_all();
            if (auto found = allocator->find_violation()) return found;
        }
    }
    while (user.live() > 0 && !user.found()) user.free(random.below(user.live()), random.cpu());
    if (user.found()) return user.found();
    const auto miscount = find_miscount(*allocator, user.allocations(), user.frees());
    allocator->drain(CpuId{0});
    return first_of(miscount, allocator->find_violation(), before.find_difference(*allocator),
                    find_miscount(*allocator, user.allocations(), user.frees()));
}

/// Requests of nothing but failures are counted as failed, so that counts add up.
template <class S>
[[nodiscard]] MaybeViolation counts_failures(const S& subject) {
    if (!subject.own_memory()) return {};
    const auto allocator = subject.make(tight());
    User user{*allocator, subject.info.capabilities};
    while (user.allocate({.size = 5000})) {
    }
    for (int i = 0; i < 5; ++i) user.allocate({.size = subject.info.capabilities.largest + 1});
    const auto failed = allocator->stats().allocations[static_cast<std::size_t>(Path::failed)];
    if (failed != 6) return violation("stats", "6 requests failed, {} counted", failed);
    user.free_all(CpuId{0});
    return first_of(user.found(), find_miscount(*allocator, user.allocations(), user.frees()));
}

/// The last path of a CPU is its own, and reading it forgets it.
template <class S>
[[nodiscard]] MaybeViolation tells_the_last_path(const S& subject) {
    const auto allocator = subject.make(roomy());
    constexpr CpuId cpu{1};
    void* const p = allocator->allocate({.size = 100, .cpu = cpu});
    const Path first = allocator->last_path(cpu);
    const Path again = allocator->last_path(cpu);
    const Path of_other = allocator->last_path(CpuId{2});
    const bool opaque = first == Path::opaque;
    if (again != (opaque ? Path::opaque : Path::fast)) {
        return violation("last_path", "{} after it was read", to_string(again));
    }
    if (of_other != again) return violation("last_path", "CPU 2 did nothing, but {}", to_string(of_other));
    if (!opaque && first == Path::fast)
        return violation("last_path", "the first request of a machine is fast");
    if (allocator->stats().allocations[static_cast<std::size_t>(first)] != 1) {
        return violation("stats", "path {} is not counted", to_string(first));
    }
    allocator->deallocate(p, cpu);
    return {};
}

/// The kernel's text files have names of their own and whole lines.
template <class S>
[[nodiscard]] MaybeViolation shows_texts(const S& subject) {
    const auto allocator = subject.make(roomy());
    void* const p = allocator->allocate({.size = 100});
    std::vector<std::string> names;
    for (const Text& shown : allocator->snapshot()) {
        if (shown.name.empty() || !shown.content.ends_with('\n')) {
            return violation("snapshot", "'{}' has no name or no whole line", shown.name);
        }
        if (std::count(names.begin(), names.end(), shown.name) > 0) {
            return violation("snapshot", "'{}' twice", shown.name);
        }
        names.push_back(shown.name);
    }
    allocator->deallocate(p, CpuId{0});
    if (names.empty() && subject.own_memory()) return violation("snapshot", "nothing to show");
    return {};
}

/// G12: the same calls give the same addresses, relative to the first one, and the same texts.
template <class S>
[[nodiscard]] MaybeViolation repeats_itself(const S& subject) {
    if (!subject.info.capabilities.deterministic) return {};
    const auto run = [&](std::vector<std::uintptr_t>& addresses) {
        const auto allocator = subject.make(roomy());
        User user{*allocator, subject.info.capabilities};
        Random random;
        for (int i = 0; i < 5000; ++i) {
            if (user.live() > 0 && random.below(1000) < user.live()) {
                user.free(random.below(user.live()), random.cpu());
            } else if (user.allocate(random_request(random, subject.info.capabilities))) {
                addresses.push_back(reinterpret_cast<std::uintptr_t>(user.address(user.live() - 1)) -
                                    (addresses.empty() ? 0 : addresses[0]));
            }
        }
        addresses[0] = 0;
        std::string texts;
        for (const Text& shown : allocator->snapshot()) texts += shown.name + shown.content;
        return texts;
    };
    std::vector<std::uintptr_t> first;
    std::vector<std::uintptr_t> second;
    const std::string texts = run(first);
    if (run(second) != texts) return violation("G12", "other texts in a second run");
    if (first != second) return violation("G12", "other addresses in a second run");
    return {};
}

}  // namespace kmemlab::test
