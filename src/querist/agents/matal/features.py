"""What a MATAL team sees of a step (Gong et al. 2022, section 3.1; ALGORITHMS 2.3).

The state is how far the labelled images lie from the unlabelled ones, in appearance and in pose, and how much of the
budget is spent. A candidate is how like its pose is to the nearest labelled one, how like to the unlabelled ones, and
what it looks like.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from querist.agents.matal.config import Matal
from querist.agents.matal.familiarity import WIDEST, Familiarity
from querist.agents.matal.spaces import APPEARANCE, Calibration, Seen, Spaces
from querist.core import rng
from querist.core.capabilities import HasSkeleton
from querist.core.featuriser import by_subject, labelled_answers, labelled_units
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import UnlabelledError
from querist.kernels.cosines import cosine_histograms, largest_cosines
from querist.kernels.mmd import discrepancy
from querist.kernels.random_features import (
    characteristic_discrepancy,
    characteristic_sums,
    gaussian_frequencies,
)

_BLOCK = 16_384  # images: with what is computed from them some 150 MB, and a forward pass is long full by then
_OPTIONAL = "density", "familiarity", APPEARANCE  # settings of these names say whether they are seen
_STATE: tuple[str, ...] = ("appearance_gap", "global_gap", "part_gaps", "spent")


def schema(spaces: Spaces, task: Task, settings: Matal) -> Schema:
    """The fields of an observation: 9 of the state and 7 + 7 * bins + d_A of a candidate, for six parts."""
    topologies = len(spaces.columns)
    sizes = ((), (), (topologies - 1,), ())
    state = [
        Field(name, shape, 0.0, 4.0 if name != "spent" else 1.0) for name, shape in zip(_STATE, sizes, strict=True)
    ]
    candidates = [
        Field("novelty", (topologies,), -1.0, 1.0),
        Field("density", (topologies, settings.bins), 0.0, 1.0),
        Field("familiarity", (2,), -WIDEST, WIDEST),
        Field(APPEARANCE, (spaces.appearance_width,), task.fields[APPEARANCE].low, task.fields[APPEARANCE].high),
    ]
    left = {settings.without} | {name for name in _OPTIONAL if getattr(settings, name) == "unseen"}
    return Schema(tuple(f for f in candidates if f.name not in left), tuple(f for f in state if f.name not in left))


class MatalFeaturiser(Featuriser):
    """Describes candidates and what is labelled with one forward pass per image.

    The unlabelled side is what the step offers: the whole pool, or a uniform subset of it where that is too large.
    It is looked at block by block: beside the observation itself, memory holds one block, all that is labelled and the
    landmarks. The exact gap needs all images at once.

    Args:
        task: see :class:`~querist.agents.matal.spaces.Spaces`.
        settings: which numbers, and how they are computed.
        calibration: bandwidths and edges, frozen.
        block: images in a block; the first one has at least all landmarks. Another size changes the gaps by rounding.

    Raises:
        QueristError: the task cannot feed it.
        ValueError: an empty block.
    """

    def __init__(self, task: Task, settings: Matal, calibration: Calibration, block: int = _BLOCK) -> None:
        if block < 1:
            raise ValueError(f"a block of {block} images: it must have one at least")
        self.settings, self.calibration, self.block = settings, calibration, block
        self.spaces = Spaces(task)
        self.schema = schema(self.spaces, task, settings)
        self._edges = torch.from_numpy(calibration.edges)
        widths = [self.spaces.appearance_width, *(c.stop - c.start for c in self.spaces.columns)]
        self._frequencies: list[Tensor] = []
        if settings.gap == "random_features":  # the same for every policy: only their bandwidths differ
            self._frequencies = [
                gaussian_frequencies(width, settings.frequencies, float(σ2), rng.generator(0, "matal", place))
                for place, (width, σ2) in enumerate(zip(widths, calibration.bandwidths, strict=True))
            ]

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        candidates = np.zeros((*groups.units.shape, self.schema.width), dtype=np.float32)
        state = np.zeros(sum(f.size for f in self.schema.state), dtype=np.float32)
        if groups.mask.any():
            rows, places = candidates.reshape(-1, self.schema.width), np.flatnonzero(groups.mask)
            state = self._look(game, groups.flat, step, rows, places)
        subjects, known = by_subject(game, groups)
        return Observation(groups, candidates, self.schema, subjects, state, known)

    def _look(self, game: Game, offered: np.ndarray, step: int, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Writes offered image i into ``rows[places[i]]``, and returns (Fs,) of the state."""
        labelled = labelled_units(game)
        if not len(labelled):
            raise UnlabelledError(
                "matal compares images with labelled ones, and there are none",
                "begin with some labels, and go on learning from them (keep_given: true)",
            )
        stream, chosen = game.stream("describe", step), self._landmarks(game, offered)
        first, *others = self._blocks(offered, chosen)
        seen, L = self.spaces.seen(game.task, [offered[first], labelled], stream)
        where = torch.from_numpy(np.searchsorted(first, chosen))
        landmarks = Seen(seen.poses[where.numpy()], seen.looks[where], seen.topology[where])
        itself = np.full(len(offered), -1)
        itself[chosen] = np.arange(len(chosen))
        known = L.topology
        if self.settings.labelled_side == "truth":
            known = self.spaces.topology(self._truth(game, L.poses))
        gaps, shown = self._gaps(L), game.pool.subjects(offered)[:, 0]
        familiarity = Familiarity(L.looks, game.pool.subjects(labelled)[:, 0]) if self._sees("familiarity") else None
        later = ((some, self.spaces.seen(game.task, [offered[some]], stream)[0]) for some in others)
        for some, block in chain([(first, seen)], later):
            gaps.add(block)
            told = self._rows(block, known, landmarks, torch.from_numpy(itself[some]))
            if familiarity is not None:
                told["familiarity"] = familiarity.rows(block.looks, shown[some], torch.from_numpy(itself[some] >= 0))
            rows[places[some]] = torch.cat([told[f.name] for f in self.schema.candidates], dim=1).numpy()
        spent = game.view.spent / max(1, game.view.budget)
        far = gaps.values()
        values = dict(zip(_STATE, (far[:1], far[1:2], far[2:], [spent]), strict=True))
        return np.concatenate([values[f.name] for f in self.schema.state]).astype(np.float32)

    def _landmarks(self, game: Game, offered: np.ndarray) -> np.ndarray:
        """(m,) places among the offered: a fixed random few, to which the histograms are taken."""
        keys = rng.keys(offered, game.seed, "landmarks", game.episode)  # as long as an image is there, it stays one
        return np.argsort(keys, kind="stable")[: self.settings.landmarks]

    def _blocks(self, offered: np.ndarray, landmarks: np.ndarray) -> Iterator[np.ndarray]:
        """Ascending places of what is looked at together: the landmarks in the first block, the others by unit.

        By unit, because images that lie side by side in a file are read side by side.
        """
        late = np.ones(len(offered), dtype=bool)
        late[landmarks] = False
        order, start = np.lexsort((offered, late)), 0
        while start < len(order):
            size = self.block if start else max(self.block, len(landmarks))
            yield np.sort(order[start : start + size])
            start += size

    def _sees(self, name: str) -> bool:
        return any(f.name == name for f in self.schema.candidates)

    def _rows(self, seen: Seen, known: Tensor, landmarks: Seen, itself: Tensor) -> dict[str, Tensor]:
        """What can be told of candidates by themselves: field -> (n, size).

        Args:
            seen: the candidates.
            known: topologies of what is labelled.
            landmarks: candidates that stand for all.
            itself: (n,) which landmark a candidate is, -1 for none.
        """
        columns = self.spaces.columns
        parts = {APPEARANCE: seen.looks}
        if self._sees("novelty"):
            parts["novelty"] = largest_cosines(seen.topology, known, columns)
        if self._sees("density"):
            found = cosine_histograms(seen.topology, landmarks.topology, columns, self._edges, itself)
            parts["density"] = found.flatten(1)
        return parts

    def _gaps(self, labelled: Seen) -> "_Gaps":
        if self.settings.gap == "exact":
            return _ExactGaps(labelled, self.spaces.columns, self.calibration.bandwidths)
        return _NearGaps(labelled, self.spaces.columns, self._frequencies)

    def _truth(self, game: Game, estimated: np.ndarray) -> np.ndarray:
        """(n, J, D) of what is labelled: what was bought in the order of the answers, then what was given."""
        labelled, answers = labelled_answers(game, "set labelled_side: estimated")
        assert isinstance(game.task, HasSkeleton), "Spaces has checked it"
        return self.spaces.known(game.task.joints(labelled, answers), estimated)


