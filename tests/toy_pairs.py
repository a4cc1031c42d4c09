"""A task about pairs without a network: people are clouds of points, and learning moves the points."""

import sqlite3
import weakref
from contextlib import suppress

import numpy as np

from querist.core.evaluation import Evaluation
from querist.core.ledger import Ledger
from querist.core.observation import Field
from querist.core.oracle import SimulatedOracle
from querist.core.policy import Selection
from querist.core.pool import PairPool
from querist.core.rehearsal import Scene, Stage, halved
from querist.core.split import Role, Split
from querist.core.step import Game, advance
from querist.core.task import Task
from querist.kernels.reciprocal import squared_distances
from querist.pairs.graph import begin


def unit_length(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class ToyPairs(Task):
    """``people`` people with ``each`` images; embeddings are points of unit length around the person's own.

    An update moves all points at random, as the training of a network does; the version grows. ``embedded`` counts the
    calls that made vectors.

    Args:
        vectors: instead of drawn ones, (n, d).
        cameras: (n,) who took the images; None: nobody knows, and the task has no such field.
    """

    def __init__(self, people=6, each=4, seed=0, vectors=None, width=5, noise=0.5, cameras=None):
        rng = np.random.default_rng(seed)
        self.persons = np.repeat(np.arange(people), each)
        drawn = rng.normal(size=(people, width))[self.persons] + noise * rng.normal(size=(people * each, width))
        self.vectors = unit_length(drawn) if vectors is None else np.array(vectors, dtype=np.float64)
        self.pool = PairPool([f"p{p}i{i}" for i, p in enumerate(self.persons)], self.persons)
        self.cameras = cameras
        self.fields = {} if cameras is None else {"other_camera": Field("other_camera", (), 0.0, 1.0)}
        self.embedding_version, self.embedded = 0, 0

    def embed_sources(self, sources):
        self.embedded += 1
        return self.vectors[sources].astype(np.float32)

    def truth(self, units):
        pairs = self.persons[self.pool.sources(units)]
        return [np.array(a == b) for a, b in pairs]

    def fit(self, labels, *, new, unlabelled=None, steps, phase, rng):
        if steps:
            self.vectors = unit_length(self.vectors + 0.05 * rng.normal(size=self.vectors.shape))
            self.embedding_version += 1
        return {}

    def predict(self, sources):
        yield sources, self.vectors[sources]

    def describe(self, units, fields, rng):
        ends = self.pool.sources(units)
        return {name: (self.cameras[ends[:, 0]] != self.cameras[ends[:, 1]]).astype(np.float32) for name in fields}

    def evaluate(self, sources):
        return Evaluation(sources, np.ones((len(sources), 1)), lambda s: s[..., 0], lambda s: s)

    def snapshot(self):
        return {"vectors": self.vectors.copy()}

    def restore(self, snapshot):
        self.vectors = snapshot["vectors"].copy()
        self.embedding_version += 1

    def save(self, path):
        path.write_bytes(b"")

    def load(self, path): ...


class Shy(SimulatedOracle):
    """Cannot tell every third question."""

    def collect(self):
        return iter([(question, None if question % 3 == 0 else answer) for question, answer in super().collect()])


def whole_pool(task, outside=()):
    """All images are in the pool, but for some."""
    roles = np.full(task.pool.source_count, Role.POOL, dtype=np.int8)
    roles[list(outside)] = Role.START
    return Split(roles)


def pair_game(folder, task, candidates, featuriser, split=None, budget=1000, seed=3, oracle=None, update=0, every=1,
              next_step=None):  # fmt: skip
    """The game of a folder: a new one, or the one that is there."""
    split = split or whole_pool(task)
    path = folder / "pairs.sqlite"
    if path.exists():
        ledger = Ledger.open(path)
        number = ledger.game()["id"]
    else:
        ledger = Ledger.create(path, {})
        number = ledger.start_game(task.pool, split, budget)
    game = Game(
        ledger, number, 0, seed, task.pool, split, task, oracle or SimulatedOracle(task), candidates, featuriser, 1,
        update, np.zeros(0, dtype=np.int64), every, next_step,
    )  # fmt: skip
    weakref.finalize(game, close_quietly, ledger)
    return game


def close_quietly(ledger):
    """What is collected in another thread than the one that opened it must be left alone."""
    with suppress(sqlite3.ProgrammingError):
        ledger.close()


def play(game, choose, steps=10_000, learn=None, first=0):
    """Plays until the game is over; the outcomes.

    Args:
        choose: (observation, k, stream) -> selection, such as ``policy.select``.
    """
    outcomes = []
    for step in range(first, steps):
        stream = game.stream("policy", step)
        outcome = advance(game, step, lambda seen, k, stream=stream: choose(seen, k, stream))
        if not outcome.questions:
            break
        outcomes.append(outcome)
        if learn is not None:
            learn(game, outcome, game.stream("learn", step))
    return outcomes


def first(seen, k, stream):
    """The nearest neighbour that is offered."""
    mask = seen.groups.mask
    return Selection(np.where(mask.any(axis=1), mask.argmax(axis=1), -1)[:, None])


def asked(outcomes):
    """(anchor, unit) of each question, in their order."""
    return [(o.questions[0].context, o.questions[0].unit) for o in outcomes]


def pair_stage(folder, task, unseen=False):
    """All images are labelled before; half of the people are asked about in games."""
    outer = Split(np.full(task.pool.source_count, Role.START, dtype=np.int8))
    scenes = [Scene(halved(outer, task.pool, 0, turn), task, task.snapshot()) for turn in range(2)]
    return Stage(folder, task.pool, outer, (scenes[0],), 1, 1, 0, scenes[1] if unseen else None)


def a_graph(points, mutual=3, limit=10, width=None, **rest):
    """The graph of points, the anchor first: squared Euclidean distances, a typical one of 2, strangers 99 away."""
    points = np.asarray(points, dtype=np.float64).reshape(len(points), -1)
    n = len(points) - 1
    return begin(
        np.arange(10, 10 + n),
        points.astype(np.float32),
        squared_distances(points),
        np.full(n, 99.0),
        width=width or n,
        typical=2.0,
        mutual=mutual,
        limit=limit,
        **rest,
    )
