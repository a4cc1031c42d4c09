"""Random variants of crops: mirrored, cut by another detector, half hidden."""

from dataclasses import dataclass

import numpy as np

from querist.errors import QueristError

_GREY = np.array([124, 116, 104], dtype=np.uint8)
"""ImageNet's mean colour: zero to the network."""

_ASPECTS = (0.3, 3.3)
"""Height by width of erased rectangles, as in Zhong et al. 2017."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to a crop in training.

    Args:
        flip: probability of mirroring left and right.
        shift: largest shift, as a share of height and width; what moves in is grey.
        erase: probability of covering a rectangle with grey (Zhong et al. 2017, "Random erasing").
        erase_area: the largest rectangle, as a share of the image; the smallest is 2 %.

    Raises:
        QueristError: a number out of range.
    """

    flip: float = 0.5
    shift: float = 0.05
    erase: float = 0.5
    erase_area: float = 0.2

    def __post_init__(self) -> None:
        ranges = {
            "flip and erase are probabilities": 0 <= self.flip <= 1 and 0 <= self.erase <= 1,
            "shift must lie in [0, 0.5]": 0 <= self.shift <= 0.5,
            "erase_area must lie in [0.02, 1]": 0.02 <= self.erase_area <= 1,
        }
        for rule, kept in ranges.items():
            if not kept:
                raise QueristError(f"the augmentation is {self}", rule)

    def apply(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A variant of each image.

        Args:
            images: (B, H, W, 3) uint8; not changed.
            rng: draws the same amount of numbers whatever the settings.

        Returns:
            (B, H, W, 3) uint8.
        """
        draws = rng.random((len(images), 8))
        out = np.empty_like(images)
        for image, varied, draw in zip(images, out, draws, strict=True):
            varied[...] = self._vary(image, draw)
        return out

    def _vary(self, image: np.ndarray, draw: np.ndarray) -> np.ndarray:
        if draw[0] < self.flip:
            image = image[:, ::-1]
        varied = self._shifted(image, draw[1:3])
        if draw[3] < self.erase:
            varied[_rectangle(varied.shape[:2], self.erase_area, draw[4:8])] = _GREY
        return varied

    def _shifted(self, image: np.ndarray, draw: np.ndarray) -> np.ndarray:
        """A copy, moved; grey moves in."""
        size = np.array(image.shape[:2])
        most = np.round(self.shift * size).astype(int)
        move = np.floor(draw * (2 * most + 1)).astype(int) - most
        low, high = np.maximum(move, 0), size + np.minimum(move, 0)
        out = np.empty_like(image)
        out[...] = _GREY
        top, left = low - move
        bottom, right = high - move
        out[low[0] : high[0], low[1] : high[1]] = image[top:bottom, left:right]
        return out


def _rectangle(size: tuple[int, int], largest: float, draw: np.ndarray) -> tuple[slice, slice]:
    """A rectangle of a random area, aspect and place; one that is too long is cut to the image."""
    area = (0.02 + (largest - 0.02) * draw[0]) * size[0] * size[1]
    aspect = _ASPECTS[0] * (_ASPECTS[1] / _ASPECTS[0]) ** draw[1]
    wished = np.sqrt([area * aspect, area / aspect])
    sides = [max(1, min(whole, round(side))) for whole, side in zip(size, wished, strict=True)]
    starts = [int(d * (whole - side + 1)) for d, whole, side in zip(draw[2:], size, sides, strict=True)]
    return slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])
