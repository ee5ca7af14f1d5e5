/// Every function of the malloc family, called as any program calls it. Status 1 and a line at the first that
/// does not do what its manual page says.
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "family: not so: %s\n", what);
    std::_Exit(1);
}
#define EXPECT(condition) expect(condition, #condition)

/// The compiler neither knows nor removes what happens to it.
template <class T>
[[nodiscard]] T seen(T value) {
    asm volatile("" : "+r"(value) : : "memory");
    return value;
}

bool aligned(const void* p, std::size_t to) {
    return reinterpret_cast<std::uintptr_t>(p) % to == 0;
}

void plain() {
    for (const std::size_t size :
         {0UL, 1UL, 8UL, 9UL, 100UL, 4096UL, 8192UL, 8193UL, 1UL << 20, 4UL << 20, 5UL << 20, 64UL << 20}) {
        auto* const p = static_cast<char*>(seen(std::malloc(size)));
        EXPECT(p != nullptr);
        EXPECT(malloc_usable_size(p) >= size);
        EXPECT(aligned(p, size < 16 ? 8 : 16));
        if (size > 0) p[0] = p[size - 1] = 'x';
        std::free(p);
    }
    std::free(nullptr);
    EXPECT(malloc_usable_size(nullptr) == 0);
    errno = 0;
    EXPECT(seen(std::malloc(seen(SIZE_MAX))) == nullptr && errno == ENOMEM);
    EXPECT(seen(std::malloc(seen(std::size_t{PTRDIFF_MAX}))) == nullptr);
}

void zeroed() {
    for (const std::size_t size : {1UL, 64UL, 8000UL, 100000UL, 6UL << 20}) {
        for (int again = 0; again < 3; ++again) {
            auto* const p = static_cast<unsigned char*>(seen(std::calloc(size, 1)));
            EXPECT(p != nullptr);
            for (std::size_t i = 0; i < size; ++i) EXPECT(p[i] == 0);
            std::memset(p, 0xff, size);
            std::free(p);
        }
    }
    errno = 0;
    EXPECT(seen(std::calloc(seen(SIZE_MAX / 2), 3)) == nullptr && errno == ENOMEM);
}

void resized() {
    auto* p = static_cast<char*>(std::realloc(nullptr, 10));
    std::strcpy(p, "kept");
    for (const std::size_t size :
         {100UL, 9000UL, 3UL << 20, 9UL << 20, 40UL << 20, 7UL << 20, 5000UL, 20UL, 5UL}) {
        p = static_cast<char*>(std::realloc(p, size));
        EXPECT(p != nullptr && std::strcmp(p, "kept") == 0);
        EXPECT(malloc_usable_size(p) >= size);
    }
    errno = 0;
    char* const before = seen(p);  // which stays if nothing can be had; a compiler does not believe it
    EXPECT(seen(std::realloc(p, seen(SIZE_MAX - 100))) == nullptr && errno == ENOMEM);
    EXPECT(std::strcmp(before, "kept") == 0);
    EXPECT(seen(reallocarray(seen(before), seen(SIZE_MAX / 2), 4)) == nullptr && errno == ENOMEM);
    p = static_cast<char*>(reallocarray(seen(before), 10, 10));
    EXPECT(p != nullptr && std::strcmp(p, "kept") == 0);
    std::free(p);
}

void placed() {
    for (std::size_t align = sizeof(void*); align <= (16UL << 20); align *= 2) {
        for (const std::size_t size : {1UL, 100UL, 5000UL, 5UL << 20}) {
            void* p = nullptr;
            EXPECT(posix_memalign(&p, align, size) == 0 && aligned(p, align) &&
                   malloc_usable_size(p) >= size);
            std::memset(p, 1, size);
            std::free(p);
            p = seen(std::aligned_alloc(align, size));
            EXPECT(p != nullptr && aligned(p, align));
            std::free(p);
            p = seen(memalign(align, size));
            EXPECT(p != nullptr && aligned(p, align));
            std::free(p);
        }
    }
    void* p = nullptr;
    EXPECT(posix_memalign(&p, 24, 8) == EINVAL && posix_memalign(&p, 2, 8) == EINVAL);
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    p = seen(valloc(100));
    EXPECT(p != nullptr && aligned(p, page));
    std::free(p);
    p = seen(pvalloc(100));
    EXPECT(p != nullptr && aligned(p, page) && malloc_usable_size(p) >= page);
    std::free(p);
}

void operators() {
    struct alignas(256) Wide {
        char bytes[256];
    };
    const auto wide = std::vector<Wide>(3);
    EXPECT(aligned(wide.data(), 256));
    delete seen(new std::string(1000, 'x'));
    delete[] seen(new std::string[7]);
    EXPECT(seen(::operator new(seen(SIZE_MAX), std::nothrow)) == nullptr);
    bool thrown = false;
    try {
        ::operator delete(seen(::operator new(seen(SIZE_MAX))));
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    EXPECT(thrown);
    static int asked = 0;
    std::set_new_handler([] {
        if (++asked == 3) std::set_new_handler(nullptr);
    });
    try {
        ::operator delete(seen(::operator new(seen(SIZE_MAX))));
    } catch (const std::bad_alloc&) {
    }
    EXPECT(asked == 3);
}

/// Functions of C23, which this compiler's headers do not have.
void sized() {
    using FreeSized = void (*)(void*, std::size_t);
    auto* const free_sized = reinterpret_cast<FreeSized>(dlsym(RTLD_DEFAULT, "free_sized"));
    EXPECT(free_sized != nullptr);
    free_sized(std::malloc(10), 10);
}

void given_back() {
    std::vector<void*> blocks;
    for (int i = 0; i < 20000; ++i) {
        blocks.push_back(std::malloc(4000));
        std::memset(blocks.back(), 1, 4000);
    }
    for (void* const block : blocks) std::free(block);
    malloc_trim(0);
    EXPECT(malloc_trim(0) == 0);
}

/// A thread that leaves objects behind on its CPU.
void one_thread() {
    std::thread{[] {
        std::vector<void*> blocks(30);
        for (void*& block : blocks) block = seen(std::malloc(7100));
        for (void* const block : blocks) std::free(block);
    }}.join();
}

/// Threads that go on to the very end of the program, and beyond main().
void busy_threads() {
    constexpr int count = 4;
    static std::atomic<int> running{0};
    for (int i = 0; i < count; ++i) {
        std::thread{[] {
            std::vector<void*> blocks(4000);
            for (std::size_t n = 0;; ++n) {
                if (n == blocks.size()) ++running;
                std::free(std::exchange(blocks[n % blocks.size()], seen(std::malloc(n % 3000))));
            }
        }}.detach();
    }
    while (running < count) std::this_thread::yield();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view only = argc > 1 ? argv[1] : "";
    if (only == "thread") return one_thread(), 0;
    if (only == "busy") return busy_threads(), 0;
    plain();
    zeroed();
    resized();
    placed();
    operators();
    sized();
    given_back();
    std::thread{[] {
        plain();
        resized();
    }}.join();
    // More threads than it has CPUs, all at once.
    std::vector<std::thread> crowd;
    for (int i = 0; i < 300; ++i) crowd.emplace_back([] { resized(); });
    for (std::thread& thread : crowd) thread.join();
    std::puts("all hold");
}
