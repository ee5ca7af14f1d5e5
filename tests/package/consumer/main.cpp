// Writes to a frame of an arena through the direct map and finds it again: uses the headers and the library.
#include <allocators/machine/arena.hpp>
#include <cstdio>
#include <cstring>

int main() {
    const kmemlab::Arena arena{std::size_t{16} << 20};
    const kmemlab::Pfn pfn = arena.start() + 7;
    std::memset(arena.address(pfn), 0x5a, 4096);
    if (arena.pfn(arena.address(pfn) + 4095) != pfn || arena.frames() != 4096) {
        std::puts("the arena does not find its frame");
        return 1;
    }
    return 0;
}
