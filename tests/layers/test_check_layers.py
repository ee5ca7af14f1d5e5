"""Plants each violation of the include rule in a small tree and demands that check_layers finds it."""

import tempfile
import unittest
from pathlib import Path

from check_layers import find_faults, read_ranks

README = """# The layers
- `base`: units
- `machine`: the arena
- `slab`, `slub`: object allocators
- `contract`: the promise
"""


class CheckLayers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("README.md", README)

    def write(self, name: str, text: str) -> None:
        path = self.root / "allocators" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def assert_one_fault(self, *words: str) -> None:
        faults = find_faults(self.root)
        self.assertEqual(len(faults), 1, faults)
        for word in words:
            self.assertIn(word, faults[0])

    def test_what_stands_above_may_be_included(self):
        self.write("slub/slub.hpp", '#include <vector>\n#include "allocators/base/units.hpp"\n')
        self.write("slub/slub.cpp", '#include "allocators/slub/slub.hpp"\n')
        self.write("contract/registry.cpp", '#include "allocators/slab/slab.hpp"\n')
        self.assertEqual(find_faults(self.root), [])

    def test_what_stands_below_may_not(self):
        self.write("base/units.hpp", '\n#include "allocators/machine/arena.hpp"\n')
        self.assert_one_fault("base/units.hpp:2", "base may not include machine")

    def test_neighbours_of_one_rank_may_not(self):
        self.write("slub/slub.hpp", '#  include "allocators/slab/slab.hpp"\n')
        self.assert_one_fault("slub may not include slab")

    def test_angle_brackets_are_no_way_around(self):
        self.write("machine/arena.hpp", "#include <allocators/contract/allocator.hpp>\n")
        self.assert_one_fault("machine may not include contract")

    def test_an_include_that_hides_its_layer_is_refused(self):
        self.write("base/units.hpp", '#include "../machine/arena.hpp"\n')
        self.assert_one_fault("begins with allocators/")

    def test_code_outside_the_allocators_is_refused(self):
        self.write("contract/allocator.hpp", '#include "bench/replay/replay.hpp"\n')
        self.assert_one_fault("begins with allocators/")

    def test_a_folder_that_the_list_does_not_name_is_refused(self):
        self.write("other/file.hpp", "#include <vector>\n")
        self.assert_one_fault("other is no layer")

    def test_an_include_of_an_unknown_layer_is_refused(self):
        self.write("contract/allocator.hpp", '#include "allocators/other/file.hpp"\n')
        self.assert_one_fault("other is no layer")

    def test_a_page_without_a_list_is_refused(self):
        self.write("README.md", "# The layers\n")
        self.assert_one_fault("no list of layers found")

    def test_layers_of_one_line_have_one_rank(self):
        self.assertEqual(read_ranks(README), {"base": 0, "machine": 1, "slab": 2, "slub": 2, "contract": 3})


if __name__ == "__main__":
    unittest.main()
