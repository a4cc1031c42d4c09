"""Which candidates each of several askers chooses from, where candidates are dealt out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Shown:
    """Whom the candidates show.

    Args:
        subjects: (n,) int64.
        labels: (n,) how many images of a candidate's subject are labelled.
    """

    subjects: np.ndarray
    labels: np.ndarray


Hands = Callable[[int, Tensor], Tensor]
"""(m, (n,) bool of what is free) -> (n,) bool: what agent m chooses from. Agents are asked in their order."""


def everything(m: int, free: Tensor) -> Tensor:
    """Nothing is dealt: each agent chooses from all that is free."""
    return free


def at_random(count: int, k: int, hand: int, rng: np.random.Generator) -> Hands:
    """Hands that differ in size by one at most, and share nothing.

    Args:
        count: of candidates; ``k`` of agents.
        hand: at most so many to each, others to nobody; 0: all are dealt.
        rng: draws.
    """
    order = rng.permutation(count)
    hands = torch.from_numpy(np.where(order < (k * hand or count), order % max(1, k), -1))
    return lambda m, free: free & (hands == m)


def fewest_labels(shown: Shown, hand: int, rng: np.random.Generator) -> Hands:
    """Each hand holds one image of each of the subjects with the fewest labels, those of this step counted.

    Frames of a recording are many and alike, and what is deployed meets every subject once: so subjects take turns,
    and agents choose among the images of those whose turn it is.

    Args:
        shown: whom the candidates show.
        hand: so many subjects, if there are as many; 0: all.
        rng: draws the images of the subjects, and who comes first of those that are level.
    """
    labels = shown.labels.copy()
    before = np.zeros(len(shown.subjects), dtype=bool)  # what was free at the last deal

    def deal(m: int, free: Tensor) -> Tensor:
        nonlocal before
        now = free.numpy().copy()
        for place in np.flatnonzero(before & ~now):
            labels[shown.subjects == shown.subjects[place]] += 1
        before = now
        order = rng.permutation(np.flatnonzero(now))
        one = order[np.unique(shown.subjects[order], return_index=True)[1]]
        one = rng.permutation(one)
        one = one[np.argsort(labels[one], kind="stable")][: hand or len(one)]
        mine = torch.zeros(len(now), dtype=torch.bool)
        mine[torch.from_numpy(one)] = True
        return mine

    return deal
