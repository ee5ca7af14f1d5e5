/// A kernel of `kmemlab kernel build` as an allocator of a replay: its name is kernel:NAME, which replays
/// objects, or kernel:NAME:pages, kernel:NAME:areas. The operations are performed inside of the guest, in its
/// one CPU's order; ticks are of the same counter as everybody's, and come out as raw samples.
///
/// What a kernel does not tell: the path of a single operation (SLUB counts them all if it was built with
/// --kconfig CONFIG_SLUB_STATS=y), its metadata. What it held when it
/// had booted is not counted, and as that varies a little from boot to boot, there is no hash of addresses.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/contract/registry.hpp"
#include "bench/replay/session.hpp"

namespace kmemlab::replay {

[[nodiscard]] bool is_kernel(std::string_view name);

/// Throws UsageError if `name` is no kernel's, or the part is none.
[[nodiscard]] Part kernel_part(std::string_view name);
[[nodiscard]] std::vector<TunableValue> kernel_tunables(std::string_view name,
                                                        std::span<const Setting> settings);
[[nodiscard]] std::unique_ptr<Session> open_kernel(std::string_view name, std::span<const Setting> settings,
                                                   const Workload& work);

}  // namespace kmemlab::replay
