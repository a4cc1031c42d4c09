"""A comparison's worker processes when something ends one of them, or whoever started them."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from slow.harness import SAMPLE, finish, start, wait_until
from slow.segmentation import write_tiny

pytestmark = pytest.mark.slow
only_whole = pytest.mark.skipif(SAMPLE, reason="not part of the sample")


@pytest.fixture
def playing(tmp_path, monkeypatch):
    """A comparison with two workers that has just begun to play its strategies."""
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    data, recipe = write_tiny(tmp_path, pause=0.2)
    out = tmp_path / "out"
    command = ["-m", "querist.cli", "compare", str(recipe), "--data", str(data), "--out", str(out)]
    process = start([*command, "--workers", "2", "--pictures", "false"])
    assert wait_until(lambda: any((out / ".work").glob("*-random--*/ledger.sqlite")), process)
    yield process, out
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def family(group):
    """The living processes of a process group: {process: its command}."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group and "\nState:\tZ" not in (folder / "status").read_text():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has just ended
            continue
    return found


def ended(group, limit=20.0):
    """Whether nothing of a process group lives on after a while: the last ones need a moment to go."""
    until = time.monotonic() + limit
    while family(group) and time.monotonic() < until:
        time.sleep(0.05)
    return not family(group)


def test_when_it_is_killed_its_workers_do_not_live_on(playing):
    process, out = playing
    assert len(family(process.pid)) >= 4  # itself, two workers, their queue
    process.kill()  # this one process, not its group
    process.wait()
    assert ended(process.pid)
    cells = {path.name for path in (out / "cells").glob("*.json")}
    assert {"_start--p0--s0.json", "_start--p0--s1.json"} <= cells
    assert len(cells) < 8


@only_whole
def test_a_killed_worker_ends_it_with_a_word_and_the_same_command_goes_on(playing):
    process, out = playing
    worker = max(pid for pid, command in family(process.pid).items() if "spawn_main" in command)
    os.kill(worker, signal.SIGKILL)
    printed = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 2
    assert "a worker was killed while it played" in printed
    assert "the same command goes on where it was" in printed
    assert "Traceback" not in printed
    command = process.args[1:]
    finish(start([*command[:-4], "--workers", "1", "--pictures", "false"]))
    assert len(list((out / "cells").glob("*.json"))) == 8
    assert set(json.loads((out / "summary.json").read_text())["strategies"]) == {"random", "entropy/global"}


@only_whole
def test_an_interruption_stops_it_at_once_and_keeps_what_there_is(playing):
    process, out = playing
    os.killpg(process.pid, signal.SIGINT)
    printed = process.communicate(timeout=20)[0].decode()
    assert process.returncode == 130
    assert "stopped; what was answered and measured is kept" in printed
    assert "Traceback" not in printed
    assert len(list((out / "cells").glob("*.json"))) < 5
    assert ended(process.pid)
