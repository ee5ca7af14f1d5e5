"""Builds a kernel tree as a guest, User-Mode Linux or (--smp) for QEMU: `kmemlab kernel build`, `fetch`, `list`, `remove`.

The tree is not touched: the build sees a folder of symbolic links to it, in which a few files are our own (mm/Makefile and
what it names; see EDITS). Its objects stay in the cache, so the next build of the tree compiles only what has changed. What
comes out lies in the cache under the kernel's name:

    linux          with mm/kmemlab_replay.c: what `kmemlab replay` and `peers` drive
    linux-golden   without it: what `kmemlab golden make` asks
    serve, init    the guest's first process for the one and the other
    bzImage        --smp: what `kmemlab golden make` asks, in its stead
    kernel.json    facts: name, release, allocator, smp, tree, state, options, append

Exit status: 0 done, 2 it cannot be done, told in one line.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
GUEST = HERE.parent / "kernel"
TOOLS = {"make": "make", "gcc": "gcc", "flex": "flex", "bison": "bison", "bc": "bc", "ld": "binutils"}
ALLOCATORS = ("slub", "slab", "slob")
FREESTANDING = "-O1 -static -nostdlib -ffreestanding -mgeneral-regs-only -fno-stack-protector -fno-builtin".split()


class CannotBuild(Exception):
    """One line for the user."""


def cache() -> Path:
    """Where kernels, trees and objects are kept: $XDG_CACHE_HOME/kmemlab."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kmemlab"


# ------------------------------------------------------------------------------------------------------------- trees


def fetched(version: str) -> Path:
    return cache() / "trees" / f"linux-source-{version}"


def as_root(command: list) -> list:
    if os.geteuid() == 0:
        return command
    if shutil.which("sudo"):
        return ["sudo", *command]
    raise CannotBuild(f"neither root nor sudo: type, as root: {' '.join(command)}")


def missing_packages(smp: bool) -> list:
    missing = {package for tool, package in TOOLS.items() if not shutil.which(tool)}
    if smp and not Path("/usr/include/gelf.h").exists():
        missing.add("libelf-dev")
    return sorted(missing)


