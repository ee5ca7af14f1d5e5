#include "allocators/objects/kmalloc_classes.hpp"

#include <fmt/format.h>

namespace kmemlab {

std::string kmalloc_cache_name(KmallocType type, std::size_t class_size) {
    constexpr std::array<std::string_view, kmalloc_types> prefixes{"kmalloc-", "kmalloc-rcl-",
                                                                   "dma-kmalloc-"};
    const std::string_view prefix = prefixes[static_cast<std::size_t>(type)];
    if (class_size >= 1024) return fmt::format("{}{}k", prefix, class_size / 1024);
    return fmt::format("{}{}", prefix, class_size);
}

}  // namespace kmemlab
