"""Rewards of the environment. Larger is better; the model before the first step is evaluated too."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np

from querist.core.capabilities import EstimatesDeepInfluence, EstimatesInfluence
from querist.core.evaluation import Evaluation, paired_difference
from querist.core.split import Role
from querist.core.step import Game, Outcome
from querist.core.task import Task
from querist.errors import QueristError

Influence = Literal["influence", "deep_influence"]
_ESTIMATES: Mapping[Influence, type] = {
    "influence": EstimatesInfluence,
    "deep_influence": EstimatesDeepInfluence,
}


class Timing(Enum):
    """When a reward is known."""

    AFTER_UPDATE = "after the task has learned from the answers"
    AT_ONCE = "from the answers themselves"


@dataclass(frozen=True)
class Gain:
    """A reward and how sure it is.

    Args:
        value: one number for the whole step.
        standard_error: of ``value``; zero where it is exact.
        per_group: (G,) where groups are paid apart; None: everyone gets ``value``.
    """

    value: float
    standard_error: float = 0.0
    per_group: np.ndarray | None = None


class Reward(ABC):
    """What a step is worth."""

    timing: Timing = Timing.AFTER_UPDATE

    @abstractmethod
    def begin(self, game: Game) -> None:
        """Before the first step of a game."""

    @abstractmethod
    def measure(self, game: Game, outcome: Outcome) -> Gain:
        """After a step."""


class MetricGain(Reward):
    """The rise of the task's metric on the reward set: ``scale * (M(g_{t+1}) - M(g_t))`` (ALGORITHMS 0.3).

    The standard error of the paired difference is logged beside every reward, since step gains are small.

    Args:
        scale: a constant factor.
        evaluate_first: measure the model before the first question. The released code of RALIS takes zero for it, so
            that the first reward is a level and no gain (ALGORITHMS 1.3); nothing is paired then, and no error is told.
    """

    def __init__(self, scale: float = 1.0, evaluate_first: bool = True) -> None:
        self._scale, self._evaluate_first = scale, evaluate_first
        self._last: Evaluation | None = None

    def begin(self, game: Game) -> None:
        sources = game.split.sources(Role.REWARD)
        if not len(sources):
            raise QueristError("the split has no reward set to measure gains on", "give some sources the role reward")
        self._last = game.task.evaluate(sources) if self._evaluate_first else None

    def measure(self, game: Game, outcome: Outcome) -> Gain:
        now = game.task.evaluate(game.split.sources(Role.REWARD))
        if self._last is None:
            if self._evaluate_first or outcome.step > 0:
                raise ValueError("begin() comes before measure()")
            self._last = now
            return Gain(self._scale * now.value)
        value, error = paired_difference(self._last, now, game.stream("bootstrap", outcome.step))
        self._last = now
        return Gain(self._scale * value, abs(self._scale) * error)


class InfluenceGain(MetricGain):
    """The metric's rise for the step, and for each group what its own answer was worth.

    A step's rise is shared by all its questions, so it says little about one of them. The influence of an answer, how
    much learning it alone would lower the loss on the reward set to first order, tells them apart. It is taken with
    the model that chose, before the update.

    Args:
        scale: see :class:`MetricGain`.
        evaluate_first: likewise.
        kind: of what each answer was worth; see the capabilities of these names.
    """

    def __init__(self, scale: float = 1.0, evaluate_first: bool = True, kind: Influence = "influence") -> None:
        super().__init__(scale, evaluate_first)
        self._kind: Influence = kind
        self._before: Mapping[str, np.ndarray] = {}

    def begin(self, game: Game) -> None:
        if not self._can(game.task):
            raise QueristError(
                f"{type(game.task).__name__} cannot tell the {self._kind.replace('_', ' ')} of single answers",
                "train in a stand-in of the task that can (train.rehearsal=true and a model that splits at its head; "
                "for the deep influence, games: still), or let the metric alone pay "
                "(--set 'train.settings={AGENT/sound: {reward: metric}}')",
            )
        super().begin(game)
        self._before = game.task.snapshot()

    def _can(self, task: Task) -> bool:
        return task.can(_ESTIMATES[self._kind]) and isinstance(task, _ESTIMATES[self._kind])

    def measure(self, game: Game, outcome: Outcome) -> Gain:
        gain = super().measure(game, outcome)
        task = game.task
        after = task.snapshot()
        task.restore(self._before)
        told = [(q, a) for q, a in zip(outcome.questions, outcome.answers, strict=True) if a is not None]
        units = np.array([q.unit for q, _ in told], dtype=np.int64)
        answers, sources = [a for _, a in told], game.split.sources(Role.REWARD)
        values = getattr(task, self._kind)(units, answers, sources)
        worth = dict(zip(units.tolist(), values.tolist(), strict=True))
        task.restore(after)
        self._before = after
        per_group = np.array([sum(float(worth.get(int(u), 0.0)) for u in row) for row in outcome.chosen])
        return Gain(gain.value, gain.standard_error, per_group)
