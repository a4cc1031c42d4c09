"""What answers about pairs say together: who is the same, who is not, and where they contradict each other."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components


@dataclass(frozen=True)
class Contradiction:
    """An answer "different" about two images that answers "same" connect.

    Args:
        different: the two sources.
        chain: the sources of a shortest chain of answers "same" from the one to the other, both ends included.
    """

    different: tuple[int, int]
    chain: tuple[int, ...]


def contradictions(pairs: np.ndarray, same: np.ndarray) -> list[Contradiction]:
    """Finds answers that cannot all be true: a = b and b = c, but a is not c.

    Args:
        pairs: (n, 2) sources; the order within a pair does not matter.
        same: (n,) bool, the answers.

    Returns:
        One for each such "different", in the order of the answers. Which answer is wrong, nobody can tell from them.
    """
    images, ends = _index(pairs)
    graph, component = _components(ends[same], len(images))
    torn = ends[~same & (component[ends[:, 0]] == component[ends[:, 1]])]
    found = []
    for first, second in torn:
        before = breadth_first_order(graph, first, directed=False)[1]
        chain = [int(second)]
        while chain[-1] != first:
            chain.append(int(before[chain[-1]]))
        one, other = int(images[first]), int(images[second])
        found.append(Contradiction((one, other), tuple(int(images[i]) for i in reversed(chain))))
    return found


class Verified:
    """The answers as a graph over the images asked about.

    Args:
        pairs: (n, 2) sources.
        same: (n,) bool, the answers.
        closure: also believe what follows: the same as the same is the same, and who differs from one differs from all
            the same. What a contradiction touches is left out of this: of its images only the answers themselves count.

    Attributes:
        images: (m,) the sources asked about, ascending.
        answers: (m,) how many answers each is part of.
        contradicted: how many answers "different" contradict answers "same".
    """

    def __init__(self, pairs: np.ndarray, same: np.ndarray, closure: bool = False) -> None:
        self.images, ends = _index(pairs)
        same = np.asarray(same, dtype=bool)
        m = len(self.images)
        self.answers = np.bincount(ends.ravel(), minlength=m)
        _, component = _components(ends[same], m)
        torn = ~same & (component[ends[:, 0]] == component[ends[:, 1]])
        self.contradicted = int(torn.sum())
        # A group holds those who are known to be one person by closure; everybody else is alone in theirs.
        alone = np.isin(component, component[ends[torn, 0]]) | (not closure)
        self._group = np.unique(np.where(alone, m + np.arange(m), component), return_inverse=True)[1].reshape(m)
        self._ends, self._same = ends, same
        self._same_codes = np.unique(_codes(ends[same, 0], ends[same, 1], m))
        groups = self._group[ends[~same]]
        self._different_codes = np.unique(_codes(groups[:, 0], groups[:, 1], m))
        by_group = np.argsort(self._group, kind="stable")
        self._members = np.split(by_group, np.cumsum(np.bincount(self._group))[:-1]) if m else []
        edges = np.stack(np.divmod(self._different_codes, max(m, 1)), axis=1)
        self._apart = _partners(edges, len(self._members))
        self._positives, self._negatives = self._neighbours()

    def positives(self, source: int) -> np.ndarray:
        """The sources of other images of the same person, ascending."""
        return self.images[self._positives[self._place(source)]]

    def negatives(self, source: int) -> np.ndarray:
        """The sources of images of other people, ascending."""
        return self.images[self._negatives[self._place(source)]]

    def relations(self, sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is known of every two of (B,) sources asked about: (B, B) bool "same" and (B, B) bool "different".

        An image is the same as itself. Where two answers about one pair contradict each other, both are true.
        """
        place = np.searchsorted(self.images, sources)
        group = self._group[place]
        m = len(self.images)
        same = np.isin(_codes(place[:, None], place, m), self._same_codes) | (group[:, None] == group)
        return same, np.isin(_codes(group[:, None], group, m), self._different_codes)

    def anchors(self) -> np.ndarray:
        """The sources that triplets are built around, ascending.

        A pair does not tell which of its images it was asked about, so both may be anchors: an image is one if
        somebody is the same. One that was only ever "different" is one if it was asked about at least as often as the
        other image of such a pair: the query of a round of questions is, and its neighbours, each met once or twice,
        are not. As anchors these could only teach that each is close to its own copy.
        """
        leads = np.zeros(len(self.images), dtype=bool)
        one, other = self._ends[~self._same].T
        leads[one[self.answers[one] >= self.answers[other]]] = True
        leads[other[self.answers[other] >= self.answers[one]]] = True
        found = [leads[i] or len(same) > 0 for i, same in enumerate(self._positives)]
        return self.images[np.array(found, dtype=bool)]

    def groups(self) -> list[np.ndarray]:
        """The images of each group: those known to be one person by closure. (g,) arrays of sources, ascending."""
        return [self.images[places] for places in self._members]

    def apart(self) -> list[np.ndarray]:
        """For each of :meth:`groups` the numbers of the groups that are known to be other people, ascending."""
        return self._apart

    def _place(self, source: int) -> int:
        place = int(np.searchsorted(self.images, source))
        if place == len(self.images) or self.images[place] != source:
            raise KeyError(f"source {source} was never asked about")
        return place

    def _neighbours(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """For each image, the places of its positives and of its negatives."""
        m = len(self.images)
        members, apart = self._members, self._apart
        same = _partners(self._ends[self._same], m)
        positives, negatives = [], []
        for i, group in enumerate(self._group):
            everyone = np.union1d(members[group], same[i])
            positives.append(everyone[everyone != i])
            others = [members[g] for g in apart[group]]
            negatives.append(np.sort(np.concatenate(others)) if others else np.zeros(0, dtype=np.int64))
        return positives, negatives


def _index(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sources of pairs, ascending (m,), and the places of each pair's ends among them, (n, 2)."""
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    images, ends = np.unique(pairs, return_inverse=True)
    return images, ends.reshape(-1, 2)


def _components(edges: np.ndarray, m: int) -> tuple[csr_array, np.ndarray]:
    """The graph of some edges among m places, and the component of each place."""
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(m, m)).tocsr()
    return graph, connected_components(graph, directed=False)[1] if m else np.zeros(0, dtype=np.int32)


def _codes(one: np.ndarray, other: np.ndarray, m: int) -> np.ndarray:
    """One integer for each unordered pair of places below m."""
    return np.minimum(one, other) * np.int64(m) + np.maximum(one, other)


def _partners(edges: np.ndarray, m: int) -> list[np.ndarray]:
    """For each of m places, whom edges connect it to, ascending, each once."""
    both = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0) if len(edges) else np.zeros((0, 2), np.int64)
    return np.split(both[:, 1], np.searchsorted(both[:, 0], np.arange(1, m))) if m else []
