"""The partitions of labelled images in which a team is trained (Gong et al. 2022, Alg. 1; ALGORITHMS 2.1)."""

import numpy as np

from querist.core import rng
from querist.core.pool import Pool
from querist.core.split import Role, Split
from querist.errors import QueristError

SHARES = (3, 6, 1)
"""Reward set : pool of the games : labelled when they begin."""


def partitioned(split: Split, pool: Pool, seed: int, turn: int = 0) -> Split:
    """The split of some games: the starting set, divided 3:6:1 into reward set, pool and labelled set.

    By subject, so that no person or photograph is in two of them. Pool, reward and test set of the deployment take no
    part: rewards cost no labels beyond the starting set.

    Args:
        split: of the deployment; a start of everything labelled, where a team is trained again.
        pool: knows what belongs together.
        seed: draws; ``turn`` tells several partitions apart.

    Raises:
        QueristError: too few subjects for three sets.
    """
    start = split.sources(Role.START)
    subjects = pool.source_subjects[start]
    order = rng.generator(seed, "partition", turn).permutation(np.unique(subjects))
    ends = np.rint(np.cumsum(SHARES) / sum(SHARES) * len(order)).astype(int)
    if ends[0] < 1 or ends[1] <= ends[0] or ends[2] <= ends[1]:
        raise QueristError(
            f"{len(order)} labelled images or subjects cannot be divided into reward set, pool and labelled set",
            "label 10 or more for the start (problem.start)",
        )
    roles = np.full(len(split.roles), Role.UNUSED, dtype=np.int8)
    roles[split.sources(Role.STATE)] = Role.STATE
    for role, begin, end in zip((Role.REWARD, Role.POOL, Role.START), (0, *ends), ends, strict=False):
        roles[start[np.isin(subjects, order[begin:end])]] = role
    return Split(roles)
