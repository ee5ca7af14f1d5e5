/// The works of the comparison, each a loop over any call type of calls.hpp. A unit is one allocation and
/// one release; the first word of each object is written. Calls are passed by value, to stay in registers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "allocators/base/check.hpp"
#include "bench/measure/keep.hpp"

namespace kmemlab::peers {

inline constexpr std::size_t batch_objects = 256;

[[nodiscard]] inline void* used(void* p) {
    if (p == nullptr) throw UsageError("peers: an allocator has no memory left");
    *static_cast<std::uintptr_t*>(p) = 1;
    keep(p);
    return p;
}

/// Takes one object and puts it back.
template <class Call>
void pairs(Call call, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        call.put(used(call.take()));
        forget();
    }
}

/// Takes as many objects as `objects` has room for, then puts all of them back; `count` is rounded up to
/// whole batches.
template <class Call>
void batches(Call call, std::vector<void*>& objects, const std::vector<std::uint32_t>& order,
             std::size_t count) {
    for (std::size_t done = 0; done < count; done += objects.size()) {
        for (void*& object : objects) object = used(call.take());
        for (const std::uint32_t i : order) call.put(objects[i]);
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
