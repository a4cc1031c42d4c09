"""Candidates of pair questions: one anchor after another, each with its nearest neighbours (ALGORITHMS 5.2)."""

import numpy as np

from querist.core.candidates import Candidates
from querist.core.observation import Groups
from querist.core.questions import Question
from querist.core.split import Split
from querist.core.step import Game
from querist.core.task import Task
from querist.errors import QueristError
from querist.pairs.neighbourhoods import pair_pool
from querist.pairs.space import PairSpace


class AnchorNeighbours(Candidates):
    """One group: the neighbours of the present anchor under the present metric, pairs asked before masked out.

    The anchor is the one of the last question until K_max questions were asked in a row under it or nothing of it is
    left; then it is the next one, in a cyclic order hashed from (seed, episode), that has something left. So every
    image of the pool is browsed once before any is browsed again. The game ends when no anchor has anything left.

    Several lines (:mod:`querist.core.lines`) have an anchor each: the next one is that after the anchor that was begun
    last on whichever line, and not one that another line asks about; nor is a pair offered that waits for its answer.

    Groups are always n_s wide; candidates stand nearest first, in the places of the graph's nodes.

    Args:
        space: shared with the featuriser.
    """

    lines = True

    def __init__(self, space: PairSpace) -> None:
        self.space = space

    def warm(self, task: Task, split: Split) -> None:
        self.space.warm(task, split)

    def build(self, game: Game, step: int) -> Groups:
        visit = self.space.visit(game)
        order = self.space.anchors(game)
        if len(visit) % self.space.settings.per_anchor:
            groups = self.again(game, step, visit)
            if groups.mask.any():
                return groups
        newest = self.space.newest_anchor(game)
        place = -1 if newest is None else int(np.flatnonzero(order == newest)[0])
        busy = {question.context for question in (*game.view.elsewhere, *game.view.beside)}
        for offset in range(1, len(order) + 1):
            groups = self._groups(game, int(order[(place + offset) % len(order)]))
            if groups.mask.any() and (groups.context or (None,))[0] not in busy:
                return groups
        size = self.space.settings.neighbours
        return Groups(np.full((1, size), -1, dtype=np.int64), np.zeros((1, size), dtype=bool))

    def again(self, game: Game, step: int, questions: list[Question]) -> Groups:
        context = questions[-1].context
        assert context is not None, "pairs are asked under an anchor"
        return self._groups(game, game.pool.source(context))

    def _groups(self, game: Game, anchor: int) -> Groups:
        offered = self.space.offered(game, anchor)
        mask = np.zeros((1, self.space.settings.neighbours), dtype=bool)
        mask[0, : len(offered.units)] = ~offered.asked
        if game.view.elsewhere:
            mask[0, : len(offered.units)] &= ~np.isin(offered.units, [q.unit for q in game.view.elsewhere])
        units = np.full(mask.shape, -1, dtype=np.int64)
        units[0, : len(offered.units)] = offered.units
        return Groups(np.where(mask, units, -1), mask, (pair_pool(game).source_name(anchor),))

    def per_group(self, batch: int) -> int:
        if batch != 1:
            raise QueristError(
                f"a batch of {batch} pairs, but each answer changes what is worth asking next",
                "let the recipe's batch be 1, and update the model after every so many steps (update_every)",
            )
        return 1
