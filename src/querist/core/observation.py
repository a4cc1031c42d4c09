"""What a policy sees: groups of candidates, numbers about each, numbers about the state, and the schema of it all."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np

from querist.errors import QueristError


@dataclass(frozen=True)
class Field:
    """One named block of numbers per candidate (or of the state).

    Args:
        name: such as ``"entropy"``.
        shape: of one candidate's block; () is one number.
        low: smallest value that can occur; ``high`` the largest.
        per_class: whether a slot stands for a class, which ties a policy to the class list.
    """

    name: str
    shape: tuple[int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    per_class: bool = False

    @property
    def size(self) -> int:
        """How many numbers the block has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Schema:
    """The names, shapes and ranges of an observation; its hash guards a trained policy against another's food.

    Args:
        candidates: the blocks of a candidate's feature vector, in order.
        state: the blocks of the state vector or matrix rows, in order.
        classes: the class list, if any field is per class.
    """

    candidates: tuple[Field, ...]
    state: tuple[Field, ...] = ()
    classes: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """F, the length of a candidate's feature vector."""
        return sum(f.size for f in self.candidates)

    def columns(self, name: str) -> slice:
        """Where a field's numbers stand in the feature vector.

        Raises:
            QueristError: the schema has no such field.
        """
        start = 0
        for f in self.candidates:
            if f.name == name:
                return slice(start, start + f.size)
            start += f.size
        have = ", ".join(f.name for f in self.candidates) or "nothing"
        raise QueristError(f"the observation has no field {name!r}, it has {have}", "name it in the policy's fields")

    def hash(self) -> str:
        """16 hexadecimal digits that change with any name, shape, range or class."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Groups:
    """The candidates that one step offers: G groups of at most N units.

    Args:
        units: (G, N) int64; entries outside the mask are -1.
        mask: (G, N) bool, true where there is a candidate.
        context: per group, under which circumstance it is offered, such as the anchor of a pair.
    """

    units: np.ndarray
    mask: np.ndarray
    context: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.units.shape != self.mask.shape or self.units.ndim != 2:
            raise ValueError(f"units {self.units.shape} and mask {self.mask.shape} must both be (G, N)")

    @property
    def flat(self) -> np.ndarray:
        """All candidates as one list of units, group by group."""
        return self.units[self.mask]

    def digest(self) -> str:
        """16 hexadecimal digits over who was offered, in which order, under which circumstance."""
        shape = repr((self.units.shape, self.context)).encode()
        raw = self.units.astype(np.int64).tobytes() + self.mask.tobytes() + shape
        return hashlib.sha256(raw).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Observation:
    """What ``Policy.select`` is given.

    Args:
        groups: who is offered.
        candidates: (G, N, F) float32, zero outside the mask.
        state: the state vector or matrix; empty if the schema has none.
        schema: names the columns.
        sources: (G, N, s) the sources of the candidates.
        asked: how often each source was asked about before (sources,), or None where nobody needs it.
    """

    groups: Groups
    candidates: np.ndarray
    schema: Schema
    sources: np.ndarray
    state: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    asked: np.ndarray | None = None

    def field(self, name: str) -> np.ndarray:
        """A field of every candidate: (G, N) for one number each, else (G, N, size)."""
        block = self.candidates[:, :, self.schema.columns(name)]
        scalar = next(f for f in self.schema.candidates if f.name == name).shape == ()
        return block[:, :, 0] if scalar else block
