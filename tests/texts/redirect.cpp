/// For LD_PRELOAD: fopen("/proc/slabinfo") opens the file that SLABINFO names, so that slabtop, which reads
/// nothing else, shows ours without any privilege.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" FILE* fopen(const char* filename, const char* modes) {
    using Open = FILE* (*)(const char*, const char*);
    static const auto next = reinterpret_cast<Open>(dlsym(RTLD_NEXT, "fopen"));
    const char* const instead =
        std::strcmp(filename, "/proc/slabinfo") == 0 ? std::getenv("SLABINFO") : nullptr;
    return next(instead == nullptr ? filename : instead, modes);
}
