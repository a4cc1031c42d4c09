"""A task without a network: least squares on numbers, so that the core is tested in milliseconds."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.acquisition.registry import GroupForm, strategy
from querist.core.answers import Labels
from querist.core.evaluation import Evaluation
from querist.core.loop import Deployment
from querist.core.observation import Field
from querist.core.oracle import SimulatedOracle
from querist.core.plan import Parts, Plan
from querist.core.pool import ColumnarPool
from querist.core.snapshots import encode_arrays, read_arrays, write_atomically
from querist.core.split import Role, Split
from querist.core.task import Phase, Task

PARTS = 4


class ToyTask(Task):
    """Sources have 4 units each; unit u's answer is a row (x_u, y_u) and the model is a line through the answers."""

    parts = ("even", "odd")
    fields = {"spread": Field("spread", (), 0.0, 100.0), "both": Field("both", (2,), -10.0, 10.0, per_class=True)}  # noqa: RUF012
    amount_unit = "units"

    def __init__(self, sources: int = 20, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.pool = ColumnarPool([f"s{i:03d}" for i in range(sources)], [f"@p{p}" for p in range(PARTS)])
        self.x = rng.normal(size=(sources, PARTS)).astype(np.float64)
        self.y = 2.0 * self.x + 1.0 + 0.1 * rng.normal(size=self.x.shape)
        self.weights = np.zeros(2)
        self.momentum = np.zeros(2)
        self.fits: list[tuple[str, int, int]] = []

    def fit(
        self,
        labels: Labels,
        *,
        new: Labels,
        unlabelled: np.ndarray | None = None,
        steps: int,
        phase: Phase,
        rng: np.random.Generator,
    ) -> dict[str, float]:
        self.fits.append((phase, len(labels.units), len(new.units)))
        rows = list(labels.answers) + [np.stack([self.x[s], self.y[s]], 1).mean(0) for s in labels.given]
        if not rows:
            return {}
        table = np.stack(rows)
        if phase != "step":
            self.momentum = np.zeros(2)
        for _ in range(steps):
            x, y = table[rng.integers(len(table))]
            error = self.weights[0] * x + self.weights[1] - y
            self.momentum = 0.5 * self.momentum - 0.05 * error * np.array([x, 1.0])
            self.weights = self.weights + self.momentum
        return {"loss": float(np.square(self.momentum).sum())}

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        yield sources, self.weights[0] * self.x[sources] + self.weights[1]

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        x = self.x.ravel()[units]
        every = {
            "spread": np.abs(x).astype(np.float32),
            "both": np.stack([x, -x], axis=1).astype(np.float32),
        }
        return {name: every[name] for name in fields}

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        error = np.square(self.weights[0] * self.x[sources] + self.weights[1] - self.y[sources])
        statistics = np.stack([error[:, ::2].sum(1), error[:, 1::2].sum(1), np.full(len(sources), float(PARTS))], 1)
        return Evaluation(
            sources,
            statistics,
            lambda s: -(s[..., 0] + s[..., 1]) / s[..., 2],
            lambda s: -s[..., :2] / s[..., 2:] * 2,
        )

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        return [np.array([self.x.ravel()[u], self.y.ravel()[u]]) for u in units]

    def amounts(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        odd = self.pool.part(units) % 2
        return np.stack([1 - odd, odd], axis=1)

    def snapshot(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights.copy(), "momentum": self.momentum.copy()}

    def save(self, path: Path) -> None:
        write_atomically(path, encode_arrays({"weights": self.weights}))

    def load(self, path: Path) -> None:
        self.weights = read_arrays(path)["weights"].copy()

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self.weights, self.momentum = snapshot["weights"].copy(), snapshot["momentum"].copy()


def toy_split(sources: int = 20) -> Split:
    """Of 20: 12 pool, 2 start, 2 reward, 4 test."""
    roles = np.full(sources, Role.POOL)
    roles[12:14], roles[14:16], roles[16:] = Role.START, Role.REWARD, Role.TEST
    return Split(roles.astype(np.int8))


PLAN = Plan(seed=3, batch=4, marks=(8, 16), start=5, update=3, final=20)
ABOUT = {"recipe_hash": "toy", "data_hash": "toy", "strategy": "any", "seed": "3"}


def toy_deployment(folder: Path, name: str = "random", plan: Plan = PLAN, about: dict[str, str] = ABOUT) -> Deployment:
    task = ToyTask()
    chosen = strategy(name, task, GroupForm(4, 3))
    parts = Parts(
        task.pool, toy_split(), task, chosen.policy, chosen.candidates, chosen.featuriser, SimulatedOracle(task), 4
    )
    return Deployment(folder, parts, plan, about)
