"""What the label of an image is worth to a Gaussian process from appearances to poses.

A linear read-out is not local: a few images of a kind teach it all that it can learn of them, whereas a network goes on
learning. A process on the same features is local, and what one more label would change can be computed exactly.
Images that are worth much to it are worth much to the network (docs/matal-trials.md has figures).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from querist.kernels.gaussian_process import BANDWIDTH, NOISE, Posterior, Process
from querist.kernels.mmd import median_bandwidth

_PAIRED = 500  # images; their 124,750 pairs give the median to well below a hundredth


class Images(NamedTuple):
    """Images with their labels.

    Args:
        looks: (n, d) appearances.
        places: (n, J, D), NaN where a joint is not known.
    """

    looks: Tensor
    places: Tensor


def bandwidth_of(looks: Tensor) -> float:
    """Of the process, from (n, d) appearances of whatever is there, n >= 2."""
    return BANDWIDTH * median_bandwidth(looks[:: max(1, len(looks) // _PAIRED)]) ** 0.5


def gains(known: Images, asked: Images, measured: Images, bandwidth: float) -> Tensor:
    """By how much the squared error of some images would fall if the label of each asked one were learned: (n,).

    The process expects the mean of the known poses where nothing is near. Each joint is learned from the images that
    show it, and measured where it is known; an unknown joint of an asked image tells nothing.

    Args:
        known: what is labelled; n may be 0.
        asked: whose labels may be learned; ``measured`` those that the error is taken of.
        bandwidth: see :func:`bandwidth_of`.

    Returns:
        Of the sum over joints and coordinates, on the scale of the places squared, for the mean measured image.
    """
    middle = _middle(known.places)
    told, asks, counts = ((each.places - middle) for each in (known, asked, measured))
    found = asked.looks.new_zeros(len(asked.looks))
    for images, joints in _by_joints(known.places):
        process = Process(known.looks[images], bandwidth, NOISE)
        labels = told[images][:, joints].flatten(1)
        surprise = asks[:, joints].flatten(1) - process.mean(asked.looks, labels)
        errors = counts[:, joints].flatten(1) - process.mean(measured.looks, labels)
        found += Posterior(process, asked.looks, measured.looks).gains(surprise, errors)
    return found


def expected(known: Images, looks: Tensor, bandwidth: float) -> Tensor:
    """The poses that a process expects of images, each joint learned from those that show it.

    Args:
        known: what is labelled; n may be 0.
        looks: (m, d) appearances.
        bandwidth: see :func:`bandwidth_of`.

    Returns:
        (m, J, D); where nothing is near, the mean of the known poses, and 0 for a joint that none shows.
    """
    middle = _middle(known.places)
    found = middle.expand(len(looks), *middle.shape).clone()
    for images, joints in _by_joints(known.places):
        labels = (known.places - middle)[images][:, joints].flatten(1)
        process = Process(known.looks[images], bandwidth, NOISE)
        found[:, joints] += process.mean(looks, labels).unflatten(1, (len(joints), -1))
    return found


def _middle(places: Tensor) -> Tensor:
    """(n, J, D) -> (J, D)."""
    return places.nanmean(dim=0).nan_to_num(0.0)


def _by_joints(places: Tensor) -> Iterator[tuple[Tensor, list[int]]]:
    """Which images show which joints, (n,) bool: what the same images show is learned together."""
    joints_of: dict[tuple[bool, ...], list[int]] = {}
    for joint, shown in enumerate(torch.isfinite(places).all(dim=2).T.tolist()):
        joints_of.setdefault(tuple(shown), []).append(joint)
    for shown, joints in joints_of.items():
        yield torch.tensor(shown, dtype=torch.bool), joints


def as_places(places: np.ndarray) -> Tensor:
    """(n, J, D) with NaN for a joint of which any coordinate is unknown."""
    known = torch.from_numpy(np.asarray(places, dtype=np.float32))
    return torch.where(torch.isfinite(known).all(dim=2, keepdim=True), known, torch.nan)
