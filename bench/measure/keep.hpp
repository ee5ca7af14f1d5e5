/// keep(value): the compiler must compute it, though nobody uses it. forget(): memory may have changed.
#pragma once

namespace kmemlab {

template <class T>
inline void keep(const T& value) {
    asm volatile("" : : "r,m"(value) : "memory");
}

inline void forget() {
    asm volatile("" : : : "memory");
}

}  // namespace kmemlab
