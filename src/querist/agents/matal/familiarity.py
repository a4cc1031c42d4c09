"""How well known an image is already: by the nearest labelled one, and by its subject."""

import numpy as np
import torch
from torch import Tensor

from querist.kernels.distances import nearest_squared

WIDEST = 20.0
"""Logarithms are cut here: no two images are as near, or as far from one another, as e to this power says."""


class Familiarity:
    """Of candidates, the distance of their appearance to the nearest labelled one, and labels of their subject.

    Both go on changing with every label. What is seen is how an image compares with the usual one of its step, so that
    it means the same in a game of a few dozen labels as in a deployment of many hundreds.

    Args:
        looks: (m, d) appearances of what is labelled, m >= 1.
        subjects: (m,) whom it shows.
    """

    def __init__(self, looks: Tensor, subjects: np.ndarray) -> None:
        self._looks = looks
        self._subjects, self._counts = np.unique(subjects, return_counts=True)
        self._usual: Tensor | None = None

    def rows(self, looks: Tensor, subjects: np.ndarray, landmark: Tensor) -> Tensor:
        """(n, 2) logarithms of the distance and of one more than the count, less their means over the landmarks.

        Args:
            looks: (n, d) of some images; the landmarks must be among the first that are asked about.
            subjects: (n,) whom they show.
            landmark: (n,) whether an image is one.
        """
        squared, _ = nearest_squared(looks, self._looks)
        place = np.minimum(np.searchsorted(self._subjects, subjects), len(self._subjects) - 1)
        count = np.where(self._subjects[place] == subjects, self._counts[place], 0)
        far = 0.5 * squared.log().clamp(-WIDEST, WIDEST)
        found = torch.stack([far, torch.from_numpy(np.log1p(count)).to(far)], dim=1)
        if self._usual is None:
            self._usual = found[landmark].mean(dim=0)
        return (found - self._usual).clamp(-WIDEST, WIDEST)
