/// Physical memory: one memfd mapped once as the direct map, and a page descriptor for each frame.
///
///     pfn        start()                                   end()
///     memory     |--------------- one memfd ----------------|     address(pfn) is arithmetic
///     pages      |P|P|P|P|...                               |     32 bytes per frame
///
/// Neither is touched before it is used, so an arena may be much larger than the machine's memory.
/// The direct map is aligned so that a block aligned by its pfn is as aligned by its address (B2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "allocators/base/units.hpp"
#include "allocators/machine/page.hpp"

namespace kmemlab {

/// What the memory of an arena is.
enum class Backing : std::uint8_t {
    file,         ///< a memfd: may be mapped a second time; a child process shares it
    private_mem,  ///< anonymous: a child process gets a copy; no memfd()
};

class Arena {
  public:
    static constexpr std::size_t default_bytes = std::size_t{1} << 30;

    /// `bytes` is rounded down to whole pages. Throws UsageError if it is less than one page, more than
    /// 16 TiB, or if the machine refuses the address space.
    explicit Arena(std::size_t bytes = default_bytes, Pfn start = Pfn{0}, Backing backing = Backing::file);
    /// Another view of the first `bytes` of `memory`, which has a file, and of its descriptors, as if they
    /// began at `start`. One of the two may be in use at a time; `memory` must outlive it.
    Arena(const Arena& memory, std::size_t bytes, Pfn start);
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    [[nodiscard]] Pfn start() const { return start_; }
    [[nodiscard]] Pfn end() const { return start_ + frames_; }
    [[nodiscard]] std::uint64_t frames() const { return frames_; }
    [[nodiscard]] std::size_t bytes() const { return frames_ << page_shift; }
    [[nodiscard]] bool contains(Pfn pfn) const { return pfn >= start_ && pfn < end(); }
    [[nodiscard]] bool contains(const void* p) const { return offset_of(p) < bytes(); }

    /// The direct map: address of a frame, frame of an address (which must lie inside).
    [[nodiscard]] std::byte* address(Pfn pfn) const {
        return reinterpret_cast<std::byte*>(pfn0_ + (pfn.value() << page_shift));
    }
    [[nodiscard]] Pfn pfn(const void* p) const {
        return Pfn{(reinterpret_cast<std::uintptr_t>(p) - pfn0_) >> page_shift};
    }
    /// Bytes from the begin of the direct map; at least bytes() for an address outside.
    [[nodiscard]] std::size_t offset_of(const void* p) const {
        return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(memory_);
    }

    [[nodiscard]] Page& page(Pfn pfn) const { return pages_[pfn - start_]; }
    [[nodiscard]] Page& page_at(FrameIndex index) const { return pages_[index]; }
    [[nodiscard]] FrameIndex index(Pfn pfn) const { return static_cast<FrameIndex>(pfn - start_); }
    [[nodiscard]] FrameIndex index(const Page& page) const { return static_cast<FrameIndex>(&page - pages_); }
    [[nodiscard]] Pfn pfn_at(FrameIndex index) const { return start_ + index; }
    [[nodiscard]] std::byte* address_at(FrameIndex index) const {
        return memory_ + (std::size_t{index} << page_shift);
    }

    /// The file behind the memory, for further mappings of it; -1 if it is private.
    [[nodiscard]] int memfd() const { return memfd_; }
    /// Bytes of descriptors for all frames (address space; resident only where touched).
    [[nodiscard]] std::size_t metadata_bytes() const { return frames_ * sizeof(Page); }

  private:
    /// Reserves the address range and maps the file into it.
    void map_memory(Backing backing);

    Pfn start_;
    std::uint64_t frames_;
    bool view_ = false;  ///< file and descriptors are another arena's
    int memfd_ = -1;
    std::span<std::byte> reserved_;  ///< the address range that memory_ was aligned in
    std::byte* memory_ = nullptr;
    std::uintptr_t pfn0_ = 0;  ///< where frame 0 would lie: one addition less between frame and address
    Page* pages_ = nullptr;
};

}  // namespace kmemlab
