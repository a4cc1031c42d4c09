"""A pose task without a network: joints are a linear function of an image's few numbers, learned by gradient steps."""

import numpy as np

from querist.core.answers import Labels
from querist.core.candidates import GlobalPool
from querist.core.evaluation import Evaluation
from querist.core.ledger import Ledger
from querist.core.observation import Field
from querist.core.oracle import SimulatedOracle
from querist.core.pool import ColumnarPool
from querist.core.rehearsal import Scene, Stage
from querist.core.split import Role, Split
from querist.core.step import Game
from querist.core.task import Task

BONES = np.array([[0, 1], [1, 2], [0, 3], [3, 4]])
PARTS = ((0, 2), (0, 1), (2, 3))
JOINTS = 5
LOOKS = 4


class ToyPoses(Task):
    """``images`` images of a body with 5 joints in the plane and two limbs."""

    parts = tuple(f"joint{j}" for j in range(JOINTS))
    bones, part_bones = BONES, PARTS
    fields = {"pose": Field("pose", (2 * JOINTS,)), "appearance": Field("appearance", (LOOKS,), -9.0, 9.0)}  # noqa: RUF012

    def __init__(self, images=60, seed=0):
        rng = np.random.default_rng(seed)
        self.pool = ColumnarPool([f"i{i:04d}" for i in range(images)])
        self.looks = np.clip(rng.normal(size=(images, LOOKS)), -3, 3)
        shape = rng.normal(size=(LOOKS + 1, 2 * JOINTS))
        self.truths = self._inputs(np.arange(images)) @ shape + 0.3 * rng.normal(size=(images, 2 * JOINTS))
        self.weights = 0.1 * rng.normal(size=shape.shape)
        self.described = []

    def _inputs(self, sources):
        return np.concatenate([self.looks[sources], np.ones((len(sources), 1))], axis=1)

    def fit(self, labels, *, new, unlabelled=None, steps, phase, rng):
        answers = [np.asarray(a, dtype=float).ravel() for a in labels.answers]
        sources = np.concatenate([self.pool.sources(labels.units)[:, 0], labels.given]).astype(int)
        if not len(sources):
            return {}
        truth = np.concatenate([np.array(answers).reshape(-1, 2 * JOINTS), self.truths[labels.given]])
        known, x = np.isfinite(truth), self._inputs(sources)
        for _ in range(steps):
            error = np.where(known, x @ self.weights - np.where(known, truth, 0), 0)
            self.weights = self.weights - 0.2 * x.T @ error / len(x)
        return {"loss": 0.0}

    def predict(self, sources):
        yield sources, self._inputs(sources) @ self.weights

    def describe(self, units, fields, rng):
        self.described.append(np.asarray(units))
        every = {"pose": self._inputs(units) @ self.weights, "appearance": self.looks[units]}
        return {name: every[name].astype(np.float32) for name in fields}

    def joints(self, units, answers):
        return np.array([np.asarray(a).reshape(JOINTS, 2) for a in answers]).reshape(len(units), JOINTS, 2)

    def truth(self, units):
        return [self.truths[u].reshape(JOINTS, 2) for u in units]

    def evaluate(self, sources):
        error = (self._inputs(sources) @ self.weights - self.truths[sources]).reshape(-1, JOINTS, 2)
        distance = np.linalg.norm(error, axis=2)
        statistics = np.concatenate([distance, np.ones((len(sources), 1))], axis=1)
        return Evaluation(
            sources,
            statistics,
            lambda s: -s[..., :JOINTS].mean(axis=-1) / s[..., -1],
            lambda s: -s[..., :JOINTS] / s[..., -1:],
        )

    def influence(self, units, answers, sources):
        """Exact for one gradient step on half the squared error; nothing is expected without answers."""
        if answers is None:
            return np.zeros(len(units), np.float32)
        x, of = self._inputs(units), self._inputs(sources)
        slope = of.T @ (of @ self.weights - self.truths[sources]) / len(sources)
        errors = x @ self.weights - np.array([np.ravel(a) for a in answers]).reshape(len(units), 2 * JOINTS)
        return np.einsum("ni,ij,nj->n", x, slope, errors).astype(np.float32)

    def snapshot(self):
        return {"weights": self.weights.copy()}

    def restore(self, snapshot):
        self.weights = snapshot["weights"].copy()

    def save(self, path):
        np.save(path.with_suffix(".npy"), self.weights)

    def load(self, path): ...


def poses_split(images=60, start=30, test=6):
    """First the pool, then the starting set, then the test set."""
    roles = np.full(images, Role.POOL, dtype=np.int8)
    roles[images - start - test : images - test] = Role.START
    roles[images - test :] = Role.TEST
    return Split(roles)


def poses_game(folder, task, featuriser, split=None, budget=20, batch=3, episode=0, seed=3, oracle=None, **rest):
    split = split or poses_split(len(task.pool))
    ledger = Ledger.create(folder / "poses.sqlite", {})
    number = ledger.start_game(task.pool, split, budget)
    return Game(
        ledger, number, episode, seed, task.pool, split, task, oracle or SimulatedOracle(task), GlobalPool(),
        featuriser, batch, 2, split.sources(Role.START), **rest,
    )  # fmt: skip


def poses_stage(folder, partitioned, task=None, batch=3, scenes=2, split=None, seed=1, update=3):
    """Partitions of the starting set, the last one unseen; each begins with a model of its own labelled tenth."""
    task = task or ToyPoses()
    outer = split or poses_split(len(task.pool))
    untouched, made = task.snapshot(), []
    for turn in range(scenes + 1):
        inner = partitioned(outer, task.pool, seed, turn)
        given = inner.sources(Role.START)
        labels = Labels(given[:0], (), given)
        task.restore(untouched)
        task.fit(labels, new=labels, steps=20, phase="start", rng=np.random.default_rng(0))
        made.append(Scene(inner, task, task.snapshot()))
    task.restore(untouched)
    return Stage(folder, task.pool, outer, tuple(made[:-1]), 1, batch, update, made[-1])
