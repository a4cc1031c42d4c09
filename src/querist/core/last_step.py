"""The step that was answered last, which can be taken back: people press the wrong key."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from querist.core.policy import Policy
from querist.core.questions import Question
from querist.core.standing import taught
from querist.core.step import Featuriser, Game, Outcome

Arrays = Mapping[str, np.ndarray]


class LastStep:
    """Knows what featuriser and policy were before a step, and puts them back.

    A step can be taken back if :meth:`hold` was called before the policy learned from it, until the next one is
    settled.

    Args:
        policy: learns from answers; ``featuriser`` may keep a state of its own.
    """

    def __init__(self, policy: Policy, featuriser: Featuriser) -> None:
        self._policy, self._featuriser = policy, featuriser
        self._unseen: Arrays = {}  # the featuriser before the open step was offered
        self._unlearned: Arrays | None = None  # the policy as it is, before it learns anew
        self._done: tuple[Outcome, Arrays, dict[str, float]] | None = None

    def opening(self) -> None:
        """A step is about to be offered."""
        self._unseen = self._featuriser.snapshot()

    def reopen(self) -> None:
        """The open step is about to be offered again."""
        self._featuriser.restore(self._unseen)

    def hold(self) -> None:
        """Keep what the policy is before it learns from the next answer; best done while people think."""
        if self._unlearned is None:
            self._unlearned = self._policy.snapshot()

    def settled(self, outcome: Outcome, final: bool, log: dict[str, float]) -> None:
        """A step was learned from.

        Args:
            outcome: what happened.
            final: it counts for what cannot be taken back.
            log: what was logged of it; replaced in place if it is taken back.
        """
        self._done = None if final or self._unlearned is None else (outcome, self._unlearned, log)
        self._unlearned = None

    @property
    def questions(self) -> Sequence[Question]:
        """Those of the step that can be taken back now."""
        return () if self._done is None else self._done[0].questions

    def relearn(self, game: Game) -> None:
        """The view has other answers to :attr:`questions` now.

        The policy learns from them instead of the old ones, by the same random numbers.
        """
        assert self._done is not None
        outcome, unlearned, log = self._done
        self._policy.restore(unlearned)
        self._unlearned = None
        outcome = taught(replace(outcome, answers=[game.view.answer(q.id) for q in outcome.questions]))
        learned = self._policy.learn(game, outcome, game.stream("learn", outcome.step))
        self._done = outcome, unlearned, log
        log.clear()
        log.update(outcome.log | learned)
