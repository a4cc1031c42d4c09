"""A first look at a trained policy: its games beside those of chance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

CHECK_SEED = 1_000_003
"""Of games that no policy is trained in."""


def against_chance(policy: Sequence[float], random: Sequence[float]) -> Mapping[str, Any]:
    """What a card keeps of the look.

    Args:
        policy: the sum of rewards of each of its games.
        random: those of chance in the same games.

    Returns:
        Both, rounded to four digits; their mean ``difference``, and its ``standard_error`` (None with a single game).
    """
    found = {"policy": [round(v, 4) for v in policy], "random": [round(v, 4) for v in random]}
    gains = np.array(found["policy"]) - np.array(found["random"])
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None
    return {**found, "difference": float(gains.mean()), "standard_error": error}
