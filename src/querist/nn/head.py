"""Models that can be split at their last layer: features once, the classifier as often as wanted."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from querist.errors import QueristError
from querist.nn.dropout import dropout_passes


def resize(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Maps (B, d, h, w) brought to another height and width, bilinearly."""
    return functional.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


class SplitAtTheHead(nn.Module, ABC):
    """A dense classifier of which a subclass gives :meth:`features` and the layer ``classifier``.

    Args:
        dropout: share of elements that a Monte-Carlo pass drops before the classifier, in [0, 1). Dropout is part of
            such passes only, never of training.

    Raises:
        QueristError: dropout out of range.
    """

    classifier: nn.Module

    def __init__(self, dropout: float) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise QueristError(f"the dropout of the {type(self).__name__} is {dropout}", "choose a share in [0, 1)")
        self.dropout = dropout

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """All that comes before the classifier: (B, 3, H, W) -> (B, d, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        """Class scores of every pixel, (B, 3, H, W) normalised images -> logits (B, C, H, W)."""
        return self.classify(self.features(x), x.shape[-2:])

    def classify(self, features: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
        """Class scores from :meth:`features`, enlarged to ``size`` (height, width): logits (B, C, H, W)."""
        return resize(self.classifier(features), size)

    def classify_dropout(
        self,
        features: Tensor,
        size: tuple[int, int] | torch.Size,
        passes: int,
        generator: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Monte-Carlo passes of the classifier; all that lies before it is computed once (ALGORITHMS 1.6).

        Args:
            features: from :meth:`features`.
            size: height and width of the result.
            passes: how many passes.
            generator: on the device of the features; fixes the masks.

        Returns:
            Logits (B, C, H, W), one pass at a time, so that memory does not grow with the passes.
        """
        return dropout_passes(features, lambda kept: self.classify(kept, size), self.dropout, passes, generator)
