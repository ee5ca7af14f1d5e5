#include "bench/trace/gfp_text.hpp"
#include "tests/trace/trace_support.hpp"

using namespace kmemlab;
using namespace kmemlab::trace;

TEST_CASE("GFP names of Linux 6.x become the bits of 6.1") {
    CHECK(parse_gfp("GFP_KERNEL|__GFP_ZERO").gfp == (GFP_KERNEL | __GFP_ZERO));
    CHECK(parse_gfp("GFP_HIGHUSER_MOVABLE|__GFP_COMP").gfp == (GFP_HIGHUSER_MOVABLE | __GFP_COMP));
    CHECK(parse_gfp("GFP_ATOMIC").gfp == GFP_ATOMIC);
    CHECK(parse_gfp("GFP_NOFS|__GFP_NOFAIL|__GFP_ACCOUNT").gfp == (GFP_NOFS | __GFP_NOFAIL | __GFP_ACCOUNT));
    CHECK(parse_gfp("GFP_TRANSHUGE").gfp == (parse_gfp("GFP_TRANSHUGE_LIGHT").gfp | __GFP_DIRECT_RECLAIM));
    CHECK(parse_gfp("__GFP_RECLAIM|__GFP_HIGH|__GFP_DMA32").gfp ==
          (__GFP_RECLAIM | __GFP_HIGH | __GFP_DMA32));
    CHECK(parse_gfp("none").gfp == Gfp{});
    CHECK(parse_gfp("").gfp == Gfp{});
}

TEST_CASE("GFP names of older kernels become the nearest bits, or nothing") {
    CHECK(parse_gfp("GFP_TEMPORARY").gfp == (GFP_KERNEL | __GFP_RECLAIMABLE));
    CHECK(parse_gfp("GFP_KERNEL|__GFP_REPEAT").gfp == (GFP_KERNEL | __GFP_RETRY_MAYFAIL));
    CHECK(parse_gfp("GFP_KERNEL|GFP_NOWARN|GFP_ZERO").gfp == (GFP_KERNEL | __GFP_NOWARN | __GFP_ZERO));
    CHECK(parse_gfp("GFP_WAIT|GFP_IO").gfp == GFP_NOFS);
    CHECK(parse_gfp("GFP_KERNEL|__GFP_COLD|__GFP_NOTRACK").unknown == 0);
}

TEST_CASE("numbers are taken by the layout of 6.1, bits above it dropped and counted") {
    CHECK(parse_gfp("0xcc0").gfp == GFP_KERNEL);
    CHECK(parse_gfp("3264").gfp == GFP_KERNEL);
    const GfpText rest = parse_gfp("GFP_KERNEL|0x1000000");
    CHECK(rest.gfp == GFP_KERNEL);
    CHECK(rest.unknown == 1);
}

TEST_CASE("a name that is not known is dropped and counted") {
    const GfpText text = parse_gfp("GFP_KERNEL|__GFP_TELEPATHIC|KERNEL|");
    CHECK(text.gfp == GFP_KERNEL);
    CHECK(text.unknown == 2);
}
