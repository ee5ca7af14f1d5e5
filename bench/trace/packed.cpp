#include "bench/trace/packed.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "allocators/base/check.hpp"

namespace kmemlab::trace {
namespace {

static_assert(std::endian::native == std::endian::little, "the packed form is read and written as it lies");

constexpr std::string_view magic{"\x89KMT\r\n\x1a\n", packed_magic_size};
constexpr std::uint32_t version = 1;

struct Header {
    std::array<char, packed_magic_size> magic_bytes;
    std::uint32_t version;
    std::uint32_t cpus;
    std::uint64_t file_bytes;
    std::uint64_t operations;
    std::uint32_t caches;
    std::uint32_t call_sites;
    std::array<std::uint32_t, layer_count> slots;
    std::uint32_t count_words;
    std::uint64_t string_bytes;
};
static_assert(sizeof(Header) == 64 && std::is_trivially_copyable_v<Header>);

/// Calls f for each counter, in the order of the file.
template <class Counts, class F>
void for_each_count(Counts& counts, F f) {
    f(counts.lines);
    for (auto& count : counts.events) f(count);
    f(counts.other_events), f(counts.lost_events), f(counts.lost_reports);
    f(counts.null_frees), f(counts.failed_allocations), f(counts.unknown_addresses);
    for (auto* layers :
         {&counts.frees_without_allocation, &counts.addresses_reused_without_free, &counts.never_freed})
        for (auto& count : *layers) f(count);
    f(counts.batched_without_free), f(counts.freed_with_other_order), f(counts.freed_under_other_name);
    f(counts.freed_by_other_call), f(counts.cache_sizes_differ), f(counts.gfp_names_unknown);
    f(counts.times_backwards), f(counts.requested_bytes), f(counts.handed_out_bytes);
}

std::uint32_t count_words() {
    std::uint32_t words = 0;
    TraceCounts counts;
    for_each_count(counts, [&](std::uint64_t&) { ++words; });
    return words;
}

std::size_t padded(std::size_t bytes) {
    return (bytes + 7) & ~std::size_t{7};
}

// ---- Writing -----------------------------------------------------------------------------------------

class Writer {
  public:
    void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
    void add(const void* data, std::size_t size) {
        const auto* begin = static_cast<const std::byte*>(data);
        bytes_.insert(bytes_.end(), begin, begin + size);
    }
    template <class T>
    void add(const T& value) {
        static_assert(std::has_unique_object_representations_v<T>);
        add(&value, sizeof value);
    }
    void pad() { bytes_.resize(padded(bytes_.size())); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::uint64_t hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }
    [[nodiscard]] std::vector<std::byte> release() { return std::move(bytes_); }

  private:
    std::vector<std::byte> bytes_;
};

std::uint64_t string_bytes(const Trace& trace) {
    std::uint64_t bytes = 0;
    for (const Cache& cache : trace.caches) bytes += cache.name.size();
    for (const std::string& site : trace.call_sites) bytes += site.size();
    return bytes;
}

/// Bytes of a file with these numbers of things.
std::uint64_t file_bytes(const Header& header) {
    const std::uint64_t before_strings =
        sizeof(Header) + std::uint64_t{header.count_words} * 8 + header.operations * (sizeof(Operation) + 8) +
        std::uint64_t{header.caches} * 8 + std::uint64_t{header.call_sites} * 4;
    return padded(before_strings + header.string_bytes) + 8;
}

Header header_of(const Trace& trace) {
    Header header{};
    std::copy(magic.begin(), magic.end(), header.magic_bytes.begin());
    header.version = version;
    header.cpus = trace.cpus;
    header.operations = trace.operations.size();
    header.caches = static_cast<std::uint32_t>(trace.caches.size());
    header.call_sites = static_cast<std::uint32_t>(trace.call_sites.size());
    header.slots = trace.slots_per_layer;
    header.count_words = count_words();
    header.string_bytes = string_bytes(trace);
    header.file_bytes = file_bytes(header);
    return header;
}

// ---- Reading -----------------------------------------------------------------------------------------

/// Takes values off bytes whose number was checked against the header before.
class Reader {
  public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_{bytes} {}

