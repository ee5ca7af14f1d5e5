"""The programs, and what each is given to do. All of it is the same in every run, and so is what it prints."""

import importlib.util
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.programs import measure

ROOT = Path(__file__).resolve().parents[2]
COMPILED = "allocators/contract/registry.cpp"
# Not those which make a hundred thousand objects: on slob, whose first fit walks its pages, they take minutes.
TESTS = ("test_json.test_decode", "test_json.test_dump", "test_json.test_indent", "test_list", "test_fractions")
MADE = ("allocators/base/settings.cpp", "allocators/machine/*.cpp", "allocators/preload/*.cpp")


class Work:
    """`what` in words; `needs`: the commands without which it is skipped."""
    name, what, needs = "", "", ()

    def __init__(self, quick):
        self.quick = quick

    def absent(self):
        """Why it cannot be run here; empty if it can."""
        missing = [command for command in self.needs if shutil.which(command) is None]
        return f"{', '.join(missing)}: not installed" if missing else ""

    def prepare(self, folder):
        """Once, before the first run: what all runs find in their folder. Takes little memory (measure.py)."""

    def run(self, folder, environment, limit):
        return measure.run(["sh", "-euc", self.script()], folder, {**environment, "ROOT": str(ROOT)}, limit)

    def script(self):
        """Of the shell that runs it all; $ROOT is this repository."""
        raise NotImplementedError


SQL = """
CREATE TABLE items(id INTEGER PRIMARY KEY, key TEXT, n INT, body TEXT);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})
INSERT INTO items SELECT i, printf('%08x', (i * 2654435761) % 4294967296), i % 1000, printf('%.*c', i % 300, 'x') FROM c;
CREATE INDEX by_key ON items(key);
CREATE INDEX by_n ON items(n, key);
SELECT count(*), sum(length(body)), min(key), max(key) FROM items;
SELECT n, count(*), sum(id), max(key) FROM items GROUP BY n ORDER BY sum(id) DESC LIMIT 20;
DELETE FROM items WHERE id % 3 = 0;
UPDATE items SET body = body || key WHERE n < 500;
SELECT a.n, count(*) FROM items a JOIN items b ON b.key > a.key AND b.n = a.n AND b.id = a.id + 1000 GROUP BY a.n ORDER BY 2, 1 LIMIT 5;
SELECT length(group_concat(key, ',')) FROM (SELECT key FROM items ORDER BY body, key DESC);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 7 FROM c WHERE i < {rows})
SELECT sum(n), count(DISTINCT body) FROM c JOIN items ON items.id = c.i;
PRAGMA integrity_check;
"""


class Sqlite(Work):
    name, needs = "sqlite3", ("sqlite3",)
    what = "a database in memory: insert, index, group, delete, join, sort"

    def prepare(self, folder):
        (folder / "script.sql").write_text(SQL.format(rows=20_000 if self.quick else 200_000))

    def script(self):
        return "sqlite3 :memory: <script.sql"


class Python(Work):
    name = "python3"
    what = "JSON, syntax trees, texts, objects of all ages and threads, each object by malloc (PYTHONMALLOC=malloc)"

    def script(self):
        return f'PYTHONMALLOC=malloc PYTHONHASHSEED=0 {sys.executable} -B "$ROOT/bench/programs/python_work.py" {1 if self.quick else 4}'


class PythonTests(Work):
    name = "python3-tests"
    what = "Python's own tests of json, lists and fractions (PYTHONMALLOC=malloc)"

    def absent(self):
        there = importlib.util.find_spec("test") and importlib.util.find_spec("test.test_json")
        return "" if there else "Python's test package is not installed"

    def script(self):
        names = TESTS[:1] if self.quick else TESTS
        tests = " ".join(f"test.{name}" for name in names)
        return f"PYTHONMALLOC=malloc PYTHONHASHSEED=0 {sys.executable} -B -m unittest -q {tests} >said 2>&1 || {{ cat said; exit 1; }}\n" \
               "sed 's/ in [0-9.]*s$//' said"


class Compiler(Work):
    name, needs = "g++", ("g++",)
    what = f"g++ -O2 of {COMPILED}"

    def script(self):
        file = "allocators/preload/big_blocks.cpp" if self.quick else COMPILED
        return f'g++ -std=c++20 -O2 -I "$ROOT" -S -o - "$ROOT/{file}" | sha256sum'


class Make(Work):
    name, needs = "make-j2", ("make", "g++")
    what = "make -j2 of a part of this repository by g++ -O1"

    def prepare(self, folder):
        files = sorted(path for pattern in MADE for path in ROOT.glob(pattern))[:3 if self.quick else None]
        objects = {f"{path.parent.name}-{path.stem}.o": path for path in files}
        rules = "".join(f"{name}: {path}\n\tg++ -std=c++20 -O1 -I {ROOT} -c -o $@ $<\n" for name, path in objects.items())
        (folder / "Makefile").write_text(f"all: {' '.join(objects)}\n{rules}")

    def script(self):
        return "rm -f *.o\nmake -s -j2\nsha256sum *.o"


