"""What a pose network is trained on: heat maps or coordinates against true places; unknown joints teach nothing."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from querist.tasks.pose.heatmaps import gaussians, soft_argmax, spatial_softmax

Objective = Literal[
    "cross_entropy", "soft_argmax", "heat_map_mse", "coordinate_mse", "coordinate_smooth_l1", "coordinate_bayesian"
]
"""The first three are for heat maps, see :func:`pose_losses`; the others for coordinates."""

ON_MAPS = ("cross_entropy", "soft_argmax", "heat_map_mse")
WITH_DOUBT = "coordinate_bayesian"
"""For networks that say how sure they are of each coordinate: :attr:`~querist.tasks.pose.network.PoseNetwork.doubts`.
"""

_PEAK = 30.0
"""Height of the bells that heat maps are fitted to by squared error (ALGORITHMS 2.2)."""


def pose_losses(output: Tensor, places: Tensor, objective: Objective, sigma: float = 1.0) -> Tensor:
    """The loss of each image, and so of a batch as their mean.

    ``cross_entropy``: of the softmax over a map with a bell around the joint as its target, so that a map is a
    distribution over places; joints outside of the image teach nothing. ``soft_argmax``: distance along x and y between
    the mean place under the softmax and the joint (Sun et al. 2018). ``heat_map_mse``: squared difference from a bell
    of height 30, summed over stages (Newell et al. 2016). ``coordinate_mse``: squared error of coordinates (Oberweger
    et al. 2015); ``coordinate_smooth_l1``: linear beyond 0.1. ``coordinate_bayesian``: squared error, and half of
    ``|e| exp(-v) + v`` of each coordinate's error e and log-scale v: what a coordinate is far off by costs less where
    the network says so, which it may not say of all (Caramalau et al. 2021, as in their public code; ALGORITHMS 2.6).

    Args:
        output: (B, J, h, w) or (B, S, J, h, w) heat maps, or (B, J, D) coordinates; for ``coordinate_bayesian``
            (B, J, 2 D), coordinates and behind them their log-scales.
        places: (B, J, D) on -1..1, NaN where unknown.
        objective: which.
        sigma: width of the bells in cells.

    Returns:
        (B,): the mean over the joints of an image that count; 0 where none does.

    Raises:
        ValueError: if the output is of another kind than the objective, or does not fit the places.
    """
    maps = output.ndim in (4, 5)
    joints = output.shape[-3] if maps else output.shape[1]
    wanted = (*places.shape[:2], places.shape[2] * (2 if objective == WITH_DOUBT else 1))
    if maps != (objective in ON_MAPS) or joints != places.shape[1] or (not maps and output.shape != wanted):
        raise ValueError(
            f"the objective {objective} does not fit an output {tuple(output.shape)} for joints {tuple(places.shape)}"
        )
    each = _of_maps(output, places, objective, sigma) if maps else _of_coordinates(output, places, objective)
    counts = counting(places, objective)
    if output.ndim == 5:
        each = each.sum(dim=1)
    # Not a product: what an unknown joint gives may be NaN.
    return torch.where(counts, each, 0.0).sum(dim=1) / counts.sum(dim=1).clamp_min(1)


def judged_by(objective: Objective) -> Objective:
    """What single images are judged by once the network is trained, when it says no more how sure it is."""
    return "coordinate_mse" if objective == WITH_DOUBT else objective


def counting(places: Tensor, objective: Objective) -> Tensor:
    """Which joints teach something: (B, J, D) places -> (B, J) bool."""
    known = torch.isfinite(places).all(dim=2)
    if objective in ("cross_entropy", "heat_map_mse"):
        known = known & (places[..., :2].abs() <= 1).all(dim=2)
    return known


def true_maps(places: Tensor, shape: tuple[int, int], objective: Objective, sigma: float) -> Tensor:
    """What heat maps should be: bells of height 30 for ``heat_map_mse``, else distributions over places.

    Args:
        places: (..., D), known.
        shape: (h, w) of a map.
        objective: one for heat maps; ``sigma`` the width of the bells in cells.

    Returns:
        (..., h, w).
    """
    bells = gaussians(places, shape, sigma)
    if objective == "heat_map_mse":
        return _PEAK * bells
    return bells / bells.sum(dim=(-2, -1), keepdim=True).clamp_min(1e-6)


def _of_maps(maps: Tensor, places: Tensor, objective: Objective, sigma: float) -> Tensor:
    """(B, J) or (B, S, J)."""
    if maps.ndim == 5:
        places = places[:, None]
    known = places[..., :2].nan_to_num(0.0)
    if objective == "soft_argmax":
        return (soft_argmax(spatial_softmax(maps)) - known).abs().mean(dim=-1)
    target = true_maps(known, (int(maps.shape[-2]), int(maps.shape[-1])), objective, sigma)
    if objective == "heat_map_mse":
        return (maps - target).square().mean(dim=(-2, -1))
    return -(target.flatten(-2) * maps.flatten(-2).log_softmax(dim=-1)).sum(dim=-1)


def _of_coordinates(found: Tensor, places: Tensor, objective: Objective) -> Tensor:
    """(B, J)."""
    known = places.nan_to_num(0.0)
    if objective == "coordinate_mse":
        return (found - known).square().mean(dim=2)
    if objective == WITH_DOUBT:
        found, scale = found.chunk(2, dim=2)
        error = found - known
        return (0.5 * (error.abs() * torch.exp(-scale) + scale) + error.square()).mean(dim=2)
    return functional.smooth_l1_loss(found, known, beta=0.1, reduction="none").mean(dim=2)
