"""RALIS: the features of a deployment's step at the size of Cityscapes, and the games that train a policy."""

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from querist.agents.ralis.agent import AGENT
from querist.agents.ralis.config import settings
from querist.agents.ralis.policy import featuriser
from querist.core.answers import Labels
from querist.core.candidates import ClusterPools
from querist.core.card import PolicyCard
from querist.core.evaluation import Evaluation
from querist.core.ledger import Ledger
from querist.core.observation import Field, Groups, Observation
from querist.core.oracle import SimulatedOracle
from querist.core.pool import ColumnarPool
from querist.core.rehearsal import Scene, Stage, halved
from querist.core.split import Role, Split
from querist.core.step import Game
from querist.core.task import Task
from querist.kernels.divergence import floored
from speed_measure import Case
from speed_step import random_task

CLASSES, PARTS, PIXELS = 19, 128, 128 * 128  # of Cityscapes: classes, regions of an image, pixels of a region
GROUPS, CANDIDATES, BINS = 256, 100, 32
GIVEN, STATE = 79, 10  # images; the regions of 79 are 10,112 labelled ones
LARGEST_DIVERGENCE = float(np.log(1e7))

EPISODES, STEPS = 100, 20  # of a training, which the limit is about
BATCH, START, REWARD = 24, 100, 101  # of the recipe camvid-small
SIZE, REGION = (144, 192), (36, 32)


