"""Triplets out of verified pairs, one anchor at a time (ALGORITHMS 5.4)."""

from collections.abc import Callable

import numpy as np

from querist.tasks.reid.verified import Verified

_DRAWN = 64
"""Images that a far one is looked for among; any of the further half of them will do."""

Embed = Callable[[np.ndarray], np.ndarray]
"""Sources (n,) -> vectors of unit length (n, d)."""


class Triplets:
    """Triplets (anchor, positive, negative) around the anchors of verified pairs.

    An anchor without a positive takes itself, of which augmentation makes another image; one without a negative takes
    an image that lies far away in the present embedding. An anchor for which neither helps is left out.

    Args:
        verified: the answers.
        most: at most so many triplets around an anchor in one round.
        embed: the present embedding.
        rng: draws everything.

    Attributes:
        anchors: (a,) sources, ascending.
    """

    def __init__(self, verified: Verified, most: int, embed: Embed, rng: np.random.Generator) -> None:
        self._most, self._rng = most, rng
        anchors = [int(anchor) for anchor in verified.anchors()]
        self._positives = {a: verified.positives(a) for a in anchors}
        self._negatives = {a: verified.negatives(a) for a in anchors}
        bare = np.array([a for a in anchors if not len(self._negatives[a])], dtype=np.int64)
        self._negatives |= zip(bare.tolist(), self._far(bare, verified.images, embed), strict=True)
        self.anchors = np.array([a for a in anchors if len(self._negatives[a])], dtype=np.int64)

    def draw(self, count: int, first: np.ndarray) -> np.ndarray:
        """Draws triplets, round by round over all anchors.

        Args:
            count: how many.
            first: sources; the first round begins with the anchors among them.

        Returns:
            (count, 3) sources, mixed; none if there are no anchors.
        """
        if not len(self.anchors):
            return np.zeros((0, 3), dtype=np.int64)
        ahead = np.isin(self.anchors, first)
        found = [self._around(self.anchors[ahead]), self._around(self.anchors[~ahead])]
        while sum(map(len, found)) < count:
            found.append(self._around(self.anchors))
        return self._rng.permutation(np.concatenate(found)[:count])

    def _around(self, anchors: np.ndarray) -> np.ndarray:
        """One round over some anchors, mixed."""
        found = [np.zeros((0, 3), dtype=np.int64)]
        for anchor in anchors.tolist():
            positives, negatives = self._positives[anchor], self._negatives[anchor]
            positives = positives if len(positives) else np.array([anchor])
            pairs = len(positives) * len(negatives)
            p, n = np.divmod(self._rng.choice(pairs, min(self._most, pairs), replace=False), len(negatives))
            found.append(np.stack([np.full(len(p), anchor), positives[p], negatives[n]], axis=1))
        return self._rng.permutation(np.concatenate(found))

    def _far(self, anchors: np.ndarray, images: np.ndarray, embed: Embed) -> list[np.ndarray]:
        """For each anchor the further half of some images asked about, without those known to be the same."""
        if not len(anchors):
            return []
        drawn = np.sort(self._rng.choice(images, min(_DRAWN, len(images)), replace=False))
        closeness = embed(anchors) @ embed(drawn).T
        found = []
        for anchor, row in zip(anchors.tolist(), closeness, strict=True):
            order = drawn[np.argsort(row, kind="stable")][: -(-len(drawn) // 2)]
            found.append(order[~np.isin(order, np.append(self._positives[anchor], anchor))])
        return found
