"""A segmentation task of a few channels on 24 x 32 images, so that real training is tested in milliseconds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from querist.core.answers import Labels
from querist.nn.optimiser import Optimiser
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.task import SegmentationTask
from querist.tasks.segmentation.training import Schedule, Training

SIZE = (24, 32)
REGION = (8, 10)  # 3 x 3 regions; two columns are left over
CLASSES = ("road", "sky", "tree")
VOID = 3


class TinyNet(nn.Module):
    """A user's own module: batch norm and dropout included, nothing that we ask for beyond ``forward``."""

    def __init__(self, classes: int, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout2d(0.3), nn.Conv2d(width, classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


class SplitNet(TinyNet):
    """The same with a head apart, behind a stride of two."""

    def features(self, images: Tensor, /) -> Tensor:
        return functional.avg_pool2d(self.body(images), 2)

    def classify(self, features: Tensor, size: tuple[int, int] | torch.Size, /) -> Tensor:
        return functional.interpolate(self.head(features), tuple(size))

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.features(images), images.shape[2:])

    def classify_dropout(
        self, features: Tensor, size: tuple[int, int], passes: int, generator: torch.Generator, /
    ) -> Iterator[Tensor]:
        for _ in range(passes):
            kept = torch.rand(features.shape[:2], generator=generator)[:, :, None, None] > 0.3
            yield functional.interpolate(self.head[1](features * kept), size)


def tiny_data(count: int = 6, seed: int = 0, size: tuple[int, int] = SIZE) -> SegmentationData:
    """Noise, brighter where the class id is higher; one pixel in nine is void."""
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, 3, (count, size[0] // 4, size[1] // 4)).repeat(4, axis=1).repeat(4, axis=2)
    images = (80 * masks[..., None] + rng.integers(0, 60, (*masks.shape, 3))).astype(np.uint8)
    masks[:, ::3, ::3] = VOID
    return SegmentationData([f"i{i}" for i in range(count)], images, masks.astype(np.uint8), CLASSES)


def tiny_schedule(replay: float = 0.5) -> Schedule:
    fast = Optimiser("adamw", 1e-2, schedule="one_cycle")
    step = Optimiser("sgd", 1e-2, momentum=0.9, clip_norm=4.0)
    return Schedule(Training(fast, 4, None), Training(step, 4, (12, 16), replay), Training(fast, 4, (12, 16)))


def tiny_task(
    data: SegmentationData | None = None,
    model: nn.Module | None = None,
    schedule: Schedule | None = None,
    batch: int = 8,
) -> SegmentationTask:
    """A task whose initial weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = model or TinyNet(len(CLASSES))
    return SegmentationTask(
        data or tiny_data(), net, REGION, schedule=schedule or tiny_schedule(), device="cpu", inference_batch=batch
    )


def labels_of(task: SegmentationTask, units: list[int], given: list[int] | None = None) -> Labels:
    """What the simulated oracle would have said."""
    asked = np.array(units, dtype=np.int64)
    return Labels(asked, tuple(task.truth(asked)), np.array(given or [], dtype=np.int64))


def write_folder(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """The same data as image files, in the plain layout with split folders."""
    root.mkdir(parents=True, exist_ok=True)
    entries = ", ".join(f"{{name: {name}, colour: [{40 * i}, 0, 0]}}" for i, name in enumerate(CLASSES))
    (root / "classes.yaml").write_text(f"classes: [{entries}]\nvoid: {VOID}\n")
    for place, (split, count) in enumerate(counts.items()):
        data = tiny_data(count, seed + place)
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(data.image(i)).save(root / "images" / split / f"{i}.png")
            Image.fromarray(data.mask(i)).save(root / "masks" / split / f"{i}.png")
    return root
