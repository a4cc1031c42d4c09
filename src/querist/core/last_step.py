"""The step before the open one, which can be taken back: people press the wrong key."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from querist.core.policy import Policy
from querist.core.questions import Question
from querist.core.step import Featuriser, Game, OpenStep, Outcome

Arrays = Mapping[str, np.ndarray]


class LastStep:
    """Knows what featuriser and policy were before a step, and puts them back.

    The order of calls is that of the loop: :meth:`opening`, perhaps :meth:`hold`, :meth:`settled`. A step can be taken
    back if it was held, until the next one is settled.

    Args:
        policy: learns from answers; ``featuriser`` may keep a state of its own.
    """

    def __init__(self, policy: Policy, featuriser: Featuriser) -> None:
        self._policy, self._featuriser = policy, featuriser
        self._unseen: Arrays = {}  # the featuriser before the open step was offered
        self._unlearned: Arrays | None = None  # the policy before it learns from the open step
        self._done: tuple[Outcome, Arrays] | None = None

    def opening(self) -> None:
        """A step is about to be offered."""
        self._unseen, self._unlearned = self._featuriser.snapshot(), None

    def hold(self) -> None:
        """Keep what the policy is before it learns from the open step; best done while people think."""
        if self._unlearned is None:
            self._unlearned = self._policy.snapshot()

    def settled(self, outcome: Outcome, final: bool) -> None:
        """The open step was learned from; ``final``: it counts for what cannot be taken back."""
        self._done = None if final or self._unlearned is None else (outcome, self._unlearned)

    @property
    def questions(self) -> Sequence[Question]:
        """Those of the step that can be taken back now."""
        return () if self._done is None else self._done[0].questions

    def correct(self, game: Game, question: int, answer: np.ndarray | None, revision: int) -> dict[str, float]:
        """Replace an answer; the policy learns from the new one instead of the old one, by the same random numbers.

        Args:
            game: where.
            question: the id of one of :attr:`questions`.
            answer: what takes the place; None: cannot tell.
            revision: its number, see :meth:`Ledger.answer`.

        Returns:
            What the step logs now.
        """
        assert self._done is not None
        assert question in [q.id for q in self.questions]
        outcome, unlearned = self._done
        game.ledger.answer(question, answer, revision)
        game.view.refresh()
        self._policy.restore(unlearned)
        outcome = replace(outcome, answers=[game.view.answer(q.id) for q in outcome.questions])
        self._done = outcome, unlearned
        return outcome.log | self._policy.learn(game, outcome, game.stream("learn", outcome.step))

    def reopen(self, opened: OpenStep | None) -> None:
        """The open step, if there is one, was seen with the answer that was taken back: it is offered again."""
        if opened is not None:
            self._featuriser.restore(self._unseen)
