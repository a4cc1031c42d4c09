"""The final training at a budget: from the weights before the first question, on all known until then."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.core import rng
from querist.core.answers import Labels
from querist.core.capabilities import CountsAnswers
from querist.core.snapshots import make_folder
from querist.core.split import Role, Split
from querist.core.task import Task

Measured = dict[tuple[str, str], tuple[float, dict[str, Any]]]
"""{(set, model): (value, details)}, as the ledger keeps it; the set ``account`` tells what was bought and logged."""


@dataclass(frozen=True, eq=False)
class FinalTraining:
    """Everything that a budget's number depends on; nothing of it feeds back into the run.

    Args:
        mark: the budget, in cost.
        labels: what it bought.
        initial: the task's weights before the first question.
        seed: of the run; ``steps`` of the optimiser.
        split: names what is measured on; a run with people may have neither reward nor test set.
        models: the folder that the model is written to.
    """

    mark: int
    labels: Labels
    initial: Mapping[str, np.ndarray]
    seed: int
    steps: int
    split: Split
    models: Path

    def run(self, task: Task) -> Measured:
        """Train, measure and save; the task is left with the final weights."""
        began = time.perf_counter()
        task.restore(self.initial)
        stream = rng.generator(self.seed, "final", 0, self.mark)
        log = task.fit(self.labels, new=self.labels, steps=self.steps, phase="final", rng=stream)
        values: Measured = {}
        for name, role in (("reward", Role.REWARD), ("test", Role.TEST)):
            sources = self.split.sources(role)
            if len(sources):
                found = task.evaluate(sources)
                aside = {"left_out": found.left_out} if found.left_out else {}
                values[name, "final"] = (found.value, {"parts": found.part_values, **aside})
        make_folder(self.models)
        task.save(self.models / f"labels-{self.mark:06d}.safetensors")
        log |= {"seconds": time.perf_counter() - began}
        values["account", "final"] = (0.0, {"bought": self._bought(task), **log})
        return values

    def _bought(self, task: Task) -> list[float]:
        if not isinstance(task, CountsAnswers) or not len(self.labels.units):
            return []
        return [float(n) for n in task.amounts(self.labels.units, self.labels.answers).sum(axis=0)]


def undetermined(parts: Sequence[str], found: Mapping[str, Any]) -> list[str]:
    """The classes or joints of which a set has nothing: left out of the metric, and said."""
    return [part for part, value in zip(parts, found.get("parts", ()), strict=False) if value is None]
