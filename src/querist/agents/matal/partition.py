"""The partitions of labelled images in which a team is trained (Gong et al. 2022, Alg. 1; ALGORITHMS 2.1)."""

import numpy as np

from querist.core import rng
from querist.core.pool import Pool
from querist.core.split import Role, Split
from querist.errors import QueristError


def partitioned(
    split: Split,
    pool: Pool,
    seed: int,
    turn: int = 0,
    rewards: float = 0.3,
    labelled: float = 0.1,
    apart: bool = True,
) -> Split:
    """The split of some games: the starting set, divided into reward set, pool and labelled set; 3:6:1 as printed.

    As printed all is divided image by image. ``apart``, the reward set is drawn by subject, so that it shows no person,
    photograph or clip that is asked about, as the test set does not; it then has only about its share of images. Pool,
    reward and test set of the deployment take no part: rewards cost no labels beyond the starting set.

    Args:
        split: of the deployment; a start of everything labelled, where a team is trained again.
        pool: knows what belongs together.
        seed: draws; ``turn`` tells several partitions apart.
        rewards: share of the reward set; ``labelled`` of what is labelled when the games begin.
        apart: whether the reward set shows other subjects.

    Raises:
        QueristError: too few subjects or images for three sets.
    """
    start = split.sources(Role.START)
    subjects = pool.source_subjects[start] if apart else np.arange(len(start))
    stream = rng.generator(seed, "partition", turn)
    order = stream.permutation(np.unique(subjects))
    measured = np.isin(subjects, order[: round(len(order) * rewards)])
    others = stream.permutation(start[~measured])
    first = round(len(others) * labelled / (1 - rewards))
    if not measured.any() or not 1 <= first < len(others):
        shown = len(np.unique(pool.source_subjects[start]))
        other = "label 10 or more for the start (problem.start)"
        if apart and 2 * shown < len(start):
            other = "label images of more subjects, or let the reward set show the same ones (reward_set: any)"
        raise QueristError(
            f"{len(start)} labelled images of {shown} subjects cannot be divided into reward set, pool and labelled "
            "set",
            other,
        )
    roles = np.full(len(split.roles), Role.UNUSED, dtype=np.int8)
    roles[split.sources(Role.STATE)] = Role.STATE
    roles[start[measured]] = Role.REWARD
    roles[others[:first]] = Role.START
    roles[others[first:]] = Role.POOL
    return Split(roles)
