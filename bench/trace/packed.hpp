/// The packed form of a trace (`X.kmt`): what the replay iterates over, ready to be used as read.
/// Everything is little-endian and naturally aligned.
///
///     offset
///     0    magic: 89 'K' 'M' 'T' 0d 0a 1a 0a     (no text begins so; a text-mode copy would damage it)
///     8    u32 version (1)      u32 cpus
///     16   u64 bytes of the whole file
///     24   u64 operations
///     32   u32 caches           u32 call sites
///     40   u32 slots of objects, of pages, of areas
///     52   u32 words of counts
///     56   u64 bytes of strings
///     64   counts: u64 each, in the order of for_each_count
///          operations: 16 bytes each (operation.hpp)
///          times: u64 nanoseconds each
///          caches: u32 object size, u32 length of the name
///          call sites: u32 length of the name
///          strings: names of caches, then of call sites, end to end; zeros up to a multiple of 8
///          u64 XXH3-64 of all bytes before
///
/// Reading checks all of it, so that a replay can trust a Trace: magic, version, lengths, checksum; each
/// kind, CPU, cache, call site, order in range; times ascending; an object is allocated when its slot is
/// empty, and freed when it is live, by the free of its kind with its amount.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/trace/trace.hpp"

namespace kmemlab::trace {

[[nodiscard]] bool is_packed(std::string_view head);
/// Bytes of is_packed's magic.
inline constexpr std::size_t packed_magic_size = 8;

[[nodiscard]] std::vector<std::byte> pack(const Trace& trace);
/// Throws UsageError, one line, naming `file`. The trace has no name.
[[nodiscard]] Trace unpack(std::span<const std::byte> bytes, const std::string& file);

}  // namespace kmemlab::trace
