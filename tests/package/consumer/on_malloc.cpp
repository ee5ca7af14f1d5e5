// Linked with the drop-in malloc: whose malloc and operator new are ours?
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

bool ours(void* function) {
    Dl_info info{};
    return dladdr(function, &info) != 0 && std::strstr(info.dli_fname, "libkmemlab_malloc.so") != nullptr;
}

}  // namespace

int main() {
    void* (*const allocate)(std::size_t) = &std::malloc;
    void* (*const make)(std::size_t) = &::operator new;
    if (!ours(reinterpret_cast<void*>(allocate)) || !ours(reinterpret_cast<void*>(make))) {
        std::puts("malloc is somebody else's");
        return 1;
    }
    delete new int{1};
    return 0;
}
