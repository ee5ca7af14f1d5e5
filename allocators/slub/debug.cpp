#include "allocators/slub/debug.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "allocators/objects/debug_bytes.hpp"

namespace kmemlab {
namespace {

std::string hex(const void* p) {
    return fmt::format("0x{:016x}", reinterpret_cast<std::uintptr_t>(p));
}

}  // namespace

DebugReporter::~DebugReporter() {
    flush();
}

void DebugReporter::flush() {
    for (const Misuse& misuse : found_) log_.report(misuse);
    found_.clear();
}

void DebugReporter::bug(MisuseKind kind, const void* address, std::string_view reason,
                        std::string_view details) {
    const bool again = tainted_.exchange(true, std::memory_order_relaxed);
    if (kind == MisuseKind::corrupt_list || kind == MisuseKind::double_free) cache_.damaged = true;
    found_.push_back(
        {kind, address, cache_.name,
         fmt::format("{:=<77}\nBUG {} ({}): {}\n{:-<77}\n\n{}", "", cache_.name,
                     again ? "Tainted: G    B             " : "Not tainted", reason, "", details)});
}

void DebugReporter::fix(std::string_view what) {
    if (found_.empty()) bug(MisuseKind::corrupt_list, nullptr, "repair", "");
    found_.back().report += fmt::format("FIX {}: {}\n", cache_.name, what);
}

// --- Writing ---

bool SlabChecker::poisons_objects() const {
    return flag(CacheFlags::poison) && cache_.constructor == nullptr && !flag(CacheFlags::typesafe_by_rcu);
}

void SlabChecker::init_slab(FrameIndex slab, std::uint32_t objects) const {
    if (flag(CacheFlags::poison)) fill({start(slab), slab_bytes(slab)}, poison_inuse);
    for (std::uint32_t i = 0; i < objects; ++i) {
        std::byte* const object = object_at(slab, i);
        init_object(object, red_zone_free);
        if (!flag(CacheFlags::store_user)) continue;
        record(object, OwnerKind::allocated, {});
        record(object, OwnerKind::freed, {});
        record_size(object, 0);
    }
}

void SlabChecker::init_object(std::byte* object, std::uint8_t red_zone) const {
    const Geometry& g = cache_.geometry;
    if (flag(CacheFlags::red_zone)) {
        fill({object - g.left_pad, g.left_pad}, red_zone);
        fill({object + g.object_size, g.inuse - g.object_size}, red_zone);
    }
    if (!poisons_objects()) return;
    fill({object, g.object_size - 1}, poison_free);
    object[g.object_size - 1] = std::byte{poison_end};
}

void SlabChecker::record(std::byte* object, OwnerKind kind, const OwnerRecord& owner) const {
    if (!flag(CacheFlags::store_user)) return;
    const auto at = cache_.geometry.info_end() + static_cast<std::size_t>(kind) * sizeof owner;
    std::memcpy(object + at, &owner, sizeof owner);
}

void SlabChecker::record_size(std::byte* object, std::size_t asked) const {
    if (!flag(CacheFlags::store_user) || !cache_.kmalloc) return;
    const auto size = static_cast<std::uint32_t>(asked);
    std::memcpy(object + cache_.geometry.info_end() + 2 * sizeof(OwnerRecord), &size, sizeof size);
}

OwnerRecord SlabChecker::owner_of(const std::byte* object, OwnerKind kind) const {
    OwnerRecord owner;
    const auto at = cache_.geometry.info_end() + static_cast<std::size_t>(kind) * sizeof owner;
    std::memcpy(&owner, object + at, sizeof owner);
    return owner;
}

// --- Places ---

std::size_t SlabChecker::tracked_end() const {
    std::size_t end = cache_.geometry.info_end();
    if (flag(CacheFlags::store_user)) {
        end += 2 * sizeof(OwnerRecord) + (cache_.kmalloc ? sizeof(std::uint32_t) : 0);
    }
    return end;
}

std::size_t SlabChecker::slab_bytes(FrameIndex slab) const {
    return Order{arena_.page_at(slab).load_state().order}.bytes();
}

std::uint32_t SlabChecker::most_objects(FrameIndex slab) const {
    return static_cast<std::uint32_t>(std::min(slab_bytes(slab) / cache_.geometry.size, max_slab_objects));
}

bool SlabChecker::valid_pointer(FrameIndex slab, const void* object) const {
    if (object == nullptr) return true;
    const auto* const p = static_cast<const std::byte*>(object);
    const std::byte* const first = object_at(slab, 0);
    const std::size_t size = cache_.geometry.size;
    if (p < first || p >= first + SlabWord::load(arena_.page_at(slab)).objects * size) return false;
    return static_cast<std::size_t>(p - first) % size == 0;
}

// --- Reports (SLUB-77) ---

std::string SlabChecker::slab_line(FrameIndex slab) const {
    const SlabWord word = SlabWord::load(arena_.page_at(slab));
    return fmt::format("Slab {} objects={} used={} fp={} flags=0x200(slab)\n", hex(&arena_.page_at(slab)),
                       word.objects, word.inuse, hex(first_free(slab, word)));
}

std::string SlabChecker::owners_text(const std::byte* object) const {
    if (!flag(CacheFlags::store_user)) return {};
    std::string text;
    for (const OwnerKind kind : {OwnerKind::allocated, OwnerKind::freed}) {
        const OwnerRecord owner = owner_of(object, kind);
        if (owner.address == 0) continue;
        fmt::format_to(std::back_inserter(text), "{} in 0x{:x} age={} cpu={} pid={}\n",
                       kind == OwnerKind::allocated ? "Allocated" : "Freed", owner.address, now_ - owner.when,
                       owner.cpu, owner.pid);
    }
    return text;
}

std::string SlabChecker::trailer(FrameIndex slab, const std::byte* object) const {
    const Geometry& g = cache_.geometry;
    std::string text = owners_text(object) + slab_line(slab);
    text += fmt::format("Object {} @offset={} fp={}\n\n", hex(object), object - start(slab),
                        hex(get_free_pointer(cache_, object)));
    if (flag(CacheFlags::red_zone)) {
        text += hex_dump("Redzone", {object - g.left_pad, g.left_pad});
    } else if (object > start(slab) + 16) {
        text += hex_dump("Bytes b4", {object - 16, 16});
    }
    text += hex_dump("Object", {object, std::min(g.object_size, page_size)});
    if (flag(CacheFlags::red_zone)) {
        text += hex_dump("Redzone", {object + g.object_size, g.inuse - g.object_size});
    }
    const std::size_t end = tracked_end();
    if (end < g.size_from_object()) text += hex_dump("Padding", {object + end, g.size_from_object() - end});
    return text;
}

void SlabChecker::slab_bug(MisuseKind kind, FrameIndex slab, const void* address, std::string_view reason,
                           std::string_view more) {
    reporter_.bug(kind, address, reason, slab_line(slab) + std::string{more});
}

void SlabChecker::object_bug(MisuseKind kind, FrameIndex slab, const std::byte* object, const void* address,
                             std::string_view reason, std::string_view fault_line) {
    reporter_.bug(kind, address, reason, std::string{fault_line} + trailer(slab, object));
}

// --- Checks ---

/// Reports and restores bytes that are not as expected.
bool SlabChecker::check_bytes(FrameIndex slab, std::byte* object, std::string_view what,
                              std::span<std::byte> bytes, std::uint8_t expected) {
    const auto wrong = find_mismatch(bytes, expected);
    if (!wrong) return true;
    std::byte* const first = &bytes[wrong->first];
    std::byte* const last = &bytes[wrong->last];
    object_bug(MisuseKind::overwritten, slab, object, first, fmt::format("{} overwritten", what),
               fmt::format("{}-{} @offset={}. First byte 0x{:x} instead of 0x{:x}\n", hex(first), hex(last),
                           first - start(slab), std::to_integer<unsigned>(*first), expected));
    reporter_.fix(fmt::format("Restoring {} {}-{}=0x{:x}", what, hex(first), hex(last), expected));
    fill(bytes.subspan(wrong->first, wrong->last - wrong->first + 1), expected);
    return false;
}

bool SlabChecker::check_poison(FrameIndex slab, std::byte* object) {
    const std::size_t size = cache_.geometry.object_size;
    return check_bytes(slab, object, "Poison", {object, size - 1}, poison_free) &&
           check_bytes(slab, object, "End Poison", {object + size - 1, 1}, poison_end);
}

bool SlabChecker::check_padding(FrameIndex slab, std::byte* object) {
    const std::size_t end = tracked_end();
    const std::size_t size = cache_.geometry.size_from_object();
    return end >= size ||
           check_bytes(slab, object, "Object padding", {object + end, size - end}, poison_inuse);
}

bool SlabChecker::check_object(FrameIndex slab, std::byte* object, std::uint8_t red_zone) {
    const Geometry& g = cache_.geometry;
    const std::span<std::byte> behind{object + g.object_size, g.inuse - g.object_size};
    const bool live = red_zone == red_zone_live;
    if (flag(CacheFlags::red_zone)) {
        if (!check_bytes(slab, object, "Left Redzone", {object - g.left_pad, g.left_pad}, red_zone))
            return false;
        if (!check_bytes(slab, object, "Right Redzone", behind, red_zone)) return false;
    } else if (flag(CacheFlags::poison)) {
        static_cast<void>(check_bytes(slab, object, "Alignment padding", behind, poison_inuse));
    }
    if (flag(CacheFlags::poison)) {
        if (!live && poisons_objects() && !check_poison(slab, object)) return false;
        static_cast<void>(check_padding(slab, object));  // repaired, and no reason to fail
    }
    if (!g.free_pointer_outside() && live) return true;  // the user's bytes lie there
    if (valid_pointer(slab, get_free_pointer(cache_, object))) return true;
    object_bug(MisuseKind::corrupt_list, slab, object, object + g.free_offset, "Freepointer corrupt");
    set_free_pointer(cache_, object, nullptr);
    return false;
}

void SlabChecker::check_slab_tail(FrameIndex slab) {
    if (!flag(CacheFlags::poison)) return;
    const std::size_t bytes = slab_bytes(slab);
    const std::size_t tail = bytes % cache_.geometry.size;
    const std::span<std::byte> padding{start(slab) + bytes - tail, tail};
    const auto wrong = find_mismatch(padding, poison_inuse);
    if (!wrong) return;
    std::byte* const first = &padding[wrong->first];
    std::byte* const last = &padding[wrong->last];
    slab_bug(MisuseKind::overwritten, slab, first,
             fmt::format("Padding overwritten. {}-{} @offset={}", hex(first), hex(last), first - start(slab)),
             hex_dump("Padding", padding));
    reporter_.fix(fmt::format("Restoring slab padding {}-{}=0x{:x}", hex(first), hex(last), poison_inuse));
    fill(padding, poison_inuse);
}

bool SlabChecker::check_slab(FrameIndex slab) {
    const Page& page = arena_.page_at(slab);
    const auto bad = [&](std::string_view reason) {
        slab_bug(MisuseKind::corrupt_list, slab, start(slab), reason);
        return false;
    };
    if (page.load_state().kind != PageKind::slab) return bad("Not a valid slab page");
    const SlabWord word = SlabWord::load(arena_.page_at(slab));
    const std::uint32_t most = most_objects(slab);
    if (word.objects > most) return bad(fmt::format("objects {} > max {}", word.objects, most));
    if (word.inuse > word.objects) return bad(fmt::format("inuse {} > max {}", word.inuse, word.objects));
    if (word.frozen) return bad("Slab disabled since SLUB metadata consistency check failed");
    check_slab_tail(slab);
    return true;
}

bool SlabChecker::on_freelist(FrameIndex slab, const void* object) {
    Page& page = arena_.page_at(slab);
    SlabWord word = SlabWord::load(page);
    void* last = nullptr;
    std::uint32_t counted = 0;
    for (void* fp = first_free(slab, word); fp != nullptr && counted <= word.objects; ++counted) {
        if (fp == object) return true;
        if (!valid_pointer(slab, fp)) {
            if (last == nullptr) {
                slab_bug(MisuseKind::corrupt_list, slab, fp, "Freepointer corrupt");
                word.freelist = SlabWord::no_object;
                word.inuse = word.objects;
                word.store(page);
                reporter_.fix("Freelist cleared");
                return false;
            }
            object_bug(MisuseKind::corrupt_list, slab, static_cast<std::byte*>(last), last,
                       "Freechain corrupt");
            set_free_pointer(cache_, last, nullptr);
            break;
        }
        last = fp;
        fp = get_free_pointer(cache_, fp);
    }
    if (const std::uint32_t most = most_objects(slab); word.objects != most) {
        slab_bug(MisuseKind::corrupt_list, slab, start(slab),
                 fmt::format("Wrong number of objects. Found {} but should be {}", word.objects, most));
        word.objects = most;
        word.store(page);
        reporter_.fix("Number of objects adjusted");
    }
    if (const std::uint32_t inuse = word.objects - std::min(counted, word.objects); word.inuse != inuse) {
        slab_bug(MisuseKind::corrupt_list, slab, start(slab),
                 fmt::format("Wrong object count. Counter is {} but counted were {}", word.inuse, inuse));
        word.inuse = inuse;
        word.store(page);
        reporter_.fix("Object count adjusted");
    }
    return object == nullptr;
}

std::string_view SlabChecker::find_byte_fault(FrameIndex slab, std::uint32_t i, bool live,
                                              unsigned cpus) const {
    const Geometry& g = cache_.geometry;
    std::byte* const object = object_at(slab, i);
    const std::uint8_t red_zone = live ? red_zone_live : red_zone_free;
    const std::span<std::byte> behind{object + g.object_size, g.inuse - g.object_size};
    if (flag(CacheFlags::red_zone)) {
        if (find_mismatch({object - g.left_pad, g.left_pad}, red_zone)) return "left red zone";
        if (find_mismatch(behind, red_zone)) return "right red zone";
    } else if (flag(CacheFlags::poison) && find_mismatch(behind, poison_inuse)) {
        return "alignment padding";
    }
    if (!live && poisons_objects()) {
        if (find_mismatch({object, g.object_size - 1}, poison_free)) return "poison";
        if (object[g.object_size - 1] != std::byte{poison_end}) return "end of poison";
    }
    if (const std::size_t end = tracked_end(); flag(CacheFlags::poison) && end < g.size_from_object()) {
        if (find_mismatch({object + end, g.size_from_object() - end}, poison_inuse)) return "padding";
    }
    if (flag(CacheFlags::store_user)) {
        const OwnerRecord owner = owner_of(object, OwnerKind::allocated);
        if (owner.cpu >= cpus || (live && owner.address == 0)) return "owner record";
    }
    return {};
}

bool SlabChecker::tail_intact(FrameIndex slab) const {
    const std::size_t tail = slab_bytes(slab) % cache_.geometry.size;
    return !flag(CacheFlags::poison) ||
           !find_mismatch({start(slab) + slab_bytes(slab) - tail, tail}, poison_inuse);
}

void SlabChecker::validate(FrameIndex slab) {
    if (!check_slab(slab) || !on_freelist(slab, nullptr)) return;
    const SlabWord word = SlabWord::load(arena_.page_at(slab));
    std::vector<bool> free(word.objects);
    std::uint32_t left = word.objects;
    for (const void* o = first_free(slab, word); o != nullptr && left > 0; --left) {
        const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(o) - object_at(slab, 0));
        free[offset / cache_.geometry.size] = true;
        o = get_free_pointer(cache_, o);
    }
    for (std::uint32_t i = 0; i < word.objects; ++i) {
        if (!check_object(slab, object_at(slab, i), free[i] ? red_zone_free : red_zone_live)) return;
    }
}

}  // namespace kmemlab
