"""The deployment: steps until the budget is spent, measured at marks, stopped and resumed anywhere."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.core import rng
from querist.core.answers import Labels
from querist.core.closings import Closings
from querist.core.finals import undetermined
from querist.core.last_step import LastStep
from querist.core.ledger import Ledger
from querist.core.lines import Lines
from querist.core.lock import RunLock
from querist.core.marks import Marks
from querist.core.observation import Observation
from querist.core.plan import Parts, Plan, check_budget
from querist.core.policy import Selection
from querist.core.snapshots import encode_arrays, part_of, read_arrays, remove_drafts, write_atomically
from querist.core.split import Role
from querist.core.step import Game, advance
from querist.core.update import Updates
from querist.errors import QueristError


@dataclass(frozen=True)
class Event:
    """Something a watcher may want to show.

    Args:
        kind: ``start`` (the initial model is ready), ``step``, ``mark`` (a budget was measured, or what was spent where
            nothing was left to ask), ``waiting`` (people still answer), ``over`` (all questions have their answers, and
            people may take some back until the next event is asked for) or ``done``.
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
            self._game_id = self._begin()
            # People do not wait for the disk: what they answer meanwhile is played again if it comes to that.
            self._closings = Closings(self.ledger, self._game_id, folder / "snapshots", aside=people)
            more = self._closings, self._updates, folder / "models"
            self._marks = Marks(self.ledger, self._game_id, parts, plan, *more)
        except BaseException:
            self._let_go()
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
        try:
            self._closings.stop()
        finally:
            self._let_go()

    def _let_go(self) -> None:
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
        self.settle()
        last, arrays = self._closings.last()
        self._apply(arrays)
        self._closings.tidy()
        remove_drafts(self.folder / "models")  # of a killed process; while this one plays it may be writing one
        step = last + 1
        self._since = []
        game = self.game = self._game(step)
        self.last = LastStep(self.parts.policy, self.parts.featuriser)
        self.lines = Lines(game, self.last, self._choose) if self._people else None
        self._updates.begin(game, step)
        # Of the view and not of the ledger: steps that stand open there have paid for their questions, but they are
        # played again first.
        while game.view.spent < self.plan.marks[-1]:
            yield from self._measure(game)
            event = self._step(game, step)
            if event is None:
                break
            yield event
            if event.kind == "waiting" and not self._people:
                return
            step += event.kind == "step"
        yield from self._end(game, step)

    def settle(self) -> None:
        """Wait until what was closed is safe on disk: somebody stops, and the steps since need not be played again.

        Raises:
            QueristError: the disk is full or not writable.
        """
        self._closings.settle(wait=True)

    def start(self) -> Event | None:
        """Learn the starting set, once; None if that was done before. No question is asked."""
        if self._closings.begun():
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
        self._closings.close(-1, self._state(), [log])
        self._closings.settle(wait=True)
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

    def _step(self, game: Game, step: int) -> Event | None:
        """Play one step; ``step`` counts them as they are answered, which people may do in another order.

        Returns:
            What happened; None if nothing is left to ask.
        """
        self._closings.settle()
        if self.lines is not None:
            outcome = self.lines.play()
        else:
            outcome = advance(game, step, lambda seen, k: self._choose(game, step, seen, k))
        if outcome is None:
            return Event("waiting", game.view.spent, {"step": step})
        self._task = game.task
        if not outcome.questions:
            return None
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
        """Close a step, and with it those before it that stood open."""
        self._closings.close(step, self._state(), self._since)
        self._since = []

    def _end(self, game: Game, step: int) -> Iterator[Event]:
        """All questions have their answers: let people take some back, close what stands open and measure."""
        spent = game.view.spent
        if self.lines is not None and spent not in self._marks.measured():
            yield Event("over", spent)
            self.lines.correct()
        if self._since:
            self._close(step - 1)
        self._closings.settle(wait=True)
        yield from self._measure(game, ended=True)
        self._marks.end(spent)
        yield Event("done", spent, {"exhausted": True} if spent < self.plan.marks[-1] else {})

    def _measure(self, game: Game, ended: bool = False) -> Iterator[Event]:
        """What is due to be measured, and is ready; at the end all of it."""
        parts = self.parts.task.parts
        for mark, values in self._marks.measure(game, ended):
            details: dict[str, Any] = {name: value for (name, _), (value, _) in values.items() if name != "account"}
            details["undetermined"] = {name: undetermined(parts, found) for (name, _), (_, found) in values.items()}
            details["left_out"] = {name: n for (name, _), (_, found) in values.items() if (n := found.get("left_out"))}
            yield Event("mark", mark, details)

    def _state(self) -> dict[str, np.ndarray]:
        kept = {"task": self._task, "features": self.parts.featuriser, "policy": self.parts.policy}
        return {f"{part}/{name}": array for part, of in kept.items() for name, array in of.snapshot().items()}

    def _apply(self, arrays: Mapping[str, np.ndarray], policy: bool = True) -> None:
        self._task.restore(part_of(arrays, "task"))
        if policy:
            self.parts.featuriser.restore(part_of(arrays, "features"))
            self.parts.policy.restore(part_of(arrays, "policy"))
