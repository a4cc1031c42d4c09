"""What a user brings: a model, its data and its metric. Everything here is numpy; tasks bring torch themselves."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from querist.core.answers import Labels
from querist.core.evaluation import Evaluation
from querist.core.observation import Field
from querist.core.pool import Pool

Phase = Literal["start", "step", "final"]


class Task(ABC):
    """The model that labels are bought for, with its data, its update and its metric.

    Args:
        pool: the units; the task knows what lies behind their sources.
    """

    pool: Pool
    parts: tuple[str, ...] = ()
    """Names of what the metric is made of: classes, joints."""
    fields: Mapping[str, Field] = {}
    """What :meth:`describe` can say of a unit."""

    def can(self, capability: type) -> bool:
        """Whether this very task has a capability (a protocol below); a task whose model decides overrides it."""
        return isinstance(self, capability)

    @property
    def data_hash(self) -> str:
        """Digits that tell its data from others; empty where nobody can say."""
        return ""

    def way_to(self, capability: type) -> str:
        """What a user can do about a capability that the task lacks."""
        return f"give the task what {capability.__module__}.{capability.__name__} asks for"

    @abstractmethod
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
        """Train on labels for a number of optimiser steps.

        Args:
            labels: everything labelled so far.
            new: what the last step bought; part of ``labels``.
            unlabelled: sources that may be used without labels (semi-supervised models).
            steps: optimiser steps; a task may do none if there is nothing to learn from.
            phase: ``start`` (before the first question), ``step`` (between questions; optimiser state goes on) or
                ``final`` (for a budget's number, from the weights before the first question, which know the starting
                set).
            rng: the only source of randomness.

        Returns:
            What is worth logging, such as the mean loss.
        """

    @abstractmethod
    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        """Run the model once over sources, in batches: yields (sources of the batch, the task's own prediction)."""

    @abstractmethod
    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Numbers about units from the present model; each source is predicted once for all fields.

        Args:
            units: (n,).
            fields: names out of :attr:`fields`.
            rng: for fields that need chance, such as dropout passes.

        Returns:
            name -> (n, *shape) float32.
        """

    @abstractmethod
    def evaluate(self, sources: np.ndarray) -> Evaluation:
        """The metric on labelled sources, without augmentation, in eval mode; larger is better."""

    @abstractmethod
    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything that :meth:`restore` needs to go on bit by bit: weights, buffers, optimiser state."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the model's weights as a checkpoint that :meth:`load` and the user's own code can read."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Take the weights of a user's checkpoint (safetensors); QueristError if they do not fit."""

    @abstractmethod
    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Back to a snapshot."""
