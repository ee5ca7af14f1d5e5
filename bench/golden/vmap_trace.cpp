/// Replays vmalloctrace, alignvm and stacktrace files: gives the address space the recorded areas, makes the
/// kernel's experiment again, and compares each address, the lazy pages, the purges and the state at the end.
///
///     vmalloctrace  T,op,V|M|F,[cpu,]id,pages,offset,lazy pages,purged
///     alignvm       T,op,A|K|F,id,pages,align,offset,lazy pages,purged
///     stacktrace    T,op,C|X,cpu,id,offset,cached stacks of each CPU (two, - if empty),lazy pages
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "allocators/kstack/stack_cache.hpp"
#include "allocators/vmalloc/vmap_space.hpp"
#include "bench/golden/checks.hpp"
#include "bench/golden/draws.hpp"

namespace kmemlab::golden {
namespace {

constexpr std::size_t most_areas = 4096;
constexpr std::size_t most_stacks = 64;

/// An address or an offset, all 64 bits of it.
std::uint64_t address(const GoldenFile& file, std::size_t line, std::string_view text) {
    std::uint64_t value = 0;
    const bool hex = text.starts_with("0x");
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + (hex ? 2 : 0), end, value, 16);
    if (!hex || error != std::errc{} || rest != end) {
        throw file.bad(line, "'{}' is no address; expected one like 0x1e4000", text);
    }
    return value;
}
std::uint64_t address_parameter(const GoldenFile& file, std::string_view key) {
    return address(file, file.line_of_parameter(key), file.parameter(key));
}

void no_tlb(std::uint64_t, std::uint64_t, CpuId) {}

/// The address space of the recording. Offsets count from the window's start.
class RecordedSpace {
  public:
    explicit RecordedSpace(Comparison& comparison)
        : comparison_{comparison},
          start_{address_parameter(comparison.file(), "VMALLOC_START")},
          cpus_{comparison.file().find_parameter("ncpu") ? comparison.file().number("ncpu", 1, max_cpus) : 1},
          space_{cpus_, comparison.file().number("lazy_max_pages", 0, ~std::uint64_t{0}), no_tlb} {
        constexpr std::uint64_t window_bytes = std::uint64_t{32} << 40;  // of x86-64 (VM-1)
        const bool has_end = comparison.file().find_parameter("VMALLOC_END").has_value();
        window_ = {VirtAddr{start_}, has_end ? VirtAddr{address_parameter(comparison.file(), "VMALLOC_END")}
                                             : VirtAddr{start_} + (window_bytes - 1)};
    }

    /// What was busy or lazy when the recording began.
    void restore() {
        const GoldenFile& file = comparison_.file();
        for (std::size_t line = 0; line < file.lines().size(); ++line) {
            const auto row = fields_of(file.lines()[line]);
            if (row.front() != "S") continue;
            comparison_.check_form(line);
            has_tree_ |= row[1] == "tree";
            if (row[1] != "busy" && row[1] != "lazy") continue;
            const std::uint64_t begin = start_ + address(file, line, row[2]);
            const std::uint64_t end = start_ + address(file, line, row[3]);
            const VmapArea* const room = space_.free().find(begin);
            if (begin >= end || room == nullptr || end > room->end) {
                throw file.bad(line, "this area overlaps another or is empty; expected one of its own");
            }
            VmapArea* const area = space_.occupy(begin, end, CpuId{0});
            if (row[1] == "lazy") (void)space_.free_lazily(area, CpuId{0});
        }
    }
    void compare_state(char letter) {
        rows_of(letter, "busy", space_.busy());
        rows_of(letter, "lazy", space_.lazy());
        rows_of(letter, "free", space_.free());
        if (has_tree_) tree_rows(letter, space_.free().root());
        comparison_.lawful(space_.find_violation());
    }

    [[nodiscard]] VmapArea* alloc(std::uint64_t pages, std::uint64_t align, CpuId cpu) {
        return space_.alloc((pages + 1) << page_shift, align, window_, cpu);
    }
    /// True: it purged.
    bool free(VmapArea* area, CpuId cpu) {
        if (!space_.free_lazily(area, cpu)) return false;
        do {
            space_.purge(cpu);
        } while (space_.lazy_pages() > space_.lazy_max());
        return true;
    }
    [[nodiscard]] std::string offset(const VmapArea* area) const {
        return area == nullptr ? "none" : fmt::format("{:#x}", area->start - start_);
    }
    [[nodiscard]] std::uint64_t lazy_pages() const { return space_.lazy_pages(); }
    [[nodiscard]] std::uint64_t purges() const { return space_.purges(); }
    [[nodiscard]] unsigned cpus() const { return cpus_.count(); }

