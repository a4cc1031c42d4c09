"""What a MATAL team sees of a step (Gong et al. 2022, section 3.1; ALGORITHMS 2.3).

The state is how far the labelled images lie from the unlabelled ones, in appearance and in pose, and how much of the
budget is spent. A candidate is how like its pose is to the nearest labelled one, how like to the unlabelled ones, and
what it looks like.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from querist.agents.matal.config import Matal
from querist.agents.matal.spaces import APPEARANCE, Calibration, Spaces
from querist.core import rng
from querist.core.capabilities import HasSkeleton, KnowsTruth
from querist.core.featuriser import labelled_units
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError
from querist.kernels.cosines import cosine_histograms, largest_cosines
from querist.kernels.mmd import discrepancy
from querist.kernels.random_features import (
    characteristic_discrepancy,
    characteristic_sums,
    gaussian_frequencies,
)

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
        Field(APPEARANCE, (spaces.appearance_width,), task.fields[APPEARANCE].low, task.fields[APPEARANCE].high),
    ]
    left = {settings.without} | ({APPEARANCE} if settings.appearance == "unseen" else set())
    return Schema(tuple(f for f in candidates if f.name not in left), tuple(f for f in state if f.name not in left))


class MatalFeaturiser(Featuriser):
    """Describes candidates and what is labelled with one forward pass per image.

    The unlabelled side is what the step offers: the whole pool, or a uniform subset of it where that is too large.

    Args:
        task: see :class:`~querist.agents.matal.spaces.Spaces`.
        settings: which numbers, and how they are computed.
        calibration: bandwidths and edges, frozen.

    Raises:
        QueristError: the task cannot feed it.
    """

    def __init__(self, task: Task, settings: Matal, calibration: Calibration) -> None:
        self.settings, self.calibration = settings, calibration
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
            rows, state = self._look(game, groups.flat, step)
            candidates[groups.mask] = rows
        sources = game.pool.sources(np.maximum(groups.units, 0).ravel())
        sources = sources.reshape(*groups.units.shape, sources.shape[1])
        return Observation(groups, candidates, self.schema, sources, state)

    def _look(self, game: Game, offered: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, F) of the candidates and (Fs,) of the state."""
        labelled = labelled_units(game)
        if not len(labelled):
            raise QueristError("matal compares images with labelled ones, and there are none", "begin with some labels")
        units, inverse = np.unique(np.concatenate([offered, labelled]), return_inverse=True)
        poses, looks = self.spaces.described(game.task, units, game.stream("describe", step))
        topology = self.spaces.topology(poses)
        U, L = (torch.from_numpy(i) for i in np.split(inverse, [len(offered)]))
        known = topology[L]
        if self.settings.labelled_side == "truth":
            known = self.spaces.topology(self._truth(game, labelled, poses[L.numpy()]))
        novelty = largest_cosines(topology[U], known, self.spaces.columns)
        density = self._density(game, offered, topology[U])
        gaps = self._gaps((looks[L], topology[L]), (looks[U], topology[U]))
        _, budget = game.ledger.money(game.id)
        spent = game.view.spent / max(1, budget)
        parts = {"novelty": novelty, "density": density.flatten(1), "appearance": looks[U]}
        rows = torch.cat([parts[f.name] for f in self.schema.candidates], dim=1).numpy()
        values = dict(zip(_STATE, (gaps[:1], gaps[1:2], gaps[2:], [spent]), strict=True))
        return rows, np.concatenate([values[f.name] for f in self.schema.state]).astype(np.float32)

    def _truth(self, game: Game, labelled: np.ndarray, estimated: np.ndarray) -> np.ndarray:
        """(n, J, D) of what is labelled: what was bought in the order of the answers, then what was given."""
        labels, task = game.view.labels(), game.task
        answers: Sequence[np.ndarray] = labels.answers
        given = labelled[len(labels.units) :]
        if len(given):
            if not isinstance(task, KnowsTruth):
                raise QueristError(
                    f"{type(task).__name__} cannot show the labels of its starting set",
                    "give it truth(units), or set labelled_side: estimated",
                )
            answers = [*answers, *task.truth(given)]
        assert isinstance(task, HasSkeleton), "Spaces has checked it"
        return self.spaces.known(task.joints(labelled, answers), estimated)

    def _density(self, game: Game, offered: np.ndarray, topology: Tensor) -> Tensor:
        """(n, topologies, bins): cosines to the other unlabelled images, or to a fixed random few of them."""
        keys = rng.keys(offered, game.seed, "landmarks", game.episode)  # as long as an image is there, it stays one
        chosen = np.argsort(keys, kind="stable")[: self.settings.landmarks]
        itself = torch.full((len(offered),), -1)
        itself[torch.from_numpy(chosen)] = torch.arange(len(chosen))
        landmarks = topology[torch.from_numpy(chosen)]
        return cosine_histograms(topology, landmarks, self.spaces.columns, self._edges, itself)

    def _gaps(self, labelled: tuple[Tensor, Tensor], unlabelled: tuple[Tensor, Tensor]) -> np.ndarray:
        """(P + 2,) discrepancies between labelled and unlabelled (appearance, topology)."""
        if self.settings.gap == "exact":
            L, U = (
                [looks, *(topology[:, where] for where in self.spaces.columns)]
                for looks, topology in (labelled, unlabelled)
            )
            pairs = zip(L, U, self.calibration.bandwidths, strict=True)
            return np.array([discrepancy(some, others, float(σ2)) for some, others, σ2 in pairs])
        sums = [
            torch.cat(
                [
                    characteristic_sums(looks, [slice(None)], self._frequencies[:1]),
                    characteristic_sums(topology, self.spaces.columns, self._frequencies[1:]),
                ]
            )
            for looks, topology in (labelled, unlabelled)
        ]
        return characteristic_discrepancy(sums[0], len(labelled[0]), sums[1], len(unlabelled[0])).numpy()
