"""Agents: what learns a policy. One object each, found by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

from querist.core.card import PolicyCard
from querist.core.policy import Policy
from querist.core.rehearsal import Stage

Control = Literal["untrained", "shuffled"]
CONTROLS: tuple[Control, ...] = ("untrained", "shuffled")
"""What a learned policy must beat: its own network before any training, and one trained on other steps' rewards."""
Watcher = Callable[[Mapping[str, Any]], None]
"""Told the row of the learning curve after each episode."""


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

    @abstractmethod
    def policy(self, card: PolicyCard) -> Policy:
        """What plays a card of this agent."""

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
