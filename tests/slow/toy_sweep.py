"""Kills the toy at every point where something is about to happen, one after another, and resumes it each time.

The points are numbered, so that nothing is left to chance: each statement of SQLite, each file opened, renamed or
removed, each call of the task. Every play is a forked process of its own: ``python -m slow.toy_sweep FOLDER``.
"""

import argparse
import json
import os
import signal
import sys
import traceback
from collections import Counter
from pathlib import Path

from slow.harness import outcome
from slow.toy_play import Dies, play


def forked(folder: Path, dies: Dies) -> int:
    """Play a folder in a process of its own; returns how it ended, as ``os.waitpid`` says it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            play(folder, dies)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def chosen(heard: list[str], each: int) -> list[int]:
    """The points to kill at, counted from 1: all of them, or so many of each phase, evenly spread over the run."""
    points = range(1, len(heard) + 1)
    if not each:
        return list(points)
    found = []
    for phase in dict.fromkeys(heard):
        mine = [point for point in points if heard[point - 1] == phase]
        count = min(each, len(mine))
        found += [mine[i * len(mine) // count] for i in range(count)]
    return found


def sweep(work: Path, each: int) -> dict[str, object]:
    """Kill at every chosen point; returns how many points there are, the phases hit and the runs that differ."""
    announced = Dies(at=0)
    reader, writer = os.pipe()
    whole = work / "whole"
    child = os.fork()
    if child == 0:
        play(whole, announced)
        os.write(writer, json.dumps(announced.heard).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        heard = json.load(pipe)
    os.waitpid(child, 0)
    expected = outcome(whole)
    different, phases = [], Counter()
    for point in chosen(heard, each):
        folder = work / f"point{point}"
        died = forked(folder, Dies(point))
        assert os.waitstatus_to_exitcode(died) == -signal.SIGKILL, f"point {point} was not reached"
        phases[heard[point - 1]] += 1
        resumed = forked(folder, Dies(0))
        if resumed != 0 or outcome(folder) != expected:
            different.append(f"point {point} ({heard[point - 1]})")
    return {"points": len(heard), "phases": phases, "identical": not different, "different": different}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=0, help="only so many points of each phase")
    options = parser.parse_args()
    json.dump(sweep(options.folder, options.each), sys.stdout)


if __name__ == "__main__":
    main()