    template <class T>
    [[nodiscard]] T take() {
        T value;
        std::memcpy(&value, bytes_.data(), sizeof value);
        bytes_ = bytes_.subspan(sizeof value);
        return value;
    }
    template <class T>
    [[nodiscard]] std::vector<T> take_vector(std::size_t count) {
        std::vector<T> values(count);
        if (count != 0) std::memcpy(values.data(), bytes_.data(), count * sizeof(T));
        bytes_ = bytes_.subspan(count * sizeof(T));
        return values;
    }
    /// Nothing if fewer are left.
    [[nodiscard]] bool take_string(std::string& text, std::size_t size) {
        if (size > bytes_.size()) return false;
        text.resize(size);
        if (size != 0) std::memcpy(text.data(), bytes_.data(), size);
        bytes_ = bytes_.subspan(size);
        return true;
    }

  private:
    std::span<const std::byte> bytes_;
};

class Unpacker {
  public:
    Unpacker(std::span<const std::byte> bytes, const std::string& file) : bytes_{bytes}, file_{file} {}

    Trace unpack() {
        check_frame();
        read_content();
        for (std::size_t i = 0; i < trace_.operations.size(); ++i) check_operation(i);
        return std::move(trace_);
    }

  private:
    template <class... Args>
    [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
        throw UsageError::of("{}: damaged packed trace: {}", file_,
                             fmt::format(format, std::forward<Args>(args)...));
    }

    void check_frame() {
        if (bytes_.size() < sizeof(Header) + 8)
            refuse("{} bytes, expected at least {}", bytes_.size(), sizeof(Header) + 8);
        header_ = Reader{bytes_}.take<Header>();
        if (std::string_view{header_.magic_bytes.data(), packed_magic_size} != magic) refuse("wrong magic");
        if (header_.version != version)
            throw UsageError::of("{}: packed trace of version {}, expected {}: pack it again from its text",
                                 file_, header_.version, version);
        if (header_.file_bytes != bytes_.size())
            refuse("truncated: {} bytes, expected {}", bytes_.size(), header_.file_bytes);
        const std::uint64_t bytes = bytes_.size();
        if (header_.operations > bytes || header_.string_bytes > bytes ||
            header_.count_words != count_words() || file_bytes(header_) != bytes)
            refuse("its lengths do not add up to {} bytes", bytes);
        const auto checksum = Reader{bytes_.last(8)}.take<std::uint64_t>();
        const std::uint64_t found = XXH3_64bits(bytes_.data(), bytes_.size() - 8);
        if (checksum != found) refuse("checksum {:016x}, expected {:016x}", found, checksum);
    }

    void read_content() {
        Reader reader{bytes_.subspan(sizeof(Header))};
        trace_.cpus = header_.cpus;
        if (trace_.cpus == 0 || trace_.cpus > max_cpus)
            refuse("{} CPUs, expected 1..{}", trace_.cpus, max_cpus);
        trace_.slots_per_layer = header_.slots;
        for (unsigned i = 0; i < layer_count; ++i) {
            if (header_.slots[i] > header_.operations)
                refuse("{} slots for {} operations", header_.slots[i], header_.operations);
            slots_[i].assign(header_.slots[i], Operation{});
        }
        for_each_count(trace_.counts, [&](std::uint64_t& count) { count = reader.take<std::uint64_t>(); });
        trace_.operations = reader.take_vector<Operation>(header_.operations);
        trace_.times = reader.take_vector<std::uint64_t>(header_.operations);
        read_names(reader);
    }

    void read_names(Reader& reader) {
        const auto sizes = reader.take_vector<std::array<std::uint32_t, 2>>(header_.caches);
        const auto lengths = reader.take_vector<std::uint32_t>(header_.call_sites);
        trace_.caches.resize(header_.caches);
        trace_.call_sites.resize(header_.call_sites);
        bool complete = true;
        for (std::size_t i = 0; i < sizes.size() && complete; ++i) {
            trace_.caches[i].object_size = sizes[i][0];
            complete = reader.take_string(trace_.caches[i].name, sizes[i][1]);
        }
        for (std::size_t i = 0; i < lengths.size() && complete; ++i)
            complete = reader.take_string(trace_.call_sites[i], lengths[i]);
        if (!complete || string_bytes(trace_) != header_.string_bytes)
            refuse("its names do not add up to {} bytes", header_.string_bytes);
        if (trace_.call_sites.empty() || !trace_.call_sites[0].empty())
            refuse("call site 0 is not the empty one");
    }

