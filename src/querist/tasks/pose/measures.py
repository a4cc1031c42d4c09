"""The metric of a pose task by its name."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from querist.core.evaluation import Evaluation
from querist.errors import QueristError
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.metric import HEAD_FACTOR, joint_error, pck, pckh

Measure = Literal["pck-torso", "pckh", "mm"]

USUAL = {"pck-torso": 0.2, "pckh": 0.5, "mm": 0.0}
"""Thresholds as they are usually reported: shares of torso and of head."""


@dataclass(frozen=True)
class Metric:
    """How poses are measured; larger is better.

    Args:
        measure: ``pck-torso`` or ``pckh``, percent of joints that are near enough; ``mm``: the mean joint error,
            negated.
        threshold: share of the torso's or the head's length; None: the usual one.
        head_factor: of the diagonal of the head's box, for ``pckh``; 0.6 is official.

    Raises:
        QueristError: a measure that does not exist, or a number that is not positive.
    """

    measure: Measure = "pck-torso"
    threshold: float | None = None
    head_factor: float = HEAD_FACTOR

    def __post_init__(self) -> None:
        if self.measure not in USUAL:
            raise QueristError(f"there is no measure {self.measure!r}", f"use {', '.join(USUAL)}")
        if (self.threshold is not None and self.threshold <= 0) or self.head_factor <= 0:
            raise QueristError(f"the metric is {self}", "threshold and head_factor are positive")

    @property
    def name(self) -> str:
        """For tables, such as ``PCK@0.2``; a head factor that is not the official one is told."""
        share = f"{self._threshold:g}"
        if self.measure == "pckh" and self.head_factor != HEAD_FACTOR:
            share += f" (head factor {self.head_factor:g})"
        return {"pck-torso": f"PCK@{share}", "pckh": f"PCKh@{share}", "mm": "negative joint error"}[self.measure]

    @property
    def unit(self) -> str:
        """Percent, or mm."""
        return "mm" if self.measure == "mm" else "%"

    @property
    def _threshold(self) -> float:
        return USUAL[self.measure] if self.threshold is None else self.threshold

    def __call__(self, data: PoseData, sources: np.ndarray, estimated: np.ndarray) -> Evaluation:
        """See :mod:`querist.tasks.pose.metric`: estimated joints (n, J, D) in the frame of the model."""
        if self.measure == "mm":
            return joint_error(data, sources, estimated)
        if self.measure == "pckh":
            return pckh(data, sources, estimated, self._threshold, self.head_factor)
        return pck(data, sources, estimated, self._threshold)

    def check(self, data: PoseData, sources: np.ndarray) -> None:
        """Before anything is trained: can these sources be measured? Their truth is, as if it had been estimated.

        Raises:
            QueristError: says what the data lack.
        """
        what = f"the metric {self.name} on the {len(sources)} images of the test set"
        try:
            value = self(data, sources, data.joints[sources]).value
        except QueristError as error:
            raise QueristError(f"{what}: {error.what}", error.fix) from error
        if not np.isfinite(value):
            raise QueristError(
                f"{what}: every joint that counts is one that the skeleton leaves unscored",
                "shorten the skeleton's unscored, or label other joints",
            )
