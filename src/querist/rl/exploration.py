"""Exploration: how often to leave the greedy choice, and what to ask then."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from querist.errors import QueristError


@dataclass(frozen=True)
class EpsilonSchedule:
    """The share of exploring steps falls exponentially: ``floor + span * exp(-n / decay)`` (ALGORITHMS 1.5).

    Args:
        floor: what it falls to.
        span: how far above the floor it begins.
        decay: after how many steps the distance to the floor has fallen to 1/e.
        unit: ``step``: one coin for all sub-actions of a step; ``sub_action``: a coin each.

    Raises:
        QueristError: not a probability at some step.
    """

    floor: float = 0.05
    span: float = 0.85
    decay: float = 10.0
    unit: Literal["step", "sub_action"] = "step"

    def __post_init__(self) -> None:
        ranges = {
            "floor and floor + span must lie in [0, 1]": 0 <= self.floor <= 1 and 0 <= self.floor + self.span <= 1,
            "decay must be positive": self.decay > 0,
            "unit must be step or sub_action": self.unit in ("step", "sub_action"),
        }
        for rule, kept in ranges.items():
            if not kept:
                raise QueristError(f"exploration is {self}", rule)

    def value(self, n: int) -> float:
        """Epsilon at step n, counted over the whole training from 0."""
        return self.floor + self.span * math.exp(-n / self.decay)

    def explore(self, n: int, groups: int, rng: np.random.Generator) -> np.ndarray:
        """Which sub-actions of step n explore.

        Returns:
            (groups,) bool; all alike if the unit is a step.
        """
        coins = rng.random(1 if self.unit == "step" else groups)
        return np.broadcast_to(coins < self.value(n), (groups,)).copy()


def uniform_actions(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One candidate of each pool, uniformly.

    Args:
        mask: (G, N) bool, true where there is a candidate.
        rng: a stream of its own.

    Returns:
        (G,) int64, places within the pools; -1 where a pool is empty.
    """
    return _best(rng.random(mask.shape), mask)


def coherent_actions(
    features: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
    temperature: float = 0.0,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """One candidate of each pool, all by the same random preference.

    A step has one reward for all its sub-actions. If these are drawn independently, every batch looks like the
    average of the pool, and steps hardly differ in anything a reward could be about. Here a direction w ~ N(0, I)
    over the standardised features is drawn once per step and each pool gives its argmax of w . features, so batches
    differ in their mean features and their rewards tell directions apart.

    Features are standardised over all candidates of the step and clamped to five deviations; those that do
    not vary count for nothing. The direction is the first that is drawn: the same stream gives the same one to another
    step, which holds a direction for a while.

    Args:
        features: (G, N, F), finite inside the mask.
        mask: (G, N) bool, true where there is a candidate.
        rng: a stream of its own.
        temperature: 0 is the argmax; otherwise each pool is sampled with probabilities proportional to
            exp(score / temperature), the step's scores having standard deviation 1.
        weights: (F,) factors on the direction, so that a block of many features does not drown the others.

    Returns:
        (G,) int64, places within the pools; -1 where a pool is empty.

    Raises:
        ValueError: shapes that do not fit, or a negative temperature.
    """
    if features.shape[:2] != mask.shape or temperature < 0:
        raise ValueError(f"features {features.shape}, mask {mask.shape}, temperature {temperature}")
    direction = rng.standard_normal(features.shape[2]) * (1.0 if weights is None else weights)
    noise = rng.gumbel(size=mask.shape) if temperature > 0 else 0.0
    scores = np.zeros(mask.shape)
    if mask.any():
        scores[mask] = _standardised(_standardised(features[mask].astype(np.float64)) @ direction)
    return _best(scores + temperature * noise, mask)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 along the first axis, clamped to +-5; zero where nothing varies."""
    centred = values - values.mean(axis=0)
    deviation = values.std(axis=0)
    varies = deviation > 1e-9 * np.maximum(np.abs(values).max(axis=0), 1e-30)  # below that it is round-off
    return np.where(varies, np.clip(centred / np.where(varies, deviation, 1.0), -5, 5), 0.0)


def _best(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The place of each row's largest score inside the mask, -1 for an empty row; ties go to the earlier one."""
    places = np.where(mask, scores, -np.inf).argmax(axis=1).astype(np.int64)
    return np.where(mask.any(axis=1), places, -1)
