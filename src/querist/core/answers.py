"""Answers of the oracle as bytes: any array, no pickle, the same bytes for the same answer."""

import functools
import hashlib
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from querist.errors import QueristError

_SMALL = 8  # bytes


def encode(answer: np.ndarray) -> tuple[str, bytes]:
    """The SHA-256 of an answer and its compressed bytes (numpy's own format, without objects)."""
    if 0 < answer.nbytes <= _SMALL and answer.dtype.kind in "biuf":
        return _encode_small(answer.dtype.str, answer.shape, answer.tobytes())
    return _encode(answer)


@functools.lru_cache(maxsize=256)
def _encode_small(kind: str, shape: tuple[int, ...], data: bytes) -> tuple[str, bytes]:
    """Answers of a few bytes, such as yes and no, come again and again."""
    return _encode(np.frombuffer(data, dtype=kind).reshape(shape))


def _encode(answer: np.ndarray) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(answer, order="C"), version=(1, 0), allow_pickle=False)
    raw = buffer.getvalue()
    return hashlib.sha256(raw).hexdigest(), zlib.compress(raw, 6)


def decode(digest: str, data: bytes) -> np.ndarray:
    """The answer of its bytes.

    Raises:
        QueristError: the bytes are not those that were written.
    """
    try:
        raw = zlib.decompress(data)
    except zlib.error:
        raw = b""
    if hashlib.sha256(raw).hexdigest() != digest:
        raise QueristError(f"answer {digest[:12]} in the run file is damaged", "restore the run from a backup")
    return np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)


class Decoder:
    """:func:`decode`, with a memory for answers of a few bytes such as yes and no, which come again and again."""

    _KEPT = 256

    def __init__(self) -> None:
        self._small: dict[str, np.ndarray] = {}

    def __call__(self, digest: str, read: Callable[[], bytes]) -> np.ndarray:
        """The answer of a digest, whose bytes are read if need be; a small one is shared and cannot be written to."""
        known = self._small.get(digest)
        if known is None:
            known = decode(digest, read())
            if known.nbytes <= _SMALL and len(self._small) < self._KEPT:
                known.setflags(write=False)
                self._small[digest] = known
        return known


@dataclass(frozen=True, eq=False)
class Labels:
    """What is labelled: the only thing a task is fitted on.

    Args:
        units: (n,) the units answered, in the order of the questions.
        answers: their n answers, as the task understands them (a region's mask, a pose, same or different).
        given: (m,) sources that were labelled before the first question.
    """

    units: np.ndarray
    answers: tuple[np.ndarray, ...]
    given: np.ndarray

    def __post_init__(self) -> None:
        if len(self.units) != len(self.answers):
            raise ValueError(f"{len(self.units)} units but {len(self.answers)} answers")