class _Gaps(ABC):
    """How far in each space what is labelled lies from what is not, which comes block by block."""

    @abstractmethod
    def add(self, unlabelled: Seen) -> None:
        """Another block."""

    @abstractmethod
    def values(self) -> np.ndarray:
        """(P + 2,) discrepancies, at least one block having come."""


class _ExactGaps(_Gaps):
    """The V-statistic over all pairs, for which every image must be kept."""

    def __init__(self, labelled: Seen, columns: Sequence[slice], bandwidths: np.ndarray) -> None:
        self._labelled, self._columns, self._bandwidths = labelled, columns, bandwidths
        self._looks: list[Tensor] = []
        self._topology: list[Tensor] = []

    def add(self, unlabelled: Seen) -> None:
        self._looks.append(unlabelled.looks)
        self._topology.append(unlabelled.topology)

    def values(self) -> np.ndarray:
        known, topology = self._labelled.topology, torch.cat(self._topology)
        pairs = [(self._labelled.looks, torch.cat(self._looks))]
        pairs += [(known[:, where], topology[:, where]) for where in self._columns]
        return np.array([discrepancy(*pair, float(σ2)) for pair, σ2 in zip(pairs, self._bandwidths, strict=True)])


class _NearGaps(_Gaps):
    """From random features, whose sums over images add up."""

    def __init__(self, labelled: Seen, columns: Sequence[slice], frequencies: Sequence[Tensor]) -> None:
        self._columns, self._frequencies = columns, frequencies
        self._known, self._known_count = self._sums(labelled), len(labelled.looks)
        self._total, self._count = torch.zeros_like(self._known), 0

    def _sums(self, seen: Seen) -> Tensor:
        looks = characteristic_sums(seen.looks, [slice(None)], self._frequencies[:1])
        return torch.cat([looks, characteristic_sums(seen.topology, self._columns, self._frequencies[1:])])

    def add(self, unlabelled: Seen) -> None:
        self._total += self._sums(unlabelled)
        self._count += len(unlabelled.looks)

    def values(self) -> np.ndarray:
        return characteristic_discrepancy(self._known, self._known_count, self._total, self._count).numpy()
