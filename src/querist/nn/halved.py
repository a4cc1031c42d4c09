"""Networks as policy cards keep them: weights in half precision."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from querist.nn.runtime import arrays_to_state, state_to_arrays


def to_tensors(trained: nn.Module, prefix: str) -> dict[str, np.ndarray]:
    """A network as a card keeps it: weights in half precision, and statistics of its inputs as they are.

    The variance of raw pixel counts is larger than any number in half precision, the deviation of a seldom feature
    can be smaller.
    """
    arrays = state_to_arrays(trained, prefix)
    halved = {f"{prefix}/{name}" for name, weights in trained.named_parameters() if weights.dtype == torch.float32}
    return {name: array.astype(np.float16) if name in halved else array for name, array in arrays.items()}


def from_tensors(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, Any]:
    """The state of a network from what :func:`to_tensors` made of it."""
    single = {name: np.asarray(a, np.float32) if a.dtype == np.float16 else a for name, a in tensors.items()}
    return arrays_to_state(single, prefix)
