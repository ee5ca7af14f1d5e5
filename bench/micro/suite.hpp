/// All micro benchmarks, over every model of the registry.
#pragma once

#include <string>

namespace kmemlab::micro {

/// Registers them with Google Benchmark, as WORK/SIZE/ALLOCATOR: `pair` and `batch-lifo:N` ... over allocate;
/// `cache-...` and `bulk:N` over a cache; `pages-...` over blocks of pages.
void register_all();

/// A pass of its own, not measured: every way of allocating gives memory that nobody else writes to, and
/// afterwards no law is broken. Empty, or what was found.
[[nodiscard]] std::string verify_all();

}  // namespace kmemlab::micro
