"""Poses: one full observation of MATAL, what its team chooses, and EGL++'s gradients.

The large observation is timed on request only: python benchmarks/speed.py --only pose-millions
"""

import json
import math
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from querist.agents.matal import config
from querist.agents.matal.features import MatalFeaturiser
from querist.agents.matal.network import LayersQ
from querist.agents.matal.spaces import APPEARANCE, FIELDS, POSE, Seen, Spaces, calibrate
from querist.agents.matal.team import choose
from querist.core.answers import Labels
from querist.core.candidates import GlobalPool
from querist.core.evaluation import Evaluation
from querist.core.ledger import Ledger
from querist.core.observation import Field, Observation
from querist.core.oracle import SimulatedOracle
from querist.core.pool import ColumnarPool
from querist.core.split import Role, Split
from querist.core.step import Game, offer
from querist.core.task import Task
from querist.kernels.cosines import cosine_histograms, landmark_error
from querist.kernels.random_features import discrepancy_error
from querist.nn.runtime import seeded
from querist.tasks.pose.expected_gradients import ExpectedGradients
from querist.tasks.pose.heat_map_network import HeatMapNetwork
from querist.tasks.pose.skeletons import HAND21
from speed_measure import Case

LABELLED, LANDMARKS, FREQUENCIES, LOOKS = 5_000, 2_048, 1_024, 128
JOINTS, DIMENSIONS = len(HAND21), 3
SAMPLE, ROWS = 2_000, 50_000


