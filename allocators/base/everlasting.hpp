/// A T that is there before any code runs and is never destroyed: for what programs use to their very end.
#pragma once

namespace kmemlab {

template <class T>
union Everlasting {
    constexpr Everlasting() : value{} {}
    // NOLINTNEXTLINE(modernize-use-equals-default): it would be deleted
    ~Everlasting() {}
    Everlasting(const Everlasting&) = delete;
    Everlasting& operator=(const Everlasting&) = delete;

    T value;
};

}  // namespace kmemlab
