"""How a RALIS policy learns: episodes, decomposed transitions, double DQN (ALGORITHMS 1.5)."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import nn

from querist.agents.ralis.config import Ralis
from querist.core import rng
from querist.core.agent import Control, Watcher
from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.rl.double_dqn import DoubleDQN, DoubleDqnSettings, action_values
from querist.rl.exploration import EpsilonSchedule, coherent_actions, uniform_actions
from querist.rl.replay import Moment, Replay
from querist.rl.shuffled import EarlierRewards
from querist.rl.standard_returns import StandardReturns


def train(
    environment: gymnasium.Env[dict[str, np.ndarray], np.ndarray],
    network: nn.Module,
    settings: Ralis,
    seed: int,
    control: Control | None = None,
    watch: Watcher | None = None,
    weights: np.ndarray | None = None,
    scenes: int = 1,
) -> list[dict[str, Any]]:
    """Train a value network in an environment; it is left in evaluation mode with the weights of the checkpoint.

    Args:
        environment: one action per group and step, as :class:`~querist.core.environment.QueryEnvironment` gives it.
        network: ``(states, candidates, mask) -> values``.
        settings: the numbers.
        seed: of exploration and sampling, and of the games.
        control: ``untrained`` plays the warm-up alone, for the standardiser; ``shuffled`` learns from the rewards of
            other steps.
        watch: told the row of the learning curve after each episode.
        weights: (F,) of the features in coherent exploration.
        scenes: in how many the games take turns.

    Returns:
        The learning curve: one row per episode.

    Raises:
        QueristError: the value network diverged.
    """
    learner = _Learner(environment, network, settings, seed, control, weights, scenes)
    curve = []
    episodes = max(1, settings.warm_up) if control == "untrained" else settings.episodes
    for episode in range(1, episodes + 1):
        row = learner.episode(episode)
        curve.append(row)
        if watch is not None:
            watch(row)
    learner.end()
    return curve


def play(
    environment: gymnasium.Env[dict[str, np.ndarray], np.ndarray],
    act: Callable[[Moment, np.random.Generator], np.ndarray],
    games: int,
    seed: int,
    by_answer: bool = False,
) -> list[float]:
    """The sum of rewards of some games, played without learning.

    Args:
        environment: see :func:`train`.
        act: what is seen, and a stream -> (G,) places.
        games: how many; ``seed`` of them.
        by_answer: of each step, what its answers were worth on average, instead of the metric's rise.
    """
    sums = []
    for number in range(games):
        seen, _ = environment.reset(seed=seed if number == 0 else None)
        total, step, ended = 0.0, 0, False
        while not ended:
            actions = act(_moment(seen), rng.generator(seed, "play", number, step))
            seen, reward, ended, _, info = environment.step(actions[:, None])
            total += float(np.mean(info["reward_per_group"][info["asked"][:, 0]])) if by_answer else float(reward)
            step += 1
        sums.append(total)
    return sums


class _Learner:
    def __init__(
        self,
        environment: gymnasium.Env[dict[str, np.ndarray], np.ndarray],
        network: nn.Module,
        settings: Ralis,
        seed: int,
        control: Control | None,
        weights: np.ndarray | None,
        scenes: int,
    ) -> None:
        self._weights, self._scenes = weights, scenes
        self._returns = StandardReturns()
        self._held: list[tuple[Moment, np.ndarray, np.ndarray, Moment | None, tuple[int, int]]] = []
        self._environment, self._network, self._settings, self._seed = environment, network, settings, seed
        self._control = control
        self._dqn = DoubleDQN(network, _dqn_settings(settings))
        self._replay = Replay(settings.replay)
        self._epsilon = EpsilonSchedule(settings.epsilon_floor, settings.epsilon_span, settings.epsilon_decay)
        self._earlier = EarlierRewards()
        self._steps = 0  # over the whole run; the warm-up does not count for epsilon
        self._waiting: deque[tuple[Moment, np.ndarray, np.ndarray, tuple[int, int]]] = deque()
        self._seen: list[Moment] = []  # of the warm-up, for the standardiser
        self._ready = not settings.standardise
        self._best: tuple[float, dict[str, torch.Tensor]] | None = None

    def episode(self, number: int) -> dict[str, Any]:
        """Play one game and learn from it; returns its row of the curve."""
        began = time.perf_counter()
        warm = number <= self._settings.warm_up or self._control == "untrained"
        seen, _ = self._environment.reset(seed=self._seed if number == 1 else None)
        self._dqn.begin_episode()
        rewards, errors, logs, ended = [], [], [], False
        while not ended:
            now = _moment(seen)
            actions = self._act(now, number, len(rewards), warm)
            seen, reward, ended, _, info = self._environment.step(actions[:, None])
            rewards.append(float(reward))
            errors.append(float(info["reward_standard_error"]))
            actions = np.where(info["asked"][:, 0], actions, -1)  # nobody is paid for what was not asked
            place = (number % self._scenes, len(rewards))
            paid = np.full(len(actions), float(reward))
            if self._settings.reward != "metric":
                paid = info["reward_per_group"]
            self._remember(now, actions, paid, None if ended else _moment(seen), place)
            if not warm:
                self._steps += 1
                logs += [self._learn(number, len(rewards), i) for i in range(self._settings.updates)]
            elif not self._ready:
                self._seen.append(now)
        if number >= self._settings.warm_up and not self._ready:
            self._standardise()
        self._keep_best(float(np.sum(rewards)), warm)
        learned = [log for log in logs if log]
        row = {
            "episode": number,
            "return": float(np.sum(rewards)),
            "rewards": [round(r, 4) for r in rewards],
            "standard_error": float(np.mean(errors)),
            "explored": "all" if warm else round(self._epsilon.value(self._steps), 4),
            "seconds": round(time.perf_counter() - began, 2),
        }
        for name in ("loss", "mean_value", "gradient_norm"):
            if learned:
                row[name] = float(np.mean([log[name] for log in learned]))
        return row

    def _act(self, now: Moment, episode: int, step: int, warm: bool) -> np.ndarray:
        """(G,) places."""
        # The same streams for as long as a decision is held: whether to explore, and in which direction.
        held = step // self._settings.explore_for
        coin = rng.generator(self._seed, "explore", episode, held)
        if not (warm or bool(self._epsilon.explore(self._steps - step % self._settings.explore_for, 1, coin)[0])):
            values = action_values(self._dqn.online, now)
            return np.where(now.mask.any(axis=1), values.argmax(axis=1), -1)
        if self._settings.exploration == "uniform":
            return uniform_actions(now.mask, rng.generator(self._seed, "uniform", episode, step))
        return coherent_actions(
            now.candidates, now.mask, rng.generator(self._seed, "direction", episode, held), weights=self._weights
        )

    def _remember(
        self, now: Moment, actions: np.ndarray, paid: np.ndarray, after: Moment | None, place: tuple[int, int]
    ) -> None:
        """Keep a step until its ``horizon`` rewards are known, then store it with their discounted sums."""
        settings = self._settings
        if self._control == "shuffled":
            paid = self._shuffled(paid)
        self._waiting.append((now, actions, paid, place))
        while self._waiting and (after is None or len(self._waiting) == settings.horizon):
            values = sum((settings.gamma**i * r for i, (_, _, r, _) in enumerate(self._waiting)), np.zeros(len(paid)))
            first, chosen, _, where = self._waiting.popleft()
            self._held.append((first, chosen, values, after if settings.bootstrap else None, where))
            for value in self._distinct(values, chosen):
                self._returns.note(*where, value)
        if self._ready or not settings.standardise_returns:
            self._store()

    def _shuffled(self, paid: np.ndarray) -> np.ndarray:
        """Rewards of earlier steps, or of earlier questions where each is paid by itself."""
        each = paid if self._settings.reward != "metric" else paid[:1]
        streams = (rng.generator(self._seed, "shuffled", 0, len(self._earlier) + i) for i in range(len(each)))
        found = [self._earlier.replace(float(r), stream) for r, stream in zip(each, list(streams), strict=True)]
        return np.resize(np.array(found), len(paid))

    def _distinct(self, values: np.ndarray, actions: np.ndarray) -> list[float]:
        """The returns that count by themselves: one of a step, or one of each question."""
        return values[actions >= 0].tolist() if self._settings.reward != "metric" else values[:1].tolist()

    def _store(self) -> None:
        """What is held goes into the replay; while the warm-up lasts, it is not known yet what a usual return is."""
        for first, chosen, values, after, where in self._held:
            if self._settings.standardise_returns:
                values = self._returns.standard(*where, values)
            self._replay.add(first, chosen, values, after)
        self._held = []

    def _learn(self, episode: int, step: int, update: int) -> dict[str, float]:
        if len(self._replay) < self._settings.batch or not self._ready:
            return {}
        stream = rng.generator(self._seed, f"replay{update}", episode, step)
        return self._dqn.update(self._replay.sample(self._settings.batch, stream))

    def _standardise(self) -> None:
        """Freeze the input statistics, from all that the warm-up offered."""
        rows = torch.from_numpy(np.concatenate([m.state.reshape(-1, m.state.shape[-1]) for m in self._seen]))
        candidates = torch.from_numpy(np.concatenate([m.candidates[m.mask] for m in self._seen]))
        self._network.set_standardiser(rows.float(), candidates.float())  # type: ignore[operator]
        self._dqn.copy_to_target()
        self._ready = True
        self._seen = []
        self._store()

    def _keep_best(self, value: float, warm: bool) -> None:
        if self._settings.checkpoint == "best" and not warm and (self._best is None or value > self._best[0]):
            self._best = (value, {name: t.clone() for name, t in self._network.state_dict().items()})

    def end(self) -> None:
        """Leave the network with the weights of the checkpoint."""
        if self._best is not None:
            self._network.load_state_dict(self._best[1])
        self._network.eval()
        if not all(bool(torch.isfinite(p).all()) for p in self._network.parameters()):
            raise QueristError("the value network has weights that are not finite", "lower the learning rate")


def _dqn_settings(settings: Ralis) -> DoubleDqnSettings:
    # What is summed before the bootstrap has its discounts in it; the bootstrap is `horizon` steps away.
    momentum = 0.95 if settings.optimiser == "sgd" else 0.9
    return DoubleDqnSettings(
        gamma=settings.gamma**settings.horizon,
        selector=settings.selector,
        loss=settings.loss,
        optimiser=Optimiser(settings.optimiser, settings.learning_rate, momentum, settings.weight_decay),
        decay=settings.decay,
        period=settings.target_every * settings.updates,
        reset_each_episode=settings.target_per_episode,
    )


def _moment(seen: Mapping[str, np.ndarray]) -> Moment:
    return Moment(seen["state"], seen["candidates"], seen["mask"].astype(bool))
