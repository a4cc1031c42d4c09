"""The stacked hourglass network for bodies (Newell et al. 2016), as the baselines of MATAL use it (ALGORITHMS 2.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.errors import QueristError
from querist.tasks.pose.network import PoseNetwork, Seen

_DEPTH = 4
"""How often an hourglass halves its map: from 64 x 64 to a bottleneck of 4 x 4."""


class StackedHourglass(PoseNetwork):
    """Heat maps at stride 4 from hourglasses one behind another, all of which are supervised.

    An hourglass goes down to a bottleneck by pooling and back up, adding at each size what branched off on the way
    down. Each but the first also sees the heat maps of the one before. The appearance is the mean of the last
    bottleneck.

    Args:
        joints: J.
        stacks: S hourglasses.
        width: channels of their maps.
        dropout: share of elements that a Monte-Carlo pass drops before the last convolutions; never in training.

    Raises:
        QueristError: a number out of range.
    """

    def __init__(self, joints: int, stacks: int = 2, width: int = 256, dropout: float = 0.3) -> None:
        super().__init__(dropout)
        if stacks < 1 or width < 4 or width % 4:
            raise QueristError(
                f"{stacks} hourglasses of {width} channels", "stack one or more, with a multiple of four channels"
            )
        self.appearance_width = width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width // 4, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width // 4),
            nn.ReLU(inplace=True),
            _Residual(width // 4, width // 2),
            nn.MaxPool2d(2),
            _Residual(width // 2, width // 2),
            _Residual(width // 2, width),
        )
        self.hourglasses = nn.ModuleList(_Hourglass(width, _DEPTH) for _ in range(stacks))
        self.after = nn.ModuleList(_after(width) for _ in range(stacks))
        self.from_features = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(stacks - 1))
        self.from_maps = nn.ModuleList(nn.Conv2d(joints, width, 1) for _ in range(stacks - 1))
        self.head = _Heads(width, joints, stacks)

    def look(self, x: Tensor) -> Seen:
        if x.shape[-1] % 2 ** (_DEPTH + 2) or x.shape[-2] % 2 ** (_DEPTH + 2):
            raise QueristError(
                f"an hourglass halves images of {x.shape[-1]} x {x.shape[-2]} pixels six times",
                "give it a multiple of 64 pixels, such as 256",
            )
        assert isinstance(self.head, _Heads)
        found = self.stem(x)
        stages: list[Tensor] = []
        bottleneck = found
        for number, (hourglass, after) in enumerate(zip(self.hourglasses, self.after, strict=True)):
            through, bottleneck = hourglass(found)
            stages.append(after(through))
            if number + 1 < len(self.hourglasses):
                maps = self.head.stage(stages[-1], number)
                found = found + self.from_features[number](stages[-1]) + self.from_maps[number](maps)
        return Seen(torch.stack(stages, dim=1), (stages[-1], bottleneck), bottleneck.mean(dim=(2, 3)))


class _Heads(nn.Module):
    """A 1x1 convolution for each stage: (B, S, width, h, w) -> (B, S, J, h, w)."""

    def __init__(self, width: int, joints: int, stacks: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(nn.Conv2d(width, joints, 1) for _ in range(stacks))

    def stage(self, features: Tensor, number: int) -> Tensor:
        return self.each[number](features)

    def forward(self, stages: Tensor) -> Tensor:
        return torch.stack([self.stage(stages[:, number], number) for number in range(len(self.each))], dim=1)


class _Hourglass(nn.Module):
    """One level and, inside it, the next; gives the map and the bottleneck."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.beside = _Residual(width, width)
        self.down = _Residual(width, width)
        self.inner = _Hourglass(width, depth - 1) if depth > 1 else _Residual(width, width)
        self.up = _Residual(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low = self.down(functional.max_pool2d(x, 2))
        if isinstance(self.inner, _Hourglass):
            low, bottleneck = self.inner(low)
        else:
            low = bottleneck = self.inner(low)
        up = functional.interpolate(self.up(low), scale_factor=2, mode="nearest")
        return self.beside(x) + up, bottleneck


class _Residual(nn.Module):
    """Batch norm first, a bottleneck of half the width (He et al. 2016)."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.branch = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.Conv2d(before, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, width, 1),
        )
        self.beside = nn.Identity() if before == width else nn.Conv2d(before, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.beside(x) + self.branch(x)


def _after(width: int) -> nn.Sequential:
    return nn.Sequential(
        _Residual(width, width), nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )
