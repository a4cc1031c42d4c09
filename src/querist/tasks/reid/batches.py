"""The batches of a phase: what answers taught, beside people who were known before."""

from dataclasses import dataclass

import numpy as np

from querist.core.answers import Labels
from querist.core.pool import PairPool
from querist.core.task import Phase
from querist.errors import QueristError
from querist.tasks.reid.cast import Cast, given_people, verified_groups
from querist.tasks.reid.data import ReidData
from querist.tasks.reid.training import Training
from querist.tasks.reid.triplets import Embed, Triplets
from querist.tasks.reid.verified import Verified


@dataclass(frozen=True, eq=False)
class Batch:
    """One optimiser step's images and what is known of them.

    Args:
        sources: (B,) the images of triplets, then those of verified groups, then those of given people.
        same: (B, B) bool, whom each image may take as a positive.
        different: (B, B) bool, and whom as a negative.
        groups: (B,) int64, the number of a verified group, -1 elsewhere.
        people: (B,) int64, the number of a given person, -1 elsewhere.
    """

    sources: np.ndarray
    same: np.ndarray
    different: np.ndarray
    groups: np.ndarray
    people: np.ndarray


class Batches:
    """All batches of one training.

    Without closure, answers become triplets around their anchors. With closure they become people: the images that are
    the same by all answers together are shown like given people, and whom an answer tells apart from them beside them.

    Args:
        data: knows who the given people are.
        pool: the units.
        labels: everything that may be learned from.
        new: what the last update bought: its anchors or groups come first.
        training: sizes and shares; in the ``phase`` "start" only given people are shown.
        steps: how many batches will be asked for.
        embed: the present embedding.
        rng: draws everything.

    Attributes:
        verified: the answers.
        groups: the people whom they put together; nobody without closure.
        people: those who were known before.
        empty: whether there is nothing to learn from.

    Raises:
        QueristError: a given image of which nobody knows who is seen; or an answer that is no boolean.
    """

    def __init__(
        self,
        data: ReidData,
        pool: PairPool,
        labels: Labels,
        new: Labels,
        training: Training,
        phase: Phase,
        steps: int,
        embed: Embed,
        rng: np.random.Generator,
    ) -> None:
        self.verified = Verified(*answered(pool, labels), training.closure)
        self.people = given_people(data, labels.given)
        self.groups, triplets = Cast([]), None
        newest = pool.sources(new.units).ravel()
        if phase != "start" and training.closure:
            self.groups = verified_groups(self.verified, newest)
        elif phase != "start":
            triplets = Triplets(self.verified, training.triplets_per_anchor, embed, rng)
        bought = len(self.groups) > 0 or (triplets is not None and len(triplets.anchors) > 0)
        self.empty = not bought and not len(self.people)
        share = (training.replay if bought else 1.0) if len(self.people) else 0.0
        known = round(training.people * share)
        others = training.people - known
        self._people = self.people.draw(known, training.per_person, rng)
        self._groups = self.groups.draw(others, training.per_person, rng)
        self._count = others * training.per_person // 3
        none = np.zeros((0, 3), dtype=np.int64)
        self._triplets = none if triplets is None else triplets.draw(self._count * steps, newest)

    def __getitem__(self, step: int) -> Batch:
        """One step's batch; ask for the steps in order."""
        triplets = self._triplets[step * self._count : (step + 1) * self._count]
        grouped, group = next(self._groups)
        known, person = next(self._people)
        first, second = triplets.size, triplets.size + len(grouped)
        sources = np.concatenate([triplets.ravel(), grouped, known])
        same, different = (np.zeros((len(sources), len(sources)), dtype=bool) for _ in range(2))
        anchor = np.arange(0, first, 3)
        same[anchor, anchor + 1], different[anchor, anchor + 2] = True, True
        middle, last = slice(first, second), slice(second, None)
        same[middle, middle], different[middle, middle] = self.verified.relations(grouped)
        same[last, last], different[last, last] = person[:, None] == person, person[:, None] != person
        groups, people = np.full((2, len(sources)), -1)
        groups[middle], people[last] = group, person
        return Batch(sources, same, different, groups, people)


def answered(pool: PairPool, labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of labels, (n, 2) sources, and whether each is the same person, (n,) bool.

    Raises:
        QueristError: an answer that is not one boolean.
    """
    for unit, answer in zip(labels.units, labels.answers, strict=True):
        if answer.dtype != bool or answer.size != 1:
            raise QueristError(
                f"the answer about {pool.name(int(unit))} is {answer.dtype} {answer.shape}",
                "answers about pairs are true (the same person) or false",
            )
    same = np.array([answer.item() for answer in labels.answers], dtype=bool)
    return pool.sources(np.asarray(labels.units, dtype=np.int64)), same
