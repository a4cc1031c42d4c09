"""The shuffled-reward control: the same training on rewards that belong to other steps."""

from collections.abc import Mapping

import numpy as np


class EarlierRewards:
    """Replaces each step's reward by that of a random earlier step of the run.

    The learner then sees rewards of the true size and spread that say nothing of what it did: a policy
    that does not beat one trained so has learned nothing (ALGORITHMS 8, trap 3). One instance serves a whole training.
    """

    def __init__(self) -> None:
        self._seen: list[float] = []

    def __len__(self) -> int:
        """How many true rewards it has seen."""
        return len(self._seen)

    def replace(self, reward: float, rng: np.random.Generator) -> float:
        """Records a step's true reward and returns what to learn from instead.

        Args:
            reward: the step's own.
            rng: a stream of its own.

        Returns:
            The reward of one of the steps before this one, each with equal probability. The first step, which
            has none before it, gets 0: its own reward would be the truth.

        Raises:
            ValueError: the reward is not a finite number.
        """
        if not np.isfinite(reward):
            raise ValueError(f"the reward is {reward}")
        other = self._seen[int(rng.integers(len(self._seen)))] if self._seen else 0.0
        self._seen.append(float(reward))
        return other

    def snapshot(self, prefix: str = "earlier") -> dict[str, np.ndarray]:
        """The rewards seen so far, as a named array."""
        return {f"{prefix}/rewards": np.array(self._seen, dtype=np.float64)}

    def restore(self, arrays: Mapping[str, np.ndarray], prefix: str = "earlier") -> None:
        """Back to a snapshot."""
        self._seen = arrays[f"{prefix}/rewards"].tolist()
