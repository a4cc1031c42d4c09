"""What a team's agents take when they explore."""

import numpy as np
import torch
from torch import Tensor

from querist.agents.matal.config import Matal
from querist.agents.matal.team import Draw

_TEMPERATURE = 0.5  # of a direction's scores, whose deviation is 1: most picks follow it, none is certain


def exploration(settings: Matal, progress: float) -> float:
    """The share of random choices when so much of the training is done, 0 to 1: a line over its first half."""
    first, last = settings.epsilon_first, settings.epsilon_last
    return first + (last - first) * min(1.0, 2 * progress)


def explorer(
    candidates: np.ndarray, settings: Matal, epsilon: float, rng: np.random.Generator, weights: np.ndarray
) -> Draw:
    """Decides for each agent by itself whether it explores, and what it takes then.

    A step has one gain for all its images. If exploring agents drew them independently, every batch would look like the
    average of the pool. ``coherent`` ones follow one direction w ~ N(0, I) over the step's standardised features, with
    noise, so that batches differ and gains tell directions apart.

    Args:
        candidates: (n, F) as observed.
        settings: ``exploration``.
        epsilon: the share of exploring agents.
        rng: of the step.
        weights: (F,) of the features in a direction.
    """
    if settings.exploration == "coherent":
        scores = _directed(candidates, rng, weights)
    else:
        scores = np.zeros(len(candidates))
    scores = scores + _TEMPERATURE * rng.gumbel(size=len(candidates))
    coins = rng.random(len(candidates))

    def draw(m: int, free: Tensor) -> int | None:
        return int(np.where(free.numpy(), scores, -np.inf).argmax()) if coins[m] < epsilon else None

    return draw


def drawn(draw: Draw, candidates: int, k: int) -> np.ndarray:
    """What a step takes in which every agent explores: (k,) places, or fewer if there are not as many candidates."""
    free = torch.ones(candidates, dtype=torch.bool)
    places = np.zeros(min(k, candidates), dtype=np.int64)
    for m in range(len(places)):
        place = draw(m, free)
        assert place is not None, "epsilon is 1"
        places[m] = place
        free[place] = False
    return places


def _directed(candidates: np.ndarray, rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
    direction = rng.standard_normal(candidates.shape[1]) * weights
    return _standard(np.clip(_standard(candidates.astype(np.float64)), -5, 5) @ direction)


def _standard(values: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 along the first axis; zero where nothing varies."""
    centred, deviation = values - values.mean(axis=0), values.std(axis=0)
    varies = deviation > 1e-6 * np.maximum(np.abs(values).max(axis=0), 1e-30)  # below that it is round-off
    return np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