def fetch(version: str) -> None:
    """Installs Debian's package of that version and unpacks it into the cache."""
    tree = fetched(version)
    if tree.exists():
        print(tree)
        return
    archive = Path(f"/usr/src/linux-source-{version}.tar.xz")
    wanted = [] if archive.exists() else [f"linux-source-{version}"]
    wanted += missing_packages(smp=False)
    if wanted:
        install = as_root(["apt-get", "install", "-y", "--no-install-recommends", *wanted])
        done = subprocess.run(install, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise CannotBuild(f"cannot install {' '.join(wanted)}: {last}")
    unpacked = tree.with_name(tree.name + ".partial")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    if subprocess.run(["tar", "xf", archive, "-C", unpacked, "--strip-components=1"]).returncode != 0:
        raise CannotBuild(f"cannot unpack {archive} into {unpacked}")
    unpacked.rename(tree)
    print(tree)


def tree_files(tree: Path) -> dict:
    """Of all files that a build may read: name -> (size, time of change)."""
    files = {}
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(f for f in folders if f not in (".git", "Documentation", "tools", "samples"))
        for name in sorted(names):
            about = os.lstat(os.path.join(folder, name))
            files[f"{os.path.relpath(folder, tree)}/{name}"] = [about.st_size, about.st_mtime_ns]
    return files


def tree_state(tree: Path) -> str:
    return hashlib.sha256(json.dumps(tree_files(tree)).encode()).hexdigest()[:16]


def drop_stale_objects(tree: Path, work: Path) -> None:
    """make goes by times alone: objects are of no use if a file is another one since, but older than they are (put back)."""
    known, files = work / "files.json", tree_files(tree)
    if known.exists():
        before, built = json.loads(known.read_text()), known.stat().st_mtime_ns
        if any(about != before.get(name) and about[1] < built for name, about in files.items()):
            shutil.rmtree(work / "objects", ignore_errors=True)
    else:
        shutil.rmtree(work / "objects", ignore_errors=True)
    known.write_text(json.dumps(files))


# --------------------------------------------------------------------------------------- the tree as the build sees it

# File of the tree -> what is done to its text. Where the text is not found, the tree does without.


def add_our_objects(text: str) -> str:
    return text + "".join(f"obj-$({source.stem.upper()}) += {source.stem}.o\n" for source in ADDED.values())


def writable_xstate(text: str) -> str:
    """Hosts with AMX want the whole XSAVE image in PTRACE_SETREGSET, more than Linux 6.1 keeps room for (EFAULT, and the
    first process dies): so only what was read and can be written back too counts as support of it."""
    probe = re.compile(r"if \((ptrace\(PTRACE_)GET(REGSET, pid, NT_X86_XSTATE, &iov\) == 0)\)\n(\s+)have_xstate_support")
    return probe.sub(r"if (\1GET\2 &&\n\t    \1SET\2)\n\3have_xstate_support", text)


EDITS = {"mm/Makefile": add_our_objects, "arch/x86/um/os-Linux/registers.c": writable_xstate}
ADDED = {f"mm/{name}": GUEST / name for name in ("kmemref.c", "kmemlab_replay.c", "kmemsmp.c")}
# What is built: the images, by which of ADDED are in them and where make leaves them.
UML_IMAGES = {"linux-golden": (("KMEMREF",), "linux"), "linux": (("KMEMREF", "KMEMLAB_REPLAY"), "linux")}
SMP_IMAGES = {"bzImage": (("KMEMSMP",), "arch/x86/boot/bzImage")}


def write_if_other(file: Path, text: str) -> None:
    if not file.exists() or file.is_symlink() or file.read_text() != text:
        file.unlink(missing_ok=True)
        file.write_text(text)


def link_tree(tree: Path, view: Path) -> None:
    """Makes `view` a folder of links to `tree`, but for the files above and the folders on the way to them."""
    ours = {Path(name) for name in (*EDITS, *ADDED)}
    opened = {Path()} | {parent for name in ours for parent in name.parents}
    for folder in sorted(opened):
        (view / folder).mkdir(parents=True, exist_ok=True)
        there = {entry.name for entry in os.scandir(tree / folder)}
        for stale in {entry.name for entry in os.scandir(view / folder)} - there:
            if folder / stale not in ours:
                (view / folder / stale).unlink()
        for name in there:
            link = view / folder / name
            if folder / name in ours or folder / name in opened or link.is_symlink():
                continue
            link.symlink_to(tree / folder / name)
    for name, edit in EDITS.items():
        if (tree / name).exists():
            write_if_other(view / name, edit((tree / name).read_text()))
    for name, source in ADDED.items():
        write_if_other(view / name, source.read_text())


# ------------------------------------------------------------------------------------------------------------- building


def fragment(allocator: str, options: list, smp: bool) -> str:
    given = {option.split("=", 1)[0] for option in options}
    kept = [line for line in (GUEST / ("smp.config" if smp else "uml.config")).read_text().splitlines() if line.split("=", 1)[0] not in given]
    return "\n".join([*kept, f"CONFIG_{allocator.upper()}=y", *options]) + "\n"


def run_make(view: Path, objects: Path, log: Path, *words: str) -> None:
    """make, its output behind `log`."""
    # The same bytes whoever builds, and when.
    who = {"KBUILD_BUILD_USER": "kmemlab", "KBUILD_BUILD_HOST": "kmemlab", "KBUILD_BUILD_TIMESTAMP": "1970-01-01"}
    command = ["make", "-C", view, f"O={objects}", *words]
    with log.open("a") as out:
        out.write(f"{' '.join(map(str, command))}\n")
        out.flush()
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **who})
    if done.returncode != 0:
        errors = [line for line in log.read_text().splitlines() if re.search(r"error:|Error \d|\*\*\*", line)]
        raise CannotBuild(f"{log}: {errors[0].strip() if errors else 'make failed'}")


