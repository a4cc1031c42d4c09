"""How hard a pair was to tell (Liu et al. 2019, the reward of DRAL; ALGORITHMS 5.3)."""

import numpy as np


def hardness(to_same: np.ndarray, to_different: np.ndarray, same: bool, margin: float) -> float:
    """``[m + y (max d(x_p, g) - min d(x_n, g))]_+`` with y = +1 for a match and -1 for none.

    A match far from the known positives and near a negative is hard, and so is a stranger near the positives.

    Args:
        to_same: (p,) distances of the candidate to all positives of the query, itself included; p >= 1.
        to_different: (n,) to its negatives, n >= 1: until one is known, something must stand in for it.
        same: whether the candidate was a match.
        margin: m, in units of the distances.

    Returns:
        Not negative.

    Raises:
        ValueError: no positives or no negatives.
    """
    if not len(to_same) or not len(to_different):
        raise ValueError(f"{len(to_same)} positives and {len(to_different)} negatives: at least one of each is needed")
    spread = float(np.max(to_same)) - float(np.min(to_different))
    return max(0.0, margin + (spread if same else -spread))
