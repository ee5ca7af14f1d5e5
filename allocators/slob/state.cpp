#include "allocators/slob/state.hpp"

#include "allocators/slob/inside.hpp"

namespace kmemlab {
namespace {

/// Notes what lies between the free blocks of a page as somebody else's.
void note_users(Ledger& ledger, FrameIndex frame, const SlobPageState& page) {
    SlobUnits used_from = 0;
    const auto note = [&](SlobUnits end) {
        if (end > used_from)
            ledger.add((std::size_t{frame} << page_shift) + used_from * slob_unit_bytes,
                       {.kind = LedgerEntry::Kind::somebody_else,
                        .taken = (end - used_from) * slob_unit_bytes,
                        .align = slob_unit_bytes});
    };
    for (const SlobBlockState& block : page.blocks) {
        note(block.at);
        used_from = block.at + block.length;
    }
    note(slob_page_units);
}

}  // namespace

template <class Cpus>
std::vector<Pfn> restore(Slob<Cpus>& slob, const std::vector<SlobPageState>& pages, CpuId cpu) {
    using Inside = typename Slob<Cpus>::Inside;
    std::vector<Pfn> frames;
    for (const SlobPageState& page : pages) {
        const auto frame = Inside::add_full_page(slob, page.list, cpu);
        if (!frame) break;
        HeapPage heap = Inside::page(slob, *frame);
        for (const SlobBlockState& block : page.blocks)
            heap.give(block.at, block.length, heap.neighbours(block.at));
        if (!page.blocks.empty()) Inside::list(slob, page.list).push_tail(slob.arena(), *frame);
        if (Inside::tracks(slob)) note_users(Inside::ledger(slob), *frame, page);
        frames.push_back(slob.arena().pfn_at(*frame));
    }
    return frames;
}

template <class Cpus>
std::vector<SlobPageState> record(const Slob<Cpus>& slob) {
    std::vector<SlobPageState> pages;
    for (const SlobList list : {SlobList::small, SlobList::medium, SlobList::large}) {
        static_cast<void>(slob.list(list).walk(slob.arena(), [&](FrameIndex frame) {
            const HeapPage heap = Slob<Cpus>::Inside::page(slob, frame);
            SlobPageState& page = pages.emplace_back(SlobPageState{list, {}});
            for (SlobUnits at = heap.first(); at != slob_page_units;) {
                const FreeBlock block = heap.block(at);
                if (!block.encoded() || !block.in_order()) break;
                page.blocks.push_back({block.at, block.length});
                at = block.next;
            }
        }));
    }
    return pages;
}

template std::vector<Pfn> restore(Slob<OwnedCpus>&, const std::vector<SlobPageState>&, CpuId);
template std::vector<Pfn> restore(Slob<SimulatedCpus>&, const std::vector<SlobPageState>&, CpuId);
template std::vector<SlobPageState> record(const Slob<OwnedCpus>&);
template std::vector<SlobPageState> record(const Slob<SimulatedCpus>&);

}  // namespace kmemlab
