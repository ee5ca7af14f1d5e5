// SPDX-License-Identifier: GPL-2.0
/*
 * kmemlab_replay: a kernel as one of the allocators that `kmemlab replay` drives.
 *
 * Lives in mm/ of a Linux tree that is built for User-Mode Linux.  The kernel
 * parameter kmemlab=FD names a socket inherited from the host.  serve.c, the
 * guest's init, reads /proc/kmemlab: the read waits for lines on that socket,
 * does what they say and answers each by one line, "ok ..." or "error ...":
 *
 *   hello            nothing
 *   load FILE        a program: header, caches, operations, leftovers (below)
 *   observe FROM TO EVERY
 *                    operations FROM..TO-1, contents checked; memory is noted
 *                    before each operation whose number EVERY divides
 *   observed FILE    frees the leftovers, writes what was observed
 *   throughput       all operations, then the leftovers: "ok WALL CPU FAILURES",
 *                    nanoseconds of the operations
 *   latency FILE     the same, ticks of each operation as u32 (~0: not done)
 *   cache SIZE, uncache                       the cache of the loops below
 *   check NAME SIZE                           whether its objects keep what is written
 *   loop NAME SIZE N ORDER ROUNDS             "ok WALL CPU": a benchmark's loop;
 *                    NAME is kmem_cache, kmalloc, pages or floor
 *   copy FROM TO     the read returns FROM and TO to serve.c, which copies the
 *                    file; the next read answers "ok"
 *   quit             the read returns nothing: the machine is switched off
 *
 * FILE is a path of the host.  Only public kernel functions are called.
 */
#include <linux/kernel.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/gfp.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include <asm/unistd.h>
#include <os.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define ORDERS NR_PAGE_ORDERS
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define ORDERS (MAX_ORDER + 1)
#else
#define ORDERS MAX_ORDER
#endif

/* ------------------------------------------------ the program's form ---- */

enum { KMALLOC, KFREE, CACHE_ALLOC, CACHE_FREE, PAGE_ALLOC, PAGE_FREE, VMAP_ALLOC, VMAP_FREE, VMAP_PURGE };

struct operation {	/* as in kmemlab's packed traces */
	u32 object;
	u32 amount;
	u32 gfp_and_kind;	/* gfp as Linux 6.1 numbers it; translated when loaded */
	u16 call_site;
	u8 cpu;
	u8 align;
};

struct cache {
	char name[56];
	u64 size;
};

struct program {
	u64 magic;		/* "KMLPROG1" */
	u64 operations, leftovers, caches, slots;
};
#define MAGIC 0x31474f52504c4d4bULL

static struct program prog;
static struct operation *operations;	/* leftovers behind them */
static struct cache *descriptions;
static struct kmem_cache **caches;
static void **slots;
static u32 *ticks;

/* ---------------------------------------------------------- the host ---- */

static int channel = -1;
static char line[256];

static int __init set_channel(char *text)
{
	return kstrtoint(text, 10, &channel) == 0;
}
__setup("kmemlab=", set_channel);

static bool next_line(void)
{
	unsigned int n = 0;

	for (;;) {
		int got = os_read_file(channel, line + n, 1);

		if (got == -EINTR || got == -EAGAIN)
			continue;
		if (got <= 0)
			return false;
		if (line[n] == '\n') {
			line[n] = 0;
			return true;
		}
		if (n + 1 < sizeof(line))
			n++;
	}
}

static bool write_all(int fd, const void *data, u64 bytes)
{
	while (bytes) {
		int put = os_write_file(fd, data, min_t(u64, bytes, 1 << 20));

		if (put == -EINTR)
			continue;
		if (put <= 0)
			return false;
		data += put;
		bytes -= put;
	}
	return true;
}

static __printf(1, 2) void answer(const char *form, ...)
{
	static char text[256];
	va_list arguments;
	int n;

	va_start(arguments, form);
	n = vscnprintf(text, sizeof(text), form, arguments);
	va_end(arguments);
	write_all(channel, text, n);
}

