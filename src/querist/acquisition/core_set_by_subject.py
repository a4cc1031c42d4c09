"""Core-set by subject: people, photographs or clips take turns, and of these the farthest from all labelled is next."""

from dataclasses import replace

import numpy as np
import torch

from querist.acquisition.core_set import farthest
from querist.core.candidates import Candidates, GlobalPool
from querist.core.capabilities import Embeds
from querist.core.featuriser import EmbeddingFeaturiser, by_subject
from querist.core.observation import Groups, Observation
from querist.core.policy import Policy, Selection
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.errors import QueristError
from querist.kernels.dealing import Hands, Shown, fewest_labels


class SubjectEmbeddings(EmbeddingFeaturiser):
    """Embeddings, whom a candidate shows in place of its source, and how much is known of each subject."""

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        subjects, known = by_subject(game, groups)
        return replace(super().observe(game, groups, step), sources=subjects, asked=known)


class CoreSetBySubject(Policy):
    """Pick after pick, the farthest of one image each of the subjects with the fewest labels, as core-set is far.

    It chooses from the hands that agents of ``matal/sound`` are dealt
    (:func:`~querist.kernels.dealing.fewest_labels`), by a rule that nobody learned. Where each image is a subject of
    its own, hands are chance among images that nobody labelled. Scores are the distances to all that is labelled or
    picked before. Where nothing is labelled, the first pick is the nearest to the mean of its hand.

    Args:
        hand: images that a pick is chosen from, each of another subject; 0: one of every subject.
        limit: at most so many candidates are looked at, a uniform subset; None: all.

    Raises:
        QueristError: a number out of range.
    """

    needs = (Embeds,)
    forms = ("global",)

    def __init__(self, hand: int = 50, limit: int | None = None) -> None:
        if hand < 0 or (limit is not None and limit < 1):
            raise QueristError(f"hands of {hand} of {limit} candidates", "hand is 0 or more, limit at least 1")
        self._hand, self._limit = hand, limit

    def own_candidates(self, form: str, count: int) -> Candidates | None:
        return GlobalPool(self._limit)

    def own_featuriser(self, task: Task) -> Featuriser:
        return SubjectEmbeddings(task)

    def hands(self, shown: Shown, k: int, rng: np.random.Generator) -> Hands:
        """What each of the k picks is chosen from."""
        return fewest_labels(shown, self._hand, rng)

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        places = np.flatnonzero(observation.groups.mask[0])
        rows = torch.from_numpy(observation.field("embedding")[0][places])
        known, subjects = torch.from_numpy(observation.state), observation.sources[0, places, 0]
        assert observation.asked is not None, "its featuriser tells"
        deal = self.hands(Shown(subjects, observation.asked[subjects]), k, rng)
        free = torch.ones(len(places), dtype=torch.bool)
        indices, scores = np.full((1, k), -1, dtype=np.int64), np.zeros((1, k))
        for m in range(min(k, len(places))):
            hand = torch.from_numpy(rng.permutation(np.flatnonzero(deal(m, free).numpy())))
            first, radius = farthest(rows[hand], 1, known)
            taken = int(hand[first[0]])
            free[taken] = False
            known = torch.cat([known, rows[taken, None]])
            indices[0, m], scores[0, m] = places[taken], radius[0]
        return Selection(indices, scores)
