/// Other allocators, loaded beside the C library's without replacing it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace kmemlab::peers {

/// malloc, free and their kin of one library. Never unloaded: memory and threads of it may be in use to the
/// end.
struct PeerLibrary {
    using Malloc = void* (*)(std::size_t);
    using Free = void (*)(void*);
    using Calloc = void* (*)(std::size_t, std::size_t);
    using UsableSize = std::size_t (*)(void*);

    std::string name;  ///< "jemalloc"
    std::string file;  ///< soname found; empty for the C library's own
    Malloc malloc = nullptr;
    Free free = nullptr;
    Calloc calloc = nullptr;
    UsableSize usable_size = nullptr;
    /// Bytes that it holds of the system's memory, by its own account; empty if it tells none.
    std::function<std::uint64_t()> held_bytes;
    std::string absent;  ///< why it is not there; empty if it is
};

/// The name of ours among them.
inline constexpr const char* own_malloc = "kmemlab";

/// glibc, jemalloc, mimalloc, tcmalloc and our own drop-in malloc ("kmemlab"), present or absent, in this
/// order.
[[nodiscard]] std::vector<PeerLibrary> load_peers();
/// One of jemalloc, mimalloc and tcmalloc.
[[nodiscard]] PeerLibrary load_peer(std::string_view name);

/// True if a library is absent because its thread-local variables found no room: the dynamic linker sets room
/// aside only when a program starts, and only as much as GLIBC_TUNABLES says.
[[nodiscard]] bool lacks_static_tls(const std::vector<PeerLibrary>& libraries);

/// Starts this program again, with the same arguments and more room for such variables. Returns only if that
/// is impossible or was done before.
void restart_with_static_tls(char** argv);

}  // namespace kmemlab::peers