  private:
    void rows_of(char letter, std::string_view name, const AreaTree& tree) {
        for (const VmapArea* area = tree.first(); area != nullptr; area = AreaTree::next(area)) {
            comparison_.row(
                fmt::format("{},{},{:#x},{:#x}", letter, name, area->start - start_, area->end - start_));
        }
    }
    /// In preorder.
    void tree_rows(char letter, const VmapArea* area) {
        if (area == nullptr) return;
        comparison_.row(fmt::format("{},tree,{:#x},{:#x},{},{:d},{:d},{:#x}", letter, area->start - start_,
                                    area->end - start_, area->red ? 'R' : 'B', area->left != nullptr,
                                    area->right != nullptr, area->largest));
        tree_rows(letter, area->left);
        tree_rows(letter, area->right);
    }

    Comparison& comparison_;
    std::uint64_t start_;
    OwnedCpus cpus_;
    VmapSpace<OwnedCpus> space_;
    AddressRange window_;
    bool has_tree_ = false;
};

/// What all three experiments have: their draws and the areas that live.
struct Experiment {
    explicit Experiment(Comparison& comparison)
        : operations{comparison.file().number("nops", least_operations, most_operations)},
          draws{comparison.file().number("seed", 1, ~std::uint64_t{0})},
          several{comparison.file().find_parameter("ncpu").has_value()} {}

    std::uint64_t operations;
    Draws draws;
    bool several;  ///< CPUs: two draws for each operation
};

template <class T>
T take_out(std::vector<T>& live, std::size_t k) {
    std::swap(live[k], live.back());
    T taken = live.back();
    live.pop_back();
    return taken;
}

/// vmalloctrace and alignvm.
class AreaTrace {
  public:
    AreaTrace(Comparison& comparison, RecordedSpace& space, bool aligned)
        : comparison_{comparison}, space_{space}, experiment_{comparison}, aligned_{aligned} {}

    void run() {
        std::uint64_t op = 0;
        for (; op < experiment_.operations; ++op) {
            const std::uint64_t r = experiment_.draws.next();
            const std::uint64_t q = experiment_.several ? experiment_.draws.next() : 0;
            const bool allocates = live_.empty() || (wants_allocation(r, op, experiment_.operations) &&
                                                     live_.size() < most_areas);
            if (allocates) {
                allocate(op, r, cpu_of(q));
            } else {
                free(op, (r >> 32) % live_.size(), cpu_of(q >> 8));
            }
        }
        for (; !live_.empty(); ++op)
            free(op, live_.size() - 1, CpuId{static_cast<unsigned>(op % space_.cpus())});
    }

  private:
    struct Live {
        std::uint64_t id;
        std::uint64_t pages;
        std::uint64_t align;
        VmapArea* area;
    };

    [[nodiscard]] CpuId cpu_of(std::uint64_t draw) const {
        return CpuId{static_cast<unsigned>((draw & 255) % space_.cpus())};
    }
    void allocate(std::uint64_t op, std::uint64_t r, CpuId cpu) {
        Live live{ids_++, 0, page_size, nullptr};
        char kind = ((r >> 8) & 7) >= 6 ? 'M' : 'V';
        const std::uint64_t x = (r >> 16) & 0xffff;
        live.pages = ((r >> 12) & 15) != 0 ? 1 + x % 16 : 1 + x % 256;
        if (aligned_) {
            kind = ((r >> 8) & 7) == 7 ? 'K' : 'A';
            live.pages = kind == 'K' ? 4 : 1 + ((r >> 16) & 15);
            if (kind == 'K') {
                live.align = 4 * page_size;
            } else if (((r >> 11) & 1) != 0) {
                live.align = page_size << ((r >> 20) & 7);
            }
        }
        live.area = space_.alloc(live.pages, live.align, cpu);
        row(op, kind, cpu, live, false);
        live_.push_back(live);
    }
    void free(std::uint64_t op, std::size_t k, CpuId cpu) {
        const Live live = take_out(live_, k);
        const std::string offset = space_.offset(live.area);
        const bool purged = space_.free(live.area, cpu);
        row(op, 'F', cpu, live, purged, offset);
    }
    void row(std::uint64_t op, char kind, CpuId cpu, const Live& live, bool purged, std::string offset = {}) {
        if (offset.empty()) offset = space_.offset(live.area);
        const std::string on = experiment_.several ? fmt::format("{},", cpu.value()) : "";
        const std::string align = aligned_ ? fmt::format("{},", live.align) : "";
        comparison_.row(fmt::format("T,{},{},{}{},{},{}{},{},{:d}", op, kind, on, live.id, live.pages, align,
                                    offset, space_.lazy_pages(), purged));
    }

