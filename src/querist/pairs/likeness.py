"""How likely a neighbour is to be a match, as its similarity has it."""

import numpy as np

_SLOPE = 8.0  # Sim 0 is a match with 0.02, Sim 1 with 0.98


def match_probability(similarity: np.ndarray) -> np.ndarray:
    """A logistic function of Sim in [0, 1], one half at Sim = 1/2 (ALGORITHMS 5.5); same shape."""
    return 1.0 / (1.0 + np.exp(-_SLOPE * (similarity - 0.5)))
