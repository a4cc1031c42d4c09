"""Replay of decomposed transitions: a step is stored once, by reference, and sampled as one sub-transition per pool."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from querist.errors import QueristError
from querist.nn.runtime import arrays_to_state, state_to_arrays


@dataclass(frozen=True, eq=False)
class Moment:
    """What an agent saw before one step. To be shared, not copied: a step's ``after`` is the next one's ``before``.

    Args:
        state: (S, Fs) float32, or any other shape that all moments of a replay have in common.
        candidates: (G, N, F) float32; G and N may differ from moment to moment.
        mask: (G, N) bool, true where there is a candidate.

    Raises:
        ValueError: candidates and mask do not fit together.
    """

    state: np.ndarray
    candidates: np.ndarray
    mask: np.ndarray

    def __post_init__(self) -> None:
        if self.candidates.ndim != 3 or self.mask.shape != self.candidates.shape[:2] or self.mask.dtype != np.bool_:
            raise ValueError(
                f"candidates {self.candidates.shape} must be (G, N, F) and the mask (G, N) of bool, "
                f"not {self.mask.shape} of {self.mask.dtype}"
            )


@dataclass(frozen=True, eq=False)
class Batch:
    """n sampled sub-transitions as tensors.

    Whole pools, not the chosen candidate alone: batch norms in a network take their statistics over the pools
    (ALGORITHMS 1.4, 1.5). Pools are padded to the widest of the batch.

    Args:
        states: (n, S, Fs) float32.
        candidates: (n, N, F) float32, zero outside the mask.
        mask: (n, N) bool.
        actions: (n,) int64, the place of the chosen candidate in its pool.
        rewards: (n,) float32.
        next_states: (n, S, Fs); likewise ``next_candidates`` (n, N', F) and ``next_mask`` (n, N').
            Where the sub-transition ended they are filled up with its own past and the mask is empty.
        ended: (n,) bool, true where nothing follows.
    """

    states: Tensor
    candidates: Tensor
    mask: Tensor
    actions: Tensor
    rewards: Tensor
    next_states: Tensor
    next_candidates: Tensor
    next_mask: Tensor
    ended: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device."""
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, eq=False, slots=True)
class _SubTransition:
    before: Moment
    after: Moment | None
    pool: int
    action: int
    reward: float