static int create(const char *path)
{
	return os_open_file(path, of_create(of_trunc(of_write(OPENFLAGS()))), 0600);
}

static bool read_all(int fd, void *data, u64 bytes)
{
	while (bytes) {
		int got = os_read_file(fd, data, min_t(u64, bytes, 1 << 20));

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return false;
		data += got;
		bytes -= got;
	}
	return true;
}

/* UML's kernel is a process of the host: its processor time */
static u64 cpu_ns(void)
{
	struct { s64 seconds, nanoseconds; } now;
	long status;

	asm volatile("syscall" : "=a"(status)
		     : "a"(228 /* clock_gettime */), "D"(2 /* CLOCK_PROCESS_CPUTIME_ID */), "S"(&now)
		     : "rcx", "r11", "memory");
	return now.seconds * NSEC_PER_SEC + now.nanoseconds;
}

static inline u64 tick_begin(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

static inline u64 tick_end(void)
{
	u32 low, high;

	asm volatile("rdtscp; lfence" : "=a"(low), "=d"(high) : : "rcx", "memory");
	return (u64)high << 32 | low;
}

/* --------------------------------------------------------- operations ---- */

static inline u32 kind_of(const struct operation *op)
{
	return op->gfp_and_kind >> 24;
}

/*
 * The bits that Linux 6.1 has, as this kernel names them.  __GFP_NOFAIL is
 * left out (an allocation that cannot fail would hang the guest), the retries
 * as well; __GFP_ATOMIC is gone since 6.4.
 */
static gfp_t translated(u32 bits)
{
	static const struct { u32 bit; gfp_t flag; } table[] = {
		{ 0x1, __GFP_DMA }, { 0x2, __GFP_HIGHMEM }, { 0x4, __GFP_DMA32 }, { 0x8, __GFP_MOVABLE },
		{ 0x10, __GFP_RECLAIMABLE }, { 0x20, __GFP_HIGH }, { 0x40, __GFP_IO }, { 0x80, __GFP_FS },
		{ 0x100, __GFP_ZERO },
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
		{ 0x200, __GFP_ATOMIC },
#endif
		{ 0x400, __GFP_DIRECT_RECLAIM }, { 0x800, __GFP_KSWAPD_RECLAIM }, { 0x1000, __GFP_WRITE },
		{ 0x10000, __GFP_NORETRY }, { 0x40000, __GFP_COMP }, { 0x80000, __GFP_NOMEMALLOC },
		{ 0x400000, __GFP_ACCOUNT },
	};
	gfp_t flags = __GFP_NOWARN;
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (bits & table[i].bit)
			flags |= table[i].flag;
	return flags;
}

static struct { u32 bits; gfp_t flags; } known_gfp[256];
static u32 known_gfps;

/* Operations keep an index of known_gfp where they had the flags. */
static bool translate(struct operation *op)
{
	u32 bits = op->gfp_and_kind & 0xffffff, i;

	for (i = 0; i < known_gfps && known_gfp[i].bits != bits; i++)
		;
	if (i == known_gfps) {
		if (i == ARRAY_SIZE(known_gfp))
			return false;
		known_gfp[i].bits = bits;
		known_gfp[i].flags = translated(bits);
		known_gfps++;
	}
	op->gfp_and_kind = kind_of(op) << 24 | i;
	return true;
}

static inline gfp_t gfp_of(const struct operation *op)
{
	return known_gfp[op->gfp_and_kind & 0xff].flags;
}

static u64 requested_of(const struct operation *op)
{
	switch (kind_of(op)) {
	case KMALLOC: case KFREE:
		return op->amount;
	case CACHE_ALLOC: case CACHE_FREE:
		return descriptions[op->amount].size;
	case PAGE_ALLOC: case PAGE_FREE:
		return PAGE_SIZE << (op->amount & 0xff);
	default:	/* an area of a trace has a guard page, one of a single page none */
		return (u64)max_t(u32, op->amount - 1, 1) << PAGE_SHIFT;
	}
}

static bool is_allocation(const struct operation *op)
{
	u32 kind = kind_of(op);

	return kind != VMAP_PURGE && !(kind & 1);
}

/* What the slot holds, as memory; NULL if nothing, or nothing that may be written. */
static void *memory_of(const struct operation *op)
{
	void *held = slots[op->object];
	u32 kind = kind_of(op);

	if (ZERO_OR_NULL_PTR(held))
		return NULL;
	return kind == PAGE_ALLOC || kind == PAGE_FREE ? page_address(held) : held;
}

/*
 * One operation: AROUND(call) surrounds the kernel's function and nothing
 * else; a free of what was not got is none.  Then its begin is written, as
 * whoever asked for memory does.
 */
#define PERFORM(op, AROUND, TOUCH) do {							\
	void **slot = &slots[(op)->object];						\
	void *got = *slot;								\
											\
	switch (kind_of(op)) {								\
	case KMALLOC:									\
		AROUND(got = kmalloc((op)->amount, gfp_of(op)));			\
		*slot = got;								\
		if (TOUCH && !ZERO_OR_NULL_PTR(got))					\
			touch(got, (op)->amount);					\
		break;									\
	case CACHE_ALLOC:								\
		AROUND(got = kmem_cache_alloc(caches[(op)->amount], gfp_of(op)));	\
		*slot = got;								\
		if (TOUCH && got)							\
			touch(got, descriptions[(op)->amount].size);			\
		break;									\
	case PAGE_ALLOC:								\
		AROUND(got = alloc_pages(gfp_of(op), (op)->amount & 0xff));		\
		*slot = got;								\
		if (TOUCH && got)							\
			touch(page_address(got), PAGE_SIZE);				\
		break;									\
	case VMAP_ALLOC:								\
		AROUND(got = __vmalloc_node(requested_of(op), PAGE_SIZE << (op)->align,	\
					    GFP_KERNEL | __GFP_NOWARN, NUMA_NO_NODE,	\
					    __builtin_return_address(0)));		\
		*slot = got;								\
		if (TOUCH && got)							\
			touch(got, PAGE_SIZE);						\
		break;									\
	case KFREE:									\
		if (got)								\
			AROUND(kfree(got));						\
		break;									\
	case CACHE_FREE:								\
		if (got)								\
			AROUND(kmem_cache_free(caches[(op)->amount], got));		\
		break;									\
	case PAGE_FREE:									\
		if (got)								\
			AROUND(__free_pages(got, (op)->amount & 0xff));			\
		break;									\
	case VMAP_FREE:									\
		if (got)								\
			AROUND(vfree(got));						\
		break;									\
	}										\
} while (0)
#define UNTIMED(call) (call)

