/// Other allocators, loaded beside the C library's without replacing it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace kmemlab::peers {

/// malloc and free of one library. Never unloaded: memory and threads of it may be in use to the end.
struct PeerLibrary {
    using Malloc = void* (*)(std::size_t);
    using Free = void (*)(void*);

    std::string name;  ///< "jemalloc"
    std::string file;  ///< soname found; empty for the C library's own
    Malloc malloc = nullptr;
    Free free = nullptr;
    std::string absent;  ///< why it is not there; empty if it is
};

/// glibc, jemalloc, mimalloc and tcmalloc, present or absent, in this order.
[[nodiscard]] std::vector<PeerLibrary> load_peers();

/// True if a library is absent because its thread-local variables found no room: the dynamic linker sets room
/// aside only when a program starts, and only as much as GLIBC_TUNABLES says.
[[nodiscard]] bool lacks_static_tls(const std::vector<PeerLibrary>& libraries);

/// Starts this program again, with the same arguments and more room for such variables. Returns only if that
/// is impossible or was done before.
void restart_with_static_tls(char** argv);

}  // namespace kmemlab::peers