class Replay:
    """The newest sub-transitions, up to a capacity (ALGORITHMS 1.5, 1.8).

    A moment is kept once however many sub-transitions refer to it, and lives as long as one of them does.

    Args:
        capacity: in sub-transitions; the oldest make room.

    Raises:
        QueristError: room for less than one.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise QueristError(f"the replay has room for {capacity} sub-transitions", "give it room for at least one")
        self._kept: deque[_SubTransition] = deque(maxlen=capacity)  # in the order of age, which sampling relies on

    def __len__(self) -> int:
        """How many sub-transitions it holds."""
        return len(self._kept)

    def add(self, before: Moment, actions: np.ndarray, rewards: float | np.ndarray, after: Moment | None) -> None:
        """Stores one step as a sub-transition per pool.

        Args:
            before: what was seen.
            actions: (G,) integers, the place chosen in each pool; -1: the pool offered nobody, nothing is stored.
            rewards: of the step, for all its sub-transitions, or (G,) one for each.
            after: what was seen next, whose pool k follows pool k; None: the game ended. A pool that has no
                follower, or an empty one, ended too.

        Raises:
            ValueError: shapes that do not fit, a choice outside the mask, a reward that is no finite number.
        """
        G, N = before.mask.shape
        if np.shape(actions) != (G,):
            raise ValueError(f"{G} pools need as many actions, not {np.shape(actions)}")
        each = np.broadcast_to(np.asarray(rewards, dtype=np.float64), (G,))
        if not np.isfinite(each).all():
            raise ValueError(f"a reward is not a finite number: {rewards}")
        self._fits(before)
        if after is not None:
            self._fits(after, before)
        for pool, action in enumerate(map(int, actions)):
            if action == -1:
                continue
            if not (0 <= action < N and before.mask[pool, action]):
                raise ValueError(f"action {action} of pool {pool} is no candidate")
            follows = after is not None and pool < len(after.mask) and bool(after.mask[pool].any())
            item = _SubTransition(before, after if follows else None, pool, action, float(each[pool]))
            self._kept.append(item)

    def _fits(self, moment: Moment, other: Moment | None = None) -> None:
        other = other or (self._kept[-1].before if self._kept else moment)
        ours = (moment.state.shape, moment.candidates.shape[2])
        theirs = (other.state.shape, other.candidates.shape[2])
        if ours != theirs:
            raise ValueError(f"a moment has state and feature shapes {ours}, the ones before it had {theirs}")

    def clear(self) -> None:
        """Forget everything: for when the numbers in it have come to mean something else."""
        self._kept.clear()

    @property
    def newest_after(self) -> Moment | None:
        """What followed the sub-transition stored last; None if it ended, or nothing is stored.

        A learner that makes its moments anew in each step can share this one where its own is equal.
        """
        return self._kept[-1].after if self._kept else None

    def sample(self, count: int, rng: np.random.Generator) -> Batch:
        """A uniform sample without repeats.

        Args:
            count: how many sub-transitions.
            rng: a stream of its own.

        Raises:
            ValueError: more than there are.
        """
        if not 1 <= count <= len(self):
            raise ValueError(f"{count} sub-transitions asked for, {len(self)} are there")
        chosen = [self._kept[i] for i in rng.choice(len(self), count, replace=False).tolist()]
        ended = torch.tensor([item.after is None for item in chosen])
        states, candidates, mask = _collate([(item.before, item.pool) for item in chosen])
        then = _collate([(item.after or item.before, item.pool) for item in chosen])
        return Batch(
            states=states,
            candidates=candidates,
            mask=mask,
            actions=torch.tensor([item.action for item in chosen]),
            rewards=torch.tensor([item.reward for item in chosen], dtype=torch.float32),
            next_states=then[0],
            next_candidates=then[1],
            next_mask=then[2] & ~ended[:, None],
            ended=ended,
        )

    def snapshot(self, prefix: str = "replay") -> dict[str, np.ndarray]:
        """Everything it holds as named arrays, each moment once."""
        places: dict[int, int] = {}
        moments: list[Moment] = []
        for item in self._kept:
            for moment in (item.before, item.after):
                if moment is not None and id(moment) not in places:
                    places[id(moment)] = len(moments)
                    moments.append(moment)
        rows = [
            (places[id(item.before)], -1 if item.after is None else places[id(item.after)], item.pool, item.action)
            for item in self._kept
        ]
        state = {
            "moments": _stacks(moments),
            "rows": torch.tensor(rows, dtype=torch.int64).reshape(-1, 4),
            "rewards": torch.tensor([item.reward for item in self._kept], dtype=torch.float64),
        }
        return state_to_arrays(state, prefix)

    def restore(self, arrays: Mapping[str, np.ndarray], prefix: str = "replay") -> None:
        """Back to a snapshot; samples are the same from there on."""
        state = arrays_to_state(arrays, prefix)
        found: dict[int, Moment] = {}
        for stack in state["moments"]:
            arrays_of = [stack[f.name].numpy() for f in fields(Moment)]
            found |= {place: Moment(*each) for place, *each in zip(stack["places"].tolist(), *arrays_of, strict=True)}
        moments = [found[place] for place in range(len(found))]
        self._kept.clear()
        for (before, after, pool, action), reward in zip(
            state["rows"].tolist(), state["rewards"].tolist(), strict=True
        ):
            follower = None if after < 0 else moments[after]
            self._kept.append(_SubTransition(moments[before], follower, pool, action, reward))


def _stacks(moments: Sequence[Moment]) -> list[dict[str, torch.Tensor]]:
    """Moments of equal shapes in one array each, with their places: thousands of small arrays are slow to write."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, moment in enumerate(moments):
        arrays = [getattr(moment, f.name) for f in fields(moment)]
        alike.setdefault(tuple((a.shape, a.dtype.str) for a in arrays), []).append(place)
    return [
        {"places": torch.tensor(places)}
        | {f.name: torch.from_numpy(np.stack([getattr(moments[i], f.name) for i in places])) for f in fields(Moment)}
        for places in alike.values()
    ]


def _collate(pools: Sequence[tuple[Moment, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """States (n, S, Fs), candidates (n, N, F) and mask (n, N) of one pool each; each distinct state is read once."""
    distinct = {id(moment): moment for moment, _ in pools}
    place = {key: i for i, key in enumerate(distinct)}
    states = torch.from_numpy(np.stack([moment.state for moment in distinct.values()]).astype(np.float32, copy=False))
    widest = max(moment.mask.shape[1] for moment, _ in pools)
    candidates = np.zeros((len(pools), widest, pools[0][0].candidates.shape[2]), dtype=np.float32)
    mask = np.zeros((len(pools), widest), dtype=np.bool_)
    for row, (moment, pool) in enumerate(pools):
        width = moment.mask.shape[1]
        mask[row, :width] = moment.mask[pool]
        candidates[row, :width] = np.where(moment.mask[pool, :, None], moment.candidates[pool], 0)
    index = torch.tensor([place[id(moment)] for moment, _ in pools])
    return states[index], torch.from_numpy(candidates), torch.from_numpy(mask)