static inline void touch(void *p, u64 size)
{
	if (size >= sizeof(u64))
		*(volatile u64 *)p = (u64)p;
	else if (size)
		*(volatile u8 *)p = (u8)(u64)p;
}

static noinline u64 perform_leftovers(void)
{
	u64 i, failures = 0;

	for (i = prog.operations; i < prog.operations + prog.leftovers; i++) {
		const struct operation *op = &operations[i];

		failures += !slots[op->object];
		PERFORM(op, UNTIMED, 0);
	}
	memset(slots, 0, prog.slots * sizeof(*slots));
	return failures;
}

static noinline void throughput(void)
{
	u64 i, wall, cpu;

	cpu = cpu_ns();
	wall = os_nsecs();
	for (i = 0; i < prog.operations; i++) {
		const struct operation *op = &operations[i];

		if (kind_of(op) == VMAP_PURGE)
			vm_unmap_aliases();
		else
			PERFORM(op, UNTIMED, 1);
	}
	wall = os_nsecs() - wall;
	cpu = cpu_ns() - cpu;
	answer("ok %llu %llu %llu\n", wall, cpu, perform_leftovers());
}

static noinline void latency(const char *path)
{
	u64 i, begin;
	int fd = create(path);

#define TIMED(call) do {				\
	begin = tick_begin();				\
	call;						\
	begin = tick_end() - begin;			\
	ticks[i] = min_t(u64, begin, U32_MAX - 1);	\
} while (0)
	if (fd < 0) {
		answer("error cannot write %s\n", path);
		return;
	}
	memset(ticks, 0xff, prog.operations * sizeof(*ticks));
	for (i = 0; i < prog.operations; i++) {
		const struct operation *op = &operations[i];

		if (kind_of(op) == VMAP_PURGE)
			TIMED(vm_unmap_aliases());
		else
			PERFORM(op, TIMED, 1);
	}
	perform_leftovers();
	if (write_all(fd, ticks, prog.operations * sizeof(*ticks)))
		answer("ok\n");
	else
		answer("error cannot write %s\n", path);
	os_close_file(fd);
}

