"""Lets the disk run full under the command line, then gives the space back: ``python -m slow.full_cli FOLDER``.

Every command is a forked process of its own, so that torch is imported once.
"""

import argparse
import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import querist.compare.cells as cells
from querist.cli import main as querist
from querist.tasks.segmentation.task import SegmentationTask
from slow.harness import outcome
from slow.segmentation import write_tiny


def forked(arguments: list[str], before: Callable[[], object] = lambda: None) -> tuple[int, str]:
    """Run a command in a process of its own; returns its exit code and what it printed."""
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            before()
            code = querist(arguments)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        printed = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), printed


def limit(size: int) -> None:
    """From now on no file of this process may grow beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def full_before_the_cell() -> None:
    """The disk is full once a cell has been played, right before its JSON is written."""
    plain = cells.peak_mb

    def full() -> float | None:
        limit(100)
        return plain()

    cells.peak_mb = full


def full_before_the_model() -> None:
    """The disk is full once a budget's final training has ended, right before its model is written."""
    plain = SegmentationTask.save

    def save(task: SegmentationTask, path: Path) -> None:
        limit(100)
        plain(task, path)

    SegmentationTask.save = save


def numbers(folder: Path) -> dict[str, Any]:
    """What the cells of a comparison measured."""
    found = {path.name: json.loads(path.read_text()) for path in (folder / "cells").glob("*.json")}
    return {name: cell["points"] for name, cell in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    work = parser.parse_args().folder
    data, recipe = write_tiny(work)
    where = [str(recipe), "--data", str(data), "--set", "problem.model.arguments={width: 600}", "--out"]
    alone = ["--seeds", "0", "--workers", "1", "--pictures", "false"]
    found = {}

    assert forked(["run", *where, str(work / "whole")])[0] == 0
    expected = outcome(work / "whole")
    fills = {"ledger": lambda: limit(60_000), "snapshot": lambda: limit(200_000), "model": full_before_the_model}
    for name, fill in fills.items():
        folder = work / name
        code, printed = forked(["run", *where, str(folder)], fill)
        again = ["resume", str(folder)] if (folder / "ledger.sqlite").exists() else ["run", *where, str(folder)]
        after = forked(again)
        found[name] = {"code": code, "printed": printed, "same": after[0] == 0 and outcome(folder) == expected}

    assert forked(["compare", *where, str(work / "compared"), *alone])[0] == 0
    code, printed = forked(["compare", *where, str(work / "cell"), *alone], full_before_the_cell)
    after = forked(["compare", *where, str(work / "cell"), *alone])
    same = after[0] == 0 and numbers(work / "cell") == numbers(work / "compared")
    found["cell"] = {"code": code, "printed": printed, "same": same}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
