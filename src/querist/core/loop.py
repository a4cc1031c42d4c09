"""The deployment: steps until the budget is spent, measured at marks, stopped and resumed anywhere."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.core import rng
from querist.core.answers import Labels
from querist.core.finals import FinalTraining, undetermined
from querist.core.last_step import LastStep
from querist.core.ledger import Ledger
from querist.core.lines import Lines
from querist.core.lock import RunLock
from querist.core.observation import Observation
from querist.core.plan import Parts, Plan, check_budget
from querist.core.policy import Selection
from querist.core.snapshots import Snapshots, encode_arrays, read_arrays, remove_drafts, write_atomically
from querist.core.split import Role
from querist.core.step import Game, advance
from querist.core.update import Updates
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
        people: answer, so one waits for them, and several questions may be open side by side (:attr:`lines`):
            :meth:`play` goes on after a ``waiting`` when it is asked for the next event, and a step that stands in the
            ledger is not chosen again.
        updates: where the model learns.

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
        people: bool = False,
        updates: Updates | None = None,
    ) -> None:
        self._initial, self._people, self._updates = initial, people, updates or Updates()
        self._task = parts.task  # the one that is in use now: updates may bring another
        self.game: Game | None = None
        """What is played, once :meth:`play` plays it."""
        self.lines: Lines | None = None
        """The questions that people have before them, once :meth:`play` plays."""
        self.last = LastStep(parts.policy, parts.featuriser)
        """The step whose answers may be taken back, where people answer."""
        self._since: list[dict[str, Any]] = []  # what the steps logged that are not closed yet
        self.folder, self.parts, self.plan = folder, parts, plan
        parts.policy.check(parts.task)
        parts.candidates.per_group(plan.batch)
        parts.split.check(parts.pool)
        check_budget(parts, plan)
        about = {**about, "plan": plan.words(), "pool": parts.pool.digest(), "split": parts.split.digest()}
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
        self._updates.close()
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
        self._apply(self._snapshots.load(closings[-1][1]))
        self._tidy()
        remove_drafts(self.folder / "models")  # of a killed process; while this one plays it may be writing one
        step = closings[-1][0] + 1
        self._since = []
        game = self.game = self._game(step)
        self.last = LastStep(self.parts.policy, self.parts.featuriser)
        self.lines = Lines(game, self.last, self._choose) if self._people else None
        self._updates.begin(game, step)
        budget = self.plan.marks[-1]
        while True:
            # Of the view and not of the ledger: steps that stand open there have paid for their questions, but they
            # are played again first.
            over = game.view.spent >= budget
            yield from self._measure(game, wait=over)
            if over:
                yield Event("done", game.view.spent)
                return
            event = self._step(game, step)
            if event.kind == "done":  # nothing is left to ask: the remaining marks get what there is
                yield from self._measure(game, exhausted=True, wait=True)
            yield event
            if event.kind == "done" or (event.kind == "waiting" and not self._people):
                return
            step += event.kind == "step"

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
            self._task,
            parts.oracle,
            parts.candidates,
            parts.featuriser,
            plan.batch,
            plan.update,
            parts.split.sources(Role.START)[: None if plan.keep_given else 0],
            plan.update_every,
            next_step=step,
            update_lag=plan.update_lag,
            updates=self._updates,
            stands=self._people,
        )

    def _choose(self, game: Game, step: int, seen: Observation, k: int) -> Selection:
        return self.parts.policy.select(seen, k, game.stream("policy", step))

    def _step(self, game: Game, step: int) -> Event:
        """Play one step; ``step`` counts them as they are answered, which people may do in another order."""
        if self.lines is not None:
            outcome = self.lines.play()
        else:
            outcome = advance(game, step, lambda seen, k: self._choose(game, step, seen, k))
        if outcome is None:
            return Event("waiting", game.view.spent, {"step": step})
        self._task = game.task
        if not outcome.questions:
            if self._since:
                self._close(step - 1)
            return Event("done", game.view.spent, {"exhausted": True})
        stream = game.stream("learn", outcome.step)
        log: dict[str, Any] = outcome.log | self.parts.policy.learn(game, outcome, stream)
        self._since.append(log)
        spent = game.view.spent
        marked = any(spent - sum(q.cost for q in outcome.questions) < mark <= spent for mark in self.plan.marks)
        closes, updates = (marked or (step + 1) % n == 0 for n in (self.plan.close_every, self.plan.update_every))
        self.last.settled(outcome, closes or updates, log)
        if closes:
            self._close(step)
        if updates:
            self._updates.begin(game, step + 1)
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

    def _measure(self, game: Game, exhausted: bool = False, wait: bool = False) -> Iterator[Event]:
        """A final training from the initial weights at every mark that was reached and has no number yet."""
        done = {row["labels"] for row in self.ledger.evaluations(self._game_id)}
        for mark in self.plan.marks:
            if mark in done or not (game.view.spent >= mark or exhausted):
                continue
            values = self._updates.measure(game, mark, lambda mark=mark: self._final(game, mark), wait)
            if values is None:
                continue
            self.ledger.evaluate(self._game_id, mark, values)
            details: dict[str, Any] = {name: value for (name, _), (value, _) in values.items() if name != "account"}
            parts = self.parts.task.parts
            details["undetermined"] = {name: undetermined(parts, found) for (name, _), (_, found) in values.items()}
            yield Event("mark", mark, details)

    def _final(self, game: Game, mark: int) -> FinalTraining:
        initial = self._snapshots.load(self.ledger.closings(self._game_id)[0][1])
        first, plan = _part(initial, "task"), self.plan
        models = self.folder / "models"
        return FinalTraining(mark, game.view.labels(mark), first, plan.seed, plan.final, self.parts.split, models)

    def _state(self) -> dict[str, np.ndarray]:
        kept = {"task": self._task, "features": self.parts.featuriser, "policy": self.parts.policy}
        return {f"{part}/{name}": array for part, of in kept.items() for name, array in of.snapshot().items()}

    def _apply(self, arrays: Mapping[str, np.ndarray], policy: bool = True) -> None:
        self._task.restore(_part(arrays, "task"))
        if policy:
            self.parts.featuriser.restore(_part(arrays, "features"))
            self.parts.policy.restore(_part(arrays, "policy"))

    def _tidy(self) -> None:
        """Remove snapshots that nothing needs any more."""
        closings = self.ledger.closings(self._game_id)
        self._snapshots.keep_only({closings[0][1], closings[-1][1]})


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) + 1 :]: array for name, array in arrays.items() if name.startswith(prefix + "/")}
