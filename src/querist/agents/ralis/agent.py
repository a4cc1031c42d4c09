"""RALIS as an agent: from a stage to a card (Casanova et al. 2020, Reinforced active learning for segmentation)."""

import dataclasses
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import numpy as np
from torch import nn

from querist.agents.ralis import config
from querist.agents.ralis.config import Ralis
from querist.agents.ralis.learner import play, train
from querist.agents.ralis.policy import NETWORK, RalisPolicy, featuriser, network
from querist.core import rng
from querist.core.agent import Again, Agent, Control, Games, Watcher
from querist.core.candidates import ClusterPools
from querist.core.capabilities import EstimatesDeepInfluence, EstimatesInfluence
from querist.core.card import PolicyCard
from querist.core.environment import QueryEnvironment
from querist.core.observation import Schema
from querist.core.policy import Policy
from querist.core.pool import Pool
from querist.core.rehearsal import Rehearsal, Stage
from querist.core.reward import InfluenceGain, MetricGain
from querist.core.split import Role, Split
from querist.core.task import Task
from querist.errors import QueristError
from querist.nn.halved import from_tensors, to_tensors
from querist.nn.runtime import seeded
from querist.rl.check import CHECK_SEED, against_chance
from querist.rl.double_dqn import action_values
from querist.rl.exploration import uniform_actions
from querist.rl.replay import Moment


class RalisAgent(Agent):
    """Regions of images, a pool for each question, double DQN."""

    name = "ralis"

    def check(self, pool: Pool, split: Split, batch: int, groups: int, games: int) -> None:
        given, rewarding = (len(split.sources(role)) for role in (Role.START, Role.REWARD))
        if given < 2 or not rewarding:
            raise QueristError(
                f"policies are trained on the starting set and paid by the reward set; here these are {given} and "
                f"{rewarding} images",
                "label two images or more for the start (problem.start), and name a reward set (problem.reward)",
            )
        if groups != batch:
            raise QueristError(
                f"ralis asks one question of each pool: {groups} pools, a batch of {batch}",
                "let the recipe's batch equal its groups.count",
            )

    def check_task(
        self, task: Task, split: Split, profile: str, changes: Mapping[str, Any], rehearsal: bool = True
    ) -> None:
        """See :meth:`~querist.core.agent.Agent.check_task`: what is seen and what is paid by."""
        settings = config.settings(profile, changes)
        featuriser(task, settings, task.pool.worth(split.sources(Role.STATE)))
        kind = {"metric": Task, "influence": EstimatesInfluence, "deep_influence": EstimatesDeepInfluence}
        itself = not rehearsal and settings.games == "learning"
        if itself and not (task.can(kind[settings.reward]) and isinstance(task, kind[settings.reward])):
            raise QueristError(
                f"ralis/{profile} pays for what each answer is worth (reward: {settings.reward}), and this "
                f"{type(task).__name__} itself cannot tell it",
                "give a model that splits at its head, or let the metric alone pay "
                f"(--set train.settings.ralis/{profile}.reward=metric)",
            )

    def policy(self, card: PolicyCard, again: Again | None = None) -> Policy:
        return RalisPolicy(card)

    def episodes(self, profile: str, changes: Mapping[str, Any], control: Control | None) -> int:
        chosen = _settings(profile, changes, control)
        return max(1, chosen.warm_up) if control == "untrained" else chosen.episodes

    def questions(self, profile: str, changes: Mapping[str, Any], batch: int) -> tuple[int, str]:
        return config.settings(profile, changes).budget, "budget"

    def games(self, profile: str, changes: Mapping[str, Any]) -> Games:
        return config.settings(profile, changes).games

    def train(
        self,
        profile: str,
        changes: Mapping[str, Any],
        stage: Stage,
        seed: int,
        control: Control | None = None,
        watch: Watcher | None = None,
    ) -> PolicyCard:
        settings = _settings(profile, changes, control)
        if settings.games == "final":  # all questions of a game are asked at once
            stage = dataclasses.replace(stage, batch=settings.budget, update=settings.final_steps)
        eyes = featuriser(stage.task, settings, stage.state_units)
        with closing(stage.rehearse(eyes, settings.budget, settings.keep_given)) as games:
            environment = _environment(games, stage, settings)
            with seeded(int(rng.generator(seed, "policy weights").integers(2**62))):
                net = network(eyes.schema, settings)
                turns = len(stage.scenes)
                curve = train(environment, net, settings, seed, control, watch, _weights(eyes.schema), turns)
        tensors = to_tensors(net, NETWORK)
        check: Mapping[str, Any] = {}
        if control is None and settings.check_games and stage.unseen is not None:
            net.load_state_dict(from_tensors(tensors, NETWORK))  # what is looked at is what is kept
            with closing(stage.rehearse(eyes, settings.budget, settings.keep_given, unseen=True)) as games:
                check = _check(_environment(games, stage, settings), net, settings)
        return PolicyCard(
            self.name,
            profile,
            eyes.schema,
            dataclasses.asdict(settings),
            {},
            tuple(curve),
            tensors,
            control,
            check,
        )


def _settings(profile: str, changes: Mapping[str, Any], control: Control | None) -> Ralis:
    settings = config.settings(profile, changes)
    if control == "shuffled" and settings.checkpoint == "best":
        raise QueristError(
            "the shuffled control would keep its best weights by the true rewards", "set checkpoint: last"
        )
    return settings


def _environment(games: Rehearsal, stage: Stage, settings: Ralis) -> QueryEnvironment:
    first = settings.evaluate_first
    reward = MetricGain(1.0, first) if settings.reward == "metric" else InfluenceGain(1.0, first, settings.reward)
    return games.environment(ClusterPools(stage.batch, settings.pool_train), reward)


def _check(environment: QueryEnvironment, net: nn.Module, settings: Ralis) -> Mapping[str, Any]:
    """The sum of gains of the policy and of chance, in the same games, in a scene that it was not trained in.

    Only a first look: the scene has the images of the others, halved in another way. What counts is a comparison.
    """

    def greedy(now: Moment, stream: np.random.Generator) -> np.ndarray:
        values = action_values(net, now)
        return np.where(now.mask.any(axis=1), values.argmax(axis=1), -1)

    def chance(now: Moment, stream: np.random.Generator) -> np.ndarray:
        return uniform_actions(now.mask, stream)

    still = settings.games == "still"  # where the metric does not move
    found = {
        name: play(environment, act, settings.check_games, CHECK_SEED, still)
        for name, act in (("policy", greedy), ("random", chance))
    }
    return against_chance(**found)


def _weights(schema: Schema) -> np.ndarray:
    """(F,): every field has the same say in an exploring direction, however many numbers it has."""
    return np.concatenate([np.full(f.size, f.size**-0.5) for f in schema.candidates])


AGENT = RalisAgent()
