"""What a RALIS policy is made of and how it is trained: two profiles, and every number of theirs as a field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from querist.core.agent import Games
from querist.core.profiles import changed, keep_rules


@dataclass(frozen=True)
class Ralis:
    """The numbers of one way to train and to play (ALGORITHMS 1.3 to 1.5 and 1.10).

    Args:
        features: ``class_aware`` has one slot per class and a fixed number of state rows, as in the paper;
            ``class_free`` pools both, so that the policy works on other classes and other state sets.
        normalise_counts: predicted class counts as shares of the region instead of pixels (class-aware).
        fixed_histograms: divergence histograms over a range that is the same for all candidates.
        standardise: bring inputs to mean 0 and deviation 1 with statistics that are frozen after the warm-up.
        keep_given: train the task on the starting set too, in the steps and finally; the released code drops it.
        evaluate_first: measure the model before the first question; the released code takes zero for it, so that the
            first reward of each episode is a level and no gain.
        reward: ``metric``: the rise of the metric, shared by all questions of a step. ``influence``: for each question
            what its own answer is worth on the reward set, see :class:`~querist.core.reward.InfluenceGain`;
            ``deep_influence``: to all that learns, and not to the last layer alone.
        games: ``learning``: the task, or its stand-in, learns after each step. ``still``: it stays as the game begins,
            which no reward but an influence can do with; such games are many times faster, and policies see in them
            the beliefs of the whole model. ``final``: all questions of a game are asked at once, of as many pools, and
            the model itself learns from them as for a budget's number, for ``final_steps``; the reward is the rise of
            the task's smooth measure, where it has one.
        final_steps: optimiser steps of such a training.
        hide_labelled: share of the episodes in which the policy is not told what is labelled, nor what a label is
            expected to be worth (class-free), so that it can also be used where nobody tells it.
        episodes: how many games are played.
        budget: questions of a game.
        pool_train: candidates per pool in training.
        pool_deploy: candidates per pool in deployment.
        warm_up: first episodes in which every choice is exploration; their observations give the standardiser.
        exploration: ``uniform`` draws every exploring sub-action by itself; ``coherent`` draws one direction in feature
            space and lets all pools follow it, so that one reward for all of them says something about the direction.
        explore_for: for how many steps a decision is held: whether to explore, and in which direction.
        gamma: discount per step.
        horizon: rewards summed before the bootstrap (n of an n-step return).
        bootstrap: whether the value behind the horizon is estimated at all.
        standardise_returns: learn how much better than usual a sum of rewards is, in its scene and at its step of the
            game, in deviations (see :class:`~querist.rl.standard_returns.StandardReturns`).
        selector: which network chooses the bootstrap's action; double DQN: ``online``.
        loss: ``huber`` or ``squared``.
        replay: capacity in sub-transitions.
        batch: sub-transitions of an update; ``updates`` how many updates follow each step.
        optimiser: ``sgd`` (momentum 0.95) or ``adamw``.
        learning_rate: at the start; ``decay`` multiplies it after every update.
        weight_decay: of the optimiser.
        target_every: steps between hard copies to the target network; ``target_per_episode`` restarts the count in
            each episode.
        epsilon_floor: exploration in the long run; ``epsilon_span`` above it at first, falling by e in
            ``epsilon_decay`` steps.
        check_games: games played at the end against chance, for the card.
        checkpoint: ``last``, or ``best``: those of the episode with the largest sum of rewards, over all scenes.
    """

    features: Literal["class_free", "class_aware"] = "class_free"
    normalise_counts: bool = True
    fixed_histograms: bool = True
    standardise: bool = True
    keep_given: bool = True
    evaluate_first: bool = True
    reward: Literal["metric", "influence", "deep_influence"] = "influence"
    games: Games = "learning"
    final_steps: int = 60
    hide_labelled: float = 0.25
    episodes: int = 120
    budget: int = 240
    pool_train: int = 20
    pool_deploy: int = 100
    warm_up: int = 30
    exploration: Literal["uniform", "coherent"] = "uniform"
    explore_for: int = 1
    gamma: float = 0.999
    horizon: int = 1
    bootstrap: bool = False
    standardise_returns: bool = True
    selector: Literal["online", "target"] = "online"
    loss: Literal["huber", "squared"] = "huber"
    replay: int = 1_000_000
    batch: int = 64
    updates: int = 4
    optimiser: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    decay: float = 1.0
    weight_decay: float = 1e-2
    target_every: int = 20
    target_per_episode: bool = False
    epsilon_floor: float = 0.3
    epsilon_span: float = 0.7
    epsilon_decay: float = 500.0
    checkpoint: Literal["last", "best"] = "last"
    check_games: int = 8

    def __post_init__(self) -> None:
        rules = {
            "hide_labelled is a share in [0, 1]": 0 <= self.hide_labelled <= 1,
            "budget, pool_train, pool_deploy, batch and horizon are at least 1": min(
                self.budget, self.pool_train, self.pool_deploy, self.batch, self.horizon
            )
            >= 1,
            "explore_for, updates and target_every are at least 1": min(
                self.explore_for, self.updates, self.target_every
            )
            >= 1,
            "warm_up and check_games are not negative": min(self.warm_up, self.check_games) >= 0,
            "there are more episodes than those of the warm_up": self.episodes > self.warm_up,
            "standardise needs a warm_up of at least one episode": not self.standardise or self.warm_up >= 1,
            "the class-free features need standardise": self.features == "class_aware" or self.standardise,
            "standardise_returns needs a warm_up with standardise, and no bootstrap": not self.standardise_returns
            or (self.standardise and not self.bootstrap),
            "the influence pays each question by itself: horizon 1 and no bootstrap": self.reward == "metric"
            or (self.horizon == 1 and not self.bootstrap),
            "still games are paid by an influence": self.games != "still" or self.reward != "metric",
            "games of one final training are paid by the metric, with horizon 1 and no bootstrap": self.games != "final"
            or (self.reward == "metric" and self.horizon == 1 and not self.bootstrap),
            "final_steps is at least 1": self.final_steps >= 1,
            "the best checkpoint is found by games that learn step by step": self.games == "learning"
            or self.checkpoint == "last",
            "gamma is in [0, 1]": 0 <= self.gamma <= 1,
            "replay holds at least a batch": self.replay >= self.batch,
            "learning_rate is positive": self.learning_rate > 0,
            "weight_decay is not negative": self.weight_decay >= 0,
            "decay is in (0, 1]": 0 < self.decay <= 1,
            "epsilon_floor and epsilon_floor + epsilon_span are in [0, 1], epsilon_decay is positive": (
                0 <= self.epsilon_floor <= 1
                and 0 <= self.epsilon_floor + self.epsilon_span <= 1
                and self.epsilon_decay > 0
            ),
        }
        keep_rules("ralis", self, rules)


SOUND = Ralis()

FAITHFUL = Ralis(
    features="class_aware",
    normalise_counts=False,
    fixed_histograms=False,
    standardise=False,
    keep_given=False,
    evaluate_first=False,
    reward="metric",
    hide_labelled=0.0,
    episodes=100,
    budget=480,
    pool_deploy=10,
    warm_up=0,
    exploration="uniform",
    explore_for=1,
    horizon=1,
    bootstrap=True,
    standardise_returns=False,
    replay=600,
    batch=16,
    updates=1,
    optimiser="sgd",
    decay=0.97,
    target_every=5,
    target_per_episode=True,
    epsilon_floor=0.05,
    epsilon_span=0.85,
    epsilon_decay=10.0,
    weight_decay=1e-3,
)
"""What the released code does on CamVid (ALGORITHMS 1.3, 1.5). On Cityscapes: replay 3,200, learning rate 1e-4,
50 episodes of 3,840 questions, 100 candidates per pool in deployment."""

PROFILES: Mapping[str, Ralis] = {"sound": SOUND, "faithful": FAITHFUL}


def settings(profile: str, changes: Mapping[str, Any] | None = None) -> Ralis:
    """A profile with some of its numbers changed.

    Raises:
        QueristError: no such profile or number, or a value of another kind.
    """
    return changed("ralis", PROFILES, profile, changes)
