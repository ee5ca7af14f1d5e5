/// PeerMalloc: a library's malloc and free behind the contract, so that it replays traces beside our models.
///
/// It keeps its memory for the whole process: held_bytes is what the library says it holds, without what it
/// held when the model was made. It tells neither paths nor violations. It serves the thread that calls it,
/// whichever CPU that thread plays. A trace asks for no alignment, and more than that of the smallest objects
/// is refused: posix_memalign of Debian 12's mimalloc 2.0.9 gives 256 bytes aligned to 128.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocators/contract/model.hpp"
#include "allocators/contract/opaque_counts.hpp"
#include "bench/peers/peer_library.hpp"

namespace kmemlab::peers {

/// One of these for each library.
struct Jemalloc {
    static constexpr std::string_view name = "jemalloc";
};
struct Mimalloc {
    static constexpr std::string_view name = "mimalloc";
};
struct Tcmalloc {
    static constexpr std::string_view name = "tcmalloc";
};

template <class Peer>
class PeerMalloc {
  public:
    static constexpr ModelInfo info{
        .name = Peer::name,
        .follows = "the library of this machine",
        .what = "malloc, calloc and free of a library",
        .capabilities = {
            .smallest = 1, .largest = std::size_t{1} << 40, .largest_align = 8, .thread_safe = true}};

    struct Config {
        std::uint64_t cpus = 2;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return {integer_tunable("machine.cpus", "number of CPUs", cpus, 1, max_cpus)};
        }
    };

    /// Throws UsageError if the library is absent.
    explicit PeerMalloc(const Config& config) : library_{load_peer(Peer::name)}, counts_{config.cpus} {
        if (!library_.absent.empty()) throw UsageError::of("{}: {}", Peer::name, library_.absent);
        held_at_start_ = held();
    }

    [[nodiscard]] void* allocate(const Request& request) {
        counts_.allocated(request.cpu);
        if (request.align > info.capabilities.largest_align) return nullptr;
        return request.gfp.has(__GFP_ZERO) ? library_.calloc(1, request.size) : library_.malloc(request.size);
    }
    void deallocate(void* p, CpuId cpu) {
        if (p == nullptr) return;
        counts_.freed(cpu);
        library_.free(p);
    }
    [[nodiscard]] std::size_t usable_size(void* p) const { return library_.usable_size(p); }

    [[nodiscard]] AllocatorStats stats() const {
        AllocatorStats stats;
        const std::uint64_t now = held();
        stats.held_bytes = now - std::min(now, held_at_start_);
        counts_.add_to(stats);
        return stats;
    }
    [[nodiscard]] Path last_path(CpuId) { return Path::opaque; }
    void drain(CpuId) {}
    [[nodiscard]] MaybeViolation find_violation() const { return {}; }
    [[nodiscard]] std::vector<Text> snapshot() const { return {}; }
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }

  private:
    [[nodiscard]] std::uint64_t held() const { return library_.held_bytes ? library_.held_bytes() : 0; }

    PeerLibrary library_;
    OpaqueCounts counts_;
    std::uint64_t held_at_start_ = 0;
};

using PeerModels = ModelList<PeerMalloc<Jemalloc>, PeerMalloc<Mimalloc>, PeerMalloc<Tcmalloc>>;

}  // namespace kmemlab::peers
