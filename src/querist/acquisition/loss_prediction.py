"""A module that learns which of two labelled images a model does worse on, and so guesses it of others.

Yoo and Kweon 2019 (Learning loss for active learning), Shukla et al. 2021 (A mathematical analysis of learning loss for
active learning in regression); ALGORITHMS 2.6.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.kernels.loss_ranking import hinge_ranking, share_ranking

Ranking = Literal["hinge", "share"]
"""What it learns from: the sign of a pair's difference, with a margin; or either one's share of a pair's loss."""

_WIDTH = 32
_BATCH = 64
_RATE = 1e-3
_FLAT = 1e-6
_LIMIT = 5.0  # deviations


class LossPredictor(nn.Module):
    """One number for an image, from the means of maps of several depths: a small layer for each, and one on them all.

    Args:
        widths: how many numbers each depth has.
        means: (d,) of all of them, and ``deviations``: what it sees is brought to mean 0 and deviation 1, and clamped.
            Numbers that do not vary keep deviation 1: no weight of theirs was ever learned.
    """

    def __init__(self, widths: Sequence[int], means: Tensor, deviations: Tensor) -> None:
        super().__init__()
        self._widths, self._means = list(widths), means
        self._deviations = torch.where(deviations > _FLAT, deviations, 1.0)
        self.each = nn.ModuleList(nn.Linear(width, _WIDTH) for width in widths)
        self.last = nn.Linear(_WIDTH * len(self.each), 1)

    def forward(self, levels: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        seen = ((levels - self._means) / self._deviations).clamp(-_LIMIT, _LIMIT)
        parts = seen.split(self._widths, dim=1)
        hidden = [functional.relu(layer(part)) for layer, part in zip(self.each, parts, strict=True)]
        return self.last(torch.cat(hidden, dim=1))[:, 0]


def learn_losses(
    levels: Tensor, losses: Tensor, widths: Sequence[int], ranking: Ranking, steps: int, generator: torch.Generator
) -> LossPredictor:
    """Fits a predictor to what is labelled, from new weights (AdamW, 64 images a step in pairs drawn at random).

    Args:
        levels: (n, d), n >= 2; ``losses`` (n,), not negative.
        widths: how d divides into depths.
        ranking: which of the two objectives.
        steps: of the optimiser.
        generator: draws the pairs, on the CPU; weights come from torch's own generator.
    """
    predictor = LossPredictor(widths, levels.mean(dim=0), levels.std(dim=0))
    rank = hinge_ranking if ranking == "hinge" else share_ranking
    optimiser = torch.optim.AdamW(predictor.parameters(), _RATE, fused=True)
    for _ in range(steps):
        rows = torch.randint(len(levels), (_BATCH,), generator=generator)
        optimiser.zero_grad()
        rank(predictor(levels[rows]), losses[rows]).backward()
        optimiser.step()
    return predictor
