/// The works of the comparison, each a loop over any call type of calls.hpp. A unit is one allocation and
/// one release; what happens between them is the work's Use. Calls are passed by value, to stay in registers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/machine/page.hpp"
#include "bench/measure/keep.hpp"

namespace kmemlab::peers {

inline constexpr std::size_t batch_objects = 256;

inline void require(const void* p) {
    if (p == nullptr) throw UsageError("peers: an allocator has no memory left");
}

/// A Use: nothing, as where the times of kernels were recorded.
struct Untouched {
    template <class Object>
    [[nodiscard]] static Object* used(Object* object) {
        require(object);
        keep(object);
        return object;
    }
};

/// A Use: the first word of each object is written; of a frame, which has only a descriptor, nothing.
struct FirstWord {
    [[nodiscard]] static void* used(void* p) {
        require(p);
        *static_cast<std::uintptr_t*>(p) = 1;
        return Untouched::used(p);
    }
    [[nodiscard]] static Page* used(Page* frame) { return Untouched::used(frame); }
};

/// Takes one object and puts it back.
template <class Use = FirstWord, class Call>
void pairs(Call call, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        call.put(Use::used(call.take()));
        forget();
    }
}

/// Takes as many objects as `objects` has room for, then puts all of them back; `count` is rounded up to
/// whole batches.
template <class Use = FirstWord, class Call, class Object>
void batches(Call call, std::vector<Object>& objects, const std::vector<std::uint32_t>& order,
             std::size_t count) {
    for (std::size_t done = 0; done < count; done += objects.size()) {
        for (Object& object : objects) object = Use::used(call.take());
        for (const std::uint32_t i : order) call.put(objects[i]);
    }
}

/// Takes as many as `objects` has room for by one call, then puts all of them back by one call.
template <class Use = FirstWord, class Call>
void bulks(Call call, std::vector<void*>& objects, std::size_t count) {
    for (std::size_t done = 0; done < count; done += objects.size()) {
        call.take_all(objects);
        for (void*& object : objects) object = Use::used(object);
        call.put_all(objects);
    }
}

/// Puts the oldest of `window` back and takes another in its place.
template <class Use = FirstWord, class Call>
void windows(Call call, std::vector<void*>& window, std::size_t& oldest, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        call.put(window[oldest]);
        window[oldest] = Use::used(call.take());
        if (++oldest == window.size()) oldest = 0;
    }
}

/// Empty if many objects at once keep what is written into them.
template <class Call>
[[nodiscard]] std::string verified(const Call& call, std::size_t size) {
    std::vector<void*> objects(batch_objects);
    for (std::size_t i = 0; i < objects.size(); ++i) {
        objects[i] = call.take();
        if (objects[i] == nullptr) return "no memory";
        std::memset(objects[i], static_cast<int>(i & 0xff), size);
    }
    std::string found;
    for (std::size_t i = 0; i < objects.size(); ++i) {
        const auto* bytes = static_cast<const unsigned char*>(objects[i]);
        if (!std::all_of(bytes, bytes + size, [&](unsigned char b) { return b == (i & 0xff); })) {
            found = "an object does not keep what was written into it";
        }
    }
    for (void* object : objects) call.put(object);
    return found;
}

}  // namespace kmemlab::peers