/* -------------------------------------------------------- observation ---- */

struct moment {
	u64 operation, requested, handed_out, held;
	u64 free_blocks[16];
};

struct observation {
	u64 operations, moments, failures, frees_skipped;
	char violation[224];
};

#define MOMENTS 512
static struct moment moments[MOMENTS];
static struct observation seen;
static u64 requested_now, handed_out_now, first_pages;

static u64 usable_of(const struct operation *op)
{
	void *held = slots[op->object];

	switch (kind_of(op)) {
	case KMALLOC: case KFREE:
		return ksize(held);
	default:
		return requested_of(op);
	}
}

/* Pages that objects lie in, or that are not free. */
static u64 pages_held(void)
{
	u32 kind = kind_of(&operations[0]);

	if (kind <= CACHE_FREE)
		return global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		       global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	return totalram_pages() - global_zone_page_state(NR_FREE_PAGES);
}

static void note_moment(u64 i)
{
	struct moment *m = &moments[seen.moments];
	struct zone *zone;
	int order;

	if (seen.moments == MOMENTS)
		return;
	seen.moments++;
	m->operation = i;
	m->requested = requested_now;
	m->handed_out = handed_out_now;
	m->held = (pages_held() - first_pages) * PAGE_SIZE;
	for (order = 0; order < ORDERS && order < ARRAY_SIZE(m->free_blocks); order++) {
		m->free_blocks[order] = 0;
		for_each_populated_zone(zone)
			m->free_blocks[order] += zone->free_area[order].nr_free;
	}
}

static __printf(1, 2) void note_violation(const char *form, ...)
{
	va_list arguments;

	if (seen.violation[0])
		return;
	va_start(arguments, form);
	vscnprintf(seen.violation, sizeof(seen.violation), form, arguments);
	va_end(arguments);
}

static u64 pattern_of(u64 i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL;
}

/* What was written at the begin and the end of the memory of a slot: by which operation. */
static u32 *born;

static void check_birth(const struct operation *op, u64 i)
{
	u8 *memory = memory_of(op);
	u64 size = usable_of(op), pattern = pattern_of(i), asked = requested_of(op), k;

	if ((u64)memory % sizeof(u64))
		note_violation("G2: operation %llu got %llu bytes at an address that 8 does not divide", i, asked);
	if (gfp_of(op) & __GFP_ZERO)
		for (k = 0; k < asked; k++)
			if (memory[k]) {
				note_violation("G5: operation %llu asked for zeroes, byte %llu is none", i, k);
				break;
			}
	born[op->object] = i;
	for (k = 0; k < min_t(u64, size, 8); k++) {
		memory[k] = (u8)(pattern >> 8 * k);
		memory[size - 1 - k] = (u8)(pattern >> 8 * (7 - k));
	}
}

static void check_death(const struct operation *op, u64 i)
{
	u8 *memory = memory_of(op);
	u64 size = usable_of(op), pattern = pattern_of(born[op->object]), k;

	if (size < 16)	/* begin and end overlap */
		return;
	for (k = 0; k < 8; k++)
		if (memory[k] != (u8)(pattern >> 8 * k) || memory[size - 1 - k] != (u8)(pattern >> 8 * (7 - k))) {
			note_violation("G4: what operation %u got is overwritten when operation %llu frees it",
				       born[op->object], i);
			return;
		}
}

