"""DRAL as an agent: from a stage to a card (Liu et al. 2019, Deep reinforcement active learning for re-identification).

Rewards are known at once, so games before the deployment need no update of the model: thousands of questions a minute.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from querist.agents.dral import config
from querist.agents.dral.config import Dral
from querist.agents.dral.learner import Learner
from querist.agents.dral.policy import WEIGHTS, DralPolicy, featuriser, network
from querist.agents.dral.reward import Hardness
from querist.core import rng
from querist.core.agent import Again, Agent, Control, Watcher
from querist.core.card import PolicyCard
from querist.core.observation import Observation
from querist.core.policy import Policy, Selection
from querist.core.pool import PairPool, Pool
from querist.core.rehearsal import Rehearsal, Stage
from querist.core.split import Role, Split
from querist.core.step import Game, Outcome, advance
from querist.errors import QueristError
from querist.nn.runtime import seeded, state_to_arrays
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.space import PairSpace
from querist.rl.check import CHECK_SEED, against_chance
from querist.rl.exploration import uniform_actions

_ONLINE = {None: "learn", "untrained": "off", "shuffled": "shuffled"}
Choose = Callable[[Observation, int, np.random.Generator], Selection]
Learn = Callable[[Game, Outcome, np.random.Generator], Mapping[str, float]]


class DralAgent(Agent):
    """Pairs of images of people, one question at a time, DQN over the anchor's neighbours."""

    name = "dral"
    paid_by = "answers"

    def offered(self, pairs: Mapping[str, Any]) -> Mapping[str, Any]:
        return pairs

    def check(self, pool: Pool, split: Split, batch: int, groups: int, games: int) -> None:
        if not isinstance(pool, PairPool):
            raise QueristError(
                f"dral asks about pairs of images, and the units here are those of a {type(pool).__name__}",
                "use it with a task about pairs, such as re-identification",
            )
        given = len(np.unique(pool.source_subjects[split.sources(Role.START)]))
        if games and given < 4:
            raise QueristError(
                f"dral plays its games with the labelled source, and here that is {given} people",
                "give more (problem.start), or let it learn while it asks alone (train.settings: episodes: 0)",
            )

    def policy(self, card: PolicyCard, again: Again | None = None) -> Policy:
        return DralPolicy(card)

    def questions(self, profile: str, changes: Mapping[str, Any], batch: int) -> tuple[int, str]:
        return config.settings(profile, changes).budget, "budget"

    def episodes(self, profile: str, changes: Mapping[str, Any], control: Control | None) -> int:
        chosen = config.settings(profile, changes)
        return 0 if control == "untrained" else chosen.episodes

    def train(
        self,
        profile: str,
        changes: Mapping[str, Any],
        stage: Stage,
        seed: int,
        control: Control | None = None,
        watch: Watcher | None = None,
    ) -> PolicyCard:
        settings = dataclasses.replace(config.settings(profile, changes), online=_ONLINE[control])
        eyes, candidates = featuriser(settings), AnchorNeighbours(PairSpace(settings.pairs))
        with seeded(int(rng.generator(seed, "policy weights").integers(2**62))):
            net = network(eyes.schema, settings)
        learner = Learner(net, settings, eyes)
        curve = []
        episodes = self.episodes(profile, changes, control)
        if episodes:
            with closing(stage.rehearse(eyes, settings.budget, settings.keep_given)) as games:
                for episode in range(1, episodes + 1):
                    row = _row(episode, *_play(games, candidates, seed, episode, learner.choose, learner.learn))
                    curve.append(row)
                    if watch is not None:
                        watch(row)
        check: Mapping[str, Any] = {}
        if control is None and episodes and settings.check_games and stage.unseen is not None:
            with closing(stage.rehearse(eyes, settings.budget, settings.keep_given, unseen=True)) as games:
                check = _check(games, candidates, learner, settings)
        tensors = state_to_arrays(net, WEIGHTS)
        return PolicyCard(
            self.name, profile, eyes.schema, dataclasses.asdict(settings), {}, tuple(curve), tensors, control, check
        )


def _play(
    games: Rehearsal, candidates: AnchorNeighbours, seed: int, episode: int, choose: Choose, learn: Learn
) -> tuple[list[Mapping[str, float]], float]:
    """One game without updates of the model: what was logged of each question, and the seconds it took."""
    began = time.perf_counter()
    game = games.new_game(candidates, seed, episode)
    game.update = 0
    logs: list[Mapping[str, float]] = []
    for step in range(game.view.budget):
        stream = game.stream("policy", step)
        outcome = advance(game, step, lambda seen, k, stream=stream: choose(seen, k, stream))
        if outcome is None or not outcome.questions:
            break
        logs.append(learn(game, outcome, game.stream("learn", step)))
    return logs, time.perf_counter() - began


def _row(episode: int, logs: list[Mapping[str, float]], seconds: float) -> dict[str, Any]:
    """The row of the learning curve: rewards are exact, and their mean is worth more than their sum."""
    rewards = [log["reward"] for log in logs]
    row: dict[str, Any] = {
        "episode": episode,
        "questions": len(logs),
        "return": float(np.mean(rewards or [0.0])),
        "standard_error": float(np.std(rewards) / np.sqrt(len(rewards))) if rewards else 0.0,
        "explored": round(logs[-1]["explored"], 4) if logs else 0.0,
        "seconds": round(seconds, 2),
    }
    for name in ("same", "loss", "mean_value"):
        values = [log[name] for log in logs if name in log]
        if values:
            row[name] = float(np.mean(values))
    return row


def _check(games: Rehearsal, candidates: AnchorNeighbours, learner: Learner, settings: Dral) -> Mapping[str, Any]:
    """The mean reward of the policy and of chance in the same games, in a scene that it was not trained in."""
    reward = Hardness(settings)

    def note(game: Game, outcome: Outcome, stream: np.random.Generator) -> dict[str, float]:
        return {"reward": reward.measure(game, outcome).value}

    def chance(seen: Observation, k: int, stream: np.random.Generator) -> Selection:
        return Selection(uniform_actions(seen.groups.mask, stream)[:, None])

    found: dict[str, list[float]] = {}
    for name, choose in (("policy", learner.choose), ("random", chance)):
        played = [_play(games, candidates, CHECK_SEED, n + 1, choose, note)[0] for n in range(settings.check_games)]
        found[name] = [float(np.mean([log["reward"] for log in logs] or [0.0])) for logs in played]
    return against_chance(**found)


AGENT = DralAgent()
