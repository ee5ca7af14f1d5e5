// SPDX-License-Identifier: GPL-2.0
/* System calls of the guest's first processes, which have no libc (init.c tells why). */
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/reboot.h>

static long sys5(long n, long a, long b, long c, long d, long e)
{
	long r;
	register long r10 asm("r10") = d, r8 asm("r8") = e;

	asm volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
		     : "rcx", "r11", "memory");
	return r;
}
#define S3(n, a, b, c) sys5(__NR_##n, (long)(a), (long)(b), (long)(c), 0, 0)
