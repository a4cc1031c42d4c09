"""The images that a training sees, and in which order."""

from collections.abc import Sequence

import numpy as np

from querist.core.answers import Labels
from querist.core.pool import ColumnarPool
from querist.core.task import Phase
from querist.errors import QueristError
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.frame import normalised
from querist.tasks.pose.training import Training


def answered_joints(data: PoseData, sources: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
    """Answers, in pixels of the file and mm of depth, in the frame of the model: (n, J, D) float32, NaN where unknown.

    Raises:
        QueristError: an answer of another shape, or infinite; names its image.
    """
    expected = data.joints.shape[1:]
    for source, answer in zip(sources, answers, strict=True):
        if answer.shape != expected or np.isinf(answer).any():
            raise QueristError(
                f"the answer about {data.names[int(source)]} is {answer.dtype} {answer.shape} or infinite",
                f"a pose is {expected[0]} joints of {expected[1]} coordinates in the file; NaN where unknown",
            )
    if not len(answers):
        return np.zeros((0, *expected), dtype=np.float32)
    joints = data.in_frame(sources, np.stack(answers)).astype(np.float32)
    return np.where(np.isnan(joints).any(axis=2, keepdims=True), np.float32(np.nan), joints)


def labelled_places(data: PoseData, pool: ColumnarPool, labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Everything labelled that has a known joint: sources (n,), bought ones first, and places (n, J, D) on -1..1."""
    bought = pool.sources(labels.units)[:, 0]
    given = np.asarray(labels.given, dtype=np.int64)
    joints = np.concatenate([answered_joints(data, bought, labels.answers), data.joints[given]])
    known = np.isfinite(joints).any(axis=(1, 2))
    return np.concatenate([bought, given])[known], normalised(data, joints[known])


class Batches:
    """Which labelled images each optimiser step sees. Images without a known joint are passed over.

    In phases ``start`` and ``final`` all of them follow each other in shuffled passes. In phase ``step`` a batch holds
    a share of what was labelled before, and for the rest the newest; if there is only one kind, it fills the batch.

    Args:
        data: gives the joints of given sources.
        pool: the units.
        labels: everything that may be learned from; ``new`` what the last step bought.
        training: sizes and shares.
        phase: see above.
        steps: how many batches will be asked for.
        rng: draws everything.
    """

    def __init__(
        self,
        data: PoseData,
        pool: ColumnarPool,
        labels: Labels,
        new: Labels,
        training: Training,
        phase: Phase,
        steps: int,
        rng: np.random.Generator,
    ) -> None:
        self._sources, self._places = labelled_places(data, pool, labels)
        fresh = np.zeros(len(self._sources), dtype=bool)
        if phase == "step":
            fresh = np.isin(self._sources, pool.sources(new.units)[:, 0])
        self._rows = _drawn(fresh, training, steps, rng)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to learn from."""
        return not len(self._sources)

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(sources (B,), places (B, J, D) on -1..1, NaN where unknown) of one step."""
        rows = self._rows[step]
        return self._sources[rows], self._places[rows]


def _drawn(fresh: np.ndarray, training: Training, steps: int, rng: np.random.Generator) -> np.ndarray:
    """(steps, batch) rows of the table."""
    newest, before = np.flatnonzero(fresh), np.flatnonzero(~fresh)
    old = round(training.batch * training.replay)
    old = 0 if not len(before) else training.batch if not len(newest) else old
    parts = [
        _passes(rows, steps * count, rng).reshape(steps, count)
        for rows, count in ((newest, training.batch - old), (before, old))
        if count and len(rows)
    ]
    return np.concatenate(parts, axis=1) if parts else np.zeros((steps, 0), dtype=np.int64)


def _passes(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many of some rows in shuffled passes: each comes once before any comes again."""
    rounds = [rng.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate(rounds)[:count]
