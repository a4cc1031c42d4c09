"""Semantic segmentation with a feature pyramid, on any torchvision backbone (ALGORITHMS 1.2, 1.6)."""

import torch
from torch import Tensor, nn

from querist.nn.backbone import Backbone
from querist.nn.head import SplitAtTheHead, resize


class FPN(SplitAtTheHead):
    """Feature pyramid network with a segmentation head (Kirillov et al. 2019, in the form used by RALIS).

    Four maps of the backbone are brought to ``width`` channels and added from coarse to fine. Each level then
    passes two 3x3 convolutions, is enlarged to stride 4 and smoothed there; the four are concatenated and one
    3x3 convolution gives the class scores. Dropout is part of Monte-Carlo passes only, never of training.

    Args:
        classes: number of classes C, void not counted.
        backbone: a torchvision model, see :class:`querist.nn.backbone.Backbone`.
        weights: pretrained weights of the backbone: an official name or a .safetensors path; None is random.
        width: channels of the pyramid; 256 at the paper's scale.
        head: channels of each level behind it; 128 at the paper's scale.
        dropout: share of elements that a Monte-Carlo pass drops, in [0, 1).

    Raises:
        QueristError: dropout out of range, a backbone that is unknown or lacks the strides, or weights that do not fit.
    """

    def __init__(
        self,
        classes: int,
        backbone: str = "shufflenet_v2_x0_5",
        weights: str | None = None,
        width: int = 256,
        head: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(dropout)
        self.classes = classes
        self.backbone = Backbone(backbone, weights)
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in self.backbone.channels)
        self.levels = nn.ModuleList(_level(width, head) for _ in self.backbone.channels)
        self.smooth = nn.ModuleList(nn.Conv2d(head, head, 3, padding=1) for _ in self.backbone.channels[1:])
        self.classifier = nn.Conv2d(len(self.levels) * head, classes, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # on CPUs a third faster than the default layout

    def features(self, x: Tensor) -> Tensor:
        """All that comes before the classifier.

        Args:
            x: (B, 3, H, W) floating point, normalised; any size of at least 32 pixels.

        Returns:
            (B, 4 * head, h, w) of stride 4.
        """
        maps = self.backbone(x.contiguous(memory_format=torch.channels_last))
        pyramid = [lateral(m) for lateral, m in zip(self.lateral, maps, strict=True)]
        for fine, coarse in ((2, 3), (1, 2), (0, 1)):
            pyramid[fine] = pyramid[fine] + resize(pyramid[coarse], pyramid[fine].shape[-2:])
        finest, *others = [level(p) for level, p in zip(self.levels, pyramid, strict=True)]
        size = finest.shape[-2:]
        smoothed = [smooth(resize(level, size)) for smooth, level in zip(self.smooth, others, strict=True)]
        return torch.cat([finest, *smoothed], dim=1)


def _level(width: int, head: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, head, 3, padding=1),
        nn.ReLU(inplace=True),
    )
