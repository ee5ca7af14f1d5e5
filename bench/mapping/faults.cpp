// What making memory usable costs, by size: first touches that fault, populating at once, zeroing.
//
//   map-only      map and unmap alone: what the rows below contain as well
//   first-touch   a word of each page is written: a fault for each page, or for each few
//   populate      the kernel fills the page table within the call
//   zeroing       memset of memory that is there; vzalloc against vmalloc
//
// WHO: anonymous (private memory, zeroed by the kernel), memfd (pages that exist), memfd-new (pages that the
// kernel makes and zeroes first).
#include <fcntl.h>
#include <sys/mman.h>

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "bench/mapping/works.hpp"
#include "bench/measure/keep.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::array<std::size_t, 4> sizes{4096, 65536, 1048576, 4194304};

enum class Memory : std::uint8_t { anonymous, memfd, memfd_new };
enum class Fill : std::uint8_t { none, touch, populate };

void touch_pages(std::byte* p, std::size_t bytes) {
    for (std::size_t offset = 0; offset < bytes; offset += page_size) p[offset] = std::byte{1};
    forget();
}

/// Maps, fills, unmaps.
class Mappings {
  public:
    Mappings(std::size_t size, Memory memory, Fill fill)
        : arena_{size}, size_{size}, memory_{memory}, fill_{fill} {
        touch_pages(arena_.address(arena_.start()), size_);
    }
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            std::byte* const p = map();
            if (fill_ == Fill::touch) touch_pages(p, size_);
            munmap(p, size_);
            if (memory_ == Memory::memfd_new) drop_pages();
        }
    }
    [[nodiscard]] std::string verify() {
        std::byte* const p = map();
        *p = std::byte{7};
        const bool shared = *arena_.address(arena_.start()) == std::byte{7};
        munmap(p, size_);
        return shared == (memory_ != Memory::anonymous) ? ""
                                                        : "the mapping shows other memory than it should";
    }

  private:
    [[nodiscard]] std::byte* map() const {
        const bool anonymous = memory_ == Memory::anonymous;
        const int flags = (anonymous ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) |
                          (fill_ == Fill::populate ? MAP_POPULATE : 0);
        void* const p =
            mmap(nullptr, size_, PROT_READ | PROT_WRITE, flags, anonymous ? -1 : arena_.memfd(), 0);
        if (p == MAP_FAILED) throw UsageError("mapping: the kernel refuses a mapping");
        return static_cast<std::byte*>(p);
    }
    void drop_pages() const {
        fallocate(arena_.memfd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size_));
    }

    Arena arena_;
    std::size_t size_;
    Memory memory_;
    Fill fill_;
};

class Memset {
  public:
    explicit Memset(std::size_t size) : memory_(size) {}
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            std::memset(memory_.data(), 0, memory_.size());
            forget();
        }
    }
    [[nodiscard]] static std::string verify() { return {}; }

  private:
    std::vector<std::byte> memory_;
};

template <Mmu M>
class ZeroedAreas {
  public:
    ZeroedAreas(const Setup& setup, std::size_t size) : machine_{make_machine<M>(setup)}, size_{size} {}
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) machine_->vm().vfree(take(), cpu0);
        machine_->vm().drain(cpu0);
    }
    [[nodiscard]] std::string verify() {
        std::vector<std::byte> bytes(size_, std::byte{1});
        const VirtAddr dirty = take();
        const bool written = machine_->mmu().write(dirty, bytes, cpu0);
        machine_->vm().vfree(dirty, cpu0);
        const VirtAddr clean = take();
        const bool read = machine_->mmu().read(clean, bytes, cpu0);
        machine_->vm().vfree(clean, cpu0);
        const bool zero =
            std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
        return written && read && zero ? "" : "vzalloc's memory is not zero";
    }

  private:
    [[nodiscard]] VirtAddr take() {
        const auto at = machine_->vm().vzalloc(size_, cpu0);
        if (!at) throw UsageError("mapping: no memory left");
        return *at;
    }
    std::unique_ptr<Machine<M>> machine_;
    std::size_t size_;
};

struct Row {
    const char* work;
    const char* who;
    Memory memory;
    Fill fill;
};
constexpr std::array<Row, 7> rows{{{"map-only", "anonymous", Memory::anonymous, Fill::none},
                                   {"map-only", "memfd", Memory::memfd, Fill::none},
                                   {"first-touch", "anonymous", Memory::anonymous, Fill::touch},
                                   {"first-touch", "memfd", Memory::memfd, Fill::touch},
                                   {"first-touch", "memfd-new", Memory::memfd_new, Fill::touch},
                                   {"populate", "anonymous", Memory::anonymous, Fill::populate},
                                   {"populate", "memfd", Memory::memfd, Fill::populate}}};

}  // namespace

void add_faults(Contests& contests, const Setup& setup) {
    if (!setup.host) return;
    for (const std::size_t size : sizes) {
        for (const Row& row : rows) {
            add(contests, fmt::format("{}/{}/{}", row.work, size, row.who),
                [=] { return std::make_unique<Mappings>(size, row.memory, row.fill); });
        }
        add(contests, fmt::format("zeroing/{}/memset", size), [=] { return std::make_unique<Memset>(size); });
        add(contests, fmt::format("zeroing/{}/vzalloc", size),
            [=] { return std::make_unique<ZeroedAreas<HostMmu>>(setup, size); });
    }
}

}  // namespace kmemlab::mapping
