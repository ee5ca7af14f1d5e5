/// What a child of a shell costs a kernel, from its fork to its end, as bench/traces/forkstorm.trace.zst
/// tells: the recording's counts over its 401 children. tests/workloads compares.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace kmemlab::workloads {

/// When something is allocated, and how long it is kept.
enum class Keep : std::uint8_t {
    map,   ///< of an address space: half of it made by the fork and kept to the exec, half made by the exec
    task,  ///< made by the fork, kept until the parent has waited
    call,  ///< made and freed by the exec
};

struct ChildPart {
    std::string_view cache;  ///< empty: kmalloc
    std::uint32_t bytes;
    std::uint32_t count;  ///< for one child
    Keep keep;
};

inline constexpr std::array child_objects{ChildPart{"task_struct", 5952, 1, Keep::task},
                                          ChildPart{"pid", 184, 3, Keep::task},
                                          ChildPart{"signal_cache", 1152, 1, Keep::task},
                                          ChildPart{"sighand_cache", 2080, 1, Keep::task},
                                          ChildPart{"files_cache", 704, 1, Keep::task},
                                          ChildPart{"sigqueue", 80, 1, Keep::task},
                                          ChildPart{"mm_struct", 1568, 2, Keep::map},
                                          ChildPart{"vm_area_struct", 192, 71, Keep::map},
                                          ChildPart{"maple_node", 256, 40, Keep::map},
                                          ChildPart{"anon_vma_chain", 64, 39, Keep::map},
                                          ChildPart{"anon_vma", 96, 21, Keep::map},
                                          ChildPart{"names_cache", 4096, 5, Keep::call},
                                          ChildPart{"filp", 184, 4, Keep::call},
                                          ChildPart{"lsm_file_cache", 24, 4, Keep::call},
                                          ChildPart{"", 11, 2, Keep::call},
                                          ChildPart{"", 28, 1, Keep::call},
                                          ChildPart{"", 32, 1, Keep::call},
                                          ChildPart{"", 56, 1, Keep::call},
                                          ChildPart{"", 64, 1, Keep::task},
                                          ChildPart{"", 72, 2, Keep::task},
                                          ChildPart{"", 408, 1, Keep::call},
                                          ChildPart{"", 504, 1, Keep::call},
                                          ChildPart{"", 728, 1, Keep::call},
                                          ChildPart{"", 2048, 1, Keep::call}};
/// Single pages of an address space: page tables and the like, and what user space may write.
inline constexpr std::uint32_t child_kernel_pages = 31;
inline constexpr std::uint32_t child_user_pages = 44;

}  // namespace kmemlab::workloads
