"""How a team chooses: one agent after another, each knowing the mean of what was taken before it (ALGORITHMS 2.3)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from querist.agents.matal.config import Matal
from querist.agents.matal.network import LayersQ, LineQ, TeamQ
from querist.core.observation import Schema
from querist.kernels.dealing import Hands, Shown, at_random, everything, fewest_labels

Draw = Callable[[int, Tensor], int | None]
"""(agent, who is left (n,) bool) -> the place of an image, or None where the agent shall choose."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What a team took in one step.

    Args:
        places: (k,) int64 places among the candidates, in the order of choosing; k may be smaller than the team
            where there were not enough.
        values: (k,) what each agent thought of its image; NaN where it did not choose.
    """

    places: np.ndarray
    values: np.ndarray


def build_team(schema: Schema, settings: Matal, images: int) -> TeamQ:
    """The networks for steps of so many images, with fresh weights from torch's generator."""
    agents = 1 if settings.team in ("top", "single") or settings.parameters == "shared" else images
    states = sum(f.size for f in schema.state)
    if settings.network == "line":
        return LineQ(agents, states, schema.width)
    return LayersQ(agents, states, schema.width, settings.first_width, settings.second_width)


@torch.no_grad()
def choose(
    team: TeamQ,
    settings: Matal,
    state: np.ndarray,
    candidates: np.ndarray,
    k: int,
    draw: Draw | None = None,
    rng: np.random.Generator | None = None,
    shown: Shown | None = None,
) -> Choice:
    """Take k candidates, greedily but for what ``draw`` decides.

    Args:
        team: its standardisers are set.
        settings: which kind of team.
        state: (Fs,); ``candidates`` (n, F), all of them free.
        k: how many; with agents of their own at most as many as there are agents.
        draw: see :data:`Draw`; None: always greedy.
        rng: deals the candidates out, where they are dealt; None: every agent sees them all. An agent that is alone
            sees them all in any case: its k best of k hands would not be its k best.
        shown: whom the candidates show; needed where hands are dealt by subjects.
    """
    scores = team.scorer(torch.from_numpy(state))
    rows = team.candidate_standardiser(torch.from_numpy(candidates))
    k = min(k, len(rows))
    free = torch.ones(len(rows), dtype=torch.bool)
    hands = _hands(settings, len(rows), k, rng, shown)
    taken, values = np.zeros(k, dtype=np.int64), np.full(k, np.nan)
    earlier = torch.zeros(rows.shape[1])
    nothing = torch.zeros_like(earlier)
    only = scores(0, rows, nothing) if settings.team in ("top", "single") and k else None
    for m in range(k):
        mine = hands(m, free)
        place = None if draw is None else draw(m, mine)
        if place is None:
            context = earlier / m if m and settings.team == "context" else nothing
            worth = scores(m, rows, context) if only is None else only
            place = int(torch.where(mine, worth, -torch.inf).argmax())
            values[m] = float(worth[place])
        taken[m] = place
        free[place] = False
        earlier += rows[place]
    return Choice(taken, values)


def _hands(settings: Matal, count: int, k: int, rng: np.random.Generator | None, shown: Shown | None) -> Hands:
    if rng is None or settings.offer == "all" or settings.team not in ("context", "no_context"):
        return everything
    if settings.deal == "random" or shown is None:
        return at_random(count, k, settings.hand, rng)
    return fewest_labels(shown, settings.hand, rng)


def contexts(actions: Tensor, settings: Matal) -> Tensor:
    """What each agent knew: the mean of the earlier choices, zero for the first (Eq. 2).

    Args:
        actions: (N, B, F) standardised choices, in the order of choosing.
        settings: without context it is zero for all.

    Returns:
        (N, B, F).
    """
    if settings.team != "context":
        return torch.zeros_like(actions)
    before = torch.cumsum(actions, dim=0).roll(1, dims=0)
    before[0] = 0
    return before / torch.arange(len(actions)).clamp_min(1)[:, None, None]
