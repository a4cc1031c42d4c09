"""Games of a team: what is offered, what is taken, and what each step gained (ALGORITHMS 2.5, EPISODE)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from querist.agents.matal.config import Matal
from querist.agents.matal.team_dqn import TeamStep
from querist.core.candidates import GlobalPool
from querist.core.capabilities import EstimatesInfluence, KnowsTruth
from querist.core.observation import Observation
from querist.core.policy import Selection
from querist.core.reward import MetricGain
from querist.core.split import Role
from querist.core.step import Game, advance, offer
from querist.errors import QueristError
from querist.kernels.dealing import Shown

Pick = Callable[[Observation, int, int], np.ndarray]
"""(what is seen, picks, step) -> (k,) places among the candidates of the one group."""


@dataclass(frozen=True)
class TeamPool(GlobalPool):
    """The whole pool, or a uniform subset, in one group; a team of one that asks alone gets one pick per step.

    Args:
        alone: one question per step, whatever the batch of the run.
        agents: with parameters of their own, who cannot choose more images than there are of them; 0: they share
            theirs, and there are as many as are needed.
    """

    alone: bool = False
    agents: int = 0

    def per_group(self, batch: int) -> int:
        if self.alone:
            return 1
        if self.agents and batch > self.agents:
            raise QueristError(
                f"a team of {self.agents} agents with parameters of their own chooses as many images per step, not "
                f"{batch}",
                "ask for fewer at once: the batch that the policy was trained with",
            )
        return batch


def team_pool(settings: Matal, deployed: bool, agents: int = 0) -> TeamPool:
    """How images are offered: in games always all of them, whose pools are small; ``agents`` as in the pool."""
    limit = settings.candidates if deployed and settings.candidates else None
    return TeamPool(limit, settings.team == "single", agents)


@dataclass(frozen=True, eq=False)
class Played:
    """A game.

    Args:
        steps: what a team can learn from, with true rewards.
        seen: (Fs,) states and (n, F) candidates of every step.
        rewards: the metric's rise in every step; ``errors`` their standard errors.
        imagined: steps that others could have taken from what was offered, with what they would have been paid.
    """

    steps: list[TeamStep]
    seen: list[tuple[np.ndarray, np.ndarray]]
    rewards: list[float]
    errors: list[float]
    imagined: list[TeamStep]


def play(
    game: Game, settings: Matal, pick: Pick, scene: int = 0, told: Callable[[TeamStep], None] | None = None
) -> Played:
    """Play a game to its end.

    Args:
        game: fresh; its oracle answers at once.
        settings: how the team is paid, and whether it looks ahead.
        pick: who chooses.
        scene: the number of its partition.
        told: called with each step as soon as its gain, and what is offered next, are known.
    """
    reward = MetricGain()
    reward.begin(game)
    seen = offer(game, 0)
    k = game.candidates.per_group(game.batch)
    played = Played([], [], [], [], [])
    for step in range(-(-game.view.budget // k)):
        state, rows = moment(seen)
        if not len(rows):
            break
        played.seen.append((state, rows))
        places = pick(seen, k, step)
        worth = None if settings.reward == "metric" else _worths(game, settings, seen)  # to the model that chooses
        indices = np.full((1, k), -1, dtype=np.int64)
        indices[0, : len(places)] = np.flatnonzero(seen.groups.mask[0])[places]
        outcome = advance(game, step, lambda _seen, _k, chosen=indices: Selection(chosen), seen)
        if outcome is None:
            raise QueristError("a game waits for an answer", "let its oracle answer at once")
        gain = reward.measure(game, outcome)
        ended = game.view.spent >= game.view.budget or game.view.exhausted
        after = None
        if not ended:
            seen = offer(game, step + 1)
            after = moment(seen) if settings.gamma > 0 else None
        if len(outcome.questions) == k:  # a short last step has no agent for some images
            paid = gain.value if worth is None else worth[places]
            played.steps.append(TeamStep(state, rows[places], paid, after, (scene, step)))
            if worth is not None and settings.learn_from == "offered":
                others = _others(game, step, places, len(rows), k)
                played.imagined.extend(TeamStep(state, rows[o], worth[o], None, (scene, step)) for o in others)
            if told is not None:
                told(played.steps[-1])
        played.rewards.append(gain.value)
        played.errors.append(gain.standard_error)
        if ended:
            break
    return played


def shown(seen: Observation) -> Shown:
    """Whom the candidates of :func:`moment` show."""
    assert seen.asked is not None, "MatalFeaturiser counts"
    subjects = seen.sources[0, :, 0][seen.groups.mask[0]]
    return Shown(subjects, seen.asked[subjects])


def _worths(game: Game, settings: Matal, seen: Observation) -> np.ndarray:
    """(n,) what the label of each offered image is worth to the model as it is, on the scale that is paid.

    The labels of a game are all known, so that an image need not be asked about for that.

    Raises:
        QueristError: the task cannot tell it.
    """
    task = game.task
    if not (task.can(EstimatesInfluence) and isinstance(task, EstimatesInfluence) and isinstance(task, KnowsTruth)):
        raise QueristError(f"{type(task).__name__} cannot tell the influence of images", "set reward: metric")
    units = seen.groups.units[0, seen.groups.mask[0]]
    worth = task.influence(units, task.truth(units), game.split.sources(Role.REWARD))
    if settings.worth == "amount":
        return worth
    return np.sqrt(12.0) * ((rankdata(worth) - 0.5) / len(worth) - 0.5)


def _others(game: Game, step: int, places: np.ndarray, count: int, k: int) -> np.ndarray:
    """Teams of images that were not taken, at random, every image in one at most: (m, k) places."""
    left = game.stream("others", step).permutation(np.setdiff1d(np.arange(count), places))
    return left[: len(left) // k * k].reshape(-1, k)


def moment(seen: Observation) -> tuple[np.ndarray, np.ndarray]:
    """The (Fs,) state and the (n, F) candidates of the one group.

    Raises:
        QueristError: there are several groups.
    """
    if len(seen.groups.mask) != 1:
        raise QueristError(f"a team chooses from one group, not from {len(seen.groups.mask)}", "use its own candidates")
    return seen.state, seen.candidates[0][seen.groups.mask[0]]
