"""Who lies near whom: the pool's images under the present model, whitened, with their nearest neighbours."""

from dataclasses import dataclass

import numpy as np
import torch

from querist.core.capabilities import EmbedsSources
from querist.core.pool import PairPool
from querist.core.split import Role, Split
from querist.core.step import Game
from querist.core.task import Task
from querist.errors import QueristError
from querist.kernels.neighbours import nearest_neighbours
from querist.kernels.whitening import fit_whitening, mean_squared_distance
from querist.pairs.settings import PairSettings


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """The geometry of a pool under one version of the model.

    Args:
        version: of the embeddings.
        sources: (n,) the pool's images, ascending.
        vectors: (n, d) float32, their embeddings; ``whitened`` (n, d) the same for Mahalanobis distances.
        nearest: (n, m) int64, rows of the m nearest others of each image, nearest first.
        typical: the mean squared Mahalanobis distance of two images of the pool; 1 where all are alike.
    """

    version: int
    sources: np.ndarray
    vectors: np.ndarray
    whitened: np.ndarray
    nearest: np.ndarray
    typical: float

    def row(self, source: int) -> int:
        """The row of an image; ValueError if it is not in the pool."""
        row = int(self.sources.searchsorted(source))
        if row == len(self.sources) or self.sources[row] != source:
            raise ValueError(f"source {source} is not in the pool")
        return row


class NeighbourIndex:
    """Keeps the neighbourhoods of the last two tasks, in their last splits and versions: a cache, and nothing else.

    Two, because one task may learn, and be looked at in another thread, while questions are asked with the other.

    Args:
        settings: how many neighbours, and the metric.
    """

    def __init__(self, settings: PairSettings) -> None:
        self.settings = settings
        self._kept: dict[int, tuple[EmbedsSources, Split, Neighbourhoods]] = {}  # by the task's identity

    def of(self, game: Game) -> Neighbourhoods:
        """The neighbourhoods of a game's pool, as its task sees it now.

        Raises:
            QueristError: fewer than two images, or embeddings that are no numbers.
        """
        return self.find(game.task, game.split)

    def find(self, task: Task, split: Split) -> Neighbourhoods:
        """The neighbourhoods of a pool, as a task sees it now; see :meth:`of`."""
        kept = self._kept.get(id(task))
        if kept is not None and kept[1] is split and kept[2].version == kept[0].embedding_version:
            return kept[2]  # kept[0] is the task; asking whether it embeds would take longer than all the rest
        assert isinstance(task, EmbedsSources), "Policy.needs is checked before"
        found = self._find(task, split)
        self._kept.pop(id(task), None)
        self._kept[id(task)] = (task, split, found)
        for oldest in list(self._kept)[:-2]:
            del self._kept[oldest]
        return found

    def _find(self, task: EmbedsSources, split: Split) -> Neighbourhoods:
        sources = split.sources(Role.POOL)
        if len(sources) < 2:
            raise QueristError(f"a pool of {len(sources)} images has no pairs", "give the pool two images or more")
        vectors = task.embed_sources(sources)
        if vectors.ndim != 2 or len(vectors) != len(sources) or not np.isfinite(vectors).all():
            raise QueristError(
                f"{type(task).__name__} embedded {len(sources)} images as {vectors.shape}, or not as finite numbers",
                "give one finite vector per image; if training diverged, lower the learning rate",
            )
        rows = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
        whitened = fit_whitening(rows, self.settings.shrinkage)(rows)
        reach = min(self.settings.neighbours * self.settings.shells, len(sources) - 1)
        _, nearest = nearest_neighbours(whitened, reach)
        return Neighbourhoods(
            task.embedding_version,
            sources,
            rows.numpy(),
            whitened.numpy(),
            nearest.numpy(),
            mean_squared_distance(whitened) or 1.0,
        )


def pair_pool(game: Game) -> PairPool:
    """The pool of a game about pairs.

    Raises:
        QueristError: its units are no pairs.
    """
    if not isinstance(game.pool, PairPool):
        raise QueristError(
            f"the units of a {type(game.pool).__name__} are no pairs of images",
            "use strategies about pairs with a task about pairs, such as re-identification",
        )
    return game.pool
