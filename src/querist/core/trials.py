"""A stand-in of a task whose every step is a whole training: what a set of labels is worth when a model is made of it.

A step of a game is a few optimiser steps on the newest labels, and its gain says little about what the labels are worth
in the end. Here the questions of a game are asked at once and the model learns from all that is labelled as it will in
a budget's final training, only shorter and from where it stands.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Labels
from querist.core.capabilities import EvaluatesSmoothly
from querist.core.evaluation import Evaluation
from querist.core.task import Phase, Task


class TrialTask(Task):
    """Another task, which trains as for a budget's number whenever it is to learn, and is measured by how sure it is.

    Made by :func:`on_trial`, so that it can do whatever else the other task can.

    Args:
        of: the task that plays; its model is the one that learns.
    """

    def __init__(self, of: Task) -> None:
        self._of = of
        self.pool, self.parts, self.fields = of.pool, of.parts, of.fields

    def can(self, capability: type) -> bool:
        return self._of.can(capability)

    def fit(
        self,
        labels: Labels,
        *,
        new: Labels,
        unlabelled: np.ndarray | None = None,
        steps: int,
        phase: Phase,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        """The training of a budget's number, with as many steps as an update has."""
        return self._of.fit(labels, new=new, unlabelled=unlabelled, steps=steps, phase="final", rng=rng)

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        return self._of.predict(sources)

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self._of.describe(units, fields, rng)

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        """Smoothly where the task can: a training's luck moves decisions more than beliefs."""
        of = self._of
        if of.can(EvaluatesSmoothly) and isinstance(of, EvaluatesSmoothly):
            return of.evaluate_smoothly(sources)
        return of.evaluate(sources)

    def snapshot(self) -> dict[str, np.ndarray]:
        return self._of.snapshot()

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self._of.restore(snapshot)

    def save(self, path: Path) -> None:
        self._of.save(path)

    def load(self, path: Path) -> None:
        self._of.load(path)


def on_trial(of: Task) -> TrialTask:
    """A :class:`TrialTask` that hands on what it does not do itself, so that it has the other task's capabilities.

    As properties of a class of its own: whether an object follows a protocol is looked up there, and not by asking it.
    """
    names = {name for name in dir(of) if not name.startswith("_")} - {*dir(TrialTask), "pool"}
    kind = type(TrialTask.__name__, (TrialTask,), {name: _handed_on(name) for name in names})
    return kind(of)


def _handed_on(name: str) -> property:
    return property(lambda trial: getattr(trial._of, name))
