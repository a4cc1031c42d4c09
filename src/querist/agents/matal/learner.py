"""How a team learns: random games, meta-learning over partitions, ordinary games (ALGORITHMS 2.4, 2.5)."""

import dataclasses
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from querist.agents.matal.config import Matal
from querist.agents.matal.exploring import drawn, exploration, explorer
from querist.agents.matal.games import Played, moment, play, shown, team_pool
from querist.agents.matal.network import TeamQ
from querist.agents.matal.team import choose
from querist.agents.matal.team_dqn import TeamDQN, TeamStep
from querist.core import rng
from querist.core.agent import Control, Watcher
from querist.core.observation import Observation, Schema
from querist.core.rehearsal import Rehearsal
from querist.errors import QueristError
from querist.rl.shuffled import EarlierRewards
from querist.rl.standard_returns import StandardReturns


class Learner:
    """Trains a team in the games of a stage.

    Args:
        games: of the stage; ``scenes`` how many partitions they take turns in.
        team: it is kept, not copied.
        settings: the numbers.
        schema: of the observations.
        seed: of exploration and games.
        control: ``shuffled`` learns from the rewards of other steps.
        watch: told the row of the learning curve after each game.
    """

    def __init__(
        self,
        games: Rehearsal,
        scenes: int,
        team: TeamQ,
        settings: Matal,
        schema: Schema,
        seed: int,
        control: Control | None = None,
        watch: Watcher | None = None,
    ) -> None:
        self._games, self._scenes, self._settings, self._seed = games, scenes, settings, seed
        self._control, self._watch = control, watch
        self._dqn = TeamDQN(team, settings)
        self._weights = np.concatenate([np.full(f.size, f.size**-0.5) for f in schema.candidates])
        self._memory: deque[TeamStep] = deque(maxlen=settings.replay)
        self._returns, self._earlier = StandardReturns(), EarlierRewards()
        self._number = 0  # of the game, which names its streams
        self._updates = 0
        self._done, self._planned = 0, 1  # games of the present phase, for exploration
        self.curve: list[dict[str, Any]] = []
        """One row per game."""

    def warm_up(self) -> None:
        """Random games; what they show freezes the standardisers, and their steps are remembered."""
        states, candidates = [], []
        for _ in range(self._settings.warm_up):
            played, _, row = self._game("warm_up", None, 1.0, self._dqn.online)
            states += [state for state, _ in played.seen]
            candidates += [rows for _, rows in played.seen]
            self._tell(row, [])
        self._dqn.online.set_standardiser(
            torch.from_numpy(np.stack(states)), torch.from_numpy(np.concatenate(candidates))
        )
        self._dqn.copy_to_target()

    def meta_train(self) -> None:
        """Learn an initialisation: each task is a partition, with support games and then query games in it."""
        self._plan(2 * self._settings.meta_games * self._settings.tasks)
        for number in range(self._settings.tasks):
            scene = number % self._scenes
            support, rows = self._meta_games("support", scene, self._dqn.online)
            team = self._dqn.adapted(support, self._paid(support))
            query, last = self._meta_games("query", scene, team)
            pairs = (support, self._paid(support)), (query, self._paid(query))
            logs = [self._dqn.meta_update(*pairs) for _ in range(self._settings.meta_updates)]
            for row in (*rows, *last):
                self._tell(row, logs if row is last[-1] else [])
            games = 2 * self._settings.meta_games
            if (number + 1) * games // self._settings.target_every > number * games // self._settings.target_every:
                self._dqn.copy_to_target()
        self._dqn.copy_to_target()

    def _meta_games(self, phase: str, scene: int, team: TeamQ) -> tuple[list[TeamStep], list[dict[str, Any]]]:
        found, rows = [], []
        for _ in range(self._settings.meta_games):
            _, steps, row = self._game(phase, scene, self._epsilon, team)
            found += steps
            rows.append(row)
        return found, rows

    def train(self, episodes: int) -> None:
        """Ordinary games, with updates after each of them or after each of their steps."""
        self._plan(episodes)
        for number in range(1, episodes + 1):
            logs: list[dict[str, float]] = []
            after_step = self._settings.update == "step"
            _, steps, row = self._game("play", None, self._epsilon, self._dqn.online, logs if after_step else None)
            if not after_step:
                logs += self._learn(steps)
            if number % self._settings.target_every == 0:
                self._dqn.copy_to_target()
            self._tell(row, logs)

    def end(self) -> None:
        """To be called last.

        Raises:
            QueristError: the team diverged.
        """
        if not all(bool(torch.isfinite(p).all()) for p in self._dqn.online.parameters()):
            raise QueristError("the team has weights that are not finite", "lower its learning rate")

    def _plan(self, games: int) -> None:
        self._done, self._planned = 0, games

    @property
    def _epsilon(self) -> float:
        return exploration(self._settings, self._done / max(1, self._planned))

    def _game(
        self,
        phase: str,
        scene: int | None,
        epsilon: float,
        team: TeamQ,
        logs: list[dict[str, float]] | None = None,
    ) -> tuple[Played, list[TeamStep], dict[str, Any]]:
        """One game, in the next partition or in a given one; what happened, what is learned from, and its row.

        Where ``logs`` are given, the team learns after each step.
        """
        began = time.perf_counter()
        # The stage deals its partitions out by the number of the game, so a partition is chosen by skipping numbers.
        self._number += 1 + (0 if scene is None else (scene - self._number - 1) % self._scenes)
        number = self._number
        game = self._games.new_game(team_pool(self._settings, deployed=False), self._seed, number)
        steps: list[TeamStep] = []

        def pick(seen: Observation, k: int, step: int) -> np.ndarray:
            state, rows = moment(seen)
            stream = rng.generator(self._seed, "explore", number, step)
            draw = explorer(rows, self._settings, epsilon, stream, self._weights)
            if phase == "warm_up":  # the standardisers are not set yet
                return drawn(draw, len(rows), k)
            return choose(team, self._settings, state, rows, k, draw, stream, shown(seen)).places

        def told(step: TeamStep) -> None:
            steps.append(self._remember(step))
            if logs is not None:
                logs.extend(self._learn(steps[-1:]))

        played = play(game, self._settings, pick, number % self._scenes, told)
        for step in played.imagined:
            self._remember(step)
        self._done += 1
        row = {
            "episode": len(self.curve) + 1,
            "phase": phase,
            "return": float(np.sum(played.rewards)),
            "rewards": [round(r, 4) for r in played.rewards],
            "standard_error": float(np.mean(played.errors)),
            "explored": round(epsilon, 4),
            "seconds": round(time.perf_counter() - began, 2),
        }
        self.curve.append(row)
        return played, steps, row

    def _tell(self, row: dict[str, Any], logs: Sequence[Mapping[str, float]]) -> None:
        for name in ("loss", "mean_value", "gradient_norm"):
            if logs:
                row[name] = float(np.mean([log[name] for log in logs]))
        if self._watch is not None:
            self._watch(row)

    def _remember(self, step: TeamStep) -> TeamStep:
        """A step as it is learned from; the shuffled control is told the rewards of other steps, or other images."""
        if self._control == "shuffled":
            paid = [self._other(float(r)) for r in np.ravel(step.reward)]
            step = dataclasses.replace(step, reward=np.array(paid) if np.ndim(step.reward) else paid[0])
        self._memory.append(step)
        for reward in np.ravel(step.reward):
            self._returns.note(*step.place, float(reward))
        return step

    def _other(self, reward: float) -> float:
        return self._earlier.replace(reward, rng.generator(self._seed, "shuffled", 0, len(self._earlier)))

    def _paid(self, steps: Sequence[TeamStep]) -> np.ndarray:
        """(n,) rewards, or (n, N) where agents are paid by themselves, on the scale that is learned."""
        rewards = np.array([step.reward for step in steps])
        if self._settings.standardise_returns:
            places = [step.place for step in steps]
            for place in set(places):
                here = np.array([p == place for p in places])
                rewards[here] = self._returns.standard(*place, rewards[here])
        return rewards

    def _learn(self, own: list[TeamStep]) -> list[dict[str, float]]:
        """Gradient steps after some steps of a game: on these in random order, or on samples of what is remembered."""
        settings = self._settings
        steps = list(self._memory) if settings.replay else own
        if len(steps) < settings.batch and settings.replay:
            return []
        paid, logs = self._paid(steps), []
        for _ in range(settings.updates * (len(own) if settings.replay else 1)):
            stream = rng.generator(self._seed, "learn", self._number, self._updates)
            self._updates += 1
            order = stream.permutation(len(steps))
            batches = [order[: settings.batch]]
            if not settings.replay:
                batches = [order[i : i + settings.batch] for i in range(0, len(order), settings.batch)]
            logs += [self._dqn.update([steps[i] for i in some], paid[some]) for some in batches]
        return logs
