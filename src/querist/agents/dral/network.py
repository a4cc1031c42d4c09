"""The value networks of DRAL: over the graph as one matrix, as printed, and over its nodes, however many there are.

Both are called ``network(state, candidates, mask) -> values`` (see :mod:`querist.rl.double_dqn`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.errors import QueristError

_SCALE = 0.1  # small, but no constant: an untrained network shall have a preference, as its control


class MatrixQ(nn.Module):
    """Similarities and asked mask -> 512 -> 128 -> one value a neighbour (ALGORITHMS 5.3).

    Args:
        neighbours: n_s; the network is tied to it.
    """

    def __init__(self, neighbours: int) -> None:
        super().__init__()
        self._neighbours = neighbours
        self.layers = nn.Sequential(
            nn.Linear((neighbours + 1) ** 2 + neighbours, 512), nn.ReLU(),
            nn.Linear(512, 128), nn.ReLU(),
            nn.Linear(128, neighbours),
        )  # fmt: skip

    def forward(self, state: Tensor, candidates: Tensor, mask: Tensor | None = None) -> Tensor:
        """Values of all neighbours.

        Args:
            state: (B, (n_s + 1)² + n_s).
            candidates: (B, n_s, 0): nothing but their number.
            mask: does not matter here; the state tells who was asked about.

        Returns:
            (B, n_s).

        Raises:
            QueristError: the graph has another number of neighbours than the network was made for.
        """
        if candidates.shape[1] != self._neighbours:
            raise QueristError(
                f"this network knows graphs of {self._neighbours} neighbours, this one has {candidates.shape[1]}",
                "keep the neighbours of its training, or use network: nodes",
            )
        return self.layers(state)


class NodeQ(nn.Module):
    """One scorer for all neighbours: each sees itself, the mean of those that may still be asked, and the graph.

    Any number of neighbours in any order. Inputs lie in fixed ranges, so nothing is standardised.

    Args:
        graph_features: Fs, numbers about the graph.
        node_features: F, numbers about a neighbour.
        width: of all hidden layers.
    """

    def __init__(self, graph_features: int, node_features: int, width: int = 64) -> None:
        super().__init__()
        self.node = nn.Sequential(nn.Linear(node_features + graph_features, width), nn.LayerNorm(width), nn.ReLU())
        self.join = nn.Sequential(nn.Linear(2 * width, width), nn.LayerNorm(width), nn.ReLU())
        self.last = nn.Linear(width, 1)
        with torch.no_grad():
            self.last.weight.mul_(_SCALE)
            self.last.bias.zero_()

    def forward(self, state: Tensor, candidates: Tensor, mask: Tensor | None = None) -> Tensor:
        """Values of neighbours.

        Args:
            state: (B, Fs).
            candidates: (B, N, F).
            mask: (B, N) bool; None: all are there.

        Returns:
            (B, N).
        """
        encoded = _each_with(self.node, candidates, state)
        inside = torch.ones_like(candidates[:, :, 0]) if mask is None else mask.to(candidates.dtype)
        mean = (encoded * inside[:, :, None]).sum(dim=1) / inside.sum(dim=1).clamp_min(1.0)[:, None]
        return self.last(_each_with(self.join, encoded, mean))[:, :, 0]


def _each_with(layers: nn.Sequential, each: Tensor, common: Tensor) -> Tensor:
    """Linear, LayerNorm and ReLU on every row of (B, N, F) joined with what all N have in common, (B, C).

    The product with the common part is taken once and not N times. It is called for each question of a person, where
    going through the modules takes as long as their arithmetic; so it does not.

    Returns:
        (B, N, width).
    """
    first, norm = layers[0], layers[1]
    assert isinstance(first, nn.Linear)
    assert isinstance(norm, nn.LayerNorm)
    split = each.shape[2]
    own = functional.linear(each, first.weight[:, :split])
    shared = functional.linear(common, first.weight[:, split:], first.bias)
    encoded = own + shared[:, None]
    return torch.relu(torch.layer_norm(encoded, norm.normalized_shape, norm.weight, norm.bias, norm.eps))
