#include "bench/peers/peer_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

namespace kmemlab::peers {
namespace {

constexpr std::string_view static_tls_tunable = "glibc.rtld.optional_static_tls";
constexpr unsigned static_tls_bytes = 65536;

/// DEEPBIND makes a library prefer its own malloc for what it needs itself. AddressSanitizer refuses it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#else
constexpr bool sanitized = false;
#endif

template <class Function>
Function symbol(void* library, const char* name) {
    return reinterpret_cast<Function>(dlsym(library, name));
}

PeerLibrary load(std::string name, std::initializer_list<const char*> files) {
    PeerLibrary peer;
    peer.name = std::move(name);
    if (sanitized) {
        peer.absent = "not loaded beside a sanitizer";
        return peer;
    }
    for (const char* file : files) {
        void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
        if (library == nullptr) {
            peer.absent = dlerror();
            continue;
        }
        peer.file = file;
        peer.malloc = symbol<PeerLibrary::Malloc>(library, "malloc");
        peer.free = symbol<PeerLibrary::Free>(library, "free");
        peer.absent = peer.malloc != nullptr && peer.free != nullptr ? "" : "exports no malloc and free";
        break;
    }
    return peer;
}

}  // namespace

std::vector<PeerLibrary> load_peers() {
    return {{"glibc", "", &std::malloc, &std::free, ""},
            load("jemalloc", {"libjemalloc.so.2"}),
            load("mimalloc", {"libmimalloc.so.2", "libmimalloc.so.2.0"}),
            load("tcmalloc", {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4"})};
}

bool lacks_static_tls(const std::vector<PeerLibrary>& libraries) {
    for (const PeerLibrary& library : libraries) {
        if (library.absent.find("static TLS") != std::string::npos) return true;
    }
    return false;
}

void restart_with_static_tls(char** argv) {
    const char* set = std::getenv("GLIBC_TUNABLES");
    const std::string before = set == nullptr ? "" : set;
    if (before.find(static_tls_tunable) != std::string::npos) return;
    const std::string now =
        fmt::format("{}{}{}={}", before, before.empty() ? "" : ":", static_tls_tunable, static_tls_bytes);
    setenv("GLIBC_TUNABLES", now.c_str(), 1);
    execv("/proc/self/exe", argv);
}

}  // namespace kmemlab::peers
