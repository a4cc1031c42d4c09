"""How policies are trained for a recipe."""

from dataclasses import dataclass, field
from typing import Any

from querist.errors import QueristError
from querist.recipes.strategy_names import TRAINED, parse


@dataclass(frozen=True)
class Training:
    """How policies are trained for a recipe.

    Args:
        policies: independently trained ones of each learned strategy; each meets every seed. ``control_policies`` of
            each control.
        rehearsal: train on the task's cheap stand-in (frozen features, a linear classifier), where it has one; else
            every step of a game trains and measures the real model.
        halves: in how many ways the starting set is halved; games take turns in them, each with a model of its own. A
            policy that is trained in one does much worse in another.
        start: optimiser steps of the real model on its half of the starting set.
        first: steps of the stand-in before a game; ``update`` after each question step (of either).
        settings: of the agent, by the name of the strategy: ``{ralis/sound: {episodes: 500}}``. Controls take those of
            ``sound``.
    """

    policies: int = 3
    control_policies: int = 1
    rehearsal: bool = True
    halves: int = 4
    start: int = 150
    first: int = 150
    update: int = 25
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [name for name in self.settings or {} if name not in TRAINED]
        if wrong:
            raise QueristError(
                f"train.settings: {wrong[0]!r} is nothing that has settings", f"what is trained: {', '.join(TRAINED)}"
            )
        policies, steps = (self.policies, self.control_policies, self.halves), (self.start, self.first, self.update)
        # Null is of every type to the parser.
        if None in (*policies, *steps) or min(policies) < 1 or min(steps) < 0:
            raise QueristError(
                f"training: {policies} policies, controls and halves, {steps} steps",
                "train at least one policy on one way to halve, with numbers of steps that are not negative",
            )

    def of(self, strategy: str) -> int:
        """How many policies a strategy has; 1 for one that is not learned."""
        what = parse(strategy)
        return 1 if what is None else self.control_policies if what.control else self.policies
