"""All figures by name. A figure is a frame (which columns, see its function), a drawing and a caption."""

from dataclasses import dataclass
from typing import Callable

from plots.figures import (benchmarks, free_memory, huge_pages, latency, mapping, mapping_access, mapping_growth,
                           mapping_stacks, memory, paths, programs, scale, scoreboard, throughput)


@dataclass(frozen=True)
class Figure:
    """`frame(results)` gives the data behind the figure, `draw(frame)` a matplotlib figure of it."""
    name: str
    title: str
    caption: str
    frame: Callable
    draw: Callable
    of_trace: bool = True  # drawn once per trace; else once over all files


FIGURES = {figure.name: figure for figure in (
    Figure("latency", "Latency of each kind of operation", latency.CAPTION, latency.frame, latency.draw),
    Figure("throughput", "Throughput of the whole replay", throughput.CAPTION, throughput.frame, throughput.draw),
    Figure("paths", "Which paths served the operations", paths.CAPTION, paths.frame, paths.draw),
    Figure("path_cost", "What each path costs", paths.COST_CAPTION, paths.cost_frame, paths.draw_cost),
    Figure("memory", "Memory over time", memory.CAPTION, memory.frame, memory.draw),
    Figure("free_blocks", "Free blocks of each order over time", free_memory.BLOCKS_CAPTION,
           free_memory.frame, free_memory.draw_blocks),
    Figure("fragmentation", "Fragmentation over time", free_memory.INDEX_CAPTION,
           free_memory.frame, free_memory.draw_indices),
    Figure("huge_pages", "Free pages of each huge page", huge_pages.CAPTION, huge_pages.frame, huge_pages.draw),
    Figure("peers", "Cost of a pair, against the floor", benchmarks.PEERS_CAPTION,
           benchmarks.peers_frame, benchmarks.draw_peers, of_trace=False),
    Figure("micro", "Micro benchmarks", benchmarks.MICRO_CAPTION,
           benchmarks.micro_frame, benchmarks.draw_micro, of_trace=False),
    Figure("scale", "Counts over the number of CPUs", scale.CAPTION, scale.frame, scale.draw, of_trace=False),
    Figure("mapping_calls", "Calls that map, by size", mapping.CALLS_CAPTION, mapping.calls_frame, mapping.draw_calls,
           of_trace=False),
    Figure("mapping_access", "Reaching memory, by number of pages", mapping_access.CAPTION, mapping_access.frame,
           mapping_access.draw, of_trace=False),
    Figure("mapping_shootdown", "Unmapping while others run", mapping_growth.SHOOTDOWN_CAPTION,
           mapping_growth.shootdown_frame, mapping_growth.draw_shootdown, of_trace=False),
    Figure("mapping_areas", "Many areas at once", mapping_growth.AREAS_CAPTION, mapping_growth.areas_frame,
           mapping_growth.draw_areas, of_trace=False),
    Figure("mapping_stacks", "Kernel stacks", mapping_stacks.CAPTION, mapping_stacks.frame, mapping_stacks.draw,
           of_trace=False),
    Figure("mapping_tests", "The kernel's own vmalloc tests", mapping.TESTS_CAPTION, mapping.tests_frame, mapping.draw_tests,
           of_trace=False),
    Figure("programs", "Real programs on several mallocs", programs.CAPTION, programs.frame, programs.draw, of_trace=False),
    Figure("scoreboard", "Planted bugs not found yet", scoreboard.CAPTION, scoreboard.frame, scoreboard.draw, of_trace=False),
)}
