"""The graph of one anchor and its neighbours, and what is known of them. Answers make a new one."""

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np

from querist.kernels.reciprocal import QUERY, keep_mutual, similarity_graph, take_answer
from querist.pairs.layout import Layout, lay_out


class Status(IntEnum):
    """What is known of a neighbour."""

    UNASKED = 0
    SAME = 1
    DIFFERENT = -1
    UNTOLD = 2  # asked, but nobody could tell


@dataclass(frozen=True, eq=False)
class LocalGraph:
    """The state of DRAL (Liu et al. 2019; ALGORITHMS 5.3): n neighbours of an anchor, nearest first.

    Matrices are over n + 1 nodes, the anchor first.

    Args:
        nodes: (n,) the neighbours' sources.
        vectors: (n + 1, d) embeddings of the anchor and the neighbours.
        distances: (n + 1, n + 1) float64, squared Mahalanobis.
        typical: the mean of this distance in the whole pool.
        stranger: (n,) the neighbours' distances to an image that lies beyond them.
        start: (n + 1, n + 1) the similarity graph before any answer; ``graph`` the present one.
        layout: what follows from the distances and the start.
        status: (n,) int8, see :class:`Status`.
        asked: places of the neighbours asked about, in the order in which their answers were applied.
        width: n_s, places for neighbours; fewer than that were there to offer if it is more than n.
        turn: questions asked in this visit of the anchor, of at most ``limit``.
        mutual: k of the k-reciprocal rule.
        version: of the embeddings.
        about: (n,) how many questions each neighbour's image has been part of.
        other_camera: (n,) 1 where another camera than the anchor's is known to have taken the image.
    """

    nodes: np.ndarray
    vectors: np.ndarray
    distances: np.ndarray
    typical: float
    stranger: np.ndarray
    start: np.ndarray
    layout: Layout
    graph: np.ndarray
    status: np.ndarray
    asked: tuple[int, ...]
    width: int
    turn: int
    limit: int
    mutual: int
    version: int
    about: np.ndarray
    other_camera: np.ndarray

    def __len__(self) -> int:
        """n, the neighbours."""
        return len(self.nodes)

    @property
    def free(self) -> np.ndarray:
        """(n,) bool, who may still be asked about."""
        return self.status == Status.UNASKED

    @property
    def ended(self) -> bool:
        """Whether the visit is over: enough questions, or nobody is left."""
        return self.turn >= self.limit or not self.free.any()

    @property
    def similarity(self) -> np.ndarray:
        """(n,) present similarity of each neighbour to the anchor."""
        return self.graph[QUERY, 1:]

    @cached_property
    def positives(self) -> np.ndarray:
        """Nodes known to show the anchor's person: the anchor, then neighbours, as rows of the matrices."""
        return np.concatenate([[QUERY], np.flatnonzero(self.status == Status.SAME) + 1])

    @cached_property
    def negatives(self) -> np.ndarray:
        """Nodes known to show somebody else, as rows of the matrices."""
        return np.flatnonzero(self.status == Status.DIFFERENT) + 1

    def after(self, place: int, answer: bool | None) -> "LocalGraph":
        """What it is after an answer about a neighbour, with the question counted.

        Args:
            place: which neighbour, 0 <= place < n.
            answer: whether it is the anchor's person; None: nobody could tell, which changes no similarity.

        Raises:
            ValueError: it was asked about before.
        """
        if not self.free[place]:
            raise ValueError(f"neighbour {place} was asked about before")
        status = self.status.copy()
        status[place] = Status.UNTOLD if answer is None else Status.SAME if answer else Status.DIFFERENT
        graph = self.graph
        if answer is not None:
            graph = take_answer(graph, place + 1, answer, _answered(self.status))
            graph = keep_mutual(graph, self.mutual, _answered(status))
        return replace(self, status=status, graph=graph, asked=(*self.asked, place), turn=self.turn + 1)


def begin(
    nodes: np.ndarray,
    vectors: np.ndarray,
    distances: np.ndarray,
    stranger: np.ndarray,
    *,
    width: int,
    typical: float,
    mutual: int,
    limit: int,
    version: int = 0,
    other_camera: np.ndarray | None = None,
) -> LocalGraph:
    """A graph before any answer; see :class:`LocalGraph` for the arguments."""
    n = len(nodes)
    start = similarity_graph(distances, mutual)
    return LocalGraph(
        nodes,
        vectors,
        distances,
        typical,
        stranger,
        start,
        lay_out(distances, start, typical),
        start,
        np.full(n, Status.UNASKED, dtype=np.int8),
        (),
        width,
        0,
        limit,
        mutual,
        version,
        np.zeros(n, dtype=np.int64),
        np.zeros(n) if other_camera is None else other_camera,
    )


def _answered(status: np.ndarray) -> np.ndarray:
    return np.concatenate([[False], (status == Status.SAME) | (status == Status.DIFFERENT)])
