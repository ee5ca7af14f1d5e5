/// storm THREADS ROUNDS [fork] [FIRST]: threads allocate, resize, check and free at random, each other's
/// objects too. In each round threads end and new ones begin. With `fork` a thread forks meanwhile, and each
/// child checks what it inherited and goes on allocating. Round FIRST (0) is the first; each is another at
/// random. Status 1, and a line on stderr, at the first wrong byte.
///
/// Every object is filled by a byte of its own as far as 512 bytes from its begin and its end, which is
/// checked when it is resized, handed on and freed.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/preload/api.hpp"

namespace {

namespace api = kmemlab::test::api;

constexpr std::size_t filled_ends = 512;
constexpr std::size_t places = 128;
constexpr unsigned steps = 4000;

/// AddressSanitizer's own malloc takes locks when a thread begins or ends, and a child that is forked just
/// then finds them taken for ever. So none does while there are forks.
#ifdef KMEMLAB_DIRECT
constexpr bool threads_stay = true;
#else
constexpr bool threads_stay = false;
#endif

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "storm: %s\n", what);
    std::_Exit(1);
}

struct Random {
    std::uint64_t x;
    std::uint64_t next() { return x ^= x << 13, x ^= x >> 7, x ^= x << 17; }
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }
};

struct Object {
    unsigned char* bytes = nullptr;
    std::size_t size = 0;
    unsigned char fill = 0;

    void paint() const {
        const std::size_t end = std::min(size, filled_ends);
        std::memset(bytes, fill, end);
        std::memset(bytes + size - end, fill, end);
    }
    void check(std::size_t upto) const {
        const std::size_t end = std::min(upto, filled_ends);
        const auto wrong = [this](unsigned char b) { return b != fill; };
        if (std::any_of(bytes, bytes + end, wrong)) fail("an object changed");
        if (upto == size && std::any_of(bytes + size - end, bytes + size, wrong))
            fail("an object's end changed");
    }
};

/// Mostly small, of all magnitudes up to 256 KiB, and now and then megabytes.
std::size_t some_size(Random& random) {
    if (random.below(2000) == 0) return random.below(std::size_t{6} << 20);
    return random.next() % (std::uint64_t{1} << random.below(random.below(8) == 0 ? 19 : 12));
}

Object some_object(Random& random) {
    Object object;
    object.size = some_size(random);
    object.fill = static_cast<unsigned char>(random.next());
    std::size_t align = object.size < 16 ? 1 : 16;
    void* p = nullptr;
    switch (random.below(8)) {
        case 0:
            p = api::allocate_zeroed(object.size);
            for (std::size_t i = 0; p != nullptr && i < object.size; ++i) {
                if (static_cast<unsigned char*>(p)[i] != 0) fail("calloc gave bytes that are not zero");
            }
            break;
        case 1:
            align = std::size_t{8} << random.below(13);
            p = api::allocate_aligned(align, object.size);
            break;
        default:
            p = api::allocate(object.size);
    }
    if (p == nullptr) fail("no memory");
    if (reinterpret_cast<std::uintptr_t>(p) % align != 0) fail("an object is not aligned");
    if (api::usable_size(p) < object.size) fail("less is usable than was asked for");
    object.bytes = static_cast<unsigned char*>(p);
    object.paint();
    return object;
}

void drop(Object& object) {
    object.check(object.size);
    api::release(object.bytes);
    object = {};
}

void resize(Object& object, Random& random) {
    const std::size_t size = some_size(random) + 1;
    object.check(object.size);
    void* const p = api::resize(object.bytes, size);
    if (p == nullptr) fail("no memory to resize");
    object.bytes = static_cast<unsigned char*>(p);
    const Object before{object.bytes, std::min(object.size, size), object.fill};
    before.check(before.size == object.size ? before.size : std::min(before.size, filled_ends));
    object.size = size;
    object.paint();
}

/// Objects on their way from one thread to another.
std::array<std::atomic<Object*>, 64> mailbox;

void hand_on(Object& object, Random& random) {
    auto* const parcel = static_cast<Object*>(api::allocate(sizeof(Object)));
    *parcel = object;
    object = {};
    Object* const other = mailbox[random.below(mailbox.size())].exchange(parcel);
    if (other == nullptr) return;
    object = *other;
    api::release(other);
    object.check(object.size);
}

void live(std::uint64_t seed, unsigned count) {
    Random random{seed * 0x9e3779b97f4a7c15 + 1};
    std::array<Object, places> objects{};
    for (unsigned i = 0; i < count; ++i) {
        Object& object = objects[random.below(places)];
        if (object.bytes == nullptr) {
            object = some_object(random);
            continue;
        }
        switch (random.below(8)) {
            case 0:
                resize(object, random);
                break;
            case 1:
                hand_on(object, random);
                break;
            default:
                drop(object);
        }
    }
    for (Object& object : objects) {
        if (object.bytes != nullptr) drop(object);
    }
}

void fork_once(std::uint64_t seed) {
    Random random{seed + 77};
    std::array<Object, places> objects{};
    for (Object& object : objects) object = some_object(random);
    const pid_t child = fork();
    if (child < 0) fail("fork failed");
    if (child == 0) {
        for (Object& object : objects) drop(object);
        live(seed + 1, steps / 4);
        std::thread{[=] { live(seed + 2, steps / 4); }}.join();
        std::_Exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("a child ended badly");
    for (Object& object : objects) drop(object);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) fail("usage: storm THREADS ROUNDS [fork] [FIRST]");
    const auto threads = static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10));
    const auto rounds = static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10));
    const bool forks = argc > 3 && std::string_view{argv[3]} == "fork";
    const char* const last = argc > (forks ? 4 : 3) ? argv[argc - 1] : "0";
    const std::uint64_t first = std::strtoull(last, nullptr, 10);
    for (std::uint64_t round = first; round < first + rounds; ++round) {
        std::vector<std::thread> crew;
        std::atomic<unsigned> begun{0};
        std::atomic<bool> may_end{!threads_stay};
        for (unsigned t = 0; t < threads; ++t) {
            crew.emplace_back([=, &begun, &may_end] {
                ++begun;
                live(round * threads + t, steps);
                while (!may_end) std::this_thread::yield();
            });
        }
        while (threads_stay && begun < threads) std::this_thread::yield();
        for (unsigned i = 0; forks && i < 4; ++i) fork_once(round * 4 + i);
        may_end = true;
        for (std::thread& thread : crew) thread.join();
    }
    for (auto& place : mailbox) {
        if (Object* const parcel = place.exchange(nullptr); parcel != nullptr) {
            drop(*parcel);
            api::release(parcel);
        }
    }
#ifdef KMEMLAB_DIRECT
    if (const auto found = kmemlab::preload::find_violation()) fail(found->message().c_str());
#endif
    return 0;
}
