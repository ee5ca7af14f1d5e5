#include "bench/golden/draws.hpp"

namespace kmemlab::golden {
namespace {

constexpr std::array<std::string_view, 4> names{"local", "random", "prodcons", "pingpong"};

CpuId cpu_of(std::uint64_t number) {
    return CpuId{static_cast<unsigned>(number)};
}

}  // namespace

CpuPolicy::CpuPolicy(const GoldenFile& file) : several_{file.find_parameter("policy").has_value()} {
    if (!several_) return;
    cpus_ = static_cast<unsigned>(file.number("ncpu", 1, max_cpus));
    const auto* const found = std::find(names.begin(), names.end(), file.parameter("policy"));
    if (found == names.end()) {
        throw file.bad(file.line_of_parameter("policy"),
                       "policy={}: expected local, random, prodcons, pingpong", file.parameter("policy"));
    }
    name_ = static_cast<Name>(found - names.begin());
    const bool two = name_ == Name::prodcons || name_ == Name::pingpong;
    if (two && cpus_ < 2) throw file.bad(file.line_of_parameter("ncpu"), "ncpu=1: expected 2 or more");
}

CpuId CpuPolicy::allocates(std::uint64_t operation, std::uint64_t q) const {
    switch (name_) {
        case Name::prodcons:
            return CpuId{0};
        case Name::pingpong:
            return cpu_of(operation >> 8 & 1);
        default:
            return cpu_of((q & 255) % cpus_);
    }
}

CpuId CpuPolicy::frees(std::uint64_t operation, std::uint64_t q, CpuId owner) const {
    return name_ == Name::random ? cpu_of((q >> 8 & 255) % cpus_) : frees_at_end(operation, owner);
}

CpuId CpuPolicy::frees_at_end(std::uint64_t operation, CpuId owner) const {
    switch (name_) {
        case Name::random:
            return cpu_of(operation % cpus_);
        case Name::prodcons:
            return CpuId{1};
        case Name::pingpong:
            return cpu_of(1 - (operation >> 8 & 1));
        default:
            return owner;
    }
}

}  // namespace kmemlab::golden
