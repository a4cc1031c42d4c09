"""What a pose network is to the task: any module, or better one that shows what it sees before its head."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from querist.errors import QueristError
from querist.nn.dropout import dropout_passes


class Seen(NamedTuple):
    """What a network makes of images before its head, from one forward pass.

    Args:
        last: (B, ...) what the head takes.
        levels: maps (B, c, h, w) of several depths, from fine to coarse or from early to late.
        appearance: (B, d): what the image looks like, for comparing images.
    """

    last: Tensor
    levels: tuple[Tensor, ...]
    appearance: Tensor


class PoseNetwork(nn.Module, ABC):
    """A pose network in two halves. Subclasses fill :meth:`look` and give the module ``head``.

    ``head`` maps what :attr:`Seen.last` holds to heat maps (B, J, h, w), to those of several stages (B, S, J, h, w),
    all of which are learned and the last of which counts, or to coordinates (B, J, D) on -1..1.

    Args:
        dropout: share of elements that a Monte-Carlo pass drops, in [0, 1).

    Raises:
        QueristError: dropout out of range.
    """

    head: nn.Module
    appearance_width: int
    """d, the length of :attr:`Seen.appearance`."""
    doubts: bool = False
    """Whether :meth:`forward` gives, in training alone, (B, J, 2 D): coordinates and how far each may be off, as the
    logarithm of a scale. The objective ``coordinate_bayesian`` is for such networks and for no others."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise QueristError(f"the dropout of the {type(self).__name__} is {dropout}", "choose a share in [0, 1)")
        self.dropout = dropout

    @abstractmethod
    def look(self, x: Tensor) -> Seen:
        """All that comes before the head: (B, channels, S, S) normalised images -> what is seen."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, channels, S, S) -> heat maps or coordinates; see the class."""
        return self.head(self.look(x).last)

    def sample(self, seen: Seen, passes: int, generator: torch.Generator | None = None) -> Iterator[Tensor]:
        """Monte-Carlo dropout: outputs of ``passes`` random passes; only what lies behind dropout is repeated.

        Args:
            seen: from :meth:`look`.
            passes: how many.
            generator: on the device of ``seen``; fixes the masks.
        """
        return dropout_passes(seen.last, self.head, self.dropout, passes, generator)


def last_stage(output: Tensor) -> Tensor:
    """What counts of an output: the heat maps of the last stage (B, J, h, w), or coordinates (B, J, D)."""
    return output[:, -1] if output.ndim == 5 else output