    Comparison& comparison_;
    RecordedSpace& space_;
    Experiment experiment_;
    bool aligned_;
    std::uint64_t ids_ = 0;
    std::vector<Live> live_;
};

/// stacktrace: threads are created on one CPU and exit on another; each CPU caches two stacks.
class StackTrace {
  public:
    StackTrace(Comparison& comparison, RecordedSpace& space)
        : comparison_{comparison},
          space_{space},
          experiment_{comparison},
          pages_{comparison.file().number("THREAD_SIZE", page_size, max_order.bytes()) >> page_shift},
          align_{comparison.file().number("THREAD_ALIGN", page_size, max_order.bytes())},
          cache_{space.cpus()} {}

    void run() {
        for (std::uint64_t op = 0; op < experiment_.operations; ++op) {
            const std::uint64_t r = experiment_.draws.next();
            const std::uint64_t q = experiment_.draws.next();
            const bool creates = live_.empty() || (wants_allocation(r, op, experiment_.operations) &&
                                                   live_.size() < most_stacks);
            if (creates) {
                create(op, cpu_of(q), cpu_of(q >> 8));
            } else {
                exit(op, take_out(live_, (r >> 32) % live_.size()));
            }
        }
        for (std::uint64_t op = experiment_.operations; !live_.empty(); ++op) {
            exit(op, take_out(live_, live_.size() - 1));
        }
    }
    [[nodiscard]] std::string cached() const {
        std::string text;
        for (CpuId c{0}; c.value() < space_.cpus(); ++c) {
            for (const auto& slot : cache_.slots(c)) text += (slot ? space_.offset(*slot) : "-") + ",";
        }
        return text;
    }

  private:
    struct Live {
        std::uint64_t id;
        CpuId cpu;  ///< where the thread runs
        VmapArea* stack;
    };

    [[nodiscard]] CpuId cpu_of(std::uint64_t draw) const {
        return CpuId{static_cast<unsigned>((draw & 255) % space_.cpus())};
    }
    void create(std::uint64_t op, CpuId creator, CpuId runs_on) {
        const auto reused = cache_.take(creator);
        live_.push_back({ids_++, runs_on, reused ? *reused : space_.alloc(pages_, align_, creator)});
        row(op, 'C', creator, live_.back().id, space_.offset(live_.back().stack));
    }
    void exit(std::uint64_t op, const Live& thread) {
        const std::string offset = space_.offset(thread.stack);
        if (!cache_.put(thread.stack, thread.cpu)) space_.free(thread.stack, thread.cpu);
        row(op, 'X', thread.cpu, thread.id, offset);
    }
    void row(std::uint64_t op, char kind, CpuId cpu, std::uint64_t id, std::string_view offset) {
        comparison_.row(fmt::format("T,{},{},{},{},{},{}{}", op, kind, cpu.value(), id, offset, cached(),
                                    space_.lazy_pages()));
    }

    Comparison& comparison_;
    RecordedSpace& space_;
    Experiment experiment_;
    std::uint64_t pages_;
    std::uint64_t align_;
    std::uint64_t ids_ = 0;
    std::vector<Live> live_;
    StackCache<VmapArea*> cache_;
};

void check_areas(Comparison& comparison, bool aligned) {
    comparison.set_forms(
        {"S,*,*,*", "E,*,*,*", "S,tree,*,*,*,0,0,*", "E,tree,*,*,*,0,0,*", "T,0,**", "# **"});
    RecordedSpace space{comparison};
    space.restore();
    comparison.pass_header("");
    space.compare_state('S');
    AreaTrace{comparison, space, aligned}.run();
    comparison.row(fmt::format("# purges={}", space.purges()));
    space.compare_state('E');
    comparison.end();
}

}  // namespace

void check_vmalloc_trace(Comparison& comparison) {
    check_areas(comparison, false);
}
void check_aligned_trace(Comparison& comparison) {
    check_areas(comparison, true);
}

void check_stack_trace(Comparison& comparison) {
    comparison.set_forms({"S,cache,**", "S,*,*,*", "E,*,*,*", "T,0,**"});
    RecordedSpace space{comparison};
    space.restore();
    comparison.pass_header("");
    StackTrace trace{comparison, space};
    comparison.row(fmt::format("S,cache,{}{}", trace.cached(), space.lazy_pages()));
    space.compare_state('S');
    trace.run();
    space.compare_state('E');
    comparison.end();
}

}  // namespace kmemlab::golden