class Described(Task):
    """A segmentation task whose predictions and labels are drawn once: a seventh of the regions are of one class.

    Args:
        images: of the pool, then those given, then those of the state set.
    """

    parts = tuple(f"class-{c}" for c in range(CLASSES))
    fields = {  # noqa: RUF012
        "entropy": Field("entropy", (), 0.0),
        "margin": Field("margin", (), 0.0, 1.0),
        "classes": Field("classes", (CLASSES,), 0.0, 1.0, per_class=True),
        "class_counts": Field("class_counts", (CLASSES,), 0.0, PIXELS, per_class=True),
        "entropy_grid": Field("entropy_grid", (3, 8, 8), 0.0),
    }
    amount_unit = "pixels"

    def __init__(self, images: int) -> None:
        drawn = np.random.default_rng(0)
        n = images * PARTS
        self.pool = ColumnarPool([f"image-{i:04d}" for i in range(images)], [f"r{p}" for p in range(PARTS)])
        self.tables = {
            "entropy": drawn.random(n, dtype=np.float32),
            "margin": drawn.random(n, dtype=np.float32),
            "classes": _shares(drawn, n, CLASSES).astype(np.float32),
            "entropy_grid": np.sort(drawn.random((n, 3, 8, 8), dtype=np.float32), axis=1),
        }
        self.counts = np.floor(_shares(drawn, n, CLASSES + 1)[:, :CLASSES] * PIXELS)

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {name: self.tables[name][units] for name in fields}

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        return [np.broadcast_to(np.uint8(0), (128, 128))] * len(units)

    def amounts(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        return self.counts[units]

    def fit(self, labels: Labels, **_: Any) -> dict[str, float]:
        return {}

    def predict(self, sources: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        yield sources, None

    def evaluate(self, sources: np.ndarray) -> Evaluation:
        return Evaluation(sources, np.ones((len(sources), 1)), lambda s: s[..., 0], lambda s: s)

    def snapshot(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None: ...

    def save(self, path: Path) -> None: ...

    def load(self, path: Path) -> None: ...


def _shares(drawn: np.random.Generator, n: int, classes: int) -> np.ndarray:
    """(n, classes) of regions with one class and, on average, two more."""
    present = drawn.random((n, classes)).argsort(axis=1) < 1 + drawn.poisson(2.0, n)[:, None]
    amounts = drawn.exponential(size=(n, classes)) * present
    return amounts / amounts.sum(axis=1, keepdims=True)


def features(quick: bool, profile: str = "sound") -> tuple[str, Case]:
    """All that the featuriser does once the regions are predicted; the reference makes the two histograms alone."""
    groups, size, given = (4, 32, 2) if quick else (GROUPS, CANDIDATES, GIVEN)
    images = groups * size // PARTS
    task = Described(images + given + STATE)
    # This task does not know what labels are worth, and what is labelled would be hidden with it.
    chosen = settings(profile, {"hide_labelled": 0.0})
    eyes = featuriser(task, chosen, STATE * PARTS)
    game = _game(task, np.repeat([Role.POOL, Role.START, Role.STATE], [images, given, STATE]).astype(np.int8), eyes)
    offered = Groups(np.arange(groups * size).reshape(groups, size), np.ones((groups, size), dtype=bool))
    labelled = np.arange(images * PARTS, (images + given) * PARTS)
    rows = np.arange(0, groups * size, max(1, groups * size // 128))

    def ours() -> Observation:
        return eyes.observe(game, offered, 0)

    def region_by_region() -> Tensor:
        known = np.c_[task.counts[labelled], PIXELS - task.counts[labelled].sum(axis=1)] / PIXELS
        shares = np.pad(task.tables["classes"][offered.flat].astype(np.float64), ((0, 0), (0, 1)))
        amounts = shares if chosen.normalise_counts else shares * PIXELS
        p, q = floored(torch.from_numpy(amounts)), floored(torch.from_numpy(known))
        return torch.stack([torch.cat([_histogram(p[row], q, chosen.fixed_histograms),
                                       _histogram(p[row], p, chosen.fixed_histograms)]) for row in rows])  # fmt: skip

    def agree(mine: Observation, theirs: Tensor) -> bool:
        """But for scores on an edge, which rounding puts on either side."""
        known = chosen.keep_given
        names = ("divergence_labelled", "divergence_candidates")
        found = np.concatenate([mine.field(name).reshape(-1, BINS)[rows] for name in names], axis=1)
        off = np.abs(found - theirs.numpy())[:, 0 if known else BINS :]
        return bool(off.sum() < 2e-3 * len(rows))

    words = f"{groups * size} regions, {groups * size} + {len(labelled)} references"
    return words, Case(ours, region_by_region, agree=agree, reference_units=len(rows) / (groups * size))


def _histogram(p: Tensor, q: Tensor, fixed: bool) -> Tensor:
    """Shares (32,) of KL(p ‖ q_j) over all j, summed directly in double precision."""
    scores = (p * (p / q).log()).sum(dim=1).clamp_(min=0)
    low, high = (0.0, LARGEST_DIVERGENCE) if fixed else (float(scores.min()), float(scores.max()))
    return torch.histc(scores.clamp_(low, high), BINS, low, high) / len(q)


def _game(task: Task, roles: np.ndarray, eyes: Any) -> Game:
    ledger = Ledger.create(Path(tempfile.mkdtemp()) / "ledger.sqlite", {})
    split = Split(roles)
    number = ledger.start_game(task.pool, split, 1_000_000)
    pools = ClusterPools(GROUPS, CANDIDATES)
    given = split.sources(Role.START)
    return Game(ledger, number, 0, 0, task.pool, split, task, SimulatedOracle(task), pools, eyes, GROUPS, 0, given)


def episodes(quick: bool) -> tuple[str, Case]:
    """A training of `ralis/sound` on the scale of `camvid-small`: features, policy, rehearsal, reward, DQN updates.

    Four episodes are played, one of them a warm-up, which is the profile's own share; seconds are scaled to those of
    100 episodes of 20 steps. The reference learns and measures with the model itself, in games of two steps.
    """
    start, state, reward, steps, update = (8, 2, 4, 2, 5) if quick else (START, STATE, REWARD, STEPS, 25)
    task = random_task(start + state + reward, SIZE, REGION)
    split = Split(np.repeat([Role.START, Role.STATE, Role.REWARD], [start, state, reward]).astype(np.int8))
    inner = halved(split, task.pool, 0)
    stand_in = task.rehearsal(np.flatnonzero(inner.roles))
    given = inner.sources(Role.START)
    labels = Labels(given[:0], (), given)
    stand_in.fit(labels, new=labels, steps=update, phase="start", rng=np.random.default_rng(0))
    folder = Path(tempfile.mkdtemp())
    numbers = itertools.count()

    def played(games: Task, length: int, plays: int) -> PolicyCard:
        scene = Scene(inner, games, games.snapshot())
        own = folder / str(next(numbers))
        stage = Stage(own, task.pool, split, (scene,), len(task.grid), BATCH, update if games is stand_in else 3)
        changes = {"episodes": plays, "warm_up": 1, "budget": BATCH * length, "check_games": 0, "games": "learning"}
        return AGENT.train("sound", changes, stage, 0)

    plays, whole = 2 if quick else 4, EPISODES * STEPS
    case = Case(
        partial(played, stand_in, steps, plays),
        partial(played, task, 2, 2),
        units=plays * steps / whole,
        reference_units=2 * 2 / whole,
    )
    return f"{EPISODES} x {STEPS} steps of {BATCH} regions, {reward} reward images", case
