"""Starting victims, really killing them, and what must be equal in the end."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
SAMPLE = bool(os.environ.get("QUERIST_SLOW_SAMPLE"))
"""Whether only a sample of the kills is wanted, as continuous integration does."""

_TIMES = ("seconds", "seconds_select", "seconds_step")


def outcome(folder: Path) -> dict[str, Any]:
    """Everything that a run found, but for how long it took; read by plain SQL, without querist's own reading."""
    db = sqlite3.connect(folder / "ledger.sqlite")
    tables = {
        "questions": "SELECT step, position, unit, cost, score FROM questions ORDER BY id",
        "answers": "SELECT unit, revision, blob FROM answers a JOIN questions q ON q.id = a.question ORDER BY a.id",
        "games": "SELECT kind, spent, budget FROM games",
        "given": "SELECT source, purpose, labels FROM given ORDER BY source, purpose",
        "about": "SELECT key, value FROM run ORDER BY key",
        "steps": "SELECT step, details FROM steps ORDER BY step",
        "closings": "SELECT step, snapshot, details FROM closings ORDER BY step",
        "evaluations": "SELECT labels, part, model, value, details FROM evaluations ORDER BY labels, part",
    }
    found: dict[str, Any] = {}
    for name, query in tables.items():
        found[name] = [[_timeless(value) for value in row] for row in db.execute(query)]
    found["sound"] = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    for kind in ("models", "snapshots"):
        files = sorted((folder / kind).glob("*"))
        found[kind] = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return found


def cells(folder: Path) -> dict[str, Any]:
    """What the cells of a comparison say, by file name, but for how long things took and how much memory."""
    found = {path.name: json.loads(path.read_text()) for path in (folder / "cells").glob("*.json")}
    for cell in found.values():
        for key in ("seconds", "seconds_select", "peak_mb"):
            cell.pop(key)
        for step in cell["steps"]:
            del step["seconds_select"], step["seconds_step"]
        cell["environment"].pop("commit", None)  # somebody may be working in the checkout
    return found


def _timeless(value: Any) -> Any:
    """A value of the ledger; JSON is read, and what it says of durations left out."""
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    return {key: item for key, item in json.loads(value).items() if key not in _TIMES}


def start(command: Sequence[str], cwd: Path | None = None, **more: Any) -> subprocess.Popen[bytes]:
    """Start Python with arguments, as the leader of a process group of its own, our tests importable."""
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH", ""))))
    environment = os.environ | {"PYTHONPATH": path} | more.pop("env", {})
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Jobs in the background of a shell without job control ignore interruptions, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **more,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """``kill -9`` to the whole process group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def finish(process: subprocess.Popen[bytes], limit: float = 300) -> str:
    """Wait for a process to end well; returns what it printed."""
    printed = process.communicate(timeout=limit)[0].decode(errors="replace")
    assert process.returncode == 0, f"exit code {process.returncode}:\n{printed}"
    return printed


def wait_until(
    true: Callable[[], bool], process: subprocess.Popen[bytes], limit: float = 120, every: float = 0.001
) -> bool:
    """Wait for a condition; False if the process ended before it held."""
    until = time.monotonic() + limit
    while not true():
        if process.poll() is not None:
            return False
        assert time.monotonic() < until, "nothing happened"
        time.sleep(every)
    return True


def toy(folder: Path, log: Path, slow: bool = True) -> subprocess.Popen[bytes]:
    """A process that plays the toy in a folder."""
    return start(["-m", "slow.toy_play", str(folder), "--log", str(log), *(["--slow"] if slow else [])])


def kill_toys(
    work: Path, kills: int, seed: int, told: Callable[[Counter[str]], None] = lambda hit: None
) -> Counter[str]:
    """Kill toy deployments at random instants, resuming each until it is done, and compare them with an untouched one.

    Args:
        work: an empty folder.
        kills: how many in all; a deployment is killed again and again until it ends by itself.
        seed: draws the instants.
        told: called after every kill with how often each phase was hit so far.

    Returns:
        How often each phase was hit.

    Raises:
        AssertionError: a deployment ended differently from the untouched one, or did not go on.
    """
    rng = np.random.default_rng(seed)
    whole = toy(work / "whole", work / "whole.log")
    wait_until(lambda: (work / "whole.log").exists(), whole)
    began = time.monotonic()
    finish(whole)
    lasts, expected = time.monotonic() - began, outcome(work / "whole")
    hit: Counter[str] = Counter()
    number = 0
    while hit.total() < kills:
        number += 1
        folder, log = work / f"run{number}", work / f"run{number}.log"
        ended = False
        while not ended and hit.total() < kills:
            log.unlink(missing_ok=True)
            victim = toy(folder, log)
            alive = wait_until(lambda path=log: path.exists() and path.stat().st_size > 0, victim)
            time.sleep(rng.uniform(0.0, 0.4 * lasts) if alive else 0.0)
            ended = victim.poll() is not None
            if ended:
                finish(victim)
                continue
            kill(victim)
            hit[log.read_text().splitlines()[-1]] += 1
            told(hit)
        if not ended:
            finish(toy(folder, log, slow=False))
        found = outcome(folder)
        different = [name for name in expected if found[name] != expected[name]]
        assert not different, f"run {number} of seed {seed} ended with other {', '.join(different)}"
    return hit
