/// Kernels that `kmemlab kernel build` (build.py) has left in the cache, each under its name.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kmemlab::guests {

struct Kernel {
    std::string name;
    std::string release;    ///< "6.1.192"
    std::string allocator;  ///< slub, slab or slob
    std::string tree;       ///< the folder it was built from
    std::string state;      ///< a hash of that folder's files at that time
    std::string options;    ///< of its configuration, beyond ours
    std::string append;     ///< parameters that it is booted with
    bool smp = false;       ///< for several CPUs, by QEMU: only golden files can be made of it
    std::filesystem::path folder;

    /// "Linux 6.1.192, slub, tree 0123456789abcdef": what it is, for results.
    [[nodiscard]] std::string description() const;
};

/// What a kernel's name has before it where allocators are named.
inline constexpr std::string_view allocator_prefix = "kernel:";
/// "kernel:NAME"
[[nodiscard]] inline std::string as_allocator(std::string_view kernel) {
    return std::string{allocator_prefix}.append(kernel);
}

/// $XDG_CACHE_HOME/kmemlab/kernels
[[nodiscard]] std::filesystem::path kernels_folder();

/// Throws UsageError, with the names that there are, if there is none of that name, or if what is there is
/// damaged.
[[nodiscard]] Kernel find_kernel(std::string_view name);
/// By name.
[[nodiscard]] std::vector<Kernel> all_kernels();

}  // namespace kmemlab::guests
