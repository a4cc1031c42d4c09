"""The Markov decision process around ``advance``, as a :class:`gymnasium.Env`: games on labels already bought."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import gymnasium
import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Selection, check_selection
from querist.core.reward import Gain, Reward
from querist.core.step import Game, Outcome, advance, offer


class SelectionLaw(Enum):
    """How the picks of a step depend on each other."""

    INDEPENDENT = "one pick per group, given the state"
    SEQUENTIAL = "one after another, each seeing the earlier ones"
    SUBSET = "a set of fixed size out of one group"
    SINGLE = "one pick, whose answer changes the state"


@dataclass(frozen=True)
class Flags:
    """The four flags in which the five systems differ (ALGORITHMS 6.1).

    Args:
        law: how picks depend on each other.
        answers_change_state: whether an answer acts on the observation directly, and not only through the model.
        one_shot: whether a game is one decision (a bandit) instead of many.

    The fourth, when the reward is known, belongs to the reward: :class:`querist.core.reward.Timing`.
    """

    law: SelectionLaw = SelectionLaw.INDEPENDENT
    answers_change_state: bool = False
    one_shot: bool = False


class QueryEnvironment(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """Each episode is a game; each step asks one selection.

    An action is an integer array (G, k) of positions within the groups. Rewards are the step's gain; ``info`` carries
    its standard error, the gain per group where there is one, what of the action was asked (``asked``, bool (G, k); the
    budget's end cuts the last step short), and the numbers of the update (not its seconds: an episode is a pure
    function of seed and actions).

    Args:
        new_game: (seed, episode) -> a fresh game whose task stands at the episode's first weights.
        reward: what a step is worth.
        flags: see :class:`Flags`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's own form

    def __init__(self, new_game: Callable[[int, int], Game], reward: Reward, flags: Flags | None = None) -> None:
        self._new_game, self._reward = new_game, reward
        self.flags = flags or Flags()
        self._seed, self._episode, self._step = 0, 0, 0
        self.game = new_game(0, 1)
        self.observation = offer(self.game, 0)
        self._shape = G, N = self.observation.groups.units.shape
        self._k = self.game.candidates.per_group(self.game.batch)
        fields = self.observation.schema.candidates
        low = np.concatenate([np.full(f.size, min(f.low, 0.0)) for f in fields] or [np.zeros(0)])
        high = np.concatenate([np.full(f.size, max(f.high, 0.0)) for f in fields] or [np.zeros(0)])
        shape = (G, N, self.observation.schema.width)
        spaces: dict[str, gymnasium.spaces.Space[Any]] = {
            "state": gymnasium.spaces.Box(-np.inf, np.inf, self.observation.state.shape, np.float32),
            "candidates": gymnasium.spaces.Box(
                np.broadcast_to(low, shape).astype(np.float32), np.broadcast_to(high, shape).astype(np.float32)
            ),
            "mask": gymnasium.spaces.MultiBinary((G, N)),
        }
        self.observation_space = cast("gymnasium.Space[dict[str, np.ndarray]]", gymnasium.spaces.Dict(spaces))
        self.action_space = gymnasium.spaces.MultiDiscrete(np.full((G, self._k), N))

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """A new game: the next episode, or the first of a seed."""
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._episode = seed, 0
        self._episode += 1
        self._step = 0
        self.game = self._new_game(self._seed, self._episode)
        self._reward.begin(self.game)
        self.observation = offer(self.game, 0)
        return self._seen(), {"episode": self._episode}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Ask a selection.

        Raises:
            ValueError: it repeats a candidate or leaves the mask; nothing was asked then.
        """
        selection = Selection(np.asarray(action, dtype=np.int64))
        check_selection(selection, self.observation, self._k)
        outcome = advance(self.game, self._step, lambda _seen, _k: selection, self.observation)
        if outcome is None:
            raise RuntimeError("the oracle of an episode must answer at once")
        gain = self._reward.measure(self.game, outcome)
        self._step += 1
        spent, budget = self.game.ledger.money(self.game.id)
        ended = spent >= budget or self.flags.one_shot or self.game.view.exhausted
        if not ended:  # after the last question there is no next choice; the last observation stays
            self.observation = offer(self.game, self._step)
        return self._seen(), gain.value, ended, False, self._info(outcome, gain)

    def _info(self, outcome: Outcome, gain: Gain) -> dict[str, Any]:
        log = {name: value for name, value in outcome.log.items() if not name.startswith("seconds")}
        info: dict[str, Any] = {
            "reward_standard_error": gain.standard_error,
            "asked": self._padded(outcome.asked),
            **log,
        }
        if gain.per_group is not None:
            info["reward_per_group"] = self._padded(gain.per_group)
        return info

    def _padded(self, values: np.ndarray) -> np.ndarray:
        """(G', ...) -> (G, ...): nothing for the groups that have gone since the first step."""
        padded = np.zeros((self._shape[0], *values.shape[1:]), dtype=values.dtype)
        padded[: len(values)] = values
        return padded

    def _seen(self) -> dict[str, np.ndarray]:
        """The observation in the shape of the first one: groups that have shrunk are padded, outside the mask."""
        seen: Observation = self.observation
        mask = np.zeros(self._shape, dtype=np.int8)
        candidates = np.zeros((*self._shape, seen.schema.width), dtype=np.float32)
        G, N = seen.groups.mask.shape
        mask[:G, :N], candidates[:G, :N] = seen.groups.mask, seen.candidates
        return {"state": seen.state.astype(np.float32), "candidates": candidates, "mask": mask}
