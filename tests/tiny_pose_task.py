"""A pose task on 32 x 32 images of one bright limb, so that real training is tested in milliseconds."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.answers import Labels
from querist.nn.optimiser import Optimiser
from querist.tasks.pose.augmentation import Augmentation
from querist.tasks.pose.camera import Camera
from querist.tasks.pose.crop import STEPS
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.measures import Metric
from querist.tasks.pose.network import PoseNetwork, Seen
from querist.tasks.pose.skeleton import Skeleton
from querist.tasks.pose.task import PoseTask
from querist.tasks.pose.training import Schedule, Training

SIZE = 32
LIMB = Skeleton(
    ("hip", "left foot", "right foot"), ((0, 1), (0, 2)), ((1, 2),), {"legs": (0, 1)}, torso=(0, 1), head=(1, 2)
)
GIVEN, POOL, TEST = np.arange(8), np.arange(8, 20), np.arange(20, 26)


class TinyMaps(PoseNetwork):
    """Heat maps at stride 4."""

    def __init__(self, joints: int = 3, width: int = 6, dropout: float = 0.3) -> None:
        super().__init__(dropout)
        self.appearance_width = width
        self.fine = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=4, padding=2),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1),
        )
        self.coarse = nn.Sequential(nn.ReLU(), nn.AvgPool2d(4), nn.Conv2d(width, width, 1))
        self.head = nn.Conv2d(width, joints, 1)

    def look(self, x: Tensor) -> Seen:
        fine = self.fine(x)
        coarse = self.coarse(fine)
        return Seen(fine, (fine, coarse), coarse.mean(dim=(2, 3)))


class PlainCoordinates(nn.Module):
    """A user's own module, nothing but ``forward``: coordinates of depth images."""

    def __init__(self, joints: int = 3, coordinates: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.AvgPool2d(4), nn.Flatten(), nn.Linear(64, joints * coordinates), nn.Unflatten(1, (joints, coordinates))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def limbs(seed: int = 0, **changes) -> PoseData:
    """26 images, the last 6 to be tested on: red hip, green and blue feet on grey noise; a pixel is two of the file."""
    rng = np.random.default_rng(seed)
    n = 26
    joints = rng.uniform(4, SIZE - 5, (n, 3, 2)).astype(np.float32)
    images = rng.integers(90, 130, (n, SIZE, SIZE, 3)).astype(np.uint8)
    for image, pose in zip(images, joints, strict=True):
        for channel, (x, y) in enumerate(np.rint(pose).astype(int)):
            image[y - 2 : y + 3, x - 2 : x + 3] = 0
            image[y - 2 : y + 3, x - 2 : x + 3, channel] = 255
    columns = {
        "names": tuple(f"p{i:02d}" for i in range(n)), "images": (images,), "joints": joints,
        "visible": np.ones((n, 3), dtype=bool), "skeleton": LIMB, "scale": np.full((n, 2), 2.0),
        "offset": np.tile([10.0, 20.0], (n, 1)), "split_of": np.array(["train"] * 20 + ["test"] * 6),
    }  # fmt: skip
    return PoseData(**(columns | changes))


def depths(seed: int = 0) -> PoseData:
    """The same in depth: a joint is a near spot."""
    rng = np.random.default_rng(seed)
    n = 26
    joints = rng.uniform(-0.7, 0.7, (n, 3, 3)).astype(np.float32)
    images = np.full((n, SIZE, SIZE, 1), STEPS, dtype=np.uint16)
    for image, pose in zip(images, joints, strict=True):
        for u, v, d in pose:
            x, y = (int((c + 1) * SIZE / 2) for c in (u, v))
            image[y - 2 : y + 3, x - 2 : x + 3] = round((d + 1) * STEPS / 2)
    return PoseData(
        tuple(f"h{i:02d}" for i in range(n)), (images,), joints, np.ones((n, 3), dtype=bool), LIMB,
        np.tile([30.0, 30.0, 100.0], (n, 1)), np.tile([50.0, 60.0, 500.0], (n, 1)),
        np.array(["train"] * 20 + ["test"] * 6), camera=Camera(150.0, 150.0, 50.0, 60.0),
    )  # fmt: skip


def tiny_schedule(lr: float = 1e-2) -> Schedule:
    """Batches of 6 and a little augmentation."""
    little = Augmentation(10.0, 0.1, 0.05, 0.5, 0.1)
    start = Training(Optimiser("adamw", lr, schedule="one_cycle"), 6, 0.5, little)
    return Schedule(start, replace(start, optimiser=Optimiser("adamw", 3e-3)), start)


def tiny_task(data: PoseData | None = None, model: nn.Module | None = None, **changes) -> PoseTask:
    """A task whose initial weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = model or TinyMaps()
    settings = {"metric": Metric("pck-torso", 0.5), "schedule": tiny_schedule(), "device": "cpu", "inference_batch": 5}
    return PoseTask(data or limbs(), net, **(settings | changes))


def hands_task(**changes) -> PoseTask:
    """Depth, by a plain module that gives coordinates."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = PlainCoordinates()
    return tiny_task(depths(), model, metric=Metric("mm"), objective="coordinate_mse", **changes)


def about(task: PoseTask, units: object = (), given: object = ()) -> Labels:
    """The true answers about some units."""
    asked = np.asarray(units, dtype=np.int64)
    return Labels(asked, tuple(task.truth(asked)), np.asarray(given, dtype=np.int64))
