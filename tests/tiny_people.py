"""A re-identification task of a few channels on 16 x 8 crops, so that real training is tested in milliseconds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from querist.core.answers import Labels
from querist.nn.optimiser import Optimiser
from querist.tasks.reid.augmentation import Augmentation
from querist.tasks.reid.data import ReidData
from querist.tasks.reid.task import ReidTask
from querist.tasks.reid.training import Schedule, Training

SIZE = (16, 8)
TRAIN, TEST = 6, 3  # people; each is seen 4 times, by 2 cameras
EACH = 4
POOL = list(range(3 * EACH, 6 * EACH))  # people 4, 5 and 6
GIVEN = list(range(3 * EACH))  # people 1, 2 and 3


class TinyEmbedder(nn.Module):
    """A user's own module: batch norm included, nothing that we ask for beyond ``forward``."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.neck = nn.BatchNorm1d(2 * width)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.body(images)
        top, bottom = maps.mean(dim=(3)).chunk(2, dim=2)
        return self.neck(torch.cat([top.mean(dim=2), bottom.mean(dim=2)], dim=1))


def tiny_people(seed: int = 0, extra: bool = False) -> ReidData:
    """Two-coloured people in noise: crops 0..23 train, 24..29 query, 30..35 gallery; ``extra``: a distractor and junk.

    Crops of a person follow one another, camera 0 and 1 in turn.
    """
    rng = np.random.default_rng(seed)
    persons = np.concatenate(
        [np.repeat(np.arange(1, TRAIN + 1), EACH), *2 * [np.repeat(TRAIN + 1 + np.arange(TEST), 2)]]
    )
    clothes = rng.integers(0, 200, (TRAIN + TEST + 1, 2, 1, 3))
    persons = np.concatenate([persons, [0, -1]]) if extra else persons
    images = np.stack([clothes[max(p, 0)].repeat(8, axis=0).repeat(8, axis=1) for p in persons])
    images = (images + rng.integers(0, 55, images.shape)).astype(np.uint8)
    splits = np.repeat(["train", "query", "gallery"], [TRAIN * EACH, 2 * TEST, len(persons) - TRAIN * EACH - 2 * TEST])
    cameras = np.arange(len(persons)) % 2
    cameras[splits == "gallery"] = 1 - cameras[splits == "gallery"]
    return ReidData(
        tuple(f"{s}/{i:03d}" for i, s in enumerate(splits)), (images,), persons.astype(np.int64), cameras, splits
    )


def tiny_schedule(replay: float = 0.0, closure: bool = False) -> Schedule:
    """Batches of 12, no erasing; a margin that every triplet violates, so that there is always something to learn."""
    plain, margin = Augmentation(erase=0.0), 2.5
    start = Training(Optimiser("adamw", 2e-2, schedule="one_cycle"), 12, margin, augmentation=plain)
    step = replace(start, optimiser=Optimiser("adamw", 5e-3), identity=0, replay=replay, closure=closure)
    final = replace(start, replay=0.5, closure=closure)
    return Schedule(start, step, final)


def tiny_task(
    data: ReidData | None = None, schedule: Schedule | None = None, model: nn.Module | None = None
) -> ReidTask:
    """A task whose initial weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = model or TinyEmbedder()
    return ReidTask(data or tiny_people(), net, schedule or tiny_schedule(), "cpu", inference_batch=8)


def about(task: ReidTask, pairs: Sequence[tuple[int, int]], given: Sequence[int] = ()) -> Labels:
    """The true answers about pairs of sources."""
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    units = task.pairs.pair(ends[:, 0], ends[:, 1]) if len(ends) else np.zeros(0, dtype=np.int64)
    return Labels(units, tuple(task.truth(units)), np.array(given, dtype=np.int64))


def write_market(folder: Path, data: ReidData) -> Path:
    """The crops as files in the layout of Market-1501."""
    places = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
    for i, split in enumerate(data.split_of.tolist()):
        person = data.persons[i]
        name = f"{person:04d}" if person >= 0 else "-1"
        path = folder / places[split] / f"{name}_c{data.cameras[i] + 1}s1_{i:06d}_00.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.image(i)).save(path)
    return folder
