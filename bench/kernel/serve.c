// SPDX-License-Identifier: GPL-2.0
/*
 * init of a guest that is driven by `kmemlab replay` and `kmemlab peers`: reads
 * /proc/kmemlab until it ends, and copies the files that a read names ("FROM
 * TO"; TO is a name in /out).  Then powers off.
 *
 * gcc -O1 -static -nostdlib -ffreestanding -mgeneral-regs-only -fno-stack-protector -fno-builtin -o serve serve.c
 *
 * Without libc for the reason that init.c gives.
 */
#include "syscalls.h"

static char names[512], path[300], buffer[1 << 16];

static void copy(char *from)
{
	char *to = from, *end = path;
	const char *folder = "/out/";
	long in, out, n;

	while (*to && *to != ' ')
		to++;
	if (!*to)
		return;
	*to++ = 0;
	while (*folder)
		*end++ = *folder++;
	while (*to && end < path + sizeof path - 1)
		*end++ = *to++;
	*end = 0;
	in = S3(open, from, O_RDONLY, 0);
	if (in < 0)
		return;	/* the host sees that there is no copy */
	out = S3(open, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	while (out >= 0 && (n = S3(read, in, buffer, sizeof buffer)) > 0)
		S3(write, out, buffer, n);
	if (out >= 0)
		S3(close, out, 0, 0);
	S3(close, in, 0, 0);
}

void _start(void)
{
	long fd, n;

	sys5(__NR_mount, (long)"proc", (long)"/proc", (long)"proc", 0, 0);
	sys5(__NR_mount, (long)"sys", (long)"/sys", (long)"sysfs", 0, 0);
	fd = S3(open, "/proc/kmemlab", O_RDONLY, 0);
	while (fd >= 0 && (n = S3(read, fd, names, sizeof names - 1)) > 0) {
		names[n] = 0;
		copy(names);
	}
	sys5(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0, 0);
	for (;;)
		S3(pause, 0, 0, 0);
}
