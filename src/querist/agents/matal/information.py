"""What the label of an image would tell, by a Gaussian process over appearances that knows what is labelled."""

import math

import torch
from torch import Tensor

from querist.kernels.gaussian_process import BANDWIDTH, NOISE, Posterior, Process

LEAST = -20.0
"""Logarithm of a variance that is as good as none."""


class Information:
    """How uncertain the process is of an image, and how much surer it would be of all others with it.

    Both fall with every label. What is seen is how an image compares with the usual one of its step, so that it means
    the same in a game of a few dozen labels as in a deployment of many hundreds.

    Args:
        known: (m, d) appearances of what is labelled.
        landmarks: (r, d) of the images that stand for all.
        bandwidth: σ² of the appearances.
    """

    def __init__(self, known: Tensor, landmarks: Tensor, bandwidth: float) -> None:
        self._process = Process(known, BANDWIDTH * math.sqrt(bandwidth), NOISE)
        self._landmarks = landmarks
        self._usual: Tensor | None = None

    def rows(self, looks: Tensor, landmark: Tensor) -> Tensor:
        """(n, 2) logarithms, less their means over the landmarks; (n, d) appearances.

        Args:
            looks: of some images; the landmarks must be among the first that are asked about.
            landmark: (n,) whether an image is one.
        """
        posterior = Posterior(self._process, looks, self._landmarks)
        found = torch.stack([posterior.variance, posterior.falls()], dim=1)
        found = found.clamp_min(math.exp(LEAST)).log()
        if self._usual is None:
            self._usual = found[landmark].mean(dim=0)
        return (found - self._usual).clamp(LEAST, -LEAST)
