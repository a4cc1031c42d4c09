"""Retrieval by the protocol of Market-1501: mean average precision and rank of the first correct image, in percent."""

import numpy as np
import torch

from querist.core.evaluation import Evaluation
from querist.errors import QueristError
from querist.kernels.distances import squared_distance_blocks
from querist.tasks.reid.listing import DISTRACTOR, JUNK

RANKS = (1, 5, 10)
"""The ranks of the cumulative matching characteristic that are reported."""

PARTS = tuple(f"rank-{rank}" for rank in RANKS)
"""Their names, as of a task's parts."""


def retrieval(
    sources: np.ndarray,
    queries: np.ndarray,
    gallery: np.ndarray,
    query_persons: np.ndarray,
    gallery_persons: np.ndarray,
    query_cameras: np.ndarray,
    gallery_cameras: np.ndarray,
) -> Evaluation:
    """The single-query protocol of Market-1501 (Zheng et al. 2015) under Euclidean distance.

    For every query the gallery is ranked by distance, ties in the order of the gallery, without junk (person -1) and
    without images of the query's person by the query's camera; distractors stay. AP is the mean, over the correct
    images, of the precision at their ranks (not interpolated, unlike in the data set's own MATLAB code); CMC rank-k
    asks whether one of the first k is correct. Queries without a correct image, or of nobody (person below 1), do not
    count and are ``left_out``.

    Args:
        sources: (Q,) the queries' sources; the evaluation is over these.
        queries: (Q, d) float32 embeddings; of unit length, Euclidean order is that of the cosine.
        gallery: (G, d) float32 embeddings.
        query_persons: (Q,) integers; likewise ``query_cameras``.
        gallery_persons: (G,) integers; likewise ``gallery_cameras``.

    Returns:
        Statistics (Q, 5), a row for each query: 1 if it counts, AP, and whether the first correct image is among the
        first 1, 5, 10; all 0 if it does not count. The value is mAP, the parts are :data:`PARTS`.

    Raises:
        QueristError: if there is nothing to rank, or an embedding is not finite.
        ValueError: if shapes do not fit.
    """
    _check(sources, queries, gallery, query_persons, gallery_persons, query_cameras, gallery_cameras)
    statistics = np.zeros((len(queries), 2 + len(RANKS)))
    order = np.argsort(gallery_persons, kind="stable")
    ordered = gallery_persons[order]
    junk = np.flatnonzero(gallery_persons == JUNK)
    first = np.searchsorted(ordered, query_persons, side="left")
    last = np.searchsorted(ordered, query_persons, side="right")
    rows, columns = (torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)) for x in (queries, gallery))
    for where, block in squared_distance_blocks(rows, columns):
        distances = block.numpy()
        distances[:, junk] = np.inf
        for i, row in zip(range(where.start, where.stop), distances, strict=True):
            same = order[first[i] : last[i]]  # the gallery's images of this person, ascending
            other = gallery_cameras[same] != query_cameras[i]
            matches, row[same[~other]] = same[other], np.inf
            if len(matches) and query_persons[i] > DISTRACTOR:
                statistics[i] = _statistics(_ranks(row, matches))
    return Evaluation(np.asarray(sources), statistics, _metric, _parts, int((statistics[:, 0] == 0).sum()))


def _ranks(distances: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """The ranks from 1 of some columns (m,), ascending, among distances (G,); ties in the order of the columns.

    Nothing is sorted but these: a rank is one more than the number of columns that come before.
    """
    own = distances[matches][:, None]
    before = (distances < own).sum(axis=1)
    # Equal distances are rare but for the column itself: look closer only where there are others.
    for j in np.flatnonzero((distances == own).sum(axis=1) > 1):
        before[j] += (distances[: matches[j]] == own[j]).sum()
    return np.sort(before + 1)


def _statistics(ranks: np.ndarray) -> np.ndarray:
    precision = np.arange(1, len(ranks) + 1) / ranks
    return np.array([1.0, precision.mean(), *(ranks[0] <= rank for rank in RANKS)])


def _metric(statistics: np.ndarray) -> np.ndarray:
    """Sums (..., 5) -> mAP (...) in percent; NaN where no query counts."""
    with np.errstate(invalid="ignore"):
        return 100.0 * statistics[..., 1] / statistics[..., 0]


def _parts(statistics: np.ndarray) -> np.ndarray:
    """Sums (5,) -> CMC (3,) in percent; NaN where no query counts."""
    with np.errstate(invalid="ignore"):
        return 100.0 * statistics[2:] / statistics[0]


def _check(
    sources: np.ndarray,
    queries: np.ndarray,
    gallery: np.ndarray,
    query_persons: np.ndarray,
    gallery_persons: np.ndarray,
    query_cameras: np.ndarray,
    gallery_cameras: np.ndarray,
) -> None:
    sides = (
        ("query", queries, (sources, query_persons, query_cameras)),
        ("gallery", gallery, (gallery_persons, gallery_cameras)),
    )
    for side, vectors, columns in sides:
        if vectors.ndim != 2 or any(column.shape != (len(vectors),) for column in columns):
            shapes = [column.shape for column in columns]
            raise ValueError(f"{side} embeddings {vectors.shape} and their sources, people and cameras {shapes}")
        if not len(vectors):
            raise QueristError(f"there is no {side} image", "mean average precision needs queries and a gallery")
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise QueristError(
                f"the embedding of {side} image {int(np.argmin(finite))} is not finite",
                "the model's training has diverged: lower its learning rate",
            )
