"""Convolution on the graph of all cosines, whose matrix never exists (Caramalau et al. 2021; ALGORITHMS 2.6, 2.8)."""

import torch
from torch import Tensor


class CosineGraph:
    """The graph of some rows, each joined to each by the cosine between them, columns normalised.

    Its adjacency is ``(X Xᵀ - I) D⁻¹ + I`` with X at unit length and D the column sums of ``X Xᵀ - I``. A product with
    it is two thin ones, ``X (Xᵀ (D⁻¹ H))``: O(n d h) time and O(n (d + h)) memory instead of n².

    Args:
        rows: (n, d) floating point, finite, such as the features of unlabelled and labelled images; a row of zeros is
            joined to itself alone. Column sums below 1, which only features of either sign can have, count as 1.

    Raises:
        ValueError: another shape, or a value that is not finite.
    """

    def __init__(self, rows: Tensor) -> None:
        if rows.ndim != 2 or not len(rows) or not rows.is_floating_point() or not bool(torch.isfinite(rows).all()):
            raise ValueError(f"rows must be (n, d), n > 0, floating point and finite, got {tuple(rows.shape)}")
        self.nodes = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min(1e-30)
        """(n, d) rows at unit length."""
        self._own = self.nodes.square().sum(dim=1)  # 1, or 0 for a row of zeros
        self._sums = (self.nodes @ self.nodes.sum(dim=0) - self._own).clamp_min(1.0)

    def spread(self, values: Tensor) -> Tensor:
        """The product of the adjacency and (n, h) values: (n, h), with gradients to the values.

        Raises:
            ValueError: another number of rows.
        """
        if values.ndim != 2 or len(values) != len(self.nodes):
            raise ValueError(f"values must be ({len(self.nodes)}, h), got {tuple(values.shape)}")
        shared = values / self._sums[:, None]
        return self.nodes @ (self.nodes.T @ shared) - self._own[:, None] * shared + values
