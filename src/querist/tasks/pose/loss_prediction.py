"""A module that learns what the loss of an image will be (Yoo and Kweon 2019; Shukla et al. 2021; ALGORITHMS 2.6)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.kernels.loss_ranking import hinge_ranking, share_ranking
from querist.nn.runtime import seeded
from querist.tasks.pose.network import PoseNetwork

Ranking = Literal["none", "hinge", "share"]
"""Whether a loss is predicted, and what the predictor learns from: Learning Loss, or Learning Loss++."""


class LossPredictor(nn.Module):
    """One number for an image, from the means of maps of several depths.

    No gradient goes back into the model: a strategy that asks about large losses trains the same model as all others
    do. (The paper lets it flow in the first part of the training.)

    Args:
        channels: of each map.
        width: numbers that each mean is brought to.
    """

    def __init__(self, channels: Sequence[int], width: int = 32) -> None:
        super().__init__()
        self.each = nn.ModuleList(nn.Linear(count, width) for count in channels)
        self.last = nn.Linear(width * len(channels), 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Maps (B, c, h, w) of each depth -> (B,)."""
        means = [level.detach().float().mean(dim=(2, 3)) for level in levels]
        seen = [functional.relu(layer(mean)) for layer, mean in zip(self.each, means, strict=True)]
        return self.last(torch.cat(seen, dim=1))[:, 0]


def build_predictor(network: PoseNetwork, image: Tensor) -> LossPredictor:
    """A predictor for a network, always with the same weights, on the device of ``image`` (1, channels, S, S)."""
    with torch.inference_mode():
        levels = network.eval().look(image).levels
    with seeded(0):
        return LossPredictor([int(level.shape[1]) for level in levels]).to(image.device)


def ranking_loss(predicted: Tensor, losses: Tensor, ranking: Ranking) -> Tensor:
    """What the predictor learns from: how its numbers rank the losses (B,) of a batch; an odd last one is left out."""
    pairs = len(losses) // 2 * 2
    rank = hinge_ranking if ranking == "hinge" else share_ranking
    return rank(predicted[:pairs], losses.detach()[:pairs])
