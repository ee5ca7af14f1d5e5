#include "bench/peers/peer_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
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

/// What jemalloc counts is as old as its last epoch.
std::function<std::uint64_t()> held_by_jemalloc(void* library) {
    using Mallctl = int (*)(const char*, void*, std::size_t*, void*, std::size_t);
    const auto mallctl = symbol<Mallctl>(library, "mallctl");
    if (mallctl == nullptr) return {};
    return [mallctl] {
        std::uint64_t epoch = 1;
        mallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch);
        std::size_t active = 0;
        std::size_t size = sizeof active;
        return mallctl("stats.active", &active, &size, nullptr, 0) == 0 ? active : 0;
    };
}

std::function<std::uint64_t()> held_by_mimalloc(void* library) {
    using Info = void (*)(std::size_t*, std::size_t*, std::size_t*, std::size_t*, std::size_t*, std::size_t*,
                          std::size_t*, std::size_t*);
    const auto info = symbol<Info>(library, "mi_process_info");
    if (info == nullptr) return {};
    return [info] {
        std::size_t committed = 0;
        info(nullptr, nullptr, nullptr, nullptr, nullptr, &committed, nullptr, nullptr);
        return committed;
    };
}

std::function<std::uint64_t()> held_by_tcmalloc(void* library) {
    using Property = int (*)(const char*, std::size_t*);
    const auto property = symbol<Property>(library, "MallocExtension_GetNumericProperty");
    if (property == nullptr) return {};
    return [property] {
        std::size_t heap = 0;
        std::size_t given_back = 0;
        property("generic.heap_size", &heap);
        property("tcmalloc.pageheap_unmapped_bytes", &given_back);
        return heap - given_back;
    };
}

struct Peer {
    std::string_view name;
    std::vector<std::string> files;
    std::function<std::uint64_t()> (*held_bytes)(void* library);
};

PeerLibrary load(const Peer& wanted) {
    PeerLibrary peer;
    peer.name = wanted.name;
    if (sanitized) {
        peer.absent = "not loaded beside a sanitizer";
        return peer;
    }
    for (const std::string& file : wanted.files) {
        void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
        if (library == nullptr) {
            peer.absent = dlerror();
            continue;
        }
        peer.file = file;
        peer.malloc = symbol<PeerLibrary::Malloc>(library, "malloc");
        peer.free = symbol<PeerLibrary::Free>(library, "free");
        peer.calloc = symbol<PeerLibrary::Calloc>(library, "calloc");
        peer.usable_size = symbol<PeerLibrary::UsableSize>(library, "malloc_usable_size");
        const bool whole = peer.malloc != nullptr && peer.free != nullptr && peer.calloc != nullptr &&
                           peer.usable_size != nullptr;
        peer.absent = whole ? "" : "lacks malloc, calloc, free or malloc_usable_size";
        peer.held_bytes = wanted.held_bytes(library);
        break;
    }
    return peer;
}

/// Our own: where it is built, and where it is installed, seen from this program.
std::vector<std::string> own_library() {
    std::array<char, 4096> path{};
    const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
    const std::string program{path.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
    const std::string folder = program.substr(0, program.find_last_of('/') + 1);
    return {folder + "../../allocators/preload/libkmemlab_malloc.so",
            folder + "../" KMEMLAB_LIBDIR "/libkmemlab_malloc.so", "libkmemlab_malloc.so"};
}

}  // namespace

std::vector<PeerLibrary> load_peers() {
    PeerLibrary glibc;
    glibc.name = "glibc";
    glibc.malloc = &std::malloc;
    glibc.free = &std::free;
    return {glibc, load_peer("jemalloc"), load_peer("mimalloc"), load_peer("tcmalloc"),
            load_peer(own_malloc)};
}

PeerLibrary load_peer(std::string_view name) {
    if (name == "jemalloc") return load({name, {"libjemalloc.so.2"}, &held_by_jemalloc});
    if (name == "mimalloc")
        return load({name, {"libmimalloc.so.2", "libmimalloc.so.2.0"}, &held_by_mimalloc});
    if (name == "tcmalloc")
        return load({name, {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4"}, &held_by_tcmalloc});
    if (name == own_malloc)
        return load({name, own_library(), [](void*) { return std::function<std::uint64_t()>{}; }});
    PeerLibrary unknown;
    unknown.name = name;
    unknown.absent = "unknown";
    return unknown;
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
