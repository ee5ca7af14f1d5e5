/// Records in the order of the recording -> operations on numbered objects. What is and is not an
/// operation stands in trace.hpp.
///
/// Per layer: `live` maps an address to a slot; a slot holds what the free needs to know of its
/// allocation; slots of freed objects are given out again, the last freed first.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bench/trace/gfp_text.hpp"
#include "bench/trace/tables.hpp"
#include "bench/trace/text.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::trace {

class Resolver {
  public:
    Resolver();

    /// Counts what is not a record in here, too.
    [[nodiscard]] TraceCounts& counts() { return trace_.counts; }
    void add(const Record& record);
    /// The trace, without a name. The resolver is spent.
    [[nodiscard]] Trace finish();

  private:
    struct Slot {
        std::uint32_t amount = 0;
        Kind kind{};
    };
    struct LayerState {
        AddressMap live;
        std::vector<Slot> slots;
        std::vector<std::uint32_t> free_slots;
        std::uint64_t hidden = 0;  ///< live, but their address was not printed
    };
    /// Pairs mm_page_free with mm_page_free_batched of the same pfn, whichever comes first. Remembers the
    /// last `window` halves that found no other; the kernel frees far fewer pages in one batch.
    class BatchPairs {
      public:
        enum class Half : std::uint8_t { none, free, batched };
        /// True if this half completes a pair.
        bool add(std::uint64_t pfn, Half half);
        /// The page is allocated: its earlier life is over.
        void forget(std::uint64_t pfn) { static_cast<void>(take(pfn)); }

      private:
        struct Entry {
            std::uint64_t pfn = 0;
            Half half = Half::none;
        };
        static constexpr std::uint32_t window = 65536;

        Half take(std::uint64_t pfn);

        AddressMap positions_;     ///< pfn -> place in ring_, of entries whose half is not none
        std::vector<Entry> ring_;  ///< grows to `window`, then its oldest entry is replaced
        std::uint32_t next_ = 0;
    };

    void add_object_allocation(const Record& record, Kind kind);
    void add_object_free(const Record& record, Kind kind);
    void add_page_allocation(const Record& record);
    void add_page_free(const Record& record);
    void add_batched(const Record& record);
    void add_area(const Record& record);
    void add_purge(const Record& record);

    void allocate(const Record& record, Kind kind, std::uint64_t address, std::uint32_t amount,
                  std::uint8_t align = 0);
    /// The slot's state before it was freed; null if the allocation was not seen. The pointer holds until
    /// the next allocation.
    const Slot* free(const Record& record, Layer layer, std::uint64_t address);
    [[nodiscard]] std::uint32_t take_slot(LayerState& of_layer);
    void emit(const Record& record, const Operation& operation);

    [[nodiscard]] std::uint32_t cache_of(const Record& record);
    [[nodiscard]] std::uint16_t call_site_of(const Record& record);
    [[nodiscard]] Gfp gfp_of(const Record& record);
    void advance_time(const Record& record);
    [[nodiscard]] LayerState& state(Layer layer) { return layers_[static_cast<unsigned>(layer)]; }

    Trace trace_;
    std::array<LayerState, layer_count> layers_;
    NameTable call_sites_;
    NameTable cache_names_;
    std::vector<bool> cache_is_named_;  ///< by the kernel, not by its size
    NameTable gfp_texts_;
    std::vector<GfpText> gfps_;
    BatchPairs batch_pairs_;
    std::uint64_t batched_paired_ = 0;
    std::uint64_t first_time_ = 0;
    std::uint64_t now_ = 0;  ///< since first_time_
    bool started_ = false;
};

}  // namespace kmemlab::trace