class Filed(Task):
    """Hands whose estimated poses and appearances lie in files; there is no model, and nothing is learned.

    Args:
        folder: where; it is filled.
        images: of the pool; ``labelled`` ones, which differ a little, come after them.
    """

    bones, part_bones = HAND21.bone_array, HAND21.part_bones
    fields = {POSE: Field(POSE, (JOINTS * DIMENSIONS,)), APPEARANCE: Field(APPEARANCE, (LOOKS,), 0.0, math.inf)}  # noqa: RUF012

    def __init__(self, folder: Path, images: int, labelled: int) -> None:
        self._folder, n = folder, images + labelled
        self.pool = ColumnarPool([f"{i:07d}" for i in range(n)])
        for name, field in self.fields.items():
            np.lib.format.open_memmap(self._file(name), "w+", np.float32, (n, field.size)).flush()
        for start in range(0, images, ROWS):
            self._write(start, _hands(min(ROWS, images - start), 1_000 + start, 0.0))
        self._write(images, _hands(labelled, 1, 0.3))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.npy"

    def _write(self, start: int, tables: Mapping[str, np.ndarray]) -> None:
        for name, table in tables.items():
            np.load(self._file(name), mmap_mode="r+")[start : start + len(table)] = table

    def describe(self, units: np.ndarray, fields: Sequence[str], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Maps the files anew: pages that were read long ago do not count as this process's memory."""
        return {name: np.load(self._file(name), mmap_mode="r")[units] for name in fields}

    def truth(self, units: np.ndarray) -> list[np.ndarray]:
        poses = np.load(self._file(POSE), mmap_mode="r")[units]
        return list(poses.reshape(len(units), JOINTS, DIMENSIONS))

    def joints(self, units: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(answers)

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


def _hands(count: int, seed: int, shift: float) -> dict[str, np.ndarray]:
    """(n, 63) poses and (n, 128) appearances, float32, of hands that bend in ten ways."""
    ways = np.random.default_rng(99)
    mean, bend = ways.normal(size=JOINTS * DIMENSIONS), ways.normal(size=(10, JOINTS * DIMENSIONS))
    looks = ways.normal(size=(10, LOOKS))
    drawn = np.random.default_rng(seed)
    bent = drawn.normal(shift, 1, (count, 10))
    joints = mean + 0.4 * bent @ bend + 0.05 * drawn.normal(size=(count, len(mean)))
    appearance = np.maximum(bent @ looks, 0) + 0.1 * drawn.random((count, LOOKS))
    return {POSE: joints.astype(np.float32), APPEARANCE: appearance.astype(np.float32)}


class Scene:
    """The first step of a deployment that offers all of a pool.

    Args:
        images: of the pool; ``labelled`` from the start.
        landmarks: unlabelled ones against which the histograms are taken.
        frequencies: of the random features.
    """

    def __init__(
        self, images: int, labelled: int = LABELLED, landmarks: int = LANDMARKS, frequencies: int = FREQUENCIES
    ) -> None:
        self.images, folder = images, Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # 1.7 GB of 2.2 million hands
        self.task = Filed(folder, images, labelled)
        seen = replace(config.SOUND, appearance="seen", density="seen", landmarks=landmarks, frequencies=frequencies)
        self.spaces, self.given = Spaces(self.task), np.arange(images, images + labelled)
        calibration = calibrate(self.spaces, self.task, self.given, seen, 0)
        self.eyes = MatalFeaturiser(self.task, seen, calibration)
        self.exact = MatalFeaturiser(self.task, replace(seen, gap="exact"), calibration)
        split = Split(np.repeat([Role.POOL, Role.START], [images, labelled]).astype(np.int8))
        ledger = Ledger.create(folder / "ledger.sqlite", {})
        number = ledger.start_game(self.task.pool, split, 1_000)
        self.game = Game(
            ledger, number, 0, 0, self.task.pool, split, self.task, SimulatedOracle(self.task), GlobalPool(), self.eyes,
            40, 0, self.given,
        )  # fmt: skip

    def observe(self) -> Observation:
        """What a policy is shown: (1, n, 207) of the images, read from the files block by block, and 9 of the state."""
        return offer(self.game, 0)

    def blocks(self) -> Iterator[np.ndarray]:
        """All images of the pool, in runs."""
        for start in range(0, self.images, ROWS):
            yield np.arange(start, min(start + ROWS, self.images))

    def seen(self, units: np.ndarray) -> Seen:
        """Poses, appearances and topologies."""
        return self.spaces.seen(self.task, [units], np.random.default_rng(0))[0]

    def errors(self) -> dict[str, Any]:
        """Approximate beside exact values on a subsample of what is offered, and what they may be off by."""
        offered, settings = GlobalPool(SAMPLE).build(self.game, 0), self.eyes.settings
        about, exact = (eyes.observe(self.game, offered, 0).state[:-1] for eyes in (self.eyes, self.exact))
        # The proven bound alone would let pass what says nothing: these values are a tenth of it. Terms spread by about
        # the value itself.
        most = np.minimum(discrepancy_error(settings.frequencies), 5 * exact / np.sqrt(settings.frequencies))
        topology = self.seen(np.arange(min(20_000, self.images))).topology
        edges, columns = torch.from_numpy(self.eyes.calibration.edges), self.spaces.columns
        few = topology[-settings.landmarks :]
        counted = [cosine_histograms(topology[:SAMPLE], others, columns, edges) for others in (few, topology)]
        off = (counted[0] - counted[1]).cumsum(dim=2).abs().amax(dim=2)
        bound = landmark_error(len(few))
        return {
            "hands": offered.units.size,
            "discrepancies": [round(float(value), 5) for value in about],
            "exact": [round(float(value), 5) for value in exact],
            "discrepancies_bound": [round(float(value), 5) for value in most],
            "shares_median": round(float(off.median()), 4),
            "shares_most": round(float(off.max()), 4),
            "shares_bound": round(bound, 4),
            "shares_within_bound": round(float((off <= bound).float().mean()), 4),
        }

    def near_enough(self, *_: Any) -> bool:
        """Whether the approximations keep their bounds; prints them beside the exact values."""
        found = self.errors()
        print(f"  approximate and exact: {json.dumps(found)}", file=sys.stderr)
        about, exact, most = (np.array(found[key]) for key in ("discrepancies", "exact", "discrepancies_bound"))
        return bool((np.abs(about - exact) <= most).all()) and found["shares_within_bound"] >= 0.95


def observation(quick: bool) -> tuple[str, Case]:
    """8 discrepancies, and of each hand 7 novelties, 7 histograms, how familiar it is, and its appearance."""
    scene = Scene(4_000, 500, 500, 256) if quick else Scene(100_000)
    known = scene.seen(scene.given).topology
    _, looks, topology = scene.seen(np.arange(scene.images))
    case = Case(
        scene.observe, lambda: _products(scene, known, looks, topology), agree=scene.near_enough, errors=scene.errors
    )
    return f"{scene.images}x275, {len(known)} labelled, memory map", case


def _products(scene: Scene, known: Tensor, looks: Tensor, topology: Tensor) -> None:
    """What of it is plain matrix products, block by block: no cosine, sine, maximum or histogram."""
    settings, columns = scene.eyes.settings, scene.spaces.columns
    landmarks, generator = topology[: settings.landmarks], torch.Generator().manual_seed(0)
    widths = [LOOKS, *(where.stop - where.start for where in columns)]
    frequencies = [torch.randn(width, settings.frequencies, generator=generator) for width in widths]
    for some, rows in zip(looks.split(512), topology.split(512), strict=True):
        some @ frequencies[0]
        for where, ω in zip(columns, frequencies[1:], strict=True):
            for others in (ω, known[:, where].T, landmarks[:, where].T):
                rows[:, where] @ others


def millions(quick: bool) -> tuple[str, Case]:
    """As :func:`observation`, of more hands than one wants in memory; the reference is one reading of the files."""
    scene = Scene(20_000 if quick else 2_200_000)

    def read() -> float:
        rng = np.random.default_rng(0)
        tables = (table for some in scene.blocks() for table in scene.task.describe(some, FIELDS, rng).values())
        return sum(float(table.sum()) for table in tables)

    case = Case(scene.observe, read, agree=scene.near_enough, errors=scene.errors)
    return f"{scene.images}x275, {LABELLED} labelled, memory map", case


def team(quick: bool) -> tuple[str, Case]:
    """40 agents take one image each of 10,000, with 9 numbers about the state and 205 about an image."""
    agents, images, states, width = (5, 500, 9, 205) if quick else (40, 10_000, 9, 205)
    generator = torch.Generator().manual_seed(0)
    rows, state = torch.randn(images, width, generator=generator), torch.randn(states, generator=generator)
    settings = config.settings("sound")
    with seeded(0):
        net = LayersQ(agents, states, width, settings.first_width, settings.second_width)
    net.set_standardiser(torch.randn(100, states, generator=generator), rows)

    @torch.no_grad()
    def with_the_context_beside_every_image() -> list[int]:
        seen, actions = net.state_standardiser(state), net.candidate_standardiser(rows)
        taken: list[int] = []
        for m in range(agents):
            context = actions[taken].mean(dim=0) if taken else torch.zeros(width)
            both = torch.cat([actions, context.expand(images, -1)], dim=1)
            mixed = torch.relu(both @ torch.cat([net.mix_candidate[m], net.mix_context[m]], 1).T + net.mix_bias[m])
            joint = torch.cat([mixed, actions, seen.expand(images, -1)], dim=1)
            first = torch.cat([net.first_mixed[m], net.first_candidate[m], net.first_state[m]], dim=1)
            hidden = torch.relu(joint @ first.T + net.first_bias[m])
            hidden = torch.relu(hidden @ net.second[m].T + net.second_bias[m])
            values = (hidden @ net.last[m].T + net.last_bias[m])[:, 0]
            values[taken] = -torch.inf
            taken.append(int(values.argmax()))
        return taken

    def ours() -> list[int]:
        return choose(net, settings, state.numpy(), rows.numpy(), agents).places.tolist()

    case = Case(ours, with_the_context_beside_every_image, agree=lambda a, b: a == b)
    return f"{agents} of {images} images, {width} numbers", case


def gradients(quick: bool) -> tuple[str, Case]:
    """The head's squared gradients of 96 x 96 images for 30 neighbours each, as EGL++ wants them."""
    images, neighbours, known = (2, 5, 8) if quick else (32, 30, 64)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(known, 3, 96, 96, generator=generator)
    with seeded(0):
        net = HeatMapNetwork(14).eval()
    nearest = torch.randint(0, known, (images, neighbours), generator=generator)
    weights = torch.rand(images, neighbours, generator=generator)

    def batches(sources: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        yield sources, pictures[torch.from_numpy(sources)]

    lengths = ExpectedGradients(net, "cross_entropy", 1.0, batches)
    targets, sources = lengths.predicted(np.arange(known)), np.arange(images)

    def pass_by_pass() -> np.ndarray:
        """A backward pass through the head for each pair."""
        found = np.zeros(images, dtype=np.float32)
        with torch.no_grad():
            lasts = net.look(pictures[:images]).last
        for i, last in enumerate(lasts):
            scores = net.head(last[None]).flatten(2).log_softmax(dim=2)
            for row, weight in zip(nearest[i], weights[i], strict=True):
                loss = -(targets.values[row].flatten(1) * scores).sum() / len(targets.values[row])
                slopes = torch.autograd.grad(loss, list(net.head.parameters()), retain_graph=True)
                found[i] += float(weight) * sum(float(slope.square().sum()) for slope in slopes)
        return found

    def ours() -> np.ndarray:
        return lengths.expected(sources, targets, nearest, weights, "head")

    case = Case(ours, pass_by_pass, units=images, agree=lambda a, b: np.allclose(a, b, rtol=1e-3))
    return f"96x96, 14 joints, {neighbours} neighbours, an image", case
