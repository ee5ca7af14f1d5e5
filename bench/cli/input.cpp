#include "bench/cli/input.hpp"

#include "bench/cli/terminal.hpp"
#include "bench/workloads/workload.hpp"

namespace kmemlab::cli {

trace::Trace read_input(const std::string& name) {
    if (workloads::is_workload(name)) return workloads::make_trace(name);
    ProgressLine line;
    return trace::read_trace(name, {.progress = [&](const trace::Progress& progress) {
                                 line.show("read " + name, progress.done, progress.total);
                             }});
}

}  // namespace kmemlab::cli
