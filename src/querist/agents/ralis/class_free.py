"""RALIS's features without a slot per class: what a policy needs to work on classes that it never met.

Class statistics are sorted (shares), weighted by a number of the class (rarity, difficulty) or pooled over the classes
(divergences). Entropies are divided by ln C. The standing of a candidate among those offered says what an absolute
number cannot: models differ in how sure they are of themselves.
"""

from collections.abc import Mapping

import numpy as np

from querist.agents.ralis.config import Ralis
from querist.agents.ralis.features import BINS, RalisFeaturiser
from querist.core.capabilities import EstimatesInfluence
from querist.core.observation import Field, Schema
from querist.core.split import Role
from querist.core.step import Game
from querist.core.task import Task

TOP = 8
"""So many shares of the most frequent classes of a region are told, the largest first."""
_LEAST = 1e-3  # a class rarer than this counts as rare as this

_LOOK = (
    Field("entropy", (), 0.0, 1.0),
    Field("entropy_quartiles", (5,), 0.0, 1.0),
    Field("entropy_extremes", (2,), 0.0, 1.0),
    Field("entropy_contrast", (), 0.0, 1.0),
    Field("margin", (), 0.0, 1.0),
    Field("shares_sorted", (TOP,), 0.0, 1.0),
)
"""What a prediction alone says of a region: of candidates and of state rows."""
_AMONG = (
    Field("rarity_predicted", (2,), 0.0, 1.0),
    Field("rarity_labelled", (2,), 0.0, 1.0),
    Field("difficulty", (), 0.0, 1.0),
    Field("asked", (), 0.0, 1.0),
    Field("above_image", (), -1.0, 1.0),
    Field("divergence_labelled", (BINS,), 0.0, 1.0),
    Field("divergence_candidates", (BINS,), 0.0, 1.0),
    Field("standing", (5,), 0.0, 1.0),
    Field("influence", (3,), -1.0, 1.0),
)
"""What sets a candidate off from the others and from what is labelled."""


class ClassFree(RalisFeaturiser):
    """For any classes, any number of state rows and any model: see the module."""

    def __init__(self, task: Task, settings: Ralis) -> None:
        super().__init__(task, settings)
        self._most = float(np.log(max(2, self._classes)))
        self.schema = Schema(_LOOK + _AMONG, _LOOK)

    def _state(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        entropy = np.clip(rows["entropy"] / self._most, 0.0, 1.0)
        grids = np.clip(rows["entropy_grid"] / self._most, 0.0, 1.0)
        least, mean, largest = (grids[:, i].reshape(len(grids), -1) for i in range(3))
        quartiles = np.quantile(mean, (0.0, 0.25, 0.5, 0.75, 1.0), axis=1).T
        extremes = np.stack([least.min(axis=1), largest.max(axis=1)], axis=1)
        contrast = (largest - least).mean(axis=1)
        shares = -np.sort(-rows["classes"], axis=1)[:, :TOP]
        shares = np.pad(shares, ((0, 0), (0, TOP - shares.shape[1])))
        columns = [entropy[:, None], quartiles, extremes, contrast[:, None], rows["margin"][:, None], shares]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _candidates(
        self, game: Game, units: np.ndarray, seen: Mapping[str, np.ndarray], labelled: np.ndarray | None
    ) -> np.ndarray:
        shares, entropy = seen["classes"], seen["entropy"] / self._most
        predicted = _of_classes(shares, rarity(shares.mean(axis=0)))
        known = np.zeros_like(predicted)
        if labelled is not None and len(labelled):
            known = _of_classes(shares, rarity(labelled[:, :-1].mean(axis=0)))
        difficulty = shares @ _mean_of_classes(entropy, shares)
        image = game.pool.sources(units)[:, 0]
        per_image = len(game.pool) / game.pool.source_count
        asked = game.view.asked_per_source()[image] / max(1.0, per_image)
        _, which = np.unique(image, return_inverse=True)
        above = entropy - (np.bincount(which, entropy) / np.bincount(which))[which]
        against, among = self._divergences(shares, labelled)
        influence = self._influence(game, units, hidden=labelled is None)
        standing = [entropy, -seen["margin"], predicted[:, 0], known[:, 0], difficulty]
        columns = [
            self._state(seen),
            predicted,
            known,
            difficulty[:, None],
            asked[:, None],
            above[:, None],
            against,
            among,
            np.stack([standings(values) for values in standing], axis=1),
            influence,
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _hidden(self, game: Game) -> bool:
        """Where games hid what is labelled, they hid what labels are worth with it: neither is shown alone."""
        return super()._hidden(game) or (self.settings.hide_labelled > 0 and not _knows_worth(game))

    def _influence(self, game: Game, units: np.ndarray, hidden: bool) -> np.ndarray:
        """(n, 3): what each label is expected to be worth on the reward set, its standing, and whether this is known.

        The first in thirds of a deviation, clamped. Without a reward set or a model that can tell, nothing is known.
        """
        task = game.task
        if hidden or not _knows_worth(game) or not isinstance(task, EstimatesInfluence):
            return np.tile([0.0, 0.5, 0.0], (len(units), 1))
        worth = task.influence(units, None, game.split.sources(Role.REWARD)).astype(np.float64)
        spread = float(worth.std())
        scaled = np.clip((worth - worth.mean()) / (3 * spread), -1, 1) if spread > 0 else np.zeros(len(worth))
        return np.stack([scaled, standings(worth), np.ones(len(worth))], axis=1)


def _knows_worth(game: Game) -> bool:
    """Whether there is a reward set, and a model that can tell what labels are worth on it."""
    return bool(len(game.split.sources(Role.REWARD))) and game.task.can(EstimatesInfluence)


def rarity(frequency: np.ndarray) -> np.ndarray:
    """How rare classes are: 0 for one that is everywhere, 1 for one that has a thousandth or less. (C,) -> (C,)."""
    return np.clip(np.log(np.maximum(frequency, _LEAST)) / np.log(_LEAST), 0.0, 1.0)


def _of_classes(shares: np.ndarray, of_class: np.ndarray) -> np.ndarray:
    """A number of the classes, averaged over a region and the largest of the classes in it: (n, C), (C,) -> (n, 2)."""
    largest = np.where(shares > 0.02, of_class, 0.0).max(axis=1)  # a few stray pixels are no class
    return np.stack([shares @ of_class, largest], axis=1)


def _mean_of_classes(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(n,), (n, C) -> (C,): the mean of a candidate's number over the candidates, weighted by each class's share."""
    return values @ shares / np.maximum(shares.sum(axis=0), 1e-9)


def standings(values: np.ndarray) -> np.ndarray:
    """The share of the others that are smaller, equal ones counting half: (n,) -> (n,) in [0, 1]."""
    if len(values) < 2:
        return np.full(len(values), 0.5)
    ordered = np.sort(values)
    below, not_above = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return (below + not_above - 1) / 2 / (len(values) - 1)
