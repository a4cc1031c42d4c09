"""How DRAL chooses and learns, question by question: the same before and during a deployment (ALGORITHMS 5.4)."""

from collections.abc import Mapping

import numpy as np
from torch import nn

from querist.agents.dral.config import Dral
from querist.agents.dral.reward import Hardness
from querist.core.capabilities import EmbedsSources
from querist.core.observation import Observation
from querist.core.policy import Selection, top_k
from querist.core.step import Game, Outcome
from querist.nn.optimiser import Optimiser
from querist.nn.runtime import arrays_to_state, state_to_arrays
from querist.pairs.featuriser import GraphObservation, PairGraph
from querist.rl.double_dqn import DoubleDQN, DoubleDqnSettings, action_values
from querist.rl.exploration import EpsilonSchedule, uniform_actions
from querist.rl.replay import Moment, Replay
from querist.rl.shuffled import EarlierRewards


class Learner:
    """A value network that explores, remembers and learns.

    Args:
        network: ``(states, candidates, mask) -> values``; it is kept, not copied.
        settings: the numbers.
        eyes: makes the observations; what follows an answer is worked out with it, from the graph that was seen.
        trained: the network was trained before, so that it explores no more than in the long run.
    """

    def __init__(self, network: nn.Module, settings: Dral, eyes: PairGraph, trained: bool = False) -> None:
        self.network, self._settings, self._eyes = network, settings, eyes
        self._trained = trained
        self._dqn = DoubleDQN(network, _dqn_settings(settings))
        self._replay = Replay(settings.replay)
        self._epsilon = EpsilonSchedule(
            settings.epsilon_floor, settings.epsilon_first - settings.epsilon_floor, settings.epsilon_decay
        )
        self._earlier = EarlierRewards()
        self._reward = Hardness(settings)
        self._questions = 0  # of the whole training or deployment

    @property
    def epsilon(self) -> float:
        """The share of random questions at present."""
        return self._settings.epsilon_floor if self._trained else self._epsilon.value(self._questions)

    def choose(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        """Greedy, or now and then random."""
        mask = observation.groups.mask
        if rng.random() < self.epsilon:
            return Selection(uniform_actions(mask, rng)[:, None])
        values = action_values(self.network, _moment(observation))
        return top_k(values.astype(np.float64), mask, k)

    def learn(self, game: Game, outcome: Outcome, rng: np.random.Generator) -> dict[str, float]:
        """After a step: remember it and update the network.

        A question that nobody could answer cost one turn and is not remembered. After an update of the model what is
        remembered was seen with other distances, and is forgotten if the settings say so.

        Args:
            game: where; ``outcome`` what happened.
            rng: of the step.

        Returns:
            What is worth logging.
        """
        observation = outcome.observation
        assert isinstance(observation, GraphObservation), "DRAL brings its own featuriser"
        if not outcome.answers or observation.graph is None:
            return {}
        log = {"reward": self._reward.measure(game, outcome).value, "explored": self.epsilon}
        answer = outcome.answers[0]
        if answer is not None:
            log["same"] = float(bool(answer))
        if self._settings.online == "off":
            return log
        if answer is not None:
            reward = log["reward"]
            if self._settings.online == "shuffled":
                reward = self._earlier.replace(reward, rng)
            self._remember(game, observation, outcome.selection.indices[:, 0], bool(answer), reward)
        self._questions += 1
        if len(self._replay) >= self._settings.batch:
            logs = [self._dqn.update(self._replay.sample(self._settings.batch, rng)) for _ in self._updates]
            log |= {name: logs[-1][name] for name in ("loss", "mean_value")}
        assert isinstance(game.task, EmbedsSources), "Policy.needs is checked before"
        if self._settings.flush and game.task.embedding_version != observation.graph.version:
            self._replay.clear()
        return log

    @property
    def _updates(self) -> range:
        return range(self._settings.updates)

    def _remember(self, game: Game, seen: GraphObservation, places: np.ndarray, same: bool, reward: float) -> None:
        """A visit ends with its last question or neighbour, and with the budget: what comes after does not count."""
        assert seen.graph is not None
        before, last = _moment(seen), self._replay.newest_after
        if last is not None and _equal(last, before):
            before = last  # kept once, also after the replay came out of a snapshot
        after, then = seen.graph.after(int(places[0]), same), None
        if not after.ended and game.view.spent < game.view.budget:
            mask = np.zeros_like(before.mask)
            mask[0, : len(after)] = after.free
            then = Moment(self._eyes.state(after), self._eyes.candidates(after), mask)
        self._replay.add(before, places, reward, then)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Networks, optimiser, replay and counters; nothing for a policy that does not learn."""
        if self._settings.online == "off":
            return {}
        counters = state_to_arrays({"questions": self._questions}, "counters")
        return self._dqn.snapshot() | self._replay.snapshot() | self._earlier.snapshot() | counters

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Back to a snapshot; what follows is the same, bit by bit."""
        if self._settings.online == "off":
            return
        self._dqn.restore(arrays)
        self._replay.restore(arrays)
        self._earlier.restore(arrays)
        self._questions = arrays_to_state(arrays, "counters")["questions"]


def _moment(observation: Observation) -> Moment:
    return Moment(observation.state, observation.candidates, observation.groups.mask)


def _equal(one: Moment, other: Moment) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("state", "candidates", "mask"))


def _dqn_settings(settings: Dral) -> DoubleDqnSettings:
    return DoubleDqnSettings(
        gamma=settings.gamma,
        selector=settings.selector,
        loss=settings.loss,
        optimiser=Optimiser("adamw", settings.learning_rate, weight_decay=settings.weight_decay),
        period=settings.target_every,
    )
