/// HostWindow: a stretch of our address space in which pieces of a file are mapped at fixed addresses.
///
///     hole   | sentinel |        | piece | piece |      | piece |        |     the rest is nobody's
///                       begin                                            end
///     kept   | kept              | piece | piece | kept | piece | kept   |     the rest is PROT_NONE
///
/// A piece that goes into a hole, and comes out again, costs the kernel below a third less than one that is
/// laid over kept address space, which must be cut in two and put together again each time.
///
/// Where a hole may be. Linux gives a mapping that asks for no address the highest place that is free, or in
/// the legacy layout the lowest above a third of the user's address space. On x86-64 that third is 42 TiB,
/// and the sanitizers' shadow memory ends below 17 TiB. What lies between is nobody's, unless somebody asks
/// for it by address, has filled the 80 TiB above it, or allows as much for a stack. It is cut into equal
/// slots. Who maps one without replacing anything has it, and leaves the sentinel there, one page below the
/// window: the kernel is the registry, for all windows of the process. Pieces never replace what is there
/// either.
///
/// Kept is what remains elsewhere: on other machines, under ThreadSanitizer (which knows no such place), for
/// windows larger than a slot, and when all slots are taken.
///
/// Either way the page below the window is mapped by nobody, and accesses to it fault, as they do everywhere
/// between pieces. No state but the bounds: calls may be made from several threads, `map` from a signal
/// handler.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "allocators/mmu/mmu.hpp"

namespace kmemlab {

class HostWindow {
  public:
    enum class Way : std::uint8_t { hole, kept };
    /// A part of the file, shared, or without one new memory of the process's own, all zero; readable and
    /// writable. Populated: its page tables are filled at once.
    struct Piece {
        int file = -1;
        off_t offset = 0;  ///< bytes
        std::size_t bytes = 0;
        bool populate = true;
    };

    /// At least `bytes`, rounded up to a multiple of 1 GiB, and aligned to 1 GiB. A hole, if it is wanted and
    /// to be had. Throws UsageError if there is no address space.
    explicit HostWindow(std::size_t bytes, Way wanted = Way::hole);
    ~HostWindow();
    HostWindow(const HostWindow&) = delete;
    HostWindow& operator=(const HostWindow&) = delete;

    [[nodiscard]] Way way() const { return way_; }
    [[nodiscard]] AddressRange range() const { return range_; }

    /// Makes a piece appear, where none is. One system call, async-signal-safe. False: refused by the kernel,
    /// or in a hole something is there; then nothing has changed.
    [[nodiscard]] bool map(VirtAddr at, const Piece& piece) const;
    /// Takes all pieces out of [begin, end), and parts of pieces at its ends. One system call. False: refused
    /// by the kernel; then nothing has changed.
    [[nodiscard]] bool clear(VirtAddr begin, VirtAddr end) const;

  private:
    [[nodiscard]] bool claim_hole(std::size_t bytes);
    void keep(std::size_t bytes);

    Way way_;
    AddressRange range_;
    std::span<std::byte> ours_;  ///< range_, and the address space around it that is given back with it
};

}  // namespace kmemlab