    void check_operation(std::size_t index) {
        const Operation& operation = trace_.operations[index];
        if (static_cast<unsigned>(operation.kind()) >= kind_count)
            refuse("operation {}: kind {}", index, static_cast<unsigned>(operation.kind()));
        if (operation.cpu().value() >= trace_.cpus)
            refuse("operation {}: CPU {} of {}", index, operation.cpu().value(), trace_.cpus);
        if (operation.call_site() >= trace_.call_sites.size())
            refuse("operation {}: call site {} of {}", index, operation.call_site(),
                   trace_.call_sites.size());
        if (index > 0 && trace_.times[index] < trace_.times[index - 1])
            refuse("operation {}: older than the one before", index);
        check_amount(index, operation);
        if (operation.kind() != Kind::vmap_purge) check_life(index, operation);
    }

    void check_amount(std::size_t index, const Operation& operation) const {
        const Kind kind = operation.kind();
        const bool of_cache = kind == Kind::kmem_cache_alloc || kind == Kind::kmem_cache_free;
        if (of_cache && operation.cache() >= trace_.caches.size())
            refuse("operation {}: cache {} of {}", index, operation.cache(), trace_.caches.size());
        if (layer_of(kind) == Layer::pages &&
            (operation.order().value() > 31 || operation.migrate_type() > 15))
            refuse("operation {}: order {}, migrate type {}", index, operation.order().value(),
                   operation.migrate_type());
        if (operation.align_order() > 63)
            refuse("operation {}: alignment {}", index, operation.align_order());
        if (kind == Kind::vmap_purge && operation.object() != Operation::no_object)
            refuse("operation {}: a purge of object {}", index, operation.object());
    }

    void check_life(std::size_t index, const Operation& operation) {
        auto& slots = slots_[static_cast<unsigned>(layer_of(operation.kind()))];
        if (operation.object() >= slots.size())
            refuse("operation {}: object {} of {}", index, operation.object(), slots.size());
        Operation& slot = slots[operation.object()];
        const bool live = slot.object() != Operation::no_object;
        if (is_allocation(operation.kind())) {
            if (live)
                refuse("operation {}: object {} is allocated while it lives", index, operation.object());
            slot = operation;
            return;
        }
        if (!live)
            refuse("operation {}: object {} is freed before it is allocated", index, operation.object());
        const bool pages = operation.kind() == Kind::page_free;
        const std::uint32_t amount = pages ? slot.order().value() : slot.amount();
        if (free_of(slot.kind()) != operation.kind() || amount != operation.amount())
            refuse("operation {}: object {} is freed as something else", index, operation.object());
        slot = Operation{};
    }

    std::span<const std::byte> bytes_;
    const std::string& file_;
    Header header_{};
    Trace trace_;
    std::array<std::vector<Operation>, layer_count> slots_;  ///< the allocation of what is live
};

}  // namespace

bool is_packed(std::string_view head) {
    return head.starts_with(magic);
}

std::vector<std::byte> pack(const Trace& trace) {
    const Header header = header_of(trace);
    Writer writer;
    writer.reserve(header.file_bytes);
    writer.add(header);
    for_each_count(trace.counts, [&](const std::uint64_t& count) { writer.add(count); });
    writer.add(trace.operations.data(), trace.operations.size() * sizeof(Operation));
    writer.add(trace.times.data(), trace.times.size() * sizeof(std::uint64_t));
    for (const Cache& cache : trace.caches) {
        writer.add(cache.object_size);
        writer.add(static_cast<std::uint32_t>(cache.name.size()));
    }
    for (const std::string& site : trace.call_sites) writer.add(static_cast<std::uint32_t>(site.size()));
    for (const Cache& cache : trace.caches) writer.add(cache.name.data(), cache.name.size());
    for (const std::string& site : trace.call_sites) writer.add(site.data(), site.size());
    writer.pad();
    writer.add(writer.hash());
    return writer.release();
}

Trace unpack(std::span<const std::byte> bytes, const std::string& file) {
    return Unpacker{bytes, file}.unpack();
}

}  // namespace kmemlab::trace
