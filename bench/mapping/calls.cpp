// vmalloc + vfree, vmap + vunmap, vm_map_ram + vm_unmap_ram by size, beside what else gives memory.
//
//   host, soft        lazily flushed, frames as the page allocator gives them (vmap: side by side)
//   host-eager        each free flushes
//   host-scattered    no two frames side by side: as many mappings as pages
//   mmap, malloc      anonymous memory, populated; the C library's, each page touched
//   buddy             a block of the direct map
//   bare, bare-scattered   the system calls alone that vmalloc needs: a populated fixed mapping of the memfd
//                     for each extent, and the share of one unmapping of all areas that wait for a purge
//
// Every row writes a word of what it got. What a run leaves lazy it flushes within its own time.
#include <sys/mman.h>

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "bench/mapping/works.hpp"
#include "bench/measure/keep.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::array<std::size_t, 6> sizes{4096, 16384, 65536, 262144, 1048576, 4194304};
constexpr std::size_t counted_units = 64;

template <class T>
T got(std::optional<T> value) {
    if (!value) throw UsageError("mapping: no memory, addresses or mappings left");
    return *value;
}

enum class Call : std::uint8_t { vmalloc, vmap, vm_map_ram };
constexpr std::array<std::pair<Call, const char*>, 3> calls{
    {{Call::vmalloc, "vmalloc"}, {Call::vmap, "vmap"}, {Call::vm_map_ram, "vm_map_ram"}}};

/// One of our calls and its opposite.
template <Mmu M, Call call>
class Pairs {
  public:
    Pairs(const Setup& setup, std::size_t size, const Variant& variant)
        : machine_{make_machine<M>(setup, variant)}, size_{size} {
        if (call != Call::vmalloc) frames_ = machine_->frames(pages(), variant.scattered_pages == 0);
    }

    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const VirtAddr at = take();
            machine_->use(at);
            put(at);
        }
        machine_->vm().drain(cpu0);
    }
    [[nodiscard]] Counts counts() {
        const MmuStats before = machine_->mmu().stats();
        run(counted_units);
        Counts counts = difference(before, machine_->mmu().stats());
        counts.emplace_back("units", counted_units);
        return counts;
    }
    [[nodiscard]] std::string verify() {
        std::vector<std::byte> written(size_);
        std::vector<std::byte> read(size_);
        for (std::size_t i = 0; i < size_; ++i) written[i] = static_cast<std::byte>(i % 251);
        const VirtAddr at = take();
        const bool good = machine_->mmu().write(at, written, cpu0) && machine_->mmu().read(at, read, cpu0);
        put(at);
        machine_->vm().drain(cpu0);
        if (!good || read != written) return "memory does not keep what is written";
        const auto broken = machine_->vm().find_violation();
        return broken ? broken->message() : "";
    }

  private:
    [[nodiscard]] std::size_t pages() const { return size_ >> page_shift; }
    [[nodiscard]] VirtAddr take() {
        auto& vm = machine_->vm();
        if constexpr (call == Call::vmalloc) return got(vm.vmalloc(size_, cpu0));
        if constexpr (call == Call::vmap) return got(vm.vmap(frames_, cpu0));
        return got(vm.vm_map_ram(frames_, cpu0));
    }
    void put(VirtAddr at) {
        auto& vm = machine_->vm();
        if constexpr (call == Call::vmalloc) {
            vm.vfree(at, cpu0);
        } else if constexpr (call == Call::vmap) {
            vm.vunmap(at, cpu0);
        } else {
            vm.vm_unmap_ram(at, pages(), cpu0);
        }
    }

    std::unique_ptr<Machine<M>> machine_;
    std::size_t size_;
    std::vector<Pfn> frames_;
};

void use(void* p) {
    *static_cast<volatile std::uint64_t*>(p) = 1;
    keep(p);
}

class Anonymous {
  public:
    explicit Anonymous(std::size_t size) : size_{size} {}
    void run(std::size_t count) const {
        for (std::size_t i = 0; i < count; ++i) {
            void* const p = take();
            use(p);
            munmap(p, size_);
        }
    }
    [[nodiscard]] static std::string verify() { return {}; }

  private:
    [[nodiscard]] void* take() const {
        constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
        void* const p = mmap(nullptr, size_, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (p == MAP_FAILED) throw UsageError("mapping: mmap gives no memory");
        return p;
    }
    std::size_t size_;
};

class TouchedMalloc {
  public:
    explicit TouchedMalloc(std::size_t size) : size_{size} {}
    void run(std::size_t count) const {
        for (std::size_t i = 0; i < count; ++i) {
            auto* const p = static_cast<std::byte*>(std::malloc(size_));
            if (p == nullptr) throw UsageError("mapping: malloc gives no memory");
            for (std::size_t offset = 0; offset < size_; offset += page_size) use(p + offset);
            std::free(p);
        }
    }
    [[nodiscard]] static std::string verify() { return {}; }

  private:
    std::size_t size_;
};

class Blocks {
  public:
    Blocks(const Setup& setup, std::size_t size)
        : machine_{make_machine<SoftMmu>(setup)}, order_{order_of(size)} {}
    void run(std::size_t count) {
        auto& buddy = machine_->buddy();
        for (std::size_t i = 0; i < count; ++i) {
            const Pfn pfn = got(buddy.take(order_, GFP_KERNEL, cpu0));
            use(machine_->arena().address(pfn));
            buddy.give(pfn, order_, cpu0);
        }
    }
    [[nodiscard]] std::string verify() const {
        const auto broken = machine_->buddy().find_violation();
        return broken ? broken->message() : "";
    }

