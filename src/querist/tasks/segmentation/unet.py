"""A small U-Net for small images and networks that start from nothing, as in the demo."""

import torch
from torch import Tensor, nn

from querist.nn.head import SplitAtTheHead, resize


class UNet(SplitAtTheHead):
    """An encoder to stride 16 and a decoder with skips back to stride 2 (after Ronneberger et al. 2015, much reduced).

    Args:
        classes: number of classes C, void not counted.
        width: channels at stride 2; deeper levels have 2, 3 and 4 times as many.
        dropout: share of elements that a Monte-Carlo pass drops, in [0, 1).
    """

    def __init__(self, classes: int, width: int = 16, dropout: float = 0.5) -> None:
        super().__init__(dropout)
        self.down = nn.ModuleList(
            [
                _block(3, width, 2),
                nn.Sequential(_block(width, 2 * width, 2), _block(2 * width, 2 * width)),
                nn.Sequential(_block(2 * width, 3 * width, 2), _block(3 * width, 3 * width)),
                nn.Sequential(_block(3 * width, 4 * width, 2), _block(4 * width, 4 * width)),
            ]
        )
        self.up = nn.ModuleList(
            [_block(7 * width, 2 * width), _block(4 * width, 2 * width), _block(3 * width, 2 * width)]
        )
        self.classifier = nn.Conv2d(2 * width, classes, 1)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """All that comes before the classifier: (B, 3, H, W) -> (B, 2 * width, H / 2, W / 2)."""
        x = x.contiguous(memory_format=torch.channels_last)
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
        for level, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = level(torch.cat([resize(x, skip.shape[-2:]), skip], dim=1))
        return x


def _block(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )
