/// GFP flags as kernels print them in gfp_flags=: names joined by '|', with or without a rest in
/// hexadecimal, or one number. All names that Linux 4.0 to 6.18 print are known.
///
/// They become the bits of Linux 6.1 (base/gfp.hpp). Where 6.1 has no such bit:
///  - the nearest meaning: __GFP_REPEAT is __GFP_RETRY_MAYFAIL, GFP_TEMPORARY is reclaimable GFP_KERNEL,
///    GFP_TRANSHUGE is spelt out, (__)GFP_WAIT of before 4.4 is __GFP_RECLAIM, and a bare "GFP_NOWAIT",
///    "GFP_ATOMIC" is what it means in 6.1;
///  - dropped, as they say nothing about which memory is given: __GFP_COLD, __GFP_NOTRACK, __GFP_OTHER_NODE,
///    __GFP_NO_KSWAPD, __GFP_NOLOCKDEP, __GFP_SKIP_*, __GFP_NO_OBJ_EXT, __GFP_NO_CODETAG, __GFP_UNUSED;
///  - dropped and counted: names that we do not know, bits above those of 6.1.
/// A number is taken by the layout of 6.1, which 6.18 shares; older kernels order the upper bits otherwise.
#pragma once

#include <string_view>

#include "allocators/base/gfp.hpp"

namespace kmemlab::trace {

struct GfpText {
    Gfp gfp;
    unsigned unknown = 0;  ///< parts that were dropped without being known
};

/// Never fails: an empty text is Gfp{}.
[[nodiscard]] GfpText parse_gfp(std::string_view text);

}  // namespace kmemlab::trace
