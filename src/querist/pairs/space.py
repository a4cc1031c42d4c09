"""What the candidates and the graph of pair questions share: geometry, the order of the anchors, the present visit."""

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from querist.core import rng
from querist.core.questions import Question
from querist.core.split import Role, Split
from querist.core.step import Game
from querist.core.task import Task
from querist.pairs.neighbourhoods import Neighbourhoods, NeighbourIndex, pair_pool
from querist.pairs.settings import PairSettings

_VISITS = 32  # that are kept in mind; more lines are seldom open at once


@dataclass(frozen=True, eq=False)
class Offered:
    """The neighbours that are offered beside an anchor.

    Args:
        nodes: (n,) images, nearest first; ``rows`` (n,) their rows in the neighbourhoods.
        units: (n,) the pairs with the anchor.
        asked: (n,) bool, pairs that were asked about, under whichever anchor.
    """

    nodes: np.ndarray
    rows: np.ndarray
    units: np.ndarray
    asked: np.ndarray


class PairSpace:
    """Everything here is a function of the game, its view and its task; what is kept is a cache.

    Args:
        settings: the numbers.
    """

    def __init__(self, settings: PairSettings | None = None) -> None:
        self.settings = settings or PairSettings()
        self._index = NeighbourIndex(self.settings)
        self._orders: WeakKeyDictionary[Game, np.ndarray] = WeakKeyDictionary()
        self._visits: WeakKeyDictionary[Game, dict[int, list[Question]]] = WeakKeyDictionary()  # by their last steps
        self._offered: WeakKeyDictionary[Game, tuple[tuple[object, ...], Offered]] = WeakKeyDictionary()

    def neighbourhoods(self, game: Game) -> Neighbourhoods:
        """The pool as the task sees it now."""
        return self._index.of(game)

    def warm(self, task: Task, split: Split) -> None:
        """Find the neighbourhoods of a task that is about to be asked with; from any thread."""
        self._index.find(task, split)

    def anchors(self, game: Game) -> np.ndarray:
        """All images of the pool, in the hashed order in which they become anchors; (n,) int64."""
        if game not in self._orders:
            sources = game.split.sources(Role.POOL)
            keys = rng.keys(sources, game.seed, "anchors", game.episode)
            self._orders[game] = sources[np.argsort(keys, kind="stable")]
        return self._orders[game]

    def visit(self, game: Game, last: Question | None = None) -> list[Question]:
        """The questions of a line since its last change of anchor, in their order; empty before the first question.

        Read from the ledger, one step back after another, up to a step whose visit is in mind.

        Args:
            game: where.
            last: the last question of the line; None: of the line that the next step goes on.
        """
        last = last or game.view.last_question
        if last is None:
            return []
        visits = self._visits.setdefault(game, {})
        visit = visits.pop(last.step, None) or _read_visit(game, last, visits)
        visits[last.step] = visit
        for oldest in list(visits)[:-_VISITS]:
            del visits[oldest]
        return visit

    def newest_anchor(self, game: Game) -> int | None:
        """The anchor whose visit began last, on whichever line; None before the first question."""
        view = game.view
        visits = [self.visit(game, end) for end in (*view.elsewhere, *view.beside, view.last_question) if end]
        if not visits:
            return None
        context = max(visits, key=lambda visit: visit[0].step)[0].context
        assert context is not None, "pairs are asked under an anchor"
        return game.pool.source(context)

    def offered(self, game: Game, anchor: int) -> Offered:
        """The nearest n_s neighbours of an anchor, or the next shell of n_s if all of these were asked about.

        Where every shell was, the last one is returned: nothing of it is left.
        """
        near = self.neighbourhoods(game)
        known = near, anchor, game.view, game.view.asked  # the candidates and the graph of one step ask in turn
        kept = self._offered.get(game)
        if kept is None or kept[0] != known:
            kept = self._offered[game] = known, self._shell(game, near, anchor)
        return kept[1]

    def _shell(self, game: Game, near: Neighbourhoods, anchor: int) -> Offered:
        rows, start, size = near.nearest[near.row(anchor)], 0, self.settings.neighbours
        while True:
            shell = rows[start : start + size]
            nodes = near.sources[shell]
            units = pair_pool(game).pair(np.full(len(nodes), anchor), nodes)
            asked = game.view.was_asked(units)
            start += size
            if start >= len(rows) or not asked.all():
                return Offered(nodes, shell, units, asked)


def _read_visit(game: Game, last: Question, known: Mapping[int, list[Question]]) -> list[Question]:
    visit, step = [last], last.step
    while True:
        noted = game.ledger.step_details(game.id, step) or {}
        step = noted.get("after", step - 1)  # several lines may be about one anchor in turn
        before = known.get(step) or (game.ledger.questions(game.id, game.pool, step) if step >= 0 else [])
        if not before or before[-1].context != last.context:
            return visit
        visit = [*before, *visit]
        if step in known:
            return visit
