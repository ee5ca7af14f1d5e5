/// Golden files of a kernel that was built by `kmemlab kernel build`: experiments in the formats that
/// check.hpp reads, each in a boot of its own, so that the state before it is always the same.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "bench/guests/guest.hpp"
#include "bench/guests/kernels.hpp"

namespace kmemlab::golden {

struct Experiment {
    static constexpr std::size_t usual_memory = std::size_t{1} << 30;

    std::string file;     ///< "slabtrace-192.csv"
    std::string command;  ///< "slabtrace 192 20000 0x1234567"
    std::size_t memory = usual_memory;
    std::string append{};  ///< a parameter of the kernel
    unsigned cpus = 4;     ///< of a kernel for several
    unsigned name_digits = guests::name_digits;
};

/// Its file is named after all its words.
[[nodiscard]] Experiment experiment_of(const std::string& command, std::size_t memory, unsigned cpus);

/// Those that tests/golden holds of such kernels, as far as this one can do them.
[[nodiscard]] std::vector<Experiment> public_experiments(const guests::Kernel& kernel);

/// Runs one in a boot of its own: the text of its file. Throws UsageError if the kernel does not do it.
[[nodiscard]] std::string ask(const guests::Kernel& kernel, const Experiment& experiment);

/// Rows of such a text, without its parameters.
[[nodiscard]] std::size_t rows_of(std::string_view text);

}  // namespace kmemlab::golden
