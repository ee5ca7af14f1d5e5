#include "bench/trace/packed.hpp"

#include <cstring>

#include "tests/trace/trace_support.hpp"

// The tests sign what they damage.
#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace kmemlab;
using namespace kmemlab::trace;
using Catch::Matchers::Contains;

namespace {

Trace small_trace() {
    return read_text(kmalloc_line("aaaa", 100, 2, 7) + cache_alloc_line("bbbb", "filp") +
                     page_alloc_line("0x10", 2) + kfree_line("aaaa", 1, 9) + page_free_line("0x10", 2) +
                     kfree_line("cccc"));
}

/// Where things lie in a packed file; packed.hpp draws it.
constexpr std::size_t header_bytes = 64;
std::size_t operations_at(const std::vector<std::byte>& bytes) {
    std::uint32_t words = 0;
    std::memcpy(&words, bytes.data() + 52, sizeof words);
    return header_bytes + std::size_t{words} * 8;
}

template <class T>
void set(std::vector<std::byte>& bytes, std::size_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

/// Makes the checksum right again: what is wrong then is the content.
void sign(std::vector<std::byte>& bytes) {
    set(bytes, bytes.size() - 8, std::uint64_t{XXH3_64bits(bytes.data(), bytes.size() - 8)});
}

std::string error_of_signed(std::vector<std::byte> bytes) {
    sign(bytes);
    return error_of([&] { static_cast<void>(unpack(bytes, "P")); });
}

/// The trace with its operations replaced.
std::vector<std::byte> packed_with(const std::vector<Operation>& operations, std::uint32_t slots = 4) {
    Trace trace = small_trace();
    trace.operations = operations;
    trace.times.assign(operations.size(), 0);
    trace.slots_per_layer.fill(std::min(slots, static_cast<std::uint32_t>(operations.size())));
    return pack(trace);
}

std::string error_of_operations(const std::vector<Operation>& operations) {
    return error_of([&] { static_cast<void>(unpack(packed_with(operations), "P")); });
}

}  // namespace

TEST_CASE("what is packed is unpacked unchanged") {
    const Trace trace = small_trace();
    const Trace again = unpack(pack(trace), "P");
    CHECK(again.operations == trace.operations);
    CHECK(again.times == trace.times);
    CHECK(again.caches == trace.caches);
    CHECK(again.call_sites == trace.call_sites);
    CHECK(again.slots_per_layer == trace.slots_per_layer);
    CHECK(again.cpus == trace.cpus);
    CHECK(again.counts == trace.counts);
}

TEST_CASE("a packed file is recognised by its magic and named by its file") {
    const TemporaryFolder folder;
    const Trace trace = small_trace();
    write_packed(trace, folder.file("small.kmt"));
    const Trace again = read_trace(folder.file("small.kmt"));
    CHECK(again.name == "small");
    CHECK(again.operations == trace.operations);
    CHECK(folder.entries() == 1);
}

TEST_CASE("every single changed byte is refused") {
    const std::vector<std::byte> bytes = pack(small_trace());
    const TemporaryFolder folder;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        std::vector<std::byte> broken = bytes;
        broken[i] ^= std::byte{0x01};
        CHECK_THROWS_AS(unpack(broken, "P"), UsageError);
        const std::string path =
            folder.write("x.kmt", {reinterpret_cast<const char*>(broken.data()), broken.size()});
        CHECK_THROWS_AS(read_trace(path), UsageError);
    }
}

TEST_CASE("every truncation, and a longer file, is refused") {
    std::vector<std::byte> bytes = pack(small_trace());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK_THROWS_AS(unpack(std::span{bytes}.first(size), "P"), UsageError);
    bytes.push_back({});
    CHECK_THAT(error_of([&] { static_cast<void>(unpack(bytes, "P")); }),
               Contains("P: damaged packed trace: truncated"));
}

TEST_CASE("another version is refused by its number") {
    std::vector<std::byte> bytes = pack(small_trace());
    set(bytes, 8, std::uint32_t{2});
    CHECK_THAT(error_of_signed(bytes), Contains("P: packed trace of version 2, expected 1"));
}

TEST_CASE("lengths that do not add up are refused even with a right checksum") {
    const std::vector<std::byte> bytes = pack(small_trace());
    for (const std::size_t at : {24U, 32U, 36U, 52U, 56U}) {
        std::vector<std::byte> broken = bytes;
        set(broken, at, std::uint32_t{0x7fffffff});
        CHECK_THAT(error_of_signed(broken), Contains("its lengths do not add up"));
    }
    std::vector<std::byte> slots = bytes;
    set(slots, 40, std::uint32_t{0xffffffff});
    CHECK_THAT(error_of_signed(slots), Contains("slots for"));
    std::vector<std::byte> cpus = bytes;
    set(cpus, 12, std::uint32_t{257});
    CHECK_THAT(error_of_signed(cpus), Contains("257 CPUs, expected 1..256"));
}

TEST_CASE("a wrong kind is refused even with a right checksum") {
    std::vector<std::byte> bytes = pack(small_trace());
    set(bytes, operations_at(bytes) + 11, std::uint8_t{kind_count});
    CHECK_THAT(error_of_signed(bytes), Contains("operation 0: kind 9"));
}

TEST_CASE("operations that a replay could not trust are refused, each by its reason") {
    const auto op = [](Kind kind, std::uint32_t object, std::uint32_t amount = 0, unsigned cpu = 0,
                       std::uint16_t site = 0) {
        return Operation{kind, object, amount, Gfp{}, CpuId{cpu}, site};
    };
    CHECK_NOTHROW(unpack(packed_with({op(Kind::kmalloc, 0, 8), op(Kind::kfree, 0, 8)}), "P"));
    CHECK_THAT(error_of_operations({op(Kind::kfree, 0)}),
               Contains("object 0 is freed before it is allocated"));
    CHECK_THAT(error_of_operations({op(Kind::kmalloc, 0), op(Kind::kmalloc, 0)}),
               Contains("allocated while it lives"));
    CHECK_THAT(error_of_operations({op(Kind::kmalloc, 1)}), Contains("object 1 of 1"));
    CHECK_THAT(error_of_operations({op(Kind::kmalloc, 0, 8), op(Kind::kfree, 0, 9)}),
               Contains("freed as something else"));
    CHECK_THAT(error_of_operations({op(Kind::kmem_cache_alloc, 0, 0), op(Kind::kfree, 0, 0)}),
               Contains("freed as something else"));
    CHECK_THAT(error_of_operations({op(Kind::kmem_cache_alloc, 0, 9)}), Contains("cache 9 of 1"));
    CHECK_THAT(error_of_operations({op(Kind::page_alloc, 0, 32)}), Contains("order 32"));
    CHECK_THAT(error_of_operations({op(Kind::kmalloc, 0, 8, 200)}), Contains("CPU 200 of 3"));
    CHECK_THAT(error_of_operations({op(Kind::kmalloc, 0, 8, 0, 999)}), Contains("call site 999 of"));
    CHECK_THAT(error_of_operations({op(Kind::vmap_purge, 0)}), Contains("a purge of object 0"));
}

TEST_CASE("times that descend are refused") {
    Trace trace = small_trace();
    trace.times[1] = trace.times[2] + 1;
    CHECK_THAT(error_of([&] { static_cast<void>(unpack(pack(trace), "P")); }),
               Contains("operation 2: older"));
}
