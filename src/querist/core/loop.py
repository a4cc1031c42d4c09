"""The deployment: steps until the budget is spent, measured at marks, stopped and resumed anywhere."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.core import rng
from querist.core.answers import Labels
from querist.core.ledger import Ledger
from querist.core.lock import RunLock
from querist.core.plan import Parts, Plan, check_budget
from querist.core.snapshots import Snapshots, encode_arrays, make_folder, read_arrays, remove_drafts, write_atomically
from querist.core.split import Role
from querist.core.step import Game, advance
from querist.core.task import CountsAnswers
from querist.errors import QueristError


@dataclass(frozen=True)
class Event:
    """Something a watcher may want to show.

    Args:
        kind: ``start`` (the initial model is ready), ``step``, ``mark`` (a budget was measured), ``waiting``
            (people still answer) or ``done``.
        spent: of the budget so far.
        details: numbers: losses, seconds, values.
    """

    kind: str
    spent: int
    details: Mapping[str, Any] = field(default_factory=dict)


class Deployment:
    """Plays one run in a folder. :meth:`play` may be killed at any instant and called again in a new process.

    Args:
        folder: of the run; made if it is not there.
        parts: what to play with.
        plan: the numbers.
        about: what the ledger shall remember of the run: recipe, hashes, versions. On resuming it must agree on the
            keys in ``must_agree``.
        durable: survive power cuts after every answer (for people) and not only kills.
        initial: a file in which runs that share recipe and seed share their initial state: used if it is there, made
            if it is not. The same is computed without it.

    Raises:
        QueristError: another process writes to this run; or the folder holds another run.
    """

    must_agree = ("recipe_hash", "data_hash", "strategy", "policy", "seed", "plan", "pool", "split")

    def __init__(
        self,
        folder: Path,
        parts: Parts,
        plan: Plan,
        about: Mapping[str, str],
        durable: bool = False,
        initial: Path | None = None,
    ) -> None:
        self._initial = initial
        self._since: list[dict[str, Any]] = []  # what the steps logged that are not closed yet
        self.folder, self.parts, self.plan = folder, parts, plan
        parts.policy.check(parts.task)
        parts.candidates.per_group(plan.batch)
        parts.split.check(parts.pool)
        check_budget(parts, plan)
        about = {**about, "plan": repr(plan), "pool": parts.pool.digest(), "split": parts.split.digest()}
        self._lock = RunLock(folder)
        try:
            path = folder / "ledger.sqlite"
            fresh = not path.exists()
            self.ledger = Ledger.create(path, about, durable) if fresh else Ledger.open(path, durable)
        except BaseException:
            self._lock.close()
            raise
        try:
            self._agree(about)
            self._snapshots = Snapshots(folder / "snapshots")
            self._game_id = self._begin()
        except BaseException:
            self.close()
            raise

    def _agree(self, about: Mapping[str, str]) -> None:
        was = self.ledger.about
        for key in self.must_agree:
            if key in about and was.get(key) != about[key]:
                raise QueristError(
                    f"{self.ledger.path}: this run has {key} {was.get(key)}, not {about[key]}",
                    "resume it with what it began with, or begin a new run in another folder",
                )

    def _begin(self) -> int:
        row = self.ledger.game()
        if row is not None:
            return int(row["id"])
        split, each = self.parts.split, self.parts.labels_per_source
        given = {
            name: (split.sources(role), each)
            for name, role in (("start", Role.START), ("reward", Role.REWARD), ("test", Role.TEST))
        }
        return self.ledger.start_game(self.parts.pool, split, self.plan.marks[-1], given=given)

    def close(self) -> None:
        """Let go of the run."""
        self.ledger.close()
        self._lock.close()

    def __enter__(self) -> "Deployment":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def play(self) -> Iterator[Event]:
        """Go on from wherever the run stands until its budget is spent or people must answer first."""
        event = self.start()
        if event is not None:
            yield event
        closings = self.ledger.closings(self._game_id)
        self._restore(closings[-1][1])
        self._tidy()
        step = closings[-1][0] + 1
        game = self._game(step)
        budget = self.plan.marks[-1]
        while True:
            # Of the view and not of the ledger: steps that stand open there have paid for their questions, but they
            # are played again first.
            yield from self._measure(game)
            if game.view.spent >= budget:
                yield Event("done", game.view.spent)
                return
            event = self._step(game, step)
            if event.kind == "done":  # nothing is left to ask: the remaining marks get what there is
                yield from self._measure(game, exhausted=True)
            yield event
            if event.kind != "step":
                return
            step += 1

    def start(self) -> Event | None:
        """Learn the starting set, once; None if that was done before. No question is asked."""
        if self.ledger.closings(self._game_id):
            return None
        began = time.perf_counter()
        log: dict[str, float] = {}
        if self._initial is not None and self._initial.exists():
            self._apply(read_arrays(self._initial), policy=False)
        else:
            given = self.parts.split.sources(Role.START)
            labels = Labels(np.zeros(0, dtype=np.int64), (), given)
            stream = rng.generator(self.plan.seed, "start")
            log = self.parts.task.fit(labels, new=labels, steps=self.plan.start, phase="start", rng=stream)
            if self._initial is not None:
                write_atomically(self._initial, encode_arrays(self._state()))
        log["seconds"] = time.perf_counter() - began
        digest = self._snapshots.save(self._state())
        self.ledger.close_step(self._game_id, -1, digest, log)
        return Event("start", 0, log)

    def _game(self, step: int) -> Game:
        parts, plan = self.parts, self.plan
        return Game(
            self.ledger,
            self._game_id,
            0,
            plan.seed,
            parts.pool,
            parts.split,
            parts.task,
            parts.oracle,
            parts.candidates,
            parts.featuriser,
            plan.batch,
            plan.update,
            parts.split.sources(Role.START)[: None if plan.keep_given else 0],
            plan.update_every,
            next_step=step,
        )

    def _step(self, game: Game, step: int) -> Event:
        policy = self.parts.policy
        outcome = advance(game, step, lambda seen, k: policy.select(seen, k, game.stream("policy", step)))
        if outcome is None:
            return Event("waiting", game.view.spent, {"step": step})
        if not outcome.questions:
            if self._since:
                self._close(step - 1)
            return Event("done", game.view.spent, {"exhausted": True})
        log: dict[str, Any] = outcome.log | policy.learn(game, outcome, game.stream("learn", step))
        self._since.append(log)
        spent = game.view.spent
        marked = any(spent - sum(q.cost for q in outcome.questions) < mark <= spent for mark in self.plan.marks)
        if marked or (step + 1) % self.plan.close_every == 0:
            self._close(step)
        return Event("step", spent, {"step": step, **log})

    def _close(self, step: int) -> None:
        """Write a snapshot and close a step, and with it those before it that stood open."""
        names = {name for log in self._since for name in log}
        logs = {name: [log[name] for log in self._since if name in log] for name in sorted(names)}
        digest = self._snapshots.save(self._state())
        details = {
            name: values[0] if len(values) == 1 else sum(values) / (1 if name.startswith("seconds") else len(values))
            for name, values in logs.items()
        }
        self.ledger.close_step(self._game_id, step, digest, details)
        self._since = []
        self._tidy()

    def _measure(self, game: Game, exhausted: bool = False) -> Iterator[Event]:
        """A final training from the initial weights at every mark that was reached and has no number yet."""
        done = {row["labels"] for row in self.ledger.evaluations(self._game_id)}
        for mark in self.plan.marks:
            if mark not in done and (game.view.spent >= mark or exhausted):
                yield self._final(game, mark)

    def _final(self, game: Game, mark: int) -> Event:
        began = time.perf_counter()
        task, split = self.parts.task, self.parts.split
        trajectory = task.snapshot()
        self._restore(self.ledger.closings(self._game_id)[0][1], policy=False)
        labels = game.view.labels(mark)
        stream = rng.generator(self.plan.seed, "final", 0, mark)
        log = task.fit(labels, new=labels, steps=self.plan.final, phase="final", rng=stream)
        values: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        for name, role in (("reward", Role.REWARD), ("test", Role.TEST)):
            sources = split.sources(role)
            if len(sources):
                found = task.evaluate(sources)
                values[name, "final"] = (found.value, {"parts": found.part_values})
        models = self.folder / "models"
        make_folder(models)
        task.save(models / f"labels-{mark:06d}.safetensors")
        log |= {"seconds": time.perf_counter() - began}
        values["account", "final"] = (0.0, {"bought": self._bought(labels), **log})
        self.ledger.evaluate(self._game_id, mark, values)
        task.restore(trajectory)
        details: dict[str, Any] = {name: value for (name, _), (value, _) in values.items() if name != "account"}
        details["undetermined"] = {name: _undetermined(task.parts, found) for (name, _), (_, found) in values.items()}
        return Event("mark", mark, details)

    def _bought(self, labels: Labels) -> list[float]:
        if not isinstance(self.parts.task, CountsAnswers) or not len(labels.units):
            return []
        return [float(n) for n in self.parts.task.amounts(labels.units, labels.answers).sum(axis=0)]

    def _state(self) -> dict[str, np.ndarray]:
        task = {f"task/{name}": array for name, array in self.parts.task.snapshot().items()}
        task |= {f"features/{name}": array for name, array in self.parts.featuriser.snapshot().items()}
        return task | {f"policy/{name}": array for name, array in self.parts.policy.snapshot().items()}

    def _restore(self, digest: str, policy: bool = True) -> None:
        self._apply(self._snapshots.load(digest), policy)

    def _apply(self, arrays: Mapping[str, np.ndarray], policy: bool) -> None:
        self.parts.task.restore({k[5:]: v for k, v in arrays.items() if k.startswith("task/")})
        if policy:
            self.parts.featuriser.restore({k[9:]: v for k, v in arrays.items() if k.startswith("features/")})
            self.parts.policy.restore({k[7:]: v for k, v in arrays.items() if k.startswith("policy/")})

    def _tidy(self) -> None:
        """Remove snapshots that nothing needs any more, and what a killed process left half written."""
        closings = self.ledger.closings(self._game_id)
        self._snapshots.keep_only({closings[0][1], closings[-1][1]})
        remove_drafts(self.folder / "models")


def _undetermined(parts: Sequence[str], found: Mapping[str, Any]) -> list[str]:
    """The classes or joints of which a set has nothing: left out of the metric, and said."""
    return [part for part, value in zip(parts, found.get("parts", ()), strict=False) if value is None]
