#include "allocators/mmu/host_window.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "allocators/base/check.hpp"

namespace kmemlab {
namespace {

constexpr std::size_t unit = order_1g.bytes();

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KMEMLAB_NO_HOLES  // it ends the process if anything is mapped there
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define KMEMLAB_NO_HOLES
#endif

#if defined(__x86_64__) && !defined(KMEMLAB_NO_HOLES)
constexpr std::uint64_t holes_begin = std::uint64_t{17} << 40;
constexpr std::uint64_t holes_end = std::uint64_t{42} << 40;
#else
constexpr std::uint64_t holes_begin = 0;
constexpr std::uint64_t holes_end = 0;
#endif
constexpr std::size_t largest_hole = std::size_t{64} << 30;

std::byte* pointer(std::uint64_t address) {
    return reinterpret_cast<std::byte*>(address);
}

/// Address space that faults; nullptr if the kernel gives none. `at` and `more` are arguments of mmap.
std::byte* reserve(std::byte* at, std::size_t bytes, int more = 0) {
    void* const p = mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | more, -1, 0);
    return p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
}

enum class Claim : std::uint8_t { ours, taken, impossible };

/// Maps [at, at + bytes) if nothing is there.
Claim claim(std::byte* at, std::size_t bytes) {
    std::byte* const got = reserve(at, bytes, MAP_FIXED_NOREPLACE);
    if (got == at) return Claim::ours;
    if (got == nullptr) return errno == EEXIST ? Claim::taken : Claim::impossible;
    munmap(got, bytes);  // Before Linux 4.17 the flag is unknown, and the address a wish.
    return Claim::taken;
}

}  // namespace

HostWindow::HostWindow(std::size_t bytes, Way wanted) : way_{wanted} {
    bytes = (std::max(bytes, std::size_t{1}) + unit - 1) / unit * unit;
    if (way_ == Way::hole && !claim_hole(bytes)) way_ = Way::kept;
    if (way_ == Way::kept) keep(bytes);
}

HostWindow::~HostWindow() {
    munmap(ours_.data(), ours_.size());
}

/// The unit between two slots has room for the sentinel of the higher one.
bool HostWindow::claim_hole(std::size_t bytes) {
    if (bytes > largest_hole) return false;
    for (std::uint64_t slot = holes_begin; slot < holes_end; slot += largest_hole + unit) {
        std::byte* const sentinel = pointer(slot - page_size);
        const Claim found = claim(sentinel, page_size + bytes);
        if (found == Claim::impossible) return false;
        if (found == Claim::taken) continue;
        munmap(pointer(slot), bytes);
        range_ = {VirtAddr{slot}, VirtAddr{slot + bytes}};
        ours_ = {sentinel, page_size + bytes};
        return true;
    }
    return false;
}

/// Begins above the begin of what is reserved, so that the page below the window is nobody's.
void HostWindow::keep(std::size_t bytes) {
    std::byte* const space = reserve(nullptr, bytes + unit);
    if (space == nullptr) throw UsageError::of("mmu: no {} bytes of address space", bytes);
    ours_ = {space, bytes + unit};
    const VirtAddr begin = VirtAddr{reinterpret_cast<std::uintptr_t>(space) + unit}.align_down(order_1g);
    range_ = {begin, begin + bytes};
}

bool HostWindow::map(VirtAddr at, const Piece& piece) const {
    std::byte* const wanted = pointer(at.value());
    const int flags = (piece.file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_NORESERVE |
                      (piece.populate ? MAP_POPULATE : 0) |
                      (way_ == Way::hole ? MAP_FIXED_NOREPLACE : MAP_FIXED);
    void* const got = mmap(wanted, piece.bytes, PROT_READ | PROT_WRITE, flags, piece.file, piece.offset);
    if (got == wanted) return true;
    if (got != MAP_FAILED) munmap(got, piece.bytes);
    // A kernel may have taken away what was there before it refused.
    if (way_ == Way::kept) reserve(wanted, piece.bytes, MAP_FIXED);
    return false;
}

bool HostWindow::clear(VirtAddr begin, VirtAddr end) const {
    std::byte* const first = pointer(begin.value());
    if (way_ == Way::hole) return munmap(first, end - begin) == 0;
    return reserve(first, end - begin, MAP_FIXED) != nullptr;
}

}  // namespace kmemlab
