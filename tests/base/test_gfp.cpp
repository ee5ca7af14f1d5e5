#include <catch2/catch.hpp>

#include <array>

#include "allocators/base/gfp.hpp"

using namespace kmemlab;

TEST_CASE("the bits of a request are those of Linux 6.1") {
    CHECK(__GFP_DMA.bits() == 0x1);
    CHECK(__GFP_HIGHMEM.bits() == 0x2);
    CHECK(__GFP_DMA32.bits() == 0x4);
    CHECK(__GFP_MOVABLE.bits() == 0x8);
    CHECK(__GFP_RECLAIMABLE.bits() == 0x10);
    CHECK(__GFP_HIGH.bits() == 0x20);
    CHECK(__GFP_IO.bits() == 0x40);
    CHECK(__GFP_FS.bits() == 0x80);
    CHECK(__GFP_ZERO.bits() == 0x100);
    CHECK(__GFP_ATOMIC.bits() == 0x200);
    CHECK(__GFP_DIRECT_RECLAIM.bits() == 0x400);
    CHECK(__GFP_KSWAPD_RECLAIM.bits() == 0x800);
    CHECK(__GFP_WRITE.bits() == 0x1000);
    CHECK(__GFP_NOWARN.bits() == 0x2000);
    CHECK(__GFP_RETRY_MAYFAIL.bits() == 0x4000);
    CHECK(__GFP_NOFAIL.bits() == 0x8000);
    CHECK(__GFP_NORETRY.bits() == 0x10000);
    CHECK(__GFP_MEMALLOC.bits() == 0x20000);
    CHECK(__GFP_COMP.bits() == 0x40000);
    CHECK(__GFP_NOMEMALLOC.bits() == 0x80000);
    CHECK(__GFP_HARDWALL.bits() == 0x100000);
    CHECK(__GFP_THISNODE.bits() == 0x200000);
    CHECK(__GFP_ACCOUNT.bits() == 0x400000);
    CHECK(__GFP_ZEROTAGS.bits() == 0x800000);
}

TEST_CASE("the combinations of a request are those of Linux 6.1") {
    CHECK(GFP_ATOMIC.bits() == 0xa20);
    CHECK(GFP_KERNEL.bits() == 0xcc0);
    CHECK(GFP_KERNEL_ACCOUNT.bits() == 0x400cc0);
    CHECK(GFP_NOWAIT.bits() == 0x800);
    CHECK(GFP_NOIO.bits() == 0xc00);
    CHECK(GFP_NOFS.bits() == 0xc40);
    CHECK(GFP_USER.bits() == 0x100cc0);
    CHECK(GFP_DMA.bits() == 0x1);
    CHECK(GFP_DMA32.bits() == 0x4);
    CHECK(GFP_HIGHUSER.bits() == 0x100cc2);
    CHECK(GFP_HIGHUSER_MOVABLE.bits() == 0x100cca);
}

TEST_CASE("a request has a flag if any of its bits is set") {
    CHECK(GFP_KERNEL.has(__GFP_IO));
    CHECK(GFP_KERNEL.has(__GFP_ZERO | __GFP_FS));
    CHECK_FALSE(GFP_KERNEL.has(__GFP_ZERO | __GFP_HIGH));
    CHECK_FALSE(Gfp{}.has(Gfp{0xffffffff}));
}

TEST_CASE("flags are added, taken off and cut out") {
    CHECK((GFP_KERNEL | __GFP_ZERO).bits() == 0xdc0);
    CHECK(GFP_KERNEL.without(__GFP_IO | __GFP_ZERO).bits() == 0xc80);
    CHECK((GFP_KERNEL & GFP_ATOMIC) == __GFP_KSWAPD_RECLAIM);
    CHECK(GFP_NOFS.without(__GFP_IO) == GFP_NOIO);
}
