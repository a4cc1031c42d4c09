"""Rules that nobody learned, for a look at whom a team should be dealt: the farthest image of each hand of fifty.

Played where a Gaussian process learns (docs/matal-trials.md, "Whom to deal?"), from this folder, for D in 0, 2, 3:

    querist compare hand-small --set draw.seed=D --set problem.learner=process --seeds 0 1 --pictures false --strategies
    random strengthened_random core_set dealt_hands.AtRandom/global dealt_hands.FewestLabels/global
    dealt_hands.AnyOfFewest/global
"""

from dataclasses import replace

import numpy as np
import torch

from querist.agents.matal.dealing import Hands, Shown, at_random, fewest_labels
from querist.core.capabilities import Embeds
from querist.core.featuriser import EmbeddingFeaturiser, by_subject
from querist.core.observation import Groups, Observation
from querist.core.policy import Policy, Selection
from querist.core.step import Featuriser, Game
from querist.core.task import Task
from querist.kernels.distances import nearest_squared

HAND = 50


class WithSubjects(EmbeddingFeaturiser):
    """Embeddings, and what is known of each subject."""

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        subjects, known = by_subject(game, groups)
        return replace(super().observe(game, groups, step), sources=subjects, asked=known)


class AtRandom(Policy):
    """Hands that are dealt at random; of each the image that is farthest from all that is labelled or taken."""

    needs = (Embeds,)

    def own_featuriser(self, task: Task) -> Featuriser:
        return WithSubjects(task)

    def hands(self, shown: Shown, k: int, rng: np.random.Generator) -> Hands:
        return at_random(len(shown.subjects), k, HAND, rng)

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        places = np.flatnonzero(observation.groups.mask[0])
        looks = torch.from_numpy(observation.field("embedding")[0][places])
        known, subjects = torch.from_numpy(observation.state), observation.sources[0, places, 0]
        assert observation.asked is not None
        deal = self.hands(Shown(subjects, observation.asked[subjects]), k, rng)
        free = torch.ones(len(places), dtype=torch.bool)
        taken: list[int] = []
        for m in range(min(k, len(places))):
            mine = torch.from_numpy(rng.permutation(np.flatnonzero(deal(m, free).numpy())))
            taken.append(int(mine[self.best(looks[mine], torch.cat([known, looks[taken]]))]))
            free[taken[-1]] = False
        indices = np.full((1, k), -1, dtype=np.int64)
        indices[0, : len(taken)] = places[taken]
        return Selection(indices)

    def best(self, hand: torch.Tensor, known: torch.Tensor) -> int:
        return int(nearest_squared(hand, known)[0].argmax())


class FewestLabels(AtRandom):
    """One image of each of the fifty subjects with the fewest labels; of these the farthest."""

    def hands(self, shown: Shown, k: int, rng: np.random.Generator) -> Hands:
        return fewest_labels(shown, HAND, rng)


class AnyOfFewest(FewestLabels):
    """Such hands, and any image of them: one of a subject with the fewest labels."""

    def hands(self, shown: Shown, k: int, rng: np.random.Generator) -> Hands:
        return fewest_labels(shown, 1, rng)

    def best(self, hand: torch.Tensor, known: torch.Tensor) -> int:
        return 0