class Git(Work):
    name, needs = "git", ("git",)
    what = "log -p, blame, and a repack of this repository"

    def absent(self):
        if missing := super().absent():
            return missing
        return "" if (ROOT / ".git").exists() else f"{ROOT} is no repository of git"

    def prepare(self, folder):
        self.commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def script(self):
        many, again = (20, "") if self.quick else (120, "-f")
        return (f'git -C "$ROOT" log -p --no-color --no-ext-diff -n {many} {self.commit} | sha256sum\n'
                f'git -C "$ROOT" blame {self.commit} -- README.md | sha256sum\n'
                'rm -rf copy.git\n'
                'git clone -q --bare --no-hardlinks "$ROOT" copy.git\n'
                f'git -C copy.git -c pack.threads=2 repack -q -a -d {again}\n'
                'git -C copy.git fsck --no-progress\n'
                f'git -C copy.git rev-list --objects {self.commit} | sort | sha256sum\n'
                'rm -rf copy.git')


class Redis(Work):
    """Only the server is on the malloc and measured; its clients are not."""
    name, needs = "redis", ("redis-server", "redis-cli", "redis-benchmark")
    what = "redis-server under redis-benchmark, then keys that are made, changed and deleted; memory at the end"

    def prepare(self, folder):
        generator, keys = random.Random(3), 4_000 if self.quick else 20_000
        with open(folder / "commands", "w", encoding="ascii", newline="\r\n") as file:  # line by line: see measure.py on peaks
            for i in range(keys):
                print(f"SET text:{i} {'v' * int(2 ** generator.uniform(2, 11))}", f"HSET hash:{i % 5000} f{i} {i}",
                      f"RPUSH list:{i % 3000} {'w' * (i % 60 + 1)}", f"ZADD sorted:{i % 2000} {i} m{i}", sep="\n", file=file)
                if i % 4 == 0:
                    print(f"APPEND text:{generator.randrange(i + 1)} {'a' * generator.randrange(1, 400)}", file=file)
            for i in range(keys):
                if i % 3:
                    print(f"DEL text:{i}", file=file)

    def run(self, folder, environment, limit):
        (folder / "socket").unlink(missing_ok=True)
        server = measure.Child(
            ["redis-server", "--port", "0", "--unixsocket", "socket", "--dir", ".", "--save", "", "--appendonly", "no",
             "--enable-debug-command", "local", "--loglevel", "warning"], folder, environment, limit)
        try:
            said, seconds, final = self.use(server, folder, limit)
        except (subprocess.SubprocessError, OSError) as error:
            died = server.ended() or server.killed
            if not died:
                server.kill()
            run = server.wait()
            run.fault = run.fault if died and run.fault else f"a client failed: {' '.join(str(error).split())[:200]}"
            return run
        except BaseException:
            server.kill()
            raise
        run = server.wait()
        run.output, run.seconds, run.final_bytes = said, seconds, final
        return run

    def use(self, server, folder, limit):
        """(what the clients printed, how long they took, resident bytes of the server at the end)"""
        clients = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}

        def client(*command, **options):
            return subprocess.run(command, cwd=folder, env=clients, check=True, timeout=limit, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  **options).stdout

        def ask(*words):
            return client("redis-cli", "-s", "socket", *words, stdin=subprocess.DEVNULL)

        while not (folder / "socket").exists():
            if server.ended():
                raise subprocess.SubprocessError("the server ended at once")
            time.sleep(0.01)
        begin = time.monotonic()
        client("redis-benchmark", "-s", "socket", "-q", "-n", "4000" if self.quick else "40000", "-c", "20", "-P", "8", "-r", "20000", "-d", "200",
               "-t", "set,get,incr,lpush,lpop,sadd,hset,zadd", stdin=subprocess.DEVNULL)
        ask("FLUSHALL")
        with open(folder / "commands", "rb") as commands:
            said = client("redis-cli", "-s", "socket", "--pipe", stdin=commands)
        seconds = time.monotonic() - begin
        said += ask("DEBUG", "DIGEST") + ask("DBSIZE")
        time.sleep(0.3)  # the server looks at its memory ten times a second
        memory = dict(line.split(b":", 1) for line in ask("INFO", "memory").split() if b":" in line)
        ask("SHUTDOWN", "NOSAVE")
        return said, seconds, int(memory[b"used_memory_rss"])


WORKS = (Redis, Sqlite, Python, PythonTests, Compiler, Git, Make)
