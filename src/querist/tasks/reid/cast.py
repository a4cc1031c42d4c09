"""People as a training shows them, P x K: those known from the start, and those whom answers put together."""

from collections.abc import Iterator, Sequence

import numpy as np

from querist.errors import QueristError
from querist.tasks.reid.data import ReidData
from querist.tasks.reid.verified import Verified

Rival = tuple[int, np.ndarray]
"""Somebody else of a cast, by number (-1: of none), and the sources of their images."""


class Cast:
    """Some people, numbered from 0, and the batches that show them (Hermans, Beyer and Leibe 2017: P x K).

    Args:
        images: for each person the sources of their images, one or more.
        rivals: for each person others whom they were taken for and are not; one of them comes along whenever the person
            is shown. Nobody has any by default.
        first: the numbers of those whose turn comes first.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        rivals: Sequence[Sequence[Rival]] | None = None,
        first: np.ndarray | None = None,
    ) -> None:
        self.images = images
        self._rivals: Sequence[Sequence[Rival]] = rivals or [()] * len(images)
        self._first = np.zeros(0, dtype=np.int64) if first is None else first

    def __len__(self) -> int:
        return len(self.images)

    def draw(self, people: int, each: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Endless batches of ``people`` people, or all there are, with ``each`` images.

        Everybody's turn comes before anybody's second one. Somebody with few images shows none of them more than twice.

        Yields:
            (sources (b,), numbers (b,), -1 for rivals out of no cast); both empty if nobody is wanted or there.
        """
        queue = rng.permutation(len(self))
        queue = queue[np.argsort(~np.isin(queue, self._first), kind="stable")].tolist()
        while True:
            shown: list[Rival] = []
            seen: set[int] = set()
            while len(shown) < people and len(seen) < len(self):
                person = self._next(queue, seen, rng)
                rivals = self._rivals[person]
                company = [rivals[int(rng.integers(len(rivals)))]] if rivals else []
                for number, images in [(person, self.images[person]), *company]:
                    if len(shown) < people and number not in seen:
                        shown.append((number, _some(images, each, rng)))
                        seen |= {number} - {-1}
            sources = [images for _, images in shown]
            numbers = [np.full(len(images), number) for number, images in shown]
            empty = np.zeros(0, dtype=np.int64)
            yield np.concatenate([empty, *sources]), np.concatenate([empty, *numbers])

    def _next(self, queue: list[int], seen: set[int], rng: np.random.Generator) -> int:
        """Takes the first who is not in the batch yet out of the queue; when nobody is, a new round lines up."""
        while True:
            for place, person in enumerate(queue):
                if person not in seen:
                    return queue.pop(place)
            queue += rng.permutation(len(self)).tolist()


def given_people(data: ReidData, sources: np.ndarray) -> Cast:
    """The people who were known before the first question.

    Args:
        data: knows who they are.
        sources: the given images.

    Raises:
        QueristError: nobody knows who one of them shows.
    """
    sources = np.asarray(sources, dtype=np.int64)
    persons = data.persons[sources]
    nobody = np.flatnonzero(persons < 1)
    if len(nobody):
        raise QueristError(
            f"{data.names[int(sources[nobody[0]])]} is given, but nobody knows who it shows",
            "give only images of known people, or none (problem.start=0)",
        )
    return Cast([sources[persons == person] for person in np.unique(persons)])


def verified_groups(verified: Verified, first: np.ndarray) -> Cast:
    """The people whom answers put together: the groups of two or more images that are the same by closure.

    Their rivals are the groups, and the single images, that an answer tells apart from them. Two groups may still turn
    out to be one person; few are (the nearest images were asked about), and whoever is, is taken for two until then.

    Args:
        verified: the answers, with closure.
        first: sources; the groups that hold one of them come first.
    """
    groups, apart = verified.groups(), verified.apart()
    chosen = [i for i, images in enumerate(groups) if len(images) > 1]
    number = {group: i for i, group in enumerate(chosen)}
    rivals = [[(number.get(int(other), -1), groups[other]) for other in apart[i]] for i in chosen]
    early = [number[i] for i in chosen if np.isin(groups[i], first).any()]
    return Cast([groups[i] for i in chosen], rivals, np.array(early, dtype=np.int64))


def _some(images: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many of somebody's images, in random order, all once before any twice."""
    return np.concatenate([rng.permutation(images), rng.permutation(images)])[:most]
