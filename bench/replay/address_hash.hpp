/// FNV-1a over 64-bit words: one number for all addresses that a replay was given.
#pragma once

#include <cstdint>

namespace kmemlab::replay {

class AddressHash {
  public:
    void add(std::uint64_t word) { hash_ = (hash_ ^ word) * 0x100000001b3U; }
    [[nodiscard]] std::uint64_t value() const { return hash_; }

  private:
    std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace kmemlab::replay