def check_config(config: str, allocator: str, options: list, release: str) -> None:
    """What was asked for and is not in the configuration."""
    for option in (f"CONFIG_{allocator.upper()}=y", *options):
        name, value = option.split("=", 1)
        found = re.search(rf"^{name}=(.*)$", config, re.M)
        if (found.group(1) if found else "n") != value:
            raise CannotBuild(f"linux {release}: expected {option}, the configuration has "
                              f"{found.group(0) if found else name + '=n'}; not an option of this tree, or it needs others")


def compile_guest(source: str, target: Path) -> None:
    done = subprocess.run(["gcc", *FREESTANDING, "-o", target, GUEST / source], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise CannotBuild(f"{source}: {done.stderr.strip().splitlines()[0]}")


def tell(text: str) -> None:
    if sys.stderr.isatty():
        print(f"kmemlab: {text}", file=sys.stderr)


def boots(kernel: Path) -> None:
    """Throws if a UML kernel does not run on this machine."""
    root = kernel / "try"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("proc", "sys", "dev", "out", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(kernel / "init", root / "init")
    (root / "cmds").write_text("info info\n")
    command = ["setarch", "x86_64", "-R", kernel / "linux-golden", "mem=256M", "root=none", "rootfstype=hostfs",
               f"rootflags={root}", "rw", "init=/init", "con=null", "con0=null,fd:1"]
    environment = {**os.environ, "GLIBC_TUNABLES": "glibc.pthread.rseq=0"}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=60)
        said = done.stdout.decode(errors="replace").strip().splitlines()
    except subprocess.TimeoutExpired:
        said = ["it did not end within 60 seconds"]
    good = (root / "out" / "info").exists()
    shutil.rmtree(root, ignore_errors=True)
    if not good:
        raise CannotBuild(f"User-Mode Linux does not run on this machine: {said[-1] if said else 'no word from it'}")


def release_of(tree: Path) -> str:
    makefile = (tree / "Makefile").read_text()
    parts = [re.search(rf"^{word} = *(\d*)", makefile, re.M) for word in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if not all(parts):
        raise CannotBuild(f"{tree}/Makefile: expected VERSION, PATCHLEVEL and SUBLEVEL of a kernel")
    return ".".join(part.group(1) for part in parts)


def facts_of(tree: Path, allocator: str, name: str, options: list, append: str, smp: bool) -> dict:
    release = release_of(tree)
    guest = hashlib.sha256(b"".join(f.read_bytes() for f in sorted(GUEST.iterdir()))).hexdigest()[:16]
    return {"name": name or f"{allocator}-{release}" + ("-smp" if smp else ""), "release": release, "allocator": allocator,
            "smp": smp, "tree": str(tree), "state": tree_state(tree), "options": options, "append": append, "guest": guest}


def compile_kernel(facts: dict, tree: Path, kernel: Path, jobs: int) -> None:
    """Leaves the images in `kernel`."""
    name, allocator, options, smp = (facts[key] for key in ("name", "allocator", "options", "smp"))
    place = hashlib.sha256(f"{tree} {allocator} {options}{' smp' if smp else ''}".encode()).hexdigest()[:16]
    work = cache() / "build" / place
    view, objects, log = work / "tree", work / "objects", work / "log"
    work.mkdir(parents=True, exist_ok=True)
    drop_stale_objects(tree, work)
    objects.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    link_tree(tree, view)
    (work / "fragment").write_text(fragment(allocator, options, smp))
    architecture = "ARCH=x86_64" if smp else "ARCH=um"
    tell(f"{name}: configuring")
    run_make(view, objects, log, "-s", architecture, f"KCONFIG_ALLCONFIG={work / 'fragment'}", "allnoconfig")
    config = (objects / ".config").read_text()
    check_config(config, allocator, options, facts["release"])
    (kernel / "config").write_text(config)
    # UML's own code model makes every call indirect; a kernel on the bare machine has the small one.
    flags = [] if smp else ["KCFLAGS=-mcmodel=small"]
    for image, (ours, made) in (SMP_IMAGES if smp else UML_IMAGES).items():
        tell(f"{name}: compiling {image} (log: {log})")
        run_make(view, objects, log, f"-j{jobs}", architecture, *flags, *(f"{word}=y" for word in ours), Path(made).name)
        shutil.copy(objects / made, kernel / image)


def build(tree: Path, allocator: str, name: str, options: list, append: str, jobs: int, smp: bool) -> None:
    if not (tree / "mm" / "Makefile").exists():
        hint = "; `kmemlab kernel fetch` brings Debian's" if tree == fetched("6.1") else ""
        raise CannotBuild(f"{tree}: expected a kernel tree{hint}")
    missing = missing_packages(smp)
    if missing:
        raise CannotBuild(f"missing packages: {' '.join(missing)}")
    wanted = facts_of(tree, allocator, name, options, append, smp)
    name, what = wanted["name"], f"{wanted['name']}: linux {wanted['release']}, {allocator}"
    kernel = cache() / "kernels" / name
    facts = kernel / "kernel.json"
    if facts.exists() and json.loads(facts.read_text()) == wanted:
        print(f"{what}, as it was built before")
        return
    shutil.rmtree(kernel, ignore_errors=True)
    kernel.mkdir(parents=True)
    compile_kernel(wanted, tree, kernel, jobs)
    if not smp:
        compile_guest("init.c", kernel / "init")
        compile_guest("serve.c", kernel / "serve")
        boots(kernel)
    facts.write_text(json.dumps(wanted, indent=1) + "\n")
    print(f"{what}; " + (f"kmemlab golden make --kernel {name}" if smp else
                         f"kmemlab replay TRACE --allocator {allocator},kernel:{name}"))


def show() -> None:
    for facts in sorted((cache() / "kernels").glob("*/kernel.json")):
        known = json.loads(facts.read_text())
        extra = " ".join([*(["smp"] if known.get("smp") else []), *known["options"], known["append"]]).strip()
        print(f"{known['name']:<20} linux {known['release']:<10} {known['allocator']:<5} {known['tree']} {extra}".rstrip())


def remove(names: list) -> None:
    for name in names:
        kernel = cache() / "kernels" / name
        if not (kernel / "kernel.json").exists():
            raise CannotBuild(f"no kernel {name}; `kmemlab kernel list` names them")
        shutil.rmtree(kernel)


def parse(arguments: list) -> argparse.Namespace:
    """The words that kmemlab's own parser has already checked."""
    parser = argparse.ArgumentParser(prog="kmemlab kernel")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    commands.add_parser("fetch").add_argument("--version", default="6.1")
    commands.add_parser("remove").add_argument("names", nargs="+")
    command = commands.add_parser("build")
    command.add_argument("--tree")
    command.add_argument("--config", choices=ALLOCATORS, default="slub")
    command.add_argument("--name", default="")
    command.add_argument("--kconfig", action="append", default=[])
    command.add_argument("--append", default="")
    command.add_argument("--jobs", type=int, default=os.cpu_count())
    command.add_argument("--smp", action="store_true")
    return parser.parse_args(arguments)


def main(arguments: list) -> None:
    options = parse(arguments)
    if options.command == "list":
        show()
    elif options.command == "fetch":
        fetch(options.version)
    elif options.command == "remove":
        remove(options.names)
    else:
        tree = Path(options.tree).resolve() if options.tree else fetched("6.1")
        build(tree, options.config, options.name, options.kconfig, options.append, options.jobs,
              options.smp)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CannotBuild as error:
        sys.exit(print(f"kmemlab: {error}", file=sys.stderr) or 2)
    except OSError as error:
        sys.exit(print(f"kmemlab: {error.filename}: {error.strerror}", file=sys.stderr) or 2)
    except KeyboardInterrupt:
        sys.exit(130)
