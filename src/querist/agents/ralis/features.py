"""What RALIS sees of a step: the base of its two featurisers, and the class-aware one of the paper.

Every candidate is described by the task's prediction of it and by how it differs from what is labelled and from the
other candidates; the state is the prediction on a few images that are never asked about (ALGORITHMS 1.3).
"""

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
import torch

from querist.agents.ralis.config import Ralis
from querist.core import rng
from querist.core.capabilities import CountsAnswers, KnowsTruth
from querist.core.featuriser import sources_of
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.pool import ColumnarPool
from querist.core.split import Role, Split
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError
from querist.kernels.divergence import divergence_histograms, floored, merge_duplicates

CELLS = 8
BINS = 32
FIELDS = ("entropy", "margin", "classes", "entropy_grid")
COUNTS = "class_counts"  # the field whose upper end is the number of pixels of a region
STATE_IMAGES = 10  # of the pool, where the split has no state set


class RalisFeaturiser(Featuriser):
    """Describes state and candidates with one forward pass per image, and keeps the labelled side of a game.

    Args:
        task: offers :data:`FIELDS`.
        settings: which corrections are on.

    Raises:
        QueristError: the task does not offer a field.
    """

    def __init__(self, task: Task, settings: Ralis) -> None:
        for name in (*FIELDS, COUNTS):
            if name not in task.fields:
                regions = "entropy" in task.fields
                raise QueristError(
                    f"ralis needs the field {name!r}; {type(task).__name__} offers {', '.join(task.fields)}",
                    f"'entropy_grid' needs regions of at least {CELLS} pixels a side"
                    if regions
                    else "use it with a task about regions of images, such as segmentation",
                )
        self.settings = settings
        self._classes = len(task.parts)
        self._pixels = task.fields[COUNTS].high
        self._labelled = LabelledSide(self._classes)

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        offered = groups.flat
        state = state_units(game)
        units, inverse = np.unique(np.concatenate([offered, state]), return_inverse=True)
        described = game.task.describe(units, FIELDS, game.stream("describe", step))
        seen = {name: table[inverse[: len(offered)]] for name, table in described.items()}
        rows = {name: table[inverse[len(offered) :]] for name, table in described.items()}
        labelled = None if self._hidden(game) else self._labelled.fractions(game)
        candidates = np.zeros((*groups.units.shape, self.schema.width), dtype=np.float32)
        if len(offered):
            candidates[groups.mask] = self._candidates(game, offered, seen, labelled)
        return Observation(groups, candidates, self.schema, sources_of(game, groups), self._state(rows))

    def _hidden(self, game: Game) -> bool:
        """Whether this episode is one in which nobody says what is labelled."""
        share = self.settings.hide_labelled
        return game.episode > 0 and share > 0 and bool(game.stream("hide", 0).random() < share)

    def _divergences(self, shares: np.ndarray, labelled: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """(n, 32) histograms of KL(candidate ‖ each labelled unit) and of KL(candidate ‖ each candidate), itself too.

        Args:
            shares: (n, C) predicted class shares.
            labelled: (m, C + 1) true class shares, the last one void; None or empty: the first histogram is zero.
        """
        span = (0.0, float(np.log(1e7))) if self.settings.fixed_histograms else None
        # Void can never be predicted, but it can be labelled. The released code puts its floor under pixel counts.
        amounts = shares if self.settings.normalise_counts else shares * self._pixels
        p = floored(torch.from_numpy(np.pad(amounts, ((0, 0), (0, 1)))).double())
        against = np.zeros((len(shares), BINS), dtype=np.float32)
        if labelled is not None and len(labelled):
            q, times = merge_duplicates(floored(torch.from_numpy(labelled).double()))
            against = divergence_histograms(p, q, bins=BINS, span=span, weights=times).numpy()
        q, times = merge_duplicates(p)
        return against, divergence_histograms(p, q, bins=BINS, span=span, weights=times).numpy()

    @abstractmethod
    def _candidates(
        self, game: Game, units: np.ndarray, seen: Mapping[str, np.ndarray], labelled: np.ndarray | None
    ) -> np.ndarray:
        """(n, F) float32 of candidates that the task described."""

    @abstractmethod
    def _state(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        """(rows, F_s) float32 of the state units."""


class LabelledSide:
    """The true class shares of everything labelled in a game; each answer is counted once.

    Args:
        classes: C.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._given: tuple[bytes, np.ndarray] | None = None

    def fractions(self, game: Game) -> np.ndarray:
        """(m, C + 1) of the bought regions and all regions of the given images; the last is void."""
        labels = game.view.labels()
        task = game.task
        if not isinstance(task, CountsAnswers):
            return np.zeros((0, self._classes + 1))
        bought = self._shares(task, labels.units, labels.answers)
        return np.concatenate([self._of_given(game, labels.given), bought])

    def _of_given(self, game: Game, given: np.ndarray) -> np.ndarray:
        key = given.tobytes()
        if self._given is None or self._given[0] != key:
            table = np.zeros((0, self._classes + 1))
            if len(given) and isinstance(game.pool, ColumnarPool) and isinstance(game.task, KnowsTruth):
                units = game.pool.units_of(given)
                assert isinstance(game.task, CountsAnswers)
                table = self._shares(game.task, units, tuple(game.task.truth(units)))
            self._given = (key, table)
        return self._given[1]

    def _shares(self, task: CountsAnswers, units: np.ndarray, answers: tuple[np.ndarray, ...]) -> np.ndarray:
        if not len(units):
            return np.zeros((0, self._classes + 1))
        amounts = np.asarray(task.amounts(units, answers), dtype=np.float64)
        sizes = np.array([answer.size for answer in answers], dtype=np.float64)
        return np.concatenate([amounts, (sizes - amounts.sum(axis=1))[:, None]], axis=1) / sizes[:, None]


def state_units(game: Game) -> np.ndarray:
    """All units of the state images, in a fixed order; without a state set, those of a few images of the pool.

    Nobody's label is needed for them.
    """
    assert isinstance(game.pool, ColumnarPool)
    images = game.split.sources(Role.STATE)
    if not len(images):
        images = game.split.sources(Role.POOL)
        images = np.sort(images[np.argsort(rng.keys(images, game.seed, "state"))][:STATE_IMAGES])
    return game.pool.units_of(images)


def state_row_count(split: Split, pool: ColumnarPool) -> int:
    """How many units :func:`state_units` gives."""
    images = len(split.sources(Role.STATE)) or min(STATE_IMAGES, len(split.sources(Role.POOL)))
    return images * len(pool.parts)


class ClassAware(RalisFeaturiser):
    """The features of the paper: class counts, 8 x 8 grids of the least, mean and largest entropy, two histograms.

    204 numbers per state row and 268 per candidate with 11 classes, 212 and 276 with 19. The policy is tied to the
    classes and to the number of state rows.
    """

    def __init__(self, task: Task, settings: Ralis, state_rows: int) -> None:
        super().__init__(task, settings)
        C = self._classes
        grid = task.fields["entropy_grid"]
        largest = 1.0 if settings.normalise_counts else self._pixels
        counts = Field("class_counts", (C + 1,), 0.0, largest, per_class=True)
        against = [Field(name, (BINS,), 0.0, 1.0) for name in ("divergence_labelled", "divergence_candidates")]
        rows = Field("state_rows", (state_rows, C + 1 + grid.size), 0.0, largest, per_class=True)
        self.schema = Schema((counts, grid, *against), (rows,), task.parts)

    def _candidates(
        self, game: Game, units: np.ndarray, seen: Mapping[str, np.ndarray], labelled: np.ndarray | None
    ) -> np.ndarray:
        if labelled is not None and not self.settings.keep_given:  # what was bought stands behind what was given
            labelled = labelled[len(labelled) - len(game.view.labels().units) :]
        return np.concatenate([self._state(seen), *self._divergences(seen["classes"], labelled)], axis=1)

    def _state(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        shares = rows["classes"]
        if self.settings.normalise_counts:
            counts = np.pad(shares, ((0, 0), (0, 1)))
        else:  # pixels, with the released code's floor where a class is not predicted
            pixels = shares * self._pixels
            counts = np.pad(np.where(pixels > 0, pixels, 1e-7), ((0, 0), (0, 1)), constant_values=1e-7)
        return np.concatenate([counts, rows["entropy_grid"].reshape(len(shares), -1)], axis=1).astype(np.float32)
