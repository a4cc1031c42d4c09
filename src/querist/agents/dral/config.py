"""What a DRAL policy is made of and how it learns: two profiles, and every number of theirs as a field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from querist.core.profiles import changed, keep_rules
from querist.pairs.settings import PairSettings


@dataclass(frozen=True)
class Dral:
    """The numbers of one way to learn and to play (ALGORITHMS 5.2 to 5.4 and 5.8).

    Args:
        network: ``nodes`` scores each neighbour from features that do not depend on how many there are; ``matrix``
            reads the whole graph as one vector, as printed, and is tied to ``neighbours``.
        neighbours: n_s; ``mutual`` k, ``per_anchor`` K_max, ``shells`` and ``shrinkage``: see
            :class:`~querist.pairs.settings.PairSettings`. Baselines should have the same.
        width: of the hidden layers of ``nodes``.
        keep_given: whether the task goes on learning from the labelled source; as printed it learns from pairs alone.
        margin: m of the reward, in the unit that ``scale`` says.
        scale: rewards measure distances in the ``pool``'s mean distance, so that all anchors are on one scale, or as
            printed in the largest of the anchor's ``graph``, which differs from anchor to anchor.
        no_negative: what stands for the negatives until one is known. ``stranger``: a random image beyond the
            neighbours; it lies so far that at first no match can earn anything. ``mean``: the candidate's mean distance
            to the other neighbours, so that a match farther and a stranger nearer than usual earn alike.
        online: whether the policy learns while it is deployed: ``learn``, ``off`` (untrained) or ``shuffled`` (from the
            rewards of other steps). Controls set it.
        episodes: games played on the labelled source before the deployment; 0: it learns while browsing alone.
        budget: questions of such a game.
        check_games: games against chance at the end, where a scene was kept for it.
        gamma: discount per question, within an anchor's visit.
        selector: ``online`` is double DQN, ``max`` plain DQN.
        loss: ``huber`` or ``squared``.
        replay: capacity in questions; ``flush`` empties it whenever the model was updated, because what is in it was
            seen with other distances.
        batch: questions of an update; ``updates`` how many updates follow each question.
        learning_rate: of Adam; ``weight_decay`` makes it AdamW.
        target_every: updates between copies to the target network.
        epsilon_first: share of random questions at first, falling towards ``epsilon_floor`` by e in ``epsilon_decay``
            questions. A policy that was trained before its deployment has the floor from its first question.
    """

    network: Literal["nodes", "matrix"] = "nodes"
    neighbours: int = 30
    mutual: int = 15
    per_anchor: int = 10
    shells: int = 2
    shrinkage: float = 0.1
    width: int = 64
    keep_given: bool = True
    margin: float = 0.3
    scale: Literal["pool", "graph"] = "pool"
    no_negative: Literal["mean", "stranger"] = "mean"
    online: Literal["learn", "off", "shuffled"] = "learn"
    episodes: int = 8
    budget: int = 1500
    check_games: int = 1
    gamma: float = 0.9
    selector: Literal["online", "max"] = "online"
    loss: Literal["huber", "squared"] = "huber"
    replay: int = 10_000
    flush: bool = True
    batch: int = 32
    updates: int = 1
    learning_rate: float = 5e-4
    weight_decay: float = 1e-4
    target_every: int = 200
    epsilon_first: float = 1.0
    epsilon_floor: float = 0.05
    epsilon_decay: float = 1000.0

    def __post_init__(self) -> None:
        rules = {
            "width, budget, batch, updates and target_every are at least 1": min(
                self.width, self.budget, self.batch, self.updates, self.target_every
            )
            >= 1,
            "episodes and check_games are not negative": min(self.episodes, self.check_games) >= 0,
            "replay holds at least a batch": self.replay >= self.batch,
            "gamma is in [0, 1]": 0 <= self.gamma <= 1,
            "margin and weight_decay are not negative": min(self.margin, self.weight_decay) >= 0,
            "learning_rate is positive": self.learning_rate > 0,
            "epsilon falls from epsilon_first to epsilon_floor, both in [0, 1], and epsilon_decay is positive": (
                0 <= self.epsilon_floor <= self.epsilon_first <= 1 and self.epsilon_decay > 0
            ),
        }
        keep_rules("dral", self, rules)
        _ = self.pairs  # it has rules of its own

    @property
    def pairs(self) -> PairSettings:
        """How its questions are offered."""
        return PairSettings(self.neighbours, self.mutual, self.per_anchor, self.shells, self.shrinkage)


SOUND = Dral()

FAITHFUL = Dral(
    network="matrix",
    keep_given=False,
    scale="graph",
    no_negative="stranger",
    episodes=0,
    check_games=0,
    selector="max",
    loss="squared",
    flush=False,
    learning_rate=1e-4,
    weight_decay=0.0,
    target_every=500,
    epsilon_floor=0.1,
    epsilon_decay=2000.0,
)
"""As printed, with the defaults of ALGORITHMS 5 where nothing is: it learns while browsing and at no other time."""

PROFILES: Mapping[str, Dral] = {"sound": SOUND, "faithful": FAITHFUL}


def settings(profile: str, changes: Mapping[str, Any] | None = None) -> Dral:
    """A profile with some of its numbers changed.

    Raises:
        QueristError: no such profile or number, or a value of another kind.
    """
    return changed("dral", PROFILES, profile, changes)
