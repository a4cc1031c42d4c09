"""Who may be asked about, and who serves what: the roles of the sources in one game."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from querist.core.pool import Pool
from querist.errors import QueristError


class Role(IntEnum):
    """What a source is for. Only POOL may be asked about; TEST touches nothing but the final number."""

    UNUSED = 0
    POOL = 1
    START = 2
    STATE = 3
    REWARD = 4
    TEST = 5


@dataclass(frozen=True, eq=False)
class Split:
    """One role per source.

    Args:
        roles: (sources,) of :class:`Role`.
    """

    roles: np.ndarray

    @classmethod
    def draw(cls, pool: Pool, rng: np.random.Generator, **counts: int) -> "Split":
        """A random split by subject: so many *subjects* of each role, and the rest is the pool.

        Args:
            pool: whose sources; ``rng`` draws.
            counts: such as ``start=10, reward=20, test=40``.

        Raises:
            QueristError: a role that does not exist, or more subjects than there are.
        """
        subjects = np.unique(pool.source_subjects)
        if sum(counts.values()) >= len(subjects):
            raise QueristError(
                f"{counts} leave nothing of {len(subjects)} images or subjects to ask about", "lower the counts"
            )
        order = rng.permutation(subjects)
        of_subject = dict.fromkeys(order.tolist(), Role.POOL)
        taken = 0
        for name, count in counts.items():
            if name.upper() not in Role.__members__:
                raise QueristError(f"there is no role {name!r}", f"roles: {', '.join(r.name.lower() for r in Role)}")
            of_subject |= dict.fromkeys(order[taken : taken + count].tolist(), Role[name.upper()])
            taken += count
        return cls(np.array([of_subject[s] for s in pool.source_subjects.tolist()], dtype=np.int8))

    def sources(self, role: Role) -> np.ndarray:
        """The sources of a role, ascending, int64."""
        return np.flatnonzero(self.roles == role)

    def digest(self) -> str:
        """16 hexadecimal digits over the roles."""
        return hashlib.sha256(np.asarray(self.roles, dtype=np.uint8).tobytes()).hexdigest()[:16]

    def check(self, pool: Pool) -> None:
        """No subject may serve both to learn from and to measure: that would leak what is asked into what is measured.

        Of one subject some images may be labelled from the start and others asked about, or left unused.

        Raises:
            QueristError: names the subject's sources and their roles.
        """
        if len(self.roles) != pool.source_count:
            raise ValueError(f"{len(self.roles)} roles for {pool.source_count} sources")
        subjects = pool.source_subjects
        serves = np.where(np.isin(self.roles, (Role.UNUSED, Role.START)), Role.POOL, self.roles)
        order = np.lexsort((serves, subjects))
        same = subjects[order][1:] == subjects[order][:-1]
        torn = np.flatnonzero(same & (serves[order][1:] != serves[order][:-1]))
        if len(torn):
            a, b = int(order[torn[0]]), int(order[torn[0] + 1])
            roles = [Role(self.roles[s]).name.lower() for s in (a, b)]
            raise QueristError(
                f"{pool.source_name(a)!r} is in the {roles[0]} set and {pool.source_name(b)!r} in the {roles[1]} set, "
                "but both show the same subject",
                "split by subject: what is measured on shows others than what is asked about",
            )
