"""Inputs of a value network on one scale, fixed before learning begins."""

import torch
from torch import Tensor, nn

from querist.errors import QueristError


class FrozenStandardiser(nn.Module):
    """Subtracts a mean, divides by a deviation and clamps; both are set once and travel with the weights.

    Unlike a batch norm it does not depend on the batch and does not drift, so a value means the same in every step
    (ALGORITHMS 1.9-4, 8.7).

    Args:
        features: F, numbers per row.
        limit: standardised values are clamped to +-limit, so that a scene unlike any before cannot blow up the values.
    """

    mean: Tensor
    deviation: Tensor
    known: Tensor

    def __init__(self, features: int, limit: float = 5.0) -> None:
        super().__init__()
        self.limit = limit
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def set(self, rows: Tensor) -> None:
        """Takes mean and deviation from examples. Features that do not vary keep deviation 1.

        Args:
            rows: (n, F), n >= 1.

        Raises:
            ValueError: another shape, numbers that are not finite, or a second call: what was learned on one
                scale would be wrong on another.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.mean) or not len(rows) or not bool(rows.isfinite().all()):
            raise ValueError(f"rows must be finite and (n, {len(self.mean)}), not {tuple(rows.shape)}")
        if self.known:
            raise ValueError("the standardiser was set before")
        exact = rows.double()
        deviation, mean = torch.std_mean(exact, dim=0, correction=0)
        varies = deviation > 1e-6 * exact.abs().amax(dim=0)  # below that, float32 inputs are round-off
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(varies, deviation, 1.0))
        self.known.fill_(True)

    def forward(self, values: Tensor) -> Tensor:
        """Standardised values, of the same shape (..., F).

        Raises:
            QueristError: it was never set.
        """
        if not self.known:
            raise QueristError(
                "a value network met data before its standardiser was set", "call set_standardiser with some examples"
            )
        return ((values - self.mean) / self.deviation).clamp(-self.limit, self.limit)
