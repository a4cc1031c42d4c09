"""What UncertainGCN and CoreGCN share: a graph network that tells labelled images from unlabelled ones.

Caramalau et al. 2021 (Sequential graph convolutional network for active learning); numbers of their public code, as in
ALGORITHMS 2.6.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from querist.kernels.cosine_graph import CosineGraph

_WIDTH, _DROPOUT = 128, 0.3
_LEAST = 1e-7  # a probability that is never passed, so that its logarithm stays finite


@dataclass(frozen=True, eq=False)
class Nodes:
    """What the trained network says of images.

    Args:
        hidden: (n, 128) behind the first convolution.
        chance: (n,) that an image is labelled.
    """

    hidden: Tensor
    chance: Tensor


def tell_apart(
    unlabelled: Tensor, labelled: Tensor, generator: torch.Generator, steps: int = 200, weight: float = 1.2
) -> tuple[Nodes, Nodes]:
    """Train two graph convolutions to tell which nodes are labelled: ``-mean_L log p - weight * mean_U log(1 - p)``.

    ReLU and dropout behind the first, a sigmoid behind the second; Adam with rate 1e-3 and weight decay 5e-4.

    Args:
        unlabelled: (n, d) embeddings; ``labelled`` (m, d). Without labels all chances are low, and hardly differ.
        generator: draws weights and dropout, on the CPU.
        steps: of the optimiser.
        weight: lambda.

    Returns:
        The unlabelled and the labelled nodes.
    """
    n = len(unlabelled)
    graph = CosineGraph(torch.cat([unlabelled, labelled]))
    blended = graph.spread(graph.nodes)  # the first convolution's own product does not change as it learns
    weights = [_drawn(blended.shape[1], _WIDTH, generator), _drawn(_WIDTH, 1, generator)]
    biases = [_drawn(1, _WIDTH, generator), _drawn(1, 1, generator)]
    optimiser = torch.optim.Adam([*weights, *biases], lr=1e-3, weight_decay=5e-4, fused=True)

    def hidden() -> Tensor:
        return torch.relu(blended @ weights[0] + biases[0])

    def chance(nodes: Tensor) -> Tensor:
        return torch.sigmoid(graph.spread(nodes @ weights[1]) + biases[1])[:, 0]

    for _ in range(steps):
        nodes = hidden()
        kept = torch.empty_like(nodes).uniform_(generator=generator).lt_(1 - _DROPOUT).div_(1 - _DROPOUT)
        p = chance(nodes * kept).clamp(_LEAST, 1 - _LEAST)
        loss = -weight * torch.log1p(-p[:n]).mean()
        if len(labelled):
            loss = loss - p[n:].log().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        nodes = hidden()
        chances = chance(nodes)
    return Nodes(nodes[:n], chances[:n]), Nodes(nodes[n:], chances[n:])


def _drawn(inputs: int, outputs: int, generator: torch.Generator) -> Tensor:
    bound = 1 / math.sqrt(outputs)
    return torch.empty(inputs, outputs).uniform_(-bound, bound, generator=generator).requires_grad_()