static void observe_one(const struct operation *op, u64 i)
{
	if (kind_of(op) == VMAP_PURGE) {
		vm_unmap_aliases();
		return;
	}
	if (is_allocation(op)) {
		PERFORM(op, UNTIMED, 0);
		if (!slots[op->object]) {
			seen.failures++;
			return;
		}
		if (!memory_of(op))	/* of size 0 */
			return;
		requested_now += requested_of(op);
		handed_out_now += usable_of(op);
		check_birth(op, i);
	} else {
		if (!slots[op->object]) {
			seen.frees_skipped++;
			return;
		}
		if (memory_of(op)) {
			check_death(op, i);
			requested_now -= requested_of(op);
			handed_out_now -= usable_of(op);
		}
		PERFORM(op, UNTIMED, 0);
		slots[op->object] = NULL;
	}
}

static void observe(u64 from, u64 to, u64 every)
{
	u64 i;

	if (from == 0) {
		memset(&seen, 0, sizeof(seen));
		requested_now = handed_out_now = 0;
		first_pages = pages_held();
	}
	for (i = from; i < to; i++) {
		if (every && i % every == 0)
			note_moment(i);
		observe_one(&operations[i], i);
	}
	if (to == prog.operations)
		note_moment(to);
	answer("ok\n");
}

static void observed(const char *path)
{
	int fd = create(path);
	u64 i;

	for (i = prog.operations; i < prog.operations + prog.leftovers; i++) {
		const struct operation *op = &operations[i];

		if (memory_of(op))
			check_death(op, i);
	}
	perform_leftovers();
	seen.operations = prog.operations;
	if (fd >= 0 && write_all(fd, &seen, sizeof(seen)) &&
	    write_all(fd, moments, seen.moments * sizeof(*moments)))
		answer("ok\n");
	else
		answer("error cannot write %s\n", path);
	if (fd >= 0)
		os_close_file(fd);
}

/* -------------------------------------------------------- a program ---- */

static void unload(void)
{
	u64 i;

	for (i = 0; caches && i < prog.caches; i++)
		kmem_cache_destroy(caches[i]);
	vfree(operations);
	vfree(descriptions);
	vfree(caches);
	vfree(slots);
	vfree(born);
	vfree(ticks);
	operations = NULL;
	descriptions = NULL;
	caches = NULL;
	slots = NULL;
	born = NULL;
	ticks = NULL;
	memset(&prog, 0, sizeof(prog));
	known_gfps = 0;
}

static const char *load(const char *path)
{
	int fd = os_open_file(path, of_read(OPENFLAGS()), 0);
	u64 all, i;

	if (fd < 0)
		return "cannot read the program";
	unload();
	if (!read_all(fd, &prog, sizeof(prog)) || prog.magic != MAGIC) {
		memset(&prog, 0, sizeof(prog));
		os_close_file(fd);
		return "not a program";
	}
	all = prog.operations + prog.leftovers;
	operations = vzalloc(all * sizeof(*operations));
	descriptions = vzalloc((prog.caches + 1) * sizeof(*descriptions));
	caches = vzalloc((prog.caches + 1) * sizeof(*caches));
	slots = vzalloc((prog.slots + 1) * sizeof(*slots));
	born = vzalloc((prog.slots + 1) * sizeof(*born));
	ticks = vzalloc(prog.operations * sizeof(*ticks));
	if (!operations || !descriptions || !caches || !slots || !born || !ticks) {
		os_close_file(fd);
		return "the guest's memory is too small for the program";
	}
	i = read_all(fd, descriptions, prog.caches * sizeof(*descriptions)) &&
	    read_all(fd, operations, all * sizeof(*operations));
	os_close_file(fd);
	if (!i)
		return "the program is truncated";
	for (i = 0; i < all; i++)
		if (!translate(&operations[i]))
			return "more than 256 sets of GFP flags";
	for (i = 0; i < prog.caches; i++) {
		descriptions[i].name[sizeof(descriptions[i].name) - 1] = 0;
		caches[i] = kmem_cache_create(descriptions[i].name, max_t(u64, descriptions[i].size, 1), 0, 0, NULL);
		if (!caches[i])
			return "a cache cannot be made";
	}
	return NULL;
}

