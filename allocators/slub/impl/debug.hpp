#pragma once
#include "allocators/slub/slub.hpp"
namespace kmemlab {
template <class Cpus>
void* Slub<Cpus>::debug_alloc(Cache&, CpuSlot&, Gfp, CpuId, Path&, const Caller&) {
    return nullptr;
}
template <class Cpus>
void Slub<Cpus>::debug_free(Cache&, FrameIndex, void*, CpuId, const void*) {}
template <class Cpus>
void Slub<Cpus>::debug_new_slab(Cache&, FrameIndex, std::uint32_t) {}
template <class Cpus>
void Slub<Cpus>::report_remaining(Cache&) {}
template <class Cpus>
std::uint64_t Slub<Cpus>::validate(Cache&, CpuId) {
    return 0;
}
}  // namespace kmemlab
