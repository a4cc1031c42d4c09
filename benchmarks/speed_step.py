"""One whole step of a policy's training on the scale of `camvid-small`: what an episode is made of."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import torch

from querist.core.candidates import ClusterPools
from querist.core.environment import QueryEnvironment
from querist.core.featuriser import FieldFeaturiser
from querist.core.ledger import Ledger
from querist.core.oracle import SimulatedOracle
from querist.core.reward import MetricGain
from querist.core.split import Role, Split
from querist.core.step import Game
from querist.nn.optimiser import Optimiser
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.fpn import FPN
from querist.tasks.segmentation.task import SegmentationTask
from querist.tasks.segmentation.training import Schedule, Training
from speed_measure import Case

CLASSES, SIZE, REGION = 11, (180, 240), (45, 40)
POOL, STATE, REWARD = 100, 10, 101
GROUPS, CANDIDATES, UPDATES = 24, 10, 3


def step(quick: bool) -> tuple[str, Case]:
    """24 regions out of 24 groups of 10, 10 state images, 3 updates of 16 images, the reward on 101 images."""
    reward = 10 if quick else REWARD
    task = random_task(POOL + STATE + reward)
    roles = np.repeat([Role.POOL, Role.STATE, Role.REWARD], [POOL, STATE, reward]).astype(np.int8)
    environment = _environment(task, Split(roles))
    environment.reset(seed=0)
    state = task.regions.units_of(np.arange(POOL, POOL + STATE))
    first = np.zeros((GROUPS, 1), dtype=np.int64)

    def ours() -> None:
        task.describe(state, ["entropy", "classes"], np.random.default_rng(0))
        environment.step(first)

    case = Case(ours, lambda: _straightforward(task, state, reward))
    return f"24 of 240 regions, {reward} reward images of 180x240", case


def random_task(images: int, size: tuple[int, int] = SIZE, region: tuple[int, int] = REGION) -> SegmentationTask:
    """Noise to look at and to learn from: how long that takes does not depend on what is there."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (images, *size, 3), dtype=np.uint8)
    masks = rng.integers(0, CLASSES + 1, (images, *size), dtype=np.uint8)
    names = [f"image-{i:04d}" for i in range(images)]
    data = SegmentationData(names, pictures, masks, tuple(f"class-{c}" for c in range(CLASSES)))
    training = Training(Optimiser("sgd", lr=1e-3, momentum=0.95), batch=16)
    torch.manual_seed(0)
    net = FPN(CLASSES, "shufflenet_v2_x0_5", width=32, head=16)
    return SegmentationTask(data, net, region, schedule=Schedule(training, training, training), device="cpu")


def _environment(task: SegmentationTask, split: Split) -> QueryEnvironment:
    ledger = Ledger.create(Path(tempfile.mkdtemp()) / "ledger.sqlite", {})
    games = itertools.count(1)
    parent = ledger.start_game(task.pool, split, 0, given={"start": (split.sources(Role.POOL), len(task.grid))})
    parts = (SimulatedOracle(task), ClusterPools(GROUPS, CANDIDATES), FieldFeaturiser(task, ["entropy", "classes"]))

    def new_game(seed: int, episode: int) -> Game:
        game = ledger.start_game(task.pool, split, POOL * len(task.grid), "inner", next(games), parent)
        none = np.zeros(0, dtype=np.int64)
        return Game(ledger, game, episode, seed, task.pool, split, task, *parts, GROUPS, UPDATES, none)

    return QueryEnvironment(new_game, MetricGain())


def _straightforward(task: SegmentationTask, state: np.ndarray, reward: int) -> None:
    """The same step without care: image by image, a pass each for classes and for entropy, regions in a Python loop."""
    model, grid = task.model, task.grid
    images = np.unique(task.regions.sources(state)[:, 0])
    candidates = np.arange(-(-GROUPS * CANDIDATES // len(grid)) + 1)
    for source in [*images, *candidates]:
        for _ in ("classes", "entropy"):
            probabilities = _forward(task, int(source)).softmax(dim=1)[0]
        entropy = -(probabilities * probabilities.log()).sum(dim=0)
        classes = probabilities.argmax(dim=0)
        for part in range(len(grid)):
            window = grid.window(part)
            entropy[window].mean()
            [int((classes[window] == c).sum()) for c in range(CLASSES)]
    batches = np.random.default_rng(0).integers(0, POOL, (UPDATES, 16))
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.95)
    model.train()
    for batch in batches:
        stacked = torch.cat([_tensor(task, int(s)) for s in batch])
        target = torch.from_numpy(np.stack([task.data.mask(s) for s in batch])).long()
        loss = torch.nn.functional.cross_entropy(model(stacked), target, ignore_index=CLASSES)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    for source in range(POOL + STATE, POOL + STATE + reward):
        found, truth = _forward(task, source).argmax(dim=1)[0], torch.from_numpy(task.data.mask(source))
        [int(((found == a) & (truth == b)).sum()) for a in range(CLASSES) for b in range(CLASSES)]


def _tensor(task: SegmentationTask, source: int) -> torch.Tensor:
    image = torch.from_numpy(task.data.image(source)).permute(2, 0, 1)[None].float() / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (image - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)


def _forward(task: SegmentationTask, source: int) -> torch.Tensor:
    with torch.inference_mode():
        return task.model(_tensor(task, source))
