"""Transductive experimental design: ask what tells most about everything else (Yu, Bi and Tresp 2006)."""

import numpy as np
import torch
from torch import Tensor

from querist.acquisition.whole_pool import WholePool
from querist.errors import QueristError
from querist.kernels.gaussian_process import BANDWIDTH, NOISE, Posterior, Process, greedy_variance
from querist.kernels.mmd import median_bandwidth

_FLAT = 1e-6  # deviations of numbers that do not vary
_PAIRED = 500  # of the references; their 124,750 pairs give the median


class TransductiveDesign(WholePool):
    """Picks, one after another, whatever lowers the mean variance of a Gaussian process at the unlabelled most.

    The sequential design of the paper, which is the criterion of Cohn (1996) for a process: what is dense, is far from
    all that is labelled, and is not like the picks before it. It needs no label and no class. The process is over
    the model's embeddings, each number in deviations over candidates and labelled, with a squared exponential kernel,
    whose bandwidth is a multiple of the median distance of two candidates. Scores are the falls of the mean variance.

    Args:
        noise: variance of what a label tells, where the process has variance 1.
        bandwidth: the multiple.
        references: the variance is taken at so many of the candidates, drawn at random.
        limit: at most so many candidates are looked at; memory grows with their number times that of the labels.

    Raises:
        QueristError: a number out of range.
    """

    def __init__(
        self, noise: float = NOISE, bandwidth: float = BANDWIDTH, references: int = 2048, limit: int = 10_000
    ) -> None:
        if min(noise, bandwidth) <= 0 or references < 1 or limit < 1:
            raise QueristError(
                f"noise {noise}, bandwidth {bandwidth}, {references} references, limit {limit}",
                "noise and bandwidth are positive; references and limit at least 1",
            )
        self._noise, self._bandwidth, self._references, self.limit = noise, bandwidth, references, limit

    def pick(
        self, offered: Tensor, labelled: Tensor, classes: int, k: int, generator: torch.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        every = torch.cat([offered, labelled])
        mean, deviation = every.mean(dim=0), every.std(dim=0, correction=0).clamp_min(_FLAT)
        rows, known = (offered - mean) / deviation, (labelled - mean) / deviation
        some = torch.randperm(len(rows), generator=generator)[: self._references]
        bandwidth = self._bandwidth * median_bandwidth(rows[some[:_PAIRED]]) ** 0.5 if len(some) > 1 else 1.0
        process = Process(known, bandwidth, self._noise)
        found, falls = greedy_variance(Posterior(process, rows, rows[some]), k)
        return found.numpy(), falls.numpy()
