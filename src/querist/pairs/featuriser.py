"""The featuriser of pair questions: builds the anchor's graph from the model and the ledger."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from querist.core import rng
from querist.core.observation import Groups, Observation
from querist.core.questions import Question
from querist.core.step import Featuriser, Game
from querist.errors import QueristError
from querist.kernels.reciprocal import squared_distances
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.features import graph_features, matrix_features, matrix_schema, node_features, node_schema
from querist.pairs.graph import LocalGraph, begin
from querist.pairs.neighbourhoods import Neighbourhoods
from querist.pairs.space import Offered, PairSpace

Form = Literal["nodes", "matrix"]
_CAMERA = "other_camera"
History = tuple[tuple[int, bool | None], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphObservation(Observation):
    """An observation that carries the graph it was made from; sources are (neighbour, anchor).

    Args:
        graph: of the anchor.
    """

    graph: LocalGraph | None


class PairGraph(Featuriser):
    """The graph of the present anchor, and features of it.

    It is a function of the game's view and the task alone. First the answers are applied that were known when the
    anchor's visit began (pairs met before under the neighbour as anchor, or in an earlier visit), nearest neighbour
    first; then those of the visit in the order in which they were asked. After an update of the model within a visit
    all of this is done anew on the new graph. Answers about images that are not among the present neighbours, because
    the model changed or the next shell is offered, have no place in it.

    Geometry, anchors and visits are those of the game's candidates.

    Args:
        form: ``nodes``: :data:`~querist.pairs.features.NODE` for each neighbour; ``matrix``: as printed.
        neighbours: n_s, which the matrix is tied to; ``nodes`` takes any.
    """

    def __init__(self, form: Form = "nodes", neighbours: int = 30) -> None:
        self._form = form
        self.schema = node_schema() if form == "nodes" else matrix_schema(neighbours)
        self._begun: tuple[tuple[object, ...], LocalGraph] | None = None
        self._told: tuple[LocalGraph, History, LocalGraph] | None = None

    def observe(self, game: Game, groups: Groups, step: int) -> Observation:
        N, space = groups.mask.shape[1], _space(game)
        if groups.context is None or not groups.mask.any():
            nobody = np.zeros((1, N, 2), dtype=np.int64)
            return GraphObservation(groups, self._empty(N), self.schema, nobody, self._state(None), graph=None)
        anchor = game.pool.source(groups.context[0])
        visit = space.visit(game)
        visit = visit if visit and visit[-1].context == groups.context[0] else []
        offered = space.offered(game, anchor)
        graph = self._replay(self._begin(game, anchor, offered, step, N), _history(game, offered, visit))
        about = game.view.asked_per_source()
        graph = replace(graph, turn=len(visit) % space.settings.per_anchor, about=about[offered.nodes])
        sources = np.zeros((1, N, 2), dtype=np.int64)
        sources[0, : len(graph), 0], sources[0, :, 1] = graph.nodes, anchor
        return GraphObservation(
            groups, self.candidates(graph), self.schema, sources, self._state(graph), about, graph=graph
        )

    def candidates(self, graph: LocalGraph) -> np.ndarray:
        """(1, n_s, F) float32, zero outside the mask."""
        found = self._empty(graph.width)
        if self._form == "nodes":
            found[0, : len(graph)] = node_features(graph)
        return found

    def state(self, graph: LocalGraph) -> np.ndarray:
        """The state vector, float32."""
        return graph_features(graph) if self._form == "nodes" else matrix_features(graph)

    def _state(self, graph: LocalGraph | None) -> np.ndarray:
        if graph is not None:
            return self.state(graph)
        return np.zeros(sum(f.size for f in self.schema.state), dtype=np.float32)

    def _empty(self, width: int) -> np.ndarray:
        return np.zeros((1, width, self.schema.width), dtype=np.float32)

    def _begin(self, game: Game, anchor: int, offered: Offered, step: int, width: int) -> LocalGraph:
        """The graph before any answer; kept while anchor, shell and geometry stay."""
        space = _space(game)
        near = space.neighbourhoods(game)
        key = (near, anchor, offered.rows[0], game.seed, game.episode)
        if self._begun is not None and self._begun[0] == key:
            return self._begun[1]
        rows = np.r_[near.row(anchor), offered.rows]
        beyond = near.whitened[_stranger(near, rows[0], game)].astype(np.float64)
        camera = None
        if _CAMERA in game.task.fields:
            told = game.task.describe(offered.units, (_CAMERA,), game.stream("describe", step))
            camera = told[_CAMERA].reshape(-1).astype(np.float64)
        settings = space.settings
        graph = begin(
            offered.nodes,
            near.vectors[rows],
            squared_distances(near.whitened[rows]),
            np.square(near.whitened[offered.rows] - beyond).sum(axis=1),
            width=width,
            typical=near.typical,
            mutual=settings.mutual,
            limit=settings.per_anchor,
            version=near.version,
            other_camera=camera,
        )
        self._begun = (key, graph)
        return graph

    def _replay(self, graph: LocalGraph, history: History) -> LocalGraph:
        """Apply a history; only what is new of it if it goes on from the last one."""
        start, done, now = self._told or (None, (), graph)
        if start is not graph or history[: len(done)] != done:
            done, now = (), graph
        for place, answer in history[len(done) :]:
            now = now.after(place, answer)
        self._told = (graph, history, now)
        return now


def _space(game: Game) -> PairSpace:
    """Of the game's candidates.

    Raises:
        QueristError: they are not the neighbours of anchors.
    """
    if not isinstance(game.candidates, AnchorNeighbours):
        raise QueristError(
            f"graphs of neighbours need an anchor, and candidates are offered as {type(game.candidates).__name__}",
            "use strategies about pairs with a task about pairs, such as re-identification",
        )
    return game.candidates.space


def _history(game: Game, offered: Offered, visit: list[Question]) -> History:
    """(place, answer) of all neighbours asked about, in the order in which the answers act on the graph."""
    places = {int(unit): place for place, unit in enumerate(offered.units)}
    now = [places[q.unit] for q in visit if q.unit in places]
    before = [int(place) for place in np.flatnonzero(offered.asked) if place not in now]
    history = []
    for place in before + now:
        answer = game.view.answer_about(int(offered.units[place]))
        history.append((place, None if answer is None else bool(answer)))
    return tuple(history)


def _stranger(near: Neighbourhoods, row: int, game: Game) -> int:
    """The row of a random image beyond the neighbours of a row; the farthest neighbour where there is none."""
    known = near.nearest[row]
    if len(known) >= len(near.sources) - 1:
        return int(known[-1])
    stream = rng.generator(game.seed, "stranger", game.episode, int(near.sources[row]))
    taken = {row, *known.tolist()}
    while True:
        drawn = int(stream.integers(len(near.sources)))
        if drawn not in taken:
            return drawn
