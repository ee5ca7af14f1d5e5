/// Writing without stdio, which allocates.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace kmemlab {

/// False: not all could be written.
[[nodiscard]] inline bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0 && errno != EINTR) return false;
        if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace kmemlab
