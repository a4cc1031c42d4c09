"""Random streams that are derived, never carried.

A stream is a pure function of (seed, name, game, step), so a run that was killed needs no random state to go on, and
two strategies that share a seed meet the same randomness whatever either of them drew before.
"""

import hashlib

import numpy as np

_WORD = np.uint64(0xFFFFFFFFFFFFFFFF)


def _digest(seed: int, name: str, game: int, step: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{name}/{game}/{step}".encode(), digest_size=16).digest()


def generator(seed: int, name: str, game: int = 0, step: int = 0) -> np.random.Generator:
    """A numpy generator for one purpose at one step.

    Args:
        seed: the seed of the run.
        name: what the numbers are for, such as ``"split"``, ``"fit"`` or ``"policy"``.
        game: which game of the run: 0 is the deployment, episodes count from 1.
        step: which step of the game; -1 is the time before the first question.
    """
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(seed, name, game, step), "little")))


def keys(units: np.ndarray, seed: int, name: str, game: int = 0, step: int = 0) -> np.ndarray:
    """One pseudo-random 64-bit key per unit, independent of which other units are there.

    Sorting by these keys gives an order that two strategies share but for the units already gone: the pairing of a
    comparison rests on this. The mixing function is splitmix64's finaliser (Steele, Lea and Flood 2014).

    Args:
        units: integers, any shape.
        seed: see :func:`generator`; likewise ``name``, ``game``, ``step``.

    Returns:
        uint64 of the shape of ``units``.
    """
    salt = np.frombuffer(_digest(seed, name, game, step), dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = (np.asarray(units).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + salt[0]
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB) ^ salt[1]
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) & _WORD


def uniforms(units: np.ndarray, seed: int, name: str, game: int = 0, step: int = 0) -> np.ndarray:
    """One number in (0, 1) per unit, from :func:`keys`; float64 of the shape of ``units``."""
    return ((keys(units, seed, name, game, step) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52  # exact
