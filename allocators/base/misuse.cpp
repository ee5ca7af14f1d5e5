#include "allocators/base/misuse.hpp"

#include <cstdio>
#include <cstdlib>

namespace kmemlab {

std::string_view to_string(MisuseKind kind) {
    switch (kind) {
        case MisuseKind::double_free:
            return "double free";
        case MisuseKind::foreign_pointer:
            return "foreign pointer";
        case MisuseKind::interior_pointer:
            return "interior pointer";
        case MisuseKind::wrong_cache:
            return "wrong cache";
        case MisuseKind::wrong_order:
            return "wrong order";
        case MisuseKind::overwritten:
            return "overwritten";
        case MisuseKind::corrupt_list:
            return "corrupt list";
        case MisuseKind::objects_remain:
            return "objects remain";
        case MisuseKind::stack_overflow:
            return "stack overflow";
        case MisuseKind::bad_request:
            return "bad request";
    }
    return "unknown";
}

void MisuseLog::report(const Misuse& misuse) {
    ++count_;
    if (listener_) listener_(misuse);
    if (!abort_) return;
    std::fputs(misuse.report.c_str(), stderr);
    std::abort();
}

}  // namespace kmemlab
