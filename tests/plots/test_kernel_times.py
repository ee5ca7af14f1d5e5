"""What the report says of `kmemlab peers --kernel-times`."""

import json
import tempfile
import unittest
from pathlib import Path

from plots import report, summary
from plots.load import load


def row(name, ratio, counts=None):
    return {"name": name, "median_ns": 10 * ratio, "recorded_ns": 5, "scaled_ns": 10, "ratio": ratio, "met": ratio <= 1,
            "counts": counts or {}}


def result(rows):
    benchmarks = [{"name": each["name"], "run_type": "iteration", "real_time": 1, "cpu_time": 1, "time_unit": "ns"} for each in rows]
    return {"context": {}, "benchmarks": benchmarks, "peers": {"libraries": [], "rows": []},
            "kernel_times": [{"file": "slub.csv", "allocator": "slub", "scale": 2, "rows": rows}]}


class KernelTimes(unittest.TestCase):
    def load(self, rows):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "peers.json"
            path.write_text(json.dumps(result(rows)))
            return load([path])

    def test_the_report_tells_how_many_works_met_the_bar_and_why_batches_are_dear(self):
        results = self.load([row("kernel-pair-kmem_cache_alloc_free/64/slub", 0.5),
                             row("kernel-batch-kmem_cache-16-fifo/64/slub", 1.5, {"allocations.fast": 4, "frees.fast": 1, "frees.slab": 3})])
        said = [statement.text for statement in summary.kernel_statements(results.kernel)]
        self.assertEqual(said[0], "slub: 1 of 2 works cost at most what the real one took (slub.csv, times 2.00); median 1.00, at most 1.50 "
                                  "(kernel-batch-kmem_cache-16-fifo/64/slub).")
        self.assertEqual(said[1], "slub, batches freed fifo: 75.0\N{NO-BREAK SPACE}% of the frees go past the CPU's own slab; median 1.50.")
        self.assertEqual(len(said), 2)
        page = report.build(results)
        self.assertIn("Works of recorded timings", page)
        self.assertIn("missed", page)

    def test_rows_of_kernel_times_are_no_pairs_of_peers(self):
        self.assertTrue(self.load([row("kernel-pair-kmem_cache_alloc_free/64/slub", 0.5)]).peers.empty)


if __name__ == "__main__":
    unittest.main()
