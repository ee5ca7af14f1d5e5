/// What the allocators of a real kernel took (tests/golden/linux-6.1-timing), beside what our models of them
/// take here for the same work.
///
///     recorded      a row 22 ns     calib rows 0.33 26.2 15.1 ... ns: primitives of the processor
///     measured      a row  9 ns     calib rows 0.30 24.0 14.9 ... ns, in the same run
///                                   scale = median of measured / recorded
///     ratio         9 / (22 * scale)
///
/// Beside a kernel that does the works in the same run (guest_contests.hpp) nothing needs a scale: the ratio
/// is that of two rows, the median over the turns.
///
/// kernel_contests.hpp has the works.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/path.hpp"
#include "bench/golden/golden_file.hpp"
#include "bench/guests/kernels.hpp"
#include "bench/measure/contest.hpp"
#include "bench/measure/sequence.hpp"

namespace kmemlab::peers {

/// What of the recorded works can be done here too.
enum class KernelWork : std::uint8_t {
    empty_loop,
    fenced_rdtsc,
    cmpxchg16b,
    lock_cmpxchg16b,
    lock_inc,
    pushf_popf,
    cache_pair,             ///< with 3 objects of the cache held
    cache_pair_none_held,   ///< with none
    constant_kmalloc_pair,  ///< of a size that the compiler knows
    kmalloc_pair,
    uniform_kmallocs,  ///< of random sizes; `count` live, the oldest is freed
    loguniform_kmallocs,
    batch,  ///< `count` allocations, then their frees in `sequence`
    bulk,   ///< the same by one call each
    page_pair,
    page_batch,
    page_pair_without_pcp,  ///< per-CPU page lists off
    page_batch_without_pcp,
};
[[nodiscard]] bool is_calibration(KernelWork work);
[[nodiscard]] bool is_of_pages(KernelWork work);

inline constexpr std::size_t constant_kmalloc_size = 64;

/// The name of a count of operations that a path served: "frees.slab".
[[nodiscard]] std::string count_name(std::string_view kind, Path path);

struct RecordedRow {
    std::string name;  ///< kernel-GROUP-TEST[-COUNT-ORDER]/SIZE/WHO, in the words of the file
    std::string who;   ///< slub, slab or slob; buddy; machine
    KernelWork work{};
    std::size_t size = 0;  ///< bytes; of pages the order
    std::size_t count = 1;
    Sequence sequence{};
    double ns = 0;  ///< median, of an allocation and its release

    /// "kernel-pair-kmalloc_var_kfree/64/", which a row of the same work begins with, whoever does it.
    [[nodiscard]] std::string work_and_size() const { return name.substr(0, name.rfind('/') + 1); }
};

/// A file of timings.
class KernelTimes {
  public:
    /// Throws UsageError, naming the line, if the file is none.
    explicit KernelTimes(const golden::GoldenFile& file);

    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] const std::string& allocator() const { return allocator_; }
    [[nodiscard]] const std::vector<RecordedRow>& rows() const { return rows_; }
    /// Tests of the file that cannot be done here, as GROUP-TEST.
    [[nodiscard]] const std::vector<std::string>& left_out() const { return left_out_; }

  private:
    std::string file_;
    std::string allocator_;
    std::vector<RecordedRow> rows_;
    std::vector<std::string> left_out_;
};

/// A row measured, and what it was recorded with.
struct KernelRatio {
    static constexpr double wanted = 1.0;  ///< at most

    std::string name;
    Sequence sequence{};
    double ns = 0;
    double recorded_ns = 0;
    double scaled_ns = 0;
    double ratio = 0;
    Counts counts;

    [[nodiscard]] bool met() const { return ratio <= wanted; }
};

/// The rows of one allocator; at least one.
struct KernelComparison {
    std::string file;  ///< or kernel:NAME, of the same run
    std::string who;
    double scale = 1;
    std::size_t calibrations = 0;  ///< rows that the scale is the median of; 0: of the same run
    std::vector<KernelRatio> rows;

    [[nodiscard]] std::size_t met() const;
    [[nodiscard]] double median_ratio() const;
    [[nodiscard]] const KernelRatio& worst() const;
};

/// Those that were measured. Pages, which are the same allocator's whatever lies above, are compared with the
/// first file. Nothing of a file of whose calib rows none was measured. Then those which one of `kernels`, of
/// the file's allocator, did in the same run.
[[nodiscard]] std::vector<KernelComparison> compare(std::span<const KernelTimes> times,
                                                    const std::vector<ContestRow>& rows,
                                                    std::span<const guests::Kernel> kernels = {});

/// Rows with their ratios, which paths the batches took, and a summary of each allocator.
[[nodiscard]] std::string to_text(std::span<const KernelComparison> comparisons);
/// `kernel_times` of a result (docs/results.md).
[[nodiscard]] Json to_json(std::span<const KernelComparison> comparisons);

}  // namespace kmemlab::peers
