"""Answers about pairs that cannot all be true, found while people answer."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from querist.annotate.desk import Conflict
from querist.annotate.pair_cards import LONGEST, PairCards
from querist.tasks.reid.verified import Contradiction, contradictions

_SHOWN = 5  # at most; there are more where these were corrected
_LATEST = 20  # contradictions among which these are chosen


class PairConflicts:
    """The latest answers of a run, and where they contradict each other.

    Args:
        cards: shows them.
    """

    def __init__(self, cards: PairCards) -> None:
        self._cards = cards
        self._said: dict[tuple[int, int], tuple[int, int]] = {}  # (source, source) -> (question, revision)
        self._same: dict[tuple[int, int], bool] = {}

    def note(self, unit: int, question: int, answer: np.ndarray | None) -> None:
        """An answer, or a correction of one; all of them, in their order."""
        ends = self._cards.ends(unit)
        _, revision = self._said.get(ends, (question, -1))
        self._said[ends] = question, revision + 1
        self._same.pop(ends, None)
        if answer is not None:
            self._same[ends] = bool(answer)

    def find(self) -> tuple[Sequence[Conflict], Sequence[int]]:
        """What contradicts what now, short chains and late answers first, and the questions behind it."""
        pairs = np.array(list(self._same), dtype=np.int64).reshape(-1, 2)
        same = np.fromiter(self._same.values(), dtype=bool, count=len(pairs))
        near = _near_contradictions(pairs, same)
        found = contradictions(pairs[near], same[near])
        found = sorted((torn for torn in reversed(found) if len(torn.chain) <= LONGEST), key=lambda t: len(t.chain))
        shown = found[:_SHOWN]
        conflicts = [self._cards.conflict(torn, self._said) for torn in shown]
        return conflicts, [self._said[ends][0] for torn in shown for ends in _links(torn)]


def _near_contradictions(pairs: np.ndarray, same: np.ndarray) -> np.ndarray:
    """(n,) bool: the answers among images of which one of the latest contradictions is.

    Chains are looked for among these alone: people wait for the next question meanwhile.
    """
    images, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(-1, 2)
    one, other = ends[same].T
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(len(images), len(images)))
    component = connected_components(graph, directed=False)[1] if len(images) else np.zeros(0, dtype=np.int32)
    one, other = component[ends].T
    torn = np.flatnonzero(~same & (one == other))[-_LATEST:]
    return (one == other) & np.isin(one, one[torn])


def _links(torn: Contradiction) -> list[tuple[int, int]]:
    """The pairs whose answers contradict each other, the smaller source first."""
    return [(min(pair), max(pair)) for pair in (*pairwise(torn.chain), torn.different)]
