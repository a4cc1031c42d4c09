"""DeepPrior, a small network for the joints of hands in depth images (Oberweger et al. 2015; ALGORITHMS 2.2)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.errors import QueristError
from querist.tasks.pose.network import PoseNetwork, Seen

_POOLS = (4, 2, 1)
_KERNELS = (5, 5, 3)
_WINDOW, _STRIDE = 5, 3
"""Of the mean pooling that gives the appearance."""


class DeepPrior(PoseNetwork):
    """Three convolutions, two wide layers and a linear one that gives coordinates, perhaps through a linear prior.

    Convolutions keep the size; pools of 4 and 2 bring 128 x 128 depths to maps of 16 x 16, whose mean pooling (5 x 5,
    stride 3) has 8 * 4² = 128 numbers, the appearance of MATAL.

    Args:
        joints: J.
        channels: of each convolution.
        hidden: units of the wide layers.
        prior: the last layer but one has so many linear units: a linear space of poses, learned with the rest; None
            leaves it out.
        size: rows and columns of the images.
        coordinates: D.
        dropout: share of elements dropped behind every convolution, in training and in Monte-Carlo passes: 0.3 is the
            Bayesian DeepPrior (Caramalau et al. 2021), 0 the plain one.
        batch_norm: normalise behind every convolution, as the paper does not: it learns several times faster.
        doubt: a second linear layer beside the last one learns how far each coordinate may be off, for the objective
            ``coordinate_bayesian`` of the Bayesian DeepPrior. It speaks in training alone.

    Raises:
        QueristError: images that are too small, or a number out of range.
    """

    def __init__(
        self,
        joints: int,
        channels: int = 8,
        hidden: int = 1024,
        prior: int | None = None,
        size: int = 128,
        coordinates: int = 3,
        dropout: float = 0.0,
        batch_norm: bool = False,
        doubt: bool = False,
    ) -> None:
        super().__init__(dropout)
        side = size // _POOLS[0] // _POOLS[1]
        if side < _WINDOW or min(channels, hidden, prior or 1) < 1:
            raise QueristError(
                f"DeepPrior of {channels} channels and {hidden} units on images of {size} x {size}",
                f"give at least one of each, and images of {_WINDOW * _POOLS[0] * _POOLS[1]} pixels or more",
            )
        self.appearance_width = channels * ((side - _WINDOW) // _STRIDE + 1) ** 2
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, channels, kernel, padding=kernel // 2)
            for before, kernel in zip((1, channels, channels), _KERNELS, strict=True)
        )
        norm = nn.BatchNorm2d if batch_norm else nn.Identity
        self.norms = nn.ModuleList(norm(channels) for _ in _POOLS)
        layers = [nn.Linear(channels * side * side, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
        if prior is not None:
            layers.append(nn.Linear(hidden, prior))
        layers += [nn.Linear(prior or hidden, joints * coordinates), nn.Unflatten(1, (joints, coordinates))]
        self.head = nn.Sequential(*layers)
        self.doubts = doubt
        if doubt:
            self.scale = nn.Sequential(
                nn.Linear(prior or hidden, joints * coordinates), nn.Unflatten(1, (joints, coordinates))
            )
        # A few channels beside one another keep a processor's vectors filled: half the time to look at images.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised depths (B, 1, S, S) -> coordinates (B, J, D), in training perhaps with log-scales (B, J, 2 D)."""
        if not (self.doubts and self.training):
            return super().forward(x)
        assert isinstance(self.head, nn.Sequential)
        wide = self.head[:-2](self.look(x).last)
        return torch.cat([self.head[-2:](wide), self.scale(wide)], dim=2)

    def look(self, x: Tensor) -> Seen:
        levels: list[Tensor] = []
        x = 1 - x  # so that the back of the cube is 0, as what convolutions see beyond the edges
        x = x.contiguous(memory_format=torch.channels_last)
        for depth in range(len(self.convolutions)):
            x = self._level(depth, x)
            levels.append(x)
            if self.training:
                x = functional.dropout(x, self.dropout)
        appearance = functional.avg_pool2d(levels[-1], _WINDOW, _STRIDE).flatten(1)
        return Seen(x.flatten(1), tuple(levels), appearance)

    def _level(self, depth: int, x: Tensor) -> Tensor:
        found = self.norms[depth](self.convolutions[depth](x))
        if _POOLS[depth] > 1:
            found = functional.max_pool2d(found, _POOLS[depth])
        return functional.relu(found)

    def sample(self, seen: Seen, passes: int, generator: torch.Generator | None = None) -> Iterator[Tensor]:
        """See :meth:`PoseNetwork.sample`; dropout stands behind every convolution, so that only the first is shared."""
        for _ in range(passes):
            x = self._dropped(seen.levels[0], generator)
            for depth in range(1, len(self.convolutions)):
                x = self._dropped(self._level(depth, x), generator)
            yield self.head(x.flatten(1))

    def _dropped(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        keep = 1 - self.dropout
        return torch.empty_like(x).uniform_(generator=generator).lt_(keep).div_(keep).mul_(x)
