"""The query units: what one question to the oracle is about.

A unit is an integer. Its *name* outlives a re-scan of the folder; its *sources* are the images it lies in (one, or
two for a pair); its *subjects* are what a split must keep together (a person, a photograph, by default the image).
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from querist.errors import QueristError


class Pool(ABC):
    """All units that exist, asked or not. Which of them may be asked is the business of splits and of the ledger.

    Args:
        source_names: one name per source, unique. Kept as fixed-width bytes: 2.2 million names of 30 characters
            take 66 MB instead of the 180 MB of Python strings.
        subjects: for each source the integer of what it belongs to; default: every source is its own subject.
    """

    def __init__(self, source_names: Sequence[str], subjects: np.ndarray | None = None) -> None:
        try:
            self._sources = np.array([name.encode() for name in source_names], dtype=np.bytes_)
        except UnicodeEncodeError as error:
            raise QueristError(f"the file name {error.object!r} is not valid UTF-8", "rename the file") from error
        self._order = np.argsort(self._sources, kind="stable")
        ordered = self._sources[self._order]
        twins = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(twins):
            name = bytes(ordered[twins[0]]).decode()
            raise QueristError(f"two sources share the name {name!r}", "give every image its own name")
        self._subjects = np.arange(len(self._sources)) if subjects is None else np.asarray(subjects, dtype=np.int64)
        if self._subjects.shape != self._sources.shape:
            raise ValueError(f"{len(self._subjects)} subjects for {len(self._sources)} sources")

    @abstractmethod
    def __len__(self) -> int:
        """How many units there are."""

    @abstractmethod
    def name(self, unit: int) -> str:
        """The name of a unit, such as ``train/0001TP_006690@r2c3``."""

    @abstractmethod
    def unit(self, name: str) -> int:
        """The unit of a name.

        Raises:
            QueristError: no unit of this pool has the name.
        """

    @abstractmethod
    def sources(self, units: np.ndarray) -> np.ndarray:
        """The sources of units: (n,) -> (n, 1), or (n, 2) for pairs."""

    @abstractmethod
    def costs(self, units: np.ndarray) -> np.ndarray:
        """What asking costs, in whole units of the budget: (n,) -> (n,) int64."""

    @abstractmethod
    def worth(self, sources: np.ndarray) -> int:
        """What all units that lie within some sources cost together."""

    @property
    def source_count(self) -> int:
        """How many sources (images) there are."""
        return len(self._sources)

    def source_name(self, source: int) -> str:
        """The name of a source."""
        return self._sources[source].decode()

    def source(self, name: str) -> int:
        """The source of a name; QueristError if there is none."""
        wanted = name.encode()
        spot = int(self._sources.searchsorted(wanted, sorter=self._order))
        if spot < len(self._order) and self._sources[self._order[spot]] == wanted:
            return int(self._order[spot])
        raise QueristError(f"the pool has no image {name!r}", "check that the data folder is the one of this run")

    def subjects(self, units: np.ndarray) -> np.ndarray:
        """The subjects of units, in the shape of :meth:`sources`."""
        return self._subjects[self.sources(units)]

    @property
    def source_subjects(self) -> np.ndarray:
        """The subject of every source, (source_count,)."""
        return self._subjects

    def digest(self) -> str:
        """16 hexadecimal digits over the names of the sources and the number of units."""
        return hashlib.sha256(b"\n".join(self._sources.tolist()) + str(len(self)).encode()).hexdigest()[:16]


class ColumnarPool(Pool):
    """Every source has the same parts: the regions of an image, or just the image itself.

    Unit ``u`` is part ``u % len(parts)`` of source ``u // len(parts)``, so that nothing but the names is stored.

    Args:
        source_names: see :class:`Pool`.
        parts: suffixes of the names, such as ``("@r0c0", "@r0c1")``; one empty suffix: the unit is the image.
        cost: what one unit costs.
        subjects: see :class:`Pool`.
    """

    def __init__(
        self,
        source_names: Sequence[str],
        parts: Sequence[str] = ("",),
        cost: int = 1,
        subjects: np.ndarray | None = None,
    ) -> None:
        super().__init__(source_names, subjects)
        self.parts = tuple(parts)
        self.cost = cost
        self._part_index = {part: i for i, part in enumerate(self.parts)}

    def __len__(self) -> int:
        return self.source_count * len(self.parts)

    def name(self, unit: int) -> str:
        source, part = divmod(int(unit), len(self.parts))
        return self.source_name(source) + self.parts[part]

    def unit(self, name: str) -> int:
        cut = -1 if "" in self._part_index else name.rfind("@")
        base, part = (name[:cut], name[cut:]) if cut >= 0 else (name, "")
        if part not in self._part_index:
            raise QueristError(f"the pool has no unit {name!r}", f"parts are {', '.join(self.parts[:4])}, ...")
        return self.source(base) * len(self.parts) + self._part_index[part]

    def sources(self, units: np.ndarray) -> np.ndarray:
        return np.asarray(units)[:, None] // len(self.parts)

    def part(self, units: np.ndarray) -> np.ndarray:
        """Which part of its source each unit is: (n,) -> (n,)."""
        return np.asarray(units) % len(self.parts)

    def units_of(self, sources: np.ndarray) -> np.ndarray:
        """All units of some sources, in the order of the sources: (m,) -> (m * parts,)."""
        return (np.asarray(sources)[:, None] * len(self.parts) + np.arange(len(self.parts))).ravel()

    def costs(self, units: np.ndarray) -> np.ndarray:
        return np.full(len(units), self.cost, dtype=np.int64)

    def worth(self, sources: np.ndarray) -> int:
        return len(sources) * len(self.parts) * self.cost


class PairPool(Pool):
    """All unordered pairs of images, never listed: 30 million pairs take no memory.

    The pair of images ``i < j`` is unit ``i * n + j``; whoever is the anchor, it is the same unit. Its name joins two
    names by ``~``, so no image may have that in its own: QueristError.
    """

    def __init__(self, source_names: Sequence[str], subjects: np.ndarray | None = None) -> None:
        super().__init__(source_names, subjects)
        for name in source_names:
            if "~" in name:
                raise QueristError(f"the image name {name!r} holds a ~, which joins the names of a pair", "rename it")

    def __len__(self) -> int:
        return self.source_count * (self.source_count - 1) // 2

    def pair(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The units of pairs of sources, in either order: (n,), (n,) -> (n,).

        Raises:
            ValueError: an image is paired with itself.
        """
        low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second)
        if np.any(low == high):
            raise ValueError("an image cannot be paired with itself")
        return low * self.source_count + high

    def name(self, unit: int) -> str:
        low, high = divmod(int(unit), self.source_count)
        return f"{self.source_name(low)}~{self.source_name(high)}"

    def unit(self, name: str) -> int:
        first, _, second = name.partition("~")
        low, high = sorted((self.source(first), self.source(second)))
        if low == high:
            raise QueristError(f"{name!r} pairs an image with itself", "name two images")
        return low * self.source_count + high

    def sources(self, units: np.ndarray) -> np.ndarray:
        units = np.asarray(units, dtype=np.int64)
        both = np.empty((len(units), 2), dtype=np.int64)
        np.divmod(units, self.source_count, out=(both[:, 0], both[:, 1]))
        return both

    def costs(self, units: np.ndarray) -> np.ndarray:
        return np.ones(len(units), dtype=np.int64)

    def worth(self, sources: np.ndarray) -> int:
        return len(sources) * (len(sources) - 1) // 2
