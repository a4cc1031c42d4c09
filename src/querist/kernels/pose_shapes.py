"""Poses without where they stand and how large they are."""

import torch
from torch import Tensor


def pose_shapes(joints: Tensor) -> Tensor:
    """Each pose with its joints' mean moved to the origin, and brought to length 1; how it is turned stays.

    Args:
        joints: (n, J, D) floating point.

    Returns:
        (n, J * D), rows of unit length; a pose whose joints all lie in one place gives zeros.

    Raises:
        ValueError: another shape, or a coordinate that is not finite.
    """
    if joints.ndim != 3 or not joints.is_floating_point() or not bool(torch.isfinite(joints).all()):
        raise ValueError(f"joints {tuple(joints.shape)} must be (n, J, D) floating point, and finite")
    centred = (joints - joints.mean(dim=1, keepdim=True)).flatten(1)
    size = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    return torch.where(size > 1e-6, centred / size.clamp_min(1e-6), 0.0)
