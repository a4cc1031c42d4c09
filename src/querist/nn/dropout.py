"""Monte-Carlo dropout in front of a model's last layer: everything before it is computed once."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def dropout_passes(
    features: Tensor,
    head: Callable[[Tensor], Tensor],
    rate: float,
    passes: int,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Outputs of a head on randomly thinned features (Gal and Ghahramani 2016; ALGORITHMS 1.6).

    Dropout acts element by element and keeps the expected value.

    Args:
        features: what the head takes, any shape.
        head: the layers behind the dropout.
        rate: share of elements that a pass drops, in [0, 1).
        passes: how many passes.
        generator: on the device of the features; fixes the masks.

    Yields:
        One pass at a time, so that memory does not grow with the passes.
    """
    keep = 1 - rate
    for _ in range(passes):
        # Not bernoulli_: drawing uniform numbers and comparing them takes a quarter of its time.
        kept = torch.empty_like(features).uniform_(generator=generator).lt_(keep).div_(keep)
        yield head(kept.mul_(features))
