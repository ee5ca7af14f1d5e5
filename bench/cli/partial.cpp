#include "bench/cli/partial.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "allocators/base/check.hpp"
#include "bench/cli/output.hpp"
#include "bench/measure/result_file.hpp"

namespace kmemlab::cli {

std::optional<Json> Partial::read() const {
    if (name_.empty())
        throw UsageError("--resume: expected --json FILE, beside which a run left its figures");
    std::ifstream in{name_};
    if (!in) return {};
    const Json environment = context("", {});
    try {
        Json kept = Json::parse(in);
        for (const char* key : {"cpu", "kernel", "kmemlab_version", "compiler", "flags"}) {
            if (kept.at("context").at(key) == environment.at(key)) continue;
            throw UsageError::of("{}: expected {} {} of this run, found {}; remove it to begin anew", name_,
                                 key, environment.at(key).dump(), kept.at("context").at(key).dump());
        }
        return kept;
    } catch (const Json::exception& error) {
        throw UsageError::of("{}: expected the figures of an interrupted run: {}", name_, error.what());
    }
}

void Partial::keep(const Json& result, std::size_t done, std::size_t wanted) const {
    write_result(name_, result.dump(1) + "\n");
    complain(
        fmt::format("interrupted after {} of {} repetitions, which {} keeps; the same command with "
                    "--resume goes on",
                    done, wanted, name_));
}

void Partial::remove() const {
    std::error_code ignored;
    if (!name_.empty()) std::filesystem::remove(name_, ignored);
}

}  // namespace kmemlab::cli