  private:
    std::unique_ptr<Machine<SoftMmu>> machine_;
    Order order_;
};

/// Areas of `extents` mappings each, one behind the other with a page between them, in a window as the host's
/// MMU has it; when as many pages wait as vmalloc lets wait, one call clears the whole stretch.
class BareCalls {
  public:
    BareCalls(const Setup& setup, std::size_t size, std::size_t extents)
        : arena_{size * 2},
          extent_{size / extents},
          extents_{extents},
          stride_{size + page_size},
          batch_{std::max<std::size_t>(1, lazy_bytes(setup) / stride_)},
          window_{batch_ * stride_},
          begin_{window_.range().begin} {}

    void run(std::size_t count) {
        for (std::size_t done = 0; done < count; done += batch_) {
            const std::size_t areas = std::min(batch_, count - done);
            for (std::size_t i = 0; i < areas; ++i) use(map(begin_ + i * stride_));
            clear(areas);
        }
    }
    [[nodiscard]] std::string verify() {
        void* const p = map(begin_);
        std::memset(p, 1, extent_ * extents_);
        const bool good = *arena_.address(arena_.start()) == std::byte{1};
        clear(1);
        return good ? "" : "the mapping does not show the arena";
    }

  private:
    [[nodiscard]] static std::size_t lazy_bytes(const Setup& setup) {
        const std::uint64_t set = setup.machine.vmalloc.lazy_max_pages;
        const auto cpus = static_cast<unsigned>(setup.machine.machine.cpus);
        return (set > 0 ? set : lazy_max_pages(cpus)) << page_shift;
    }
    [[nodiscard]] void* map(VirtAddr at) const {
        for (std::size_t i = 0; i < extents_; ++i) {
            // Every second extent of the file: no two adjacent mappings can be joined.
            const auto offset = static_cast<off_t>(extents_ == 1 ? 0 : 2 * i * extent_);
            if (!window_.map(at + i * extent_, {.file = arena_.memfd(), .offset = offset, .bytes = extent_}))
                throw UsageError("mapping: the kernel refuses a mapping of the arena");
        }
        return HostMmu::pointer(at);
    }
    void clear(std::size_t areas) const {
        if (!window_.clear(begin_, begin_ + areas * stride_))
            throw UsageError("mapping: the kernel refuses to unmap");
    }

    Arena arena_;
    std::size_t extent_;
    std::size_t extents_;
    std::size_t stride_;
    std::size_t batch_;
    HostWindow window_;
    VirtAddr begin_;
};

template <Mmu M>
void add_pairs(Contests& contests, const Setup& setup, Call call, std::string name, std::size_t size,
               const Variant& variant) {
    const auto make = [&]<Call which>(std::integral_constant<Call, which>) {
        add(contests, std::move(name),
            [=] { return std::make_unique<Pairs<M, which>>(setup, size, variant); });
    };
    switch (call) {
        case Call::vmalloc:
            return make(std::integral_constant<Call, Call::vmalloc>{});
        case Call::vmap:
            return make(std::integral_constant<Call, Call::vmap>{});
        case Call::vm_map_ram:
            return make(std::integral_constant<Call, Call::vm_map_ram>{});
    }
}

/// Our own rows of one call and size.
void add_ours(Contests& contests, const Setup& setup, Call call, const std::string& work, std::size_t size) {
    // Twice what one area needs: a frame does not come back at once.
    const Variant scattered{.scattered_pages = 2 * (size >> page_shift)};
    if (setup.host) {
        add_pairs<HostMmu>(contests, setup, call, work + "host", size, {});
        add_pairs<HostMmu>(contests, setup, call, work + "host-eager", size, {.lazy = false});
        add_pairs<HostMmu>(contests, setup, call, work + "host-scattered", size, scattered);
    }
    if (setup.soft) {
        add_pairs<SoftMmu>(contests, setup, call, work + "soft", size, {});
        add_pairs<SoftMmu>(contests, setup, call, work + "soft-eager", size, {.lazy = false});
    }
}

/// What vmalloc is compared with.
void add_others(Contests& contests, const Setup& setup, const std::string& work, std::size_t size) {
    add(contests, work + "mmap", [=] { return std::make_unique<Anonymous>(size); });
    add(contests, work + "malloc", [=] { return std::make_unique<TouchedMalloc>(size); });
    add(contests, work + "buddy", [=] { return std::make_unique<Blocks>(setup, size); });
    add(contests, work + "bare", [=] { return std::make_unique<BareCalls>(setup, size, 1); });
    add(contests, work + "bare-scattered",
        [=] { return std::make_unique<BareCalls>(setup, size, size >> page_shift); });
}

}  // namespace

void add_calls(Contests& contests, const Setup& setup) {
    for (const auto& [call, name] : calls) {
        for (const std::size_t size : sizes) {
            const std::string work = fmt::format("{}/{}/", name, size);
            add_ours(contests, setup, call, work, size);
            if (call == Call::vmalloc && setup.host) add_others(contests, setup, work, size);
        }
    }
}

}  // namespace kmemlab::mapping
