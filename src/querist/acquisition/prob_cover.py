"""ProbCover: ask about a batch whose neighbourhoods cover the most (Yehuda, Dekel, Hacohen and Weinshall 2022)."""

import numpy as np
import torch
from torch import Tensor

from querist.acquisition.whole_pool import WholePool
from querist.errors import QueristError
from querist.kernels.coverage import covered_by, greedy_coverage, purity_radius
from querist.kernels.k_means import k_means


class ProbCover(WholePool):
    """Greedy maximum coverage: each pick has the most candidates within a radius that nothing labelled covers yet.

    The radius is the largest at which a share of the balls around candidates and labels is pure, where a ball is pure
    when all in it lie in one cluster of k-means with as many clusters as the task has classes. It is found anew in each
    step, because the embedding changes with the model (the paper's is fixed and self-supervised). Scores are the
    numbers of candidates newly covered; once all is covered, picks are random. Balls belong to the pool as a whole, so
    there is no form with groups.

    Args:
        purity: the share; the paper's 0.95.
        balls: the purity is estimated on at most so many of them, to within 0.021 (ALGORITHMS T5).

    Raises:
        QueristError: a number out of range.
    """

    def __init__(self, purity: float = 0.95, balls: int = 4096) -> None:
        if not 0 < purity <= 1 or balls < 1:
            raise QueristError(f"purity {purity} of {balls} balls", "choose a share in (0, 1] and at least one ball")
        self._purity, self._balls = purity, balls

    def pick(
        self, offered: Tensor, labelled: Tensor, classes: int, k: int, generator: torch.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        everything = torch.cat([offered, labelled])
        pseudo, _ = k_means(everything, min(classes, len(everything)), generator)
        looked_at = torch.randperm(len(everything), generator=generator)[: self._balls]
        radius = purity_radius(everything, pseudo, self._purity, looked_at)
        found, gains = greedy_coverage(offered, radius, k, covered_by(offered, labelled, radius))
        return found.numpy(), gains.numpy()
