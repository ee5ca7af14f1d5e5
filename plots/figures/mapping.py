"""Rows of `kmemlab mapping` by size: calls that map, and the workloads of the kernel's own test module."""

from matplotlib.ticker import FixedLocator, NullLocator

from plots import style, units
from plots.figures.benchmarks import time_axis

CALLS = {"vmalloc": "vmalloc + vfree", "vmap": "vmap + vunmap", "vm_map_ram": "vm_map_ram + vm_unmap_ram"}
CALLS_CAPTION = ("Time of a call and its opposite against the size; both axes are logarithmic, lower is faster. Above, beside the system calls: bare is what the "
                 "kernel below takes for the system calls alone that host needs, so the distance between the two is the "
                 "allocator; bare-scattered and host-scattered map each page by itself, and a line through them that rises in "
                 "step with the size has one cost per page. host-eager flushes at each free, host once for many. Below, beside others: mmap is anonymous memory, "
                 "populated; malloc keeps what it once got, which is why it is far below for sizes that it keeps; buddy is a block of "
                 "the direct map: contiguous, and mapped before. soft is the played MMU: its counts mean something, its time "
                 "only says that it is fast enough to use.")
TESTS_CAPTION = ("Time of one unit of each workload of Linux's vmalloc test module, the number of pages behind its name, on the host's MMU "
                 "and on the played one. The point is the median of the repetitions, the bar spans the fastest and the slowest; the axis is "
                 "logarithmic, further left is faster. Compare full_fit and long_busy_list with the plain one-page and 100-page rows: the "
                 "difference is what many living areas cost. align_shift is a whole series of 64 alignments.")
ORDER = ("host", "host-eager", "host-scattered", "soft", "soft-eager", "mmap", "malloc", "buddy", "bare", "bare-scattered")

SYSTEM_CALLS = ("host", "host-eager", "host-scattered", "bare", "bare-scattered")


def calls_frame(results):
    """Columns work, size (bytes), who, label, repetition, ns."""
    data = results.mapping
    return data if data.empty else data[data.work.isin(CALLS)]


def tests_frame(results):
    """The same for the workloads of the kernel's test module; size in pages."""
    data = results.mapping
    return data if data.empty else data[data.work.str.endswith("_test")]


def in_order(labels):
    known = [label for who in ORDER for label in labels if style.base_name(label) == who]
    return known + [label for label in labels if label not in known]


@style.styled
def draw_calls(data):
    """A row beside the system calls and one beside others, one panel per call, one line per contestant; `data` as `calls_frame` gives it."""
    works = [work for work in CALLS if work in set(data.work)]
    labels = in_order(list(dict.fromkeys(data.label)))
    rows = rivals(labels)
    figure, axes = style.panels(len(rows), len(works), 3, style.legend_rows(labels), sharex="col", sharey="row")
    looks = style.looks(labels)
    for (rival, chosen), row in zip(rows.items(), axes):
        for work, axis in zip(works, row):
            panel = data[(data.work == work) & data.label.isin(chosen)]
            for label, line in panel.groupby("label", sort=False):
                medians = line.groupby("size").ns.median()
                axis.plot(medians.index, medians, markersize=5, markeredgecolor="white", label=label, **looks[label])
            size_axis(axis, data[data.work == work]["size"].unique())
        shown = data[data.label.isin(chosen)].ns
        time_axis(row[0], shown.min() / 1.5, shown.max() * 1.5)
        row[0].set_ylabel(f"beside {rival},\ntime of a pair (log)")
    for work, first, last in zip(works, axes[0], axes[-1]):
        first.set_title(CALLS[work])
        last.set_xlabel("size (log)")
    style.legend_above(figure, style.handles_of(labels))
    return figure


def rivals(labels):
    """{who host stands beside: labels}, without rows in which it would stand alone."""
    of_kernel = [label for label in labels if style.base_name(label) in SYSTEM_CALLS]
    hosts = [label for label in labels if style.base_name(label) == "host"]
    others = [label for label in labels if label in hosts or label not in of_kernel]
    return {rival: chosen for rival, chosen in (("system calls", of_kernel), ("others", others)) if len(chosen) > len(hosts)} or {"none": labels}


def size_axis(axis, sizes):
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator(sorted(sizes)[:: -(-len(sizes) // 4)]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: units.bytes_text(value))


@style.styled
def draw_tests(data):
    """One row per workload and number of pages; `data` as `tests_frame` gives it."""
    rows = list(dict.fromkeys(zip(data.work, data["size"])))
    labels = list(dict.fromkeys(data.label))
    looks = style.looks(labels)
    figure, axes = style.panels(1, 1, 0.8 + 0.32 * len(rows))
    axis = axes[0][0]
    for place, (work, size) in enumerate(rows):
        for label, group in data[(data.work == work) & (data["size"] == size)].groupby("label", sort=False):
            colour, gid = looks[label]["color"], looks[label]["gid"]
            axis.plot([group.ns.min(), group.ns.max()], [place, place], color=colour, alpha=0.4, linewidth=4, solid_capstyle="butt", gid=gid)
            axis.plot(group.ns.median(), place, color=colour, marker=looks[label]["marker"], linestyle="none", label=label, gid=gid)
    axis.set_yticks(range(len(rows)), [f"{work.removesuffix('_alloc_test').removesuffix('_test')}, {size:.0f}" for work, size in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xscale("log")
    style.log_axis(axis.xaxis, units.nanoseconds_text, 9)
    axis.set_xlabel("time of a unit (log)")
    style.legend_above(figure, style.handles_of(labels))
    return figure
