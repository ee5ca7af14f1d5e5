"""The mallocs that programs are run on: the C library's, ours, and those of Debian."""

import os
import subprocess
from dataclasses import dataclass

REFERENCE = "glibc"
OWN = ("slub-sheaves", "slub", "slab", "slob", "buddy", "vmalloc")
# The C library is put in front too: Debian's redis-server is linked with jemalloc.
OTHERS = {REFERENCE: "libc.so.6", "jemalloc": "libjemalloc.so.2", "mimalloc": "libmimalloc.so.2.0", "tcmalloc": "libtcmalloc_minimal.so.4"}
# Of buddy alone each object is a page, of vmalloc a mapping: they have to be asked for.
DEFAULT = (REFERENCE, "slub-sheaves", "slub", "slab", "slob", "jemalloc", "mimalloc", "tcmalloc")
KNOWN = (REFERENCE, *OWN, *(name for name in OTHERS if name != REFERENCE))


@dataclass(frozen=True)
class Malloc:
    """`absent`: why it cannot be used; empty if it can."""
    name: str
    file: str
    absent: str = ""

    def environment(self):
        """That of a program on it: ours without what would choose another one."""
        kept = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "KMEMLAB_ALLOCATOR")}
        return {**kept, "LD_PRELOAD": self.file, **({"KMEMLAB_ALLOCATOR": self.name} if self.name in OWN else {})}


def find(name, library):
    """The malloc of that name; `library` is the file of ours."""
    malloc = Malloc(name, str(library) if name in OWN else OTHERS[name])
    done = subprocess.run(["/bin/true"], env=malloc.environment(), stderr=subprocess.PIPE, text=True, check=False)
    said = " ".join(done.stderr.split())
    if done.returncode == 0 and not said:
        return malloc
    return Malloc(name, malloc.file, said or f"/bin/true ends with status {done.returncode} on it")
