"""The toy deployment as a victim: it says what it is about to do, and may be slowed down or made to die there.

As a script it plays one folder to its end: ``python -m slow.toy_play FOLDER --log LOG --slow``.
"""

import argparse
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.acquisition.registry import GroupForm, strategy
from querist.core.loop import Deployment
from querist.core.observation import Observation
from querist.core.oracle import SimulatedOracle
from querist.core.plan import Parts, Plan
from querist.core.policy import Acquisition
from toy import ToyTask, toy_split

PLAN = Plan(seed=3, batch=4, marks=(8, 20), start=5, update=3, final=20)
ABOUT = {"recipe_hash": "toy", "data_hash": "toy", "strategy": "widest", "seed": "3"}
PHASES = {
    "opening the ledger": 0.004,
    "selecting": 0.020,
    "asking": 0.005,
    "between answers": 0.002,
    "fitting": 0.008,
    "writing a snapshot": 0.005,
    "closing a step": 0.005,
    "tidying": 0.020,
    "final training": 0.025,
    "evaluating": 0.010,
}
"""Every phase, with the seconds that one announcement of it lingers: together each phase lasts about as long."""

Watcher = Callable[[str], None]
"""Told the phase right before something happens that a kill could tear apart."""

_STATEMENTS = {
    "INSERT INTO answers": "between answers",
    "INSERT OR IGNORE INTO blobs": "between answers",
    "INSERT INTO steps": "asking",
    "INSERT INTO questions": "asking",
    "INSERT INTO closings": "closing a step",
    "INSERT INTO evaluations": "evaluating",
    "INSERT INTO run": "opening the ledger",
    "INSERT INTO games": "opening the ledger",
    "INSERT INTO splits": "opening the ledger",
    "INSERT INTO roles": "opening the ledger",
    "INSERT INTO given": "opening the ledger",
    "CREATE": "opening the ledger",
    "PRAGMA": "opening the ledger",
}


class Widest(Acquisition):
    """Asks for the largest predictions: another model would ask for other units."""

    fields = ("spread",)

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return observation.field("spread")


class WatchedToy(ToyTask):
    """Says what it is doing before and after it does it; its snapshots carry so many bytes of ballast."""

    def __init__(self, watch: Watcher, ballast: int = 0) -> None:
        super().__init__()
        self._watch = watch
        self._ballast = np.zeros(ballast, dtype=np.uint8)

    def fit(self, *args: Any, phase: Any, **more: Any) -> dict[str, float]:
        now = "final training" if phase == "final" else "fitting"
        self._watch(now)
        log = super().fit(*args, phase=phase, **more)
        self._watch(now)
        return log

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        self._watch("selecting")
        x = self.x.ravel()[units]
        return {"spread": np.abs(self.weights[0] * x + self.weights[1]).astype(np.float32)}

    def evaluate(self, sources: np.ndarray) -> Any:
        self._watch("evaluating")
        return super().evaluate(sources)

    def snapshot(self) -> dict[str, np.ndarray]:
        return super().snapshot() | {"ballast": self._ballast}


def watch_statements(watch: Watcher) -> None:
    """Have SQLite's statements announced before they run: each BEGIN, each COMMIT, and one of a row of like ones."""
    phase, kind = "opening the ledger", ""

    def announce(statement: str) -> None:
        nonlocal phase, kind
        found = next((start for start in (*_STATEMENTS, "BEGIN", "COMMIT") if statement.lstrip().startswith(start)), "")
        if not found or found == kind:
            return
        kind = found
        phase = _STATEMENTS.get(found, phase)  # a COMMIT belongs to what it commits
        watch(phase)

    plain = sqlite3.connect

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        connection = plain(*args, **more)
        connection.set_trace_callback(announce)
        return connection

    sqlite3.connect = connect


def watch_files(watch: Watcher, folder: Path) -> None:
    """Have every file that is opened, renamed or removed below a folder announced before it happens."""
    root = str(folder)

    def announce(event: str, args: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.remove", "os.mkdir") or not str(args[0]).startswith(root):
            return
        if event == "os.remove":
            watch("tidying")
        elif ".safetensors" in str(args[0]):
            watch("writing a snapshot")
        else:
            watch("opening the ledger")

    sys.addaudithook(announce)


def watched_deployment(folder: Path, watch: Watcher, ballast: int = 0) -> Deployment:
    """The toy's deployment in a folder, every move announced."""
    watch_statements(watch)
    watch_files(watch, folder)
    task = WatchedToy(watch, ballast)
    chosen = strategy("slow.toy_play.Widest/group", task, GroupForm(4, 3))
    parts = Parts(
        task.pool, toy_split(), task, chosen.policy, chosen.candidates, chosen.featuriser, SimulatedOracle(task), 4
    )
    return Deployment(folder, parts, PLAN, ABOUT)


def play(folder: Path, watch: Watcher, ballast: int = 0) -> None:
    """Play a folder to its end."""
    with watched_deployment(folder, watch, ballast) as run:
        for _ in run.play():
            pass


class Dies:
    """Kills this process at the n-th announcement, and remembers what was announced."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.heard: list[str] = []

    def __call__(self, phase: str) -> None:
        self.heard.append(phase)
        if len(self.heard) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--slow", action="store_true", help="linger at every announcement")
    options = parser.parse_args()
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def watch(phase: str) -> None:
        os.write(log, f"{phase}\n".encode())
        time.sleep(PHASES[phase] if options.slow else 0.0)

    play(options.folder, watch)


if __name__ == "__main__":
    main()
