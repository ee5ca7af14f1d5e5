/// Replays slabtrace and bulktrace files: the kernel's experiment is made again, from the parameters of the
/// file alone, on an object allocator, and every row that it gives is compared. What differs between the
/// allocators is behind SlabTraceTarget.
///
///     op,A|F,[cpu,]id,slab,index,new[,colour]<after>   an object given, taken
///     op,O,objects,live,0,0,0<after>                   the end of one bulk operation
///     op,D,...,slab,...                                a slab went back
///     op,K,cpu  op,H,cpu                               a CPU was flushed; the cache was shrunk
///     op,X,...                                         all state (several CPUs)
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/base/units.hpp"
#include "bench/golden/check.hpp"
#include "bench/golden/comparison.hpp"

namespace kmemlab::golden {

/// Where an object lies: number of its slab, its index there (SLOB: offset in bytes), the slab's colour in
/// bytes.
struct ObjectPlace {
    std::int64_t slab = -1;
    std::int64_t index = -1;
    std::int64_t colour = 0;
};

/// An allocator with one cache, as a trace needs it.
class SlabTraceTarget {
  public:
    SlabTraceTarget() = default;
    virtual ~SlabTraceTarget() = default;
    SlabTraceTarget(const SlabTraceTarget&) = delete;
    SlabTraceTarget& operator=(const SlabTraceTarget&) = delete;

    /// Compares the cache's layout with the parameters, and puts in a recorded state if the rows begin with
    /// one.
    virtual void begin(Comparison& comparison) = 0;

    virtual void* alloc(CpuId cpu) = 0;
    virtual void free(void* object, CpuId cpu) = 0;
    /// All or nothing.
    virtual bool alloc_bulk(std::span<void*> objects, CpuId cpu) = 0;
    virtual void free_bulk(std::span<void*> objects, CpuId cpu) = 0;
    /// Rows K and H.
    virtual void flush_cpu(CpuId cpu) = 0;
    virtual void shrink(CpuId cpu) = 0;

    [[nodiscard]] virtual ObjectPlace place_of(const void* object) const = 0;
    /// The last columns of a row, the state after the operation, each behind a comma.
    [[nodiscard]] virtual std::string after(CpuId cpu) const = 0;
    /// The whole state: X rows from `X` on.
    [[nodiscard]] virtual std::vector<std::string> dump() const = 0;
    [[nodiscard]] virtual MaybeViolation find_violation() const = 0;
    /// Slabs made so far, and those that went back since the call before, ascending.
    [[nodiscard]] virtual std::int64_t slabs_made() const = 0;
    [[nodiscard]] virtual std::vector<std::int64_t> take_gone() = 0;
};

/// A fresh allocator of the kind that the file names. Throws UsageError for another one.
[[nodiscard]] std::unique_ptr<SlabTraceTarget> make_target(const GoldenFile& file, Context context);

/// Throws as Comparison does. Asks find_violation() every 1000 operations and at the end.
void check_slab_trace(Comparison& comparison, Context context);

}  // namespace kmemlab::golden
