"""Agents: what learns a policy. One object each, found by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from querist.core.card import PolicyCard
from querist.core.policy import Policy
from querist.core.pool import Pool
from querist.core.rehearsal import Stage, halved
from querist.core.split import Split
from querist.core.task import Task

Control = Literal["untrained", "shuffled"]
CONTROLS: tuple[Control, ...] = ("untrained", "shuffled")
"""What a learned policy must beat: its own network before any training, and one trained on other steps' rewards."""
Games = Literal["learning", "still", "final"]
"""Of games: the model, or its stand-in, learns after every step; it stays as it is; all questions are asked at once and
the model learns from them as for a budget's number (:class:`querist.core.trials.TrialTask`)."""
Watcher = Callable[[Mapping[str, Any]], None]
"""Told the row of the learning curve after each episode."""


@dataclass(frozen=True, eq=False)
class Again:
    """What an agent that trains again while it is deployed must know of how policies are trained for a recipe.

    Args:
        untouched: snapshot of the task before it learned anything.
        scenes: in how many ways the labels are divided; games take turns in them.
        start: optimiser steps of the task before its games; ``first`` of its stand-in; ``update`` after each step of a
            game, of either.
        rehearsal: play in the stand-in, where the task has one.
    """

    untouched: Mapping[str, np.ndarray]
    scenes: int
    start: int
    first: int
    update: int
    rehearsal: bool = True


class Agent(ABC):
    """One learned system."""

    name: str
    profiles: tuple[str, ...] = ("sound", "faithful")
    paid_by: Literal["metric", "answers"] = "metric"
    """What its rewards are made of. The metric after an update needs a reward set, and games in a cheap stand-in of the
    model; answers alone need neither, so its games are played with the model as it stands."""

    def offered(self, pairs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings that follow from how a recipe offers pairs to every strategy; none for an agent of other units."""
        return {}

    def check(self, pool: Pool, split: Split, batch: int, groups: int, games: int) -> None:
        """Before anything is trained: can it be, here?

        Args:
            pool: the units; ``split`` the roles of their sources.
            batch: questions per step; ``groups`` how many groups the recipe offers in group form.
            games: how many will be played.

        Raises:
            QueristError: says what is missing.
        """
        return

    def check_task(
        self, task: Task, split: Split, profile: str, changes: Mapping[str, Any], rehearsal: bool = True
    ) -> None:
        """Before anything is trained: does the task offer what the policy sees, and what it is paid by?

        Args:
            task: of the deployment; ``split`` its roles.
            profile: ``sound`` or ``faithful``; ``changes`` of its settings.
            rehearsal: whether games are played in the task's stand-in, where it has one.

        Raises:
            QueristError: says what is missing.
        """
        return

    @abstractmethod
    def questions(self, profile: str, changes: Mapping[str, Any], batch: int) -> tuple[int, str]:
        """How many questions a game has, and which of its settings say so.

        Args:
            profile: of the policy; ``changes`` of its settings.
            batch: questions of a step.
        """

    def scene(self, profile: str, changes: Mapping[str, Any], split: Split, pool: Pool, seed: int, turn: int) -> Split:
        """The split of some games: who of the starting set begins them, is asked about, and pays.

        Args:
            profile: of the policy; ``changes`` of its settings.
            split: of the deployment; ``pool`` knows what belongs together.
            seed: draws; ``turn`` tells several ways apart.
        """
        return halved(split, pool, seed, turn)

    def games(self, profile: str, changes: Mapping[str, Any]) -> Games:
        """Of which kind its games are."""
        return "learning"

    @abstractmethod
    def policy(self, card: PolicyCard, again: Again | None = None) -> Policy:
        """What plays a card of this agent.

        Args:
            card: of this agent; ``again`` for one that trains again while it is deployed, None: it does not.
        """

    @abstractmethod
    def episodes(self, profile: str, changes: Mapping[str, Any], control: Control | None) -> int:
        """How many episodes :meth:`train` will play.

        Raises:
            QueristError: no such profile or setting.
        """

    @abstractmethod
    def train(
        self,
        profile: str,
        changes: Mapping[str, Any],
        stage: Stage,
        seed: int,
        control: Control | None = None,
        watch: Watcher | None = None,
    ) -> PolicyCard:
        """Train a policy.

        Args:
            profile: ``sound`` or ``faithful``; ``changes`` of its settings.
            stage: where the games are played.
            seed: of the policy: its weights, its exploration and its games.
            control: train a control instead.
            watch: see :data:`Watcher`.

        Returns:
            The card, without what only the caller knows in ``training``.
        """
