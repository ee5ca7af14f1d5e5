#include "allocators/objects/slabinfo.hpp"

#include <fmt/format.h>

namespace kmemlab {

std::string slabinfo_header() {
    return "slabinfo - version: 2.1\n"
           "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
           " : tunables <limit> <batchcount> <sharedfactor>"
           " : slabdata <active_slabs> <num_slabs> <sharedavail>\n";
}

std::string to_string(const SlabinfoRow& row) {
    return fmt::format(
        "{:<17} {:6} {:6} {:6} {:4} {:4} : tunables {:4} {:4} {:4} : slabdata {:6} {:6} {:6}\n", row.name,
        row.active_objects, row.objects, row.size, row.objects_per_slab, row.pages_per_slab, row.limit,
        row.batchcount, row.shared, row.active_slabs, row.slabs, row.shared_available);
}

}  // namespace kmemlab
