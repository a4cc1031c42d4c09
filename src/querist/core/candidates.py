"""The groups of candidates that a step offers.

Every builder orders units by keys hashed from (seed, step, unit), so two strategies with one seed meet the same
groups but for the units already gone.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from querist.core import rng
from querist.core.observation import Groups
from querist.errors import QueristError

if TYPE_CHECKING:
    from querist.core.questions import Question
    from querist.core.split import Split
    from querist.core.step import Game
    from querist.core.task import Task


class Candidates(ABC):
    """Offers groups. ``per_group`` says how many of each group a batch of a given size takes."""

    lines = False
    """Whether several steps can be open side by side; those that wait are the view's ``elsewhere`` (core/lines.py)."""

    @abstractmethod
    def build(self, game: "Game", step: int) -> Groups:
        """The groups of a step; without a single candidate the game is over.

        Args:
            game: its view says who may still be asked, its task where units lie in an embedding.
            step: which step.
        """

    def again(self, game: "Game", step: int, questions: "list[Question]") -> Groups:
        """The groups of a step whose questions stand already, as they would be offered now.

        Args:
            game: as in :meth:`build`.
            step: which.
            questions: its own, none of them answered as far as the view knows.
        """
        return self.build(game, step)

    @abstractmethod
    def per_group(self, batch: int) -> int:
        """How many picks each group gives when ``batch`` questions are asked per step.

        Raises:
            QueristError: the groups cannot give a batch of that size.
        """

    def warm(self, task: "Task", split: "Split") -> None:
        """Work out beforehand what offering needs of a task whose model has changed; from any thread.

        Nothing for most, and never needed: what was not worked out is, when it is asked for.
        """
        return


@dataclass(frozen=True)
class GlobalPool(Candidates):
    """One group: everything that may still be asked, in hashed order (so that ties are broken at random).

    Args:
        limit: at most so many, a uniform subset; None for all.
    """

    limit: int | None = None

    def build(self, game: "Game", step: int) -> Groups:
        units = game.view.free_units()
        keys = rng.keys(units, game.seed, "candidates", game.episode, step)
        units = units[np.argsort(keys, kind="stable")][: self.limit]
        return Groups(units[None], np.ones((1, len(units)), dtype=bool))

    def per_group(self, batch: int) -> int:
        return batch


@dataclass(frozen=True)
class ClusterPools(Candidates):
    """K disjoint pools of N units from as few images as can fill them (RALIS, ALGORITHMS 1.3).

    Images are taken in random order until they have more free units than needed; then an image is drawn uniformly
    with replacement among those that still have units, and a unit of it uniformly, until K * N are there. The draws
    are made by one exponential clock per image, whose rings depend only on (seed, step, image): exactly that
    law, and what was asked before changes nothing for the other images.

    Args:
        groups: K, one pick each.
        size: N.
    """

    groups: int
    size: int

    def build(self, game: "Game", step: int) -> Groups:
        seed, episode = game.seed, game.episode
        free = game.view.free_units()
        if not len(free):
            return self._deal(free, seed, episode, step)
        need = self.groups * self.size
        source = game.pool.sources(free)[:, 0]
        images, count = np.unique(source, return_counts=True)
        order = np.argsort(rng.keys(images, seed, "images", episode, step), kind="stable")
        enough = int(np.searchsorted(np.cumsum(count[order]), need, side="right")) + 1
        kept = np.isin(source, images[order[:enough]])
        units = free[kept]
        chosen = units[self._draw(units, source[kept], seed, episode, step)][:need]
        return self._deal(chosen, seed, episode, step)

    @staticmethod
    def _draw(units: np.ndarray, source: np.ndarray, seed: int, episode: int, step: int) -> np.ndarray:
        """The order in which units are drawn: the k-th ring of an image's clock takes its k-th unit by key."""
        order = np.lexsort((rng.keys(units, seed, "candidates", episode, step), source))
        starts = np.flatnonzero(np.r_[True, np.diff(source[order]) != 0])
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
        ring = source[order].astype(np.int64) * 1_000_003 + rank
        waits = -np.log(rng.uniforms(ring, seed, "rings", episode, step))
        total = np.cumsum(waits)
        times = total - np.repeat(total[starts] - waits[starts], np.diff(np.r_[starts, len(order)]))
        return order[np.argsort(times, kind="stable")]

    def _deal(self, chosen: np.ndarray, seed: int, episode: int, step: int) -> Groups:
        """Shuffle and cut into runs of equal length (but for one), so that near exhaustion every pool gets its share.

        Runs, and not turn by turn: a unit that is gone moves others only across the ends of the runs, so most
        units stay in the pool where another strategy meets them.
        """
        chosen = chosen[np.argsort(rng.keys(chosen, seed, "deal", episode, step), kind="stable")]
        ends = np.arange(self.groups + 1) * len(chosen) // self.groups
        group = np.repeat(np.arange(self.groups), np.diff(ends))
        units = np.full((self.groups, self.size), -1, dtype=np.int64)
        units[group, np.arange(len(chosen)) - ends[group]] = chosen
        return Groups(units, units >= 0)

    def per_group(self, batch: int) -> int:
        if batch != self.groups:
            raise QueristError(
                f"{self.groups} groups give one pick each, so a batch is {self.groups} and not {batch}",
                "let the recipe's batch equal its groups.count",
            )
        return 1
