"""A task without a model, whose predictions are tables: features of what it says are worked out by hand."""

from types import SimpleNamespace

import numpy as np

from querist.agents.ralis.features import CELLS
from querist.core import rng
from querist.core.answers import Labels
from querist.core.evaluation import Evaluation
from querist.core.observation import Field, Groups
from querist.core.pool import ColumnarPool
from querist.core.split import Role, Split
from querist.core.task import Task

REGIONS, PIXELS = 4, 80
POOL, START, STATE, REWARD = range(4), range(4, 6), range(6, 8), range(8, 9)
"""The sources of each role; unit ``4 s + r`` is region r of source s."""


class SeenTask(Task):
    """Says of each region what its tables say.

    Args:
        classes: C.
        seed: draws the tables and the true masks, of which some pixels are void.
    """

    amount_unit = "pixels"

    def __init__(self, classes=3, seed=0):
        draw = np.random.default_rng(seed)
        n, most = 9 * REGIONS, float(np.log(classes))
        self.parts = tuple(f"class {c}" for c in range(classes))
        self.pool = ColumnarPool([f"i{s}" for s in range(9)], [f"@{r}" for r in range(REGIONS)])
        self.fields = {
            "entropy": Field("entropy", (), 0.0, most),
            "margin": Field("margin", (), 0.0, 1.0),
            "classes": Field("classes", (classes,), 0.0, 1.0, per_class=True),
            "class_counts": Field("class_counts", (classes,), 0.0, float(PIXELS), per_class=True),
            "entropy_grid": Field("entropy_grid", (3, CELLS, CELLS), 0.0, most),
        }
        counts = draw.multinomial(PIXELS, draw.dirichlet(np.full(classes, 0.3), n))
        grids = np.sort(draw.uniform(0, most, (n, 3, CELLS, CELLS)), axis=1)
        self.tables = {
            "entropy": grids[:, 1].mean(axis=(1, 2)),
            "margin": draw.random(n),
            "classes": counts / PIXELS,
            "class_counts": counts,
            "entropy_grid": grids,
        }
        self.masks = draw.integers(0, classes + 1, (n, PIXELS // 8, 8)).astype(np.uint8)
        self.masks[self.masks == classes] = 255
        self.described, self.told = [], []

    def describe(self, units, fields, rng):
        self.described.append(units.tolist())
        return {name: self.tables[name][units].astype(np.float32) for name in fields}

    def truth(self, units):
        self.told.append(units.tolist())
        return [self.masks[u] for u in units]

    def amounts(self, units, answers):
        return np.array([np.bincount(a.ravel(), minlength=256)[: len(self.parts)] for a in answers])

    def fit(self, labels, **_):
        return {}

    def predict(self, sources):
        yield sources, None

    def evaluate(self, sources):
        return Evaluation(sources, np.ones((len(sources), 1)), lambda s: s[..., 0], lambda s: s)

    def snapshot(self):
        return {}

    def restore(self, snapshot): ...

    def save(self, path): ...

    def load(self, path): ...


def roles(state=True):
    found = np.full(9, Role.UNUSED, dtype=np.int8)
    for role, sources in ((Role.POOL, POOL), (Role.START, START), (Role.STATE, STATE), (Role.REWARD, REWARD)):
        found[list(sources)] = role
    if not state:
        found[found == Role.STATE] = Role.UNUSED
    return Split(found)


def a_game(task, bought=(), given=START, episode=0, seed=0, state=True):
    """A game that has come so far: ``bought`` units were answered, ``given`` sources known from the start."""
    units = np.array(list(bought), dtype=np.int64)
    labels = Labels(units, tuple(task.masks[u] for u in units), np.array(list(given), dtype=np.int64))
    asked = np.bincount(units // REGIONS, minlength=9)
    return SimpleNamespace(
        task=task, pool=task.pool, split=roles(state), seed=seed, episode=episode,
        view=SimpleNamespace(labels=lambda: labels, asked_per_source=lambda: asked),
        stream=lambda name, step: rng.generator(seed, name, episode, step),
    )  # fmt: skip


def groups(*rows):
    units = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int64)
    for row, some in zip(units, rows, strict=True):
        row[: len(some)] = some
    return Groups(units, units >= 0)
