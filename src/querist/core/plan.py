"""What a deployment plays with, and its numbers."""

from dataclasses import dataclass, field

from querist.core.candidates import Candidates
from querist.core.oracle import Oracle
from querist.core.policy import Policy
from querist.core.pool import Pool
from querist.core.split import Role, Split
from querist.core.step import Featuriser
from querist.core.task import Task
from querist.errors import QueristError


@dataclass(frozen=True)
class Plan:
    """The numbers of a deployment.

    Args:
        seed: of everything random.
        batch: questions per step.
        marks: budgets, in cost, at which a final training is measured; the last one is the budget.
        start: optimiser steps before the first question, on the starting set.
        update: optimiser steps after each step's answers.
        final: optimiser steps of a mark's final training, from the weights before the first question.
        update_every: update after every so many steps.
        keep_given: whether the trainings after the start learn from the starting set too.
        close_every: write a snapshot and close after every so many steps, and at the marks. Steps between are played
            again from the ledger when a run is resumed: worth it where a step takes less than a snapshot.
        update_lag: 0: an update takes effect as soon as its answers are there; 1: at the next one's turn, so that it
            can be worked out while people answer (:mod:`querist.core.update`).
    """

    seed: int
    batch: int
    marks: tuple[int, ...]
    start: int
    update: int
    final: int
    update_every: int = 1
    keep_given: bool = True
    close_every: int = 1
    update_lag: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        if not self.marks or list(self.marks) != sorted(set(self.marks)) or self.marks[0] <= 0:
            raise QueristError(f"budgets must be positive and rise, not {list(self.marks)}", "such as [120, 240]")
        if self.batch <= 0:
            raise QueristError(f"a batch of {self.batch} questions per step", "ask at least one")
        if self.close_every < 1:
            raise QueristError(f"a snapshot after every {self.close_every} steps", "write one after every 1 or more")
        if self.update_every < 1:
            raise QueristError(f"an update after every {self.update_every} steps", "update after every 1 or more")
        if self.update_lag not in (0, 1):
            raise QueristError(f"an update lag of {self.update_lag} windows", "0 (at once) or 1 (one window later)")

    def words(self) -> str:
        """All numbers as a text, by which runs are compared; those that came later only where they are not usual."""
        return repr(self) + (f" update_lag={self.update_lag}" if self.update_lag else "")


@dataclass(frozen=True, eq=False)
class Parts:
    """What a deployment plays with."""

    pool: Pool
    split: Split
    task: Task
    policy: Policy
    candidates: Candidates
    featuriser: Featuriser
    oracle: Oracle
    labels_per_source: int = 1


def check_budget(parts: Parts, plan: Plan) -> None:
    """Refuse a budget that the pool cannot take.

    Candidates may offer less than the pool has, such as an image's neighbours alone. How much, nobody knows before:
    neighbours change with the model. A game that runs out of them ends early, and is measured at what it spent.

    Raises:
        QueristError: it is larger than what all units of the pool cost together.
    """
    worth = parts.pool.worth(parts.split.sources(Role.POOL))
    if plan.marks[-1] > worth:
        raise QueristError(
            f"a budget of {plan.marks[-1]} cannot be spent: the whole pool costs {worth}", "lower the budgets"
        )
