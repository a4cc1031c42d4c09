"""The embedding network of re-identification, on any torchvision backbone (ALGORITHMS 5.1)."""

import torch
from torch import Tensor, nn

from querist.errors import QueristError
from querist.nn.backbone import Backbone


class EmbeddingNetwork(nn.Module):
    """One vector for each crop: the pooled last map, a linear reduction, and a batch norm at the end.

    The batch norm (the neck of Luo et al. 2019, "Bag of tricks and a strong baseline for deep person
    re-identification") has no offset, so that the classifier of the given people and the cosine of two vectors see the
    same cloud around the origin. The task brings the vectors to unit length.

    Args:
        backbone: a torchvision model, see :class:`querist.nn.backbone.Backbone`.
        weights: pretrained weights of the backbone: an official name or a .safetensors path; None is random.
        width: length d of the vectors; None leaves out the reduction, and d is the number of pooled channels.

    Raises:
        QueristError: a width below 1, a backbone that is unknown or lacks the strides, or
            weights that do not fit.
    """

    def __init__(self, backbone: str = "resnet50", weights: str | None = None, width: int | None = 512) -> None:
        super().__init__()
        if width is not None and width < 1:
            raise QueristError(f"the width of the vectors is {width}", "give 1 or more, or null for all channels")
        self.backbone = Backbone(backbone, weights)
        pooled = self.backbone.channels[-1]
        self.reduction = nn.Identity() if width is None else nn.Linear(pooled, width, bias=False)
        self.neck = nn.BatchNorm1d(width or pooled)
        self.neck.bias.requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # on CPUs a third faster than the default layout

    def forward(self, x: Tensor) -> Tensor:
        """Embeds crops.

        Args:
            x: (B, 3, H, W) floating point, normalised as the weights expect; B > 1 in training.

        Returns:
            (B, d), not of unit length.
        """
        coarsest = self.backbone(x.contiguous(memory_format=torch.channels_last))[-1]
        # A mean and not adaptive pooling, whose gradient is not deterministic on GPUs.
        return self.neck(self.reduction(coarsest.mean(dim=(2, 3))))
