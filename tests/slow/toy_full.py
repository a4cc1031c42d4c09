"""Lets the disk run full under the toy at every size, then gives the space back: ``python -m slow.toy_full FOLDER``.

Three kinds of a full disk: no file may grow beyond a limit (RLIMIT_FSIZE), SQLite may not take another page, and, where
we may mount one, a file system of a few kilobytes.
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from querist.errors import QueristError
from slow.harness import outcome
from slow.toy_play import play

BALLAST = 150_000
"""Bytes in a snapshot: more than the ledger at first, less than it with its log in the end, so that each fails."""


def sizes(first: int, last: int, count: int) -> list[int]:
    """So many sizes in bytes from the first to the last, each larger than the one before by the same factor."""
    return [round(first * (last / first) ** (i / (count - 1))) for i in range(count)]


def forked(folder: Path, before: Callable[[], None]) -> tuple[str, str]:
    """Play in a process of its own after ``before``; returns (done, refused or crashed; what was said)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = ("crashed", "without a word")
        try:
            before()
            play(folder, lambda phase: None, BALLAST)
            said = ("done", "")
        except QueristError as error:
            said = ("refused", str(error))
        except BaseException as error:
            said = ("crashed", f"{type(error).__name__}: {error}")
        finally:
            os.write(writer, json.dumps(said).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        kind, words = json.load(pipe)
    os.waitpid(child, 0)
    return kind, words


def no_larger_file(limit: int) -> Callable[[], None]:
    """Writing past ``limit`` bytes fails, in any file."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def no_more_pages(pages: int) -> Callable[[], None]:
    """SQLite finds the disk full at so many pages."""

    def before() -> None:
        plain = sqlite3.connect

        def connect(*args: Any, **more: Any) -> sqlite3.Connection:
            connection = plain(*args, **more)
            connection.execute(f"PRAGMA max_page_count = {pages}")
            return connection

        sqlite3.connect = connect

    return before


def try_all(work: Path, stride: int) -> dict[str, Any]:
    """Every limit from too small for anything to large enough; returns what was wrong and what was said."""
    whole = work / "whole"
    assert forked(whole, lambda: None) == ("done", "")
    expected, size = outcome(whole), (whole / "ledger.sqlite").stat().st_size
    cases = {f"{n} bytes a file": no_larger_file(n) for n in sizes(64, 2_000_000, 100 // stride)}
    cases |= {f"{n} pages": no_more_pages(n) for n in range(1, size // 4096, stride)}
    wrong, said, ends = [], set(), {"done": 0, "refused": 0}
    for name, before in cases.items():
        folder = work / name.replace(" ", "-")
        kind, words = forked(folder, before)
        if kind == "crashed" or (kind == "refused" and (str(folder) not in words or "free some space" not in words)):
            wrong.append(f"{name}: {kind}, {words}")
            continue
        ends[kind] += 1
        said.add(words.replace(str(folder), "RUN"))
        again = forked(folder, lambda: None)
        if again != ("done", "") or outcome(folder) != expected:
            wrong.append(f"{name}: after {words!r} it did not go on as it should: {again}")
    return {"wrong": wrong, "ends": ends, "said": sorted(said)}


def try_small_disks(work: Path, stride: int) -> dict[str, Any]:
    """The same on real file systems that are too small, and are then made larger."""
    whole = work / "whole-disk"
    assert forked(whole, lambda: None) == ("done", "")
    expected, wrong, said = outcome(whole), [], set()
    for size in sizes(16_384, 2_000_000, 40 // stride):
        disk = work / f"disk{size}"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            return {"mounts": False, "wrong": [], "said": []}
        try:
            folder = disk / "run"
            kind, words = forked(folder, lambda: None)
            said.add(words.replace(str(folder), "RUN"))
            subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
            again = forked(folder, lambda: None)
            if kind == "crashed" or again != ("done", "") or outcome(folder) != expected:
                wrong.append(f"{size} bytes: {kind}, {words!r}; with space again: {again}")
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    return {"mounts": True, "wrong": wrong, "said": sorted(said)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stride", type=int, default=1, help="only every so many limits")
    options = parser.parse_args()
    found = {
        "limits": try_all(options.folder, options.stride),
        "disks": try_small_disks(options.folder, options.stride),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
