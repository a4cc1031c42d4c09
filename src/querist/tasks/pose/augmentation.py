"""Random variants of images of poses and of their joints: turned, resized, moved, mirrored, in another light."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from querist.errors import QueristError
from querist.tasks.pose.skeleton import Skeleton

_DRAWS = 9
"""Numbers drawn for an image, whatever the settings: a changed setting changes nothing else."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to an image in training.

    Args:
        rotate: largest angle in degrees, either way.
        scale: an image is enlarged or shrunk by up to this share; a hand's depth with it, as in a cube of another size.
        shift: largest shift, as a share of the image's side.
        flip: probability of mirroring colour images, whose left and right joints change places. Depth images are not
            mirrored: of a hand only one side is known.
        light: colour channels are made brighter or darker by up to this share, each by itself and all together.

    Raises:
        QueristError: a number out of range.
    """

    rotate: float = 30.0
    scale: float = 0.25
    shift: float = 0.05
    flip: float = 0.5
    light: float = 0.2

    def __post_init__(self) -> None:
        ranges = {
            "rotate must lie in [0, 180] degrees": 0 <= self.rotate <= 180,
            "scale must lie in [0, 0.9]": 0 <= self.scale <= 0.9,
            "shift must lie in [0, 0.5]": 0 <= self.shift <= 0.5,
            "flip is a probability": 0 <= self.flip <= 1,
            "light must lie in [0, 0.9]": 0 <= self.light <= 0.9,
        }
        for rule, kept in ranges.items():
            if not kept:
                raise QueristError(f"the augmentation is {self}", rule)

    def apply(
        self, images: Tensor, places: Tensor, skeleton: Skeleton, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """A variant of each image.

        Args:
            images: (B, 3, S, S) in 0..255, or (B, 1, S, S) depths in -1..1, float; not changed.
            places: (B, J, D) joints on -1..1 across the image, NaN where unknown.
            skeleton: knows left from right.
            rng: draws the same amount of numbers whatever the settings.

        Returns:
            Images and places of the same shapes. What moves in from outside is 0 of colour images, which should have
            their mean taken off first, and 1, the back of the cube, of depth images.
        """
        draws = torch.from_numpy(rng.random((len(images), _DRAWS))).to(images)
        either = 2 * draws - 1
        angle, zoom = either[:, 0] * torch.pi / 180 * self.rotate, 1 + self.scale * either[:, 1]
        is_depth = places.shape[2] == 3
        mirrored = (draws[:, 4] < self.flip) & (not is_depth)
        sign = torch.where(mirrored, -1.0, 1.0).to(images)
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        # A place p goes to A p + t; mirroring comes first.
        forth = torch.stack([torch.stack([cos * sign, -sin], 1), torch.stack([sin * sign, cos], 1)], 1)
        moved = 2 * self.shift * either[:, 2:4]
        varied = _warped(images, forth, moved, is_depth)
        if is_depth:
            varied = torch.where(varied < 1, varied * zoom[:, None, None, None], 1.0).clamp(-1, 1)
        else:
            light = 1 + self.light * 0.5 * (either[:, 5:8] + either[:, 8:9])
            varied = varied * light[:, :, None, None]
        return varied, _moved(places, forth, moved, zoom, mirrored, skeleton)


def _warped(images: Tensor, forth: Tensor, moved: Tensor, is_depth: bool) -> Tensor:
    """Images under p -> A p + t; a cell of the result looks back to where it came from."""
    back = torch.linalg.inv(forth)
    theta = torch.cat([back, -back @ moved[:, :, None]], dim=2)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    if is_depth:  # a mean of front and back would be a surface that is not there
        return functional.grid_sample(images - 1, grid, "nearest", "zeros", align_corners=False) + 1
    return functional.grid_sample(images, grid, "bilinear", "zeros", align_corners=False)


def _moved(places: Tensor, forth: Tensor, moved: Tensor, zoom: Tensor, mirrored: Tensor, skeleton: Skeleton) -> Tensor:
    swapped = places[:, torch.from_numpy(skeleton.mirrored).to(places.device)]
    places = torch.where(mirrored[:, None, None], swapped, places)
    plane = places[..., :2] @ forth.transpose(1, 2) + moved[:, None]
    return torch.cat([plane, places[..., 2:] * zoom[:, None, None]], dim=2)