/* ---------------------------------------------------------- the loops ---- */

#define MOST 16384
static void *held[MOST];
static u32 turn[MOST];
static struct kmem_cache *loop_cache;

static void shuffle(u32 n, const char *order)
{
	u64 x = 0x9e3779b97f4a7c15ULL;
	u32 i;

	for (i = 0; i < n; i++)
		turn[i] = strcmp(order, "lifo") ? i : n - 1 - i;
	if (strcmp(order, "random"))
		return;
	for (i = n - 1; i > 0; i--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		swap(turn[i], turn[x % (i + 1)]);
	}
}

/* One object at a time is a pair, more are a batch; the first word of each is written, but for NAME_untouched. */
#define LOOP(allocation, use, release) do {			\
	void *p;						\
								\
	if (n == 1) {						\
		for (k = 0; k < rounds; k++) {			\
			p = (allocation);			\
			use;					\
			release;				\
		}						\
	} else for (k = 0; k < rounds; k++) {			\
		for (i = 0; i < n; i++) {			\
			p = (allocation);			\
			use;					\
			held[i] = p;				\
		}						\
		for (i = 0; i < n; i++) {			\
			p = held[turn[i]];			\
			release;				\
		}						\
	}							\
} while (0)
#define WRITE (*(volatile u64 *)p = 1)
#define KEEP asm volatile("" : "+r"(p) : : "memory")

/* The least that an allocator can do, for the machine's own speed here and there. */
static struct node { struct node *next; u64 rest[7]; } nodes[300];
static struct node *first_node;

static void fill_nodes(void)
{
	int i;

	first_node = NULL;
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		nodes[i].next = first_node;
		first_node = &nodes[i];
	}
}

static inline void *pop(void)
{
	struct node *node = first_node;

	if (node)
		first_node = node->next;
	return node;
}

static inline void push(void *p)
{
	struct node *node = p;

	node->next = first_node;
	first_node = node;
}

static noinline const char *loop(const char *name, u64 size, u32 n, const char *order, u64 rounds)
{
	int page_order = get_order(size);
	u64 k, wall, cpu;
	u32 i;

	if (n == 0 || n > MOST)
		return "batches have 1 to 16384 objects";
	if (n > ARRAY_SIZE(nodes) && !strcmp(name, "floor"))
		return "the floor has 300 objects";
	shuffle(n, order);
	fill_nodes();
	cpu = cpu_ns();
	wall = os_nsecs();
	if (!strcmp(name, "kmem_cache") && loop_cache)
		LOOP(kmem_cache_alloc(loop_cache, GFP_KERNEL), WRITE, kmem_cache_free(loop_cache, p));
	else if (!strcmp(name, "kmem_cache_untouched") && loop_cache)
		LOOP(kmem_cache_alloc(loop_cache, GFP_KERNEL), KEEP, kmem_cache_free(loop_cache, p));
	else if (!strcmp(name, "kmalloc_untouched"))
		LOOP(kmalloc(size, GFP_KERNEL), KEEP, kfree(p));
	else if (!strcmp(name, "kmalloc"))
		LOOP(kmalloc(size, GFP_KERNEL), WRITE, kfree(p));
	else if (!strcmp(name, "pages"))
		LOOP(alloc_pages(GFP_KERNEL, page_order), KEEP, __free_pages(p, page_order));
	else if (!strcmp(name, "floor"))
		LOOP(pop(), WRITE; KEEP, push(p); KEEP);
	else
		return "no such loop";
	answer("ok %llu %llu\n", os_nsecs() - wall, cpu_ns() - cpu);
	return NULL;
}

