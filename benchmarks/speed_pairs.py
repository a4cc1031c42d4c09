"""Pairs of people: one question, the refresh of neighbours after an update, and the metric."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from querist.core.answers import Labels
from querist.core.evaluation import Evaluation
from querist.core.ledger import Ledger
from querist.core.oracle import SimulatedOracle
from querist.core.pool import PairPool
from querist.core.split import Role, Split
from querist.core.step import Game, advance
from querist.core.task import Task
from querist.kernels.neighbours import nearest_neighbours
from querist.kernels.whitening import fit_whitening
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.featuriser import PairGraph
from querist.pairs.space import PairSpace
from querist.tasks.reid.metric import retrieval
from speed_measure import Case

IMAGES, WIDTH, QUESTIONS = 12_936, 512, 100


class Vectors(Task):
    """A re-identification task whose vectors never change."""

    embedding_version = 0

    def __init__(self, images: int) -> None:
        drawn = np.random.default_rng(0)
        self.persons = drawn.integers(0, images // 17 + 1, images)
        centres = drawn.normal(size=(self.persons.max() + 1, WIDTH)).astype(np.float32)
        vectors = centres[self.persons] + drawn.normal(size=(images, WIDTH)).astype(np.float32)
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self.pool = PairPool([f"crop-{i:05d}" for i in range(images)])

    def embed_sources(self, sources: np.ndarray) -> np.ndarray:
        return self.vectors[sources]

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        return [np.array(a == b) for a, b in self.persons[self.pool.sources(units)]]

    def fit(self, labels: Labels, **_: Any) -> dict[str, float]:
        return {}

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        yield sources, self.vectors[sources]

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {}

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        return Evaluation(sources, np.ones((len(sources), 1)), lambda s: s[..., 0], lambda s: s)

    def snapshot(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None: ...

    def save(self, path: Path) -> None: ...

    def load(self, path: Path) -> None: ...


def question(quick: bool) -> tuple[str, Case]:
    """From the offer to the answer in the ledger, with the policy of `dral/sound` and the simulated oracle."""
    from querist.agents.dral import config
    from querist.agents.dral.learner import Learner
    from querist.agents.dral.policy import featuriser, network

    task = Vectors(500 if quick else IMAGES)
    settings = config.settings("sound")
    eyes = featuriser(settings)
    learner = Learner(network(eyes.schema, settings), settings, eyes, trained=True)
    game = _game(task, eyes)
    steps = iter(range(10**9))
    anchors: list[int] = []

    def ours() -> list[set[int]]:
        anchors.clear()
        offered = []
        for _ in range(QUESTIONS):
            step = next(steps)
            stream = game.stream("policy", step)
            outcome = advance(game, step, lambda seen, k, stream=stream: learner.choose(seen, k, stream))
            assert outcome is not None
            assert outcome.observation.sources is not None
            anchors.append(int(outcome.observation.sources[0, 0, 1]))
            offered.append(set(outcome.observation.sources[0, :, 0].tolist()))
        return offered

    rows = torch.from_numpy(task.vectors)
    white = fit_whitening(rows)(rows)

    def ranked_anew() -> list[set[int]]:
        """The neighbours of the same anchors, as without lists that are kept between questions."""
        found = []
        for anchor in anchors:
            distances = (white - white[anchor]).square().sum(dim=1)
            found.append(set(distances.argsort()[1:31].tolist()))
        return found

    def agree(mine: list[set[int]], theirs: list[set[int]]) -> bool:
        return sum(one == other for one, other in zip(mine, theirs, strict=True)) > 0.9 * QUESTIONS  # but for ties

    case = Case(ours, ranked_anew, units=QUESTIONS, agree=agree)
    return f"{len(task.vectors)} crops, 30 neighbours", case


def _game(task: Vectors, eyes: PairGraph) -> Game:
    folder = Path(tempfile.mkdtemp())
    split = Split(np.full(task.pool.source_count, Role.POOL, dtype=np.int8))
    ledger = Ledger.create(folder / "ledger.sqlite", {})
    number = ledger.start_game(task.pool, split, 1_000_000)
    space = AnchorNeighbours(PairSpace())
    return Game(
        ledger, number, 0, 0, task.pool, split, task, SimulatedOracle(task), space, eyes, 1, 0,
        np.zeros(0, dtype=np.int64), update_every=10**9,
    )  # fmt: skip


def refresh(quick: bool) -> tuple[str, Case]:
    """Whitening and the 60 nearest of every vector."""
    rows = torch.from_numpy(Vectors(1_000 if quick else IMAGES).vectors)

    def ours() -> Tensor:
        return nearest_neighbours(fit_whitening(rows)(rows), 60)[1]

    def whole_matrix() -> Tensor:
        white = fit_whitening(rows)(rows)
        distances = torch.cdist(white, white)
        distances.fill_diagonal_(torch.inf)
        return distances.topk(60, dim=1, largest=False).indices

    def agree(mine: Tensor, theirs: Tensor) -> bool:
        return bool((mine == theirs).float().mean() > 0.999)  # two neighbours may be as near as rounding can tell

    return f"{len(rows)}x{WIDTH}, 60 neighbours", Case(ours, whole_matrix, agree=agree)


def cmc(quick: bool) -> tuple[str, Case]:
    """The single-query protocol on as many queries and crops as Market-1501 has."""
    queries, gallery = (100, 1_000) if quick else (3_368, 15_913)
    drawn = np.random.default_rng(0)
    persons, cameras = drawn.integers(1, 751, queries + gallery), drawn.integers(0, 6, queries + gallery)
    vectors = drawn.normal(size=(queries + gallery, WIDTH)).astype(np.float32)
    q, g = slice(0, queries), slice(queries, None)

    looked_up = range(0, queries, 1 if quick else 20)  # the reference takes minutes for all

    def ours() -> Evaluation:
        return retrieval(np.arange(queries), vectors[q], vectors[g], persons[q], persons[g], cameras[q], cameras[g])

    def query_by_query() -> list[float]:
        """The precision of each query that is looked up, 0 where nobody is to be found."""
        precisions = []
        for i in looked_up:
            keep = ~((persons[g] == persons[i]) & (cameras[g] == cameras[i]))
            ranked = np.argsort(((vectors[g] - vectors[i]) ** 2).sum(axis=1), kind="stable")
            right = (persons[g] == persons[i])[ranked][keep[ranked]]
            found = (np.cumsum(right) / np.arange(1, len(right) + 1))[right]
            precisions.append(float(found.mean()) if len(found) else 0.0)
        return precisions

    def agree(found: Evaluation, precisions: list[float]) -> bool:
        return bool(np.abs(found.statistics[looked_up, 1] - precisions).max() < 1e-3)  # but for near ties

    size = f"{queries} queries, {gallery} x {WIDTH}"
    return size, Case(ours, query_by_query, agree=agree, reference_units=len(looked_up) / queries)
