"""Hands that are dealt at random, for a look at whom a team should be dealt.

Played where a Gaussian process learns (docs/matal-trials.md, "Whom to deal?"), from this folder, for D in 0, 2, 3:

    querist compare hand-small --set draw.seed=D --set problem.learner=process --seeds 0 1 --pictures false --strategies
    random core_set strengthened_random core_set_by_subject core_set_by_subject/global+hand=1
    dealt_hands.AtRandom/global

In older results ``dealt_hands.FewestLabels/global`` is what has come along since as ``core_set_by_subject``, and
``dealt_hands.AnyOfFewest/global`` the same with ``hand=1``.
"""

import numpy as np

from querist.acquisition.core_set_by_subject import CoreSetBySubject
from querist.kernels.dealing import Hands, Shown, at_random

HAND = 50


class AtRandom(CoreSetBySubject):
    """The farthest image of each of hands that are dealt at random."""

    def hands(self, shown: Shown, k: int, rng: np.random.Generator) -> Hands:
        return at_random(len(shown.subjects), k, HAND, rng)