/* Whether many objects at once keep what is written into them. */
static const char *check_loop(const char *name, u64 size)
{
	const char *found = NULL;
	u32 i, n = 256;
	void *p;

	if (!strcmp(name, "pages") || !strcmp(name, "floor"))
		return NULL;
	for (i = 0; i < n; i++) {
		p = loop_cache ? kmem_cache_alloc(loop_cache, GFP_KERNEL) : kmalloc(size, GFP_KERNEL);
		held[i] = p;
		if (!p)
			return "no memory";
		memset(p, i, size);
	}
	for (i = 0; i < n; i++) {
		p = held[i];
		if (memchr_inv(p, i, size))
			found = "an object does not keep what was written into it";
		if (loop_cache)
			kmem_cache_free(loop_cache, p);
		else
			kfree(p);
	}
	return found;
}

/* ------------------------------------------------------- /proc/kmemlab ---- */

static const char *obey(void)
{
	static char word[16], a[200], b[64];
	u64 from, to, every;

	word[0] = a[0] = 0;
	if (sscanf(line, "%15s %199s", word, a) < 1)
		return "an empty line";
	if (!strcmp(word, "hello")) {
		answer("ok\n");
		return NULL;
	}
	if (!strcmp(word, "load")) {
		const char *why = load(a);

		if (!why)
			answer("ok\n");
		return why;
	}
	if (!strcmp(word, "cache") && kstrtoull(a, 0, &from) == 0) {
		loop_cache = kmem_cache_create("kmemlab-loop", from, 0, 0, NULL);
		if (!loop_cache)
			return "no cache";
		answer("ok\n");
		return NULL;
	}
	if (!strcmp(word, "uncache")) {
		kmem_cache_destroy(loop_cache);
		loop_cache = NULL;
		answer("ok\n");
		return NULL;
	}
	if (!strcmp(word, "check")) {
		const char *why = sscanf(line, "%*s %63s %llu", b, &from) == 2 ? check_loop(b, from) :
										 "expected NAME SIZE";

		if (!why)
			answer("ok\n");
		return why;
	}
	if (!strcmp(word, "loop")) {
		if (sscanf(line, "%*s %63s %llu %llu %199s %llu", b, &from, &to, a, &every) != 5)
			return "expected NAME SIZE N ORDER ROUNDS";
		return loop(b, from, to, a, every);
	}
	if (!prog.operations)
		return "nothing is loaded";
	if (!strcmp(word, "throughput")) {
		throughput();
	} else if (!strcmp(word, "latency")) {
		latency(a);
	} else if (!strcmp(word, "observed")) {
		observed(a);
	} else if (!strcmp(word, "observe")) {
		if (sscanf(line, "%*s %llu %llu %llu", &from, &to, &every) != 3 || to > prog.operations)
			return "expected FROM TO EVERY";
		observe(from, to, every);
	} else {
		return "no such command";
	}
	return NULL;
}

static bool copying;

static ssize_t kmemlab_read(struct file *f, char __user *buffer, size_t size, loff_t *position)
{
	if (copying)
		answer("ok\n");
	copying = false;
	while (next_line() && strcmp(line, "quit")) {
		const char *why;
		size_t n = strlen(line);

		if (!strncmp(line, "copy ", 5) && n - 5 < size) {
			copying = true;
			return copy_to_user(buffer, line + 5, n - 5 + 1) ? -EFAULT : n - 5 + 1;
		}
		why = obey();
		if (why)
			answer("error %s\n", why);
		cond_resched();
	}
	return 0;
}

static const struct proc_ops kmemlab_operations = {
	.proc_read = kmemlab_read,
	.proc_lseek = default_llseek,
};

static int __init kmemlab_init(void)
{
	return proc_create("kmemlab", 0400, NULL, &kmemlab_operations) ? 0 : -ENOMEM;
}
late_initcall(kmemlab_init);
