"""A small heat-map network for bodies, on any torchvision backbone."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.errors import QueristError
from querist.nn.backbone import Backbone
from querist.tasks.pose.network import PoseNetwork, Seen


class HeatMapNetwork(PoseNetwork):
    """One heat map a joint at stride 4: a light feature pyramid, and a 1x1 convolution on its finest map.

    Four maps of the backbone are brought to ``width`` channels and added from coarse to fine; after each addition
    follows a 3x3 convolution of each channel by itself and a mixing of channels. A heat map holds scores, whose softmax
    over the map are chances. The appearance is the mean of the backbone's coarsest map.

    Args:
        joints: J.
        backbone: a torchvision model, see :class:`querist.nn.backbone.Backbone`.
        weights: pretrained weights of the backbone: an official name or a .safetensors path; None is random.
        width: channels of the pyramid.
        dropout: share of channels that a Monte-Carlo pass drops before the head; never in training.

    Raises:
        QueristError: a width below 1, dropout out of range, a backbone that is unknown or lacks the strides, or weights
            that do not fit.
    """

    def __init__(
        self,
        joints: int,
        backbone: str = "shufflenet_v2_x0_5",
        weights: str | None = None,
        width: int = 64,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(dropout)
        if width < 1:
            raise QueristError(f"the pyramid has {width} channels", "give it 1 or more")
        self.backbone = Backbone(backbone, weights)
        self.appearance_width = self.backbone.channels[-1]
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in self.backbone.channels)
        self.smooth = nn.ModuleList(_smooth(width) for _ in self.backbone.channels)
        self.head = nn.Conv2d(width, joints, 1)
        self.to(memory_format=torch.channels_last)

    def look(self, x: Tensor) -> Seen:
        maps = self.backbone(x.contiguous(memory_format=torch.channels_last))
        found: Tensor | None = None
        for lateral, smooth, level in zip(reversed(self.lateral), reversed(self.smooth), reversed(maps), strict=True):
            narrow = lateral(level)
            found = smooth(narrow if found is None else narrow + _enlarged(found, narrow))
        assert found is not None
        # A mean and not adaptive pooling, whose gradient is not deterministic on GPUs.
        return Seen(found, maps, maps[-1].mean(dim=(2, 3)))

    def sample(self, seen: Seen, passes: int, generator: torch.Generator | None = None) -> Iterator[Tensor]:
        """See :meth:`PoseNetwork.sample`; channels are dropped as a whole, because neighbouring cells are alike.

        (Tompson et al. 2015, "Efficient object localization using convolutional networks".)
        """
        keep = 1 - self.dropout
        for _ in range(passes):
            kept = torch.empty_like(seen.last[:, :, :1, :1]).uniform_(generator=generator).lt_(keep).div_(keep)
            yield self.head(seen.last * kept)


def _smooth(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def _enlarged(coarse: Tensor, like: Tensor) -> Tensor:
    """A map brought to the size of the next finer one; nearest, whose gradient is deterministic everywhere."""
    return functional.interpolate(coarse, size=like.shape[-2:], mode="nearest")
