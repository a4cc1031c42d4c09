"""A segmentation run of a few seconds: a handful of drawn scenes, a network of two layers, a few steps."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from querist.nn.head import SplitAtTheHead

SIZE = (32, 48)

RECIPE = """
problem:
  class_path: querist.tasks.segmentation.problem.RegionProblem
  init_args:
    layout: folder
    image: [32, 48]
    region: [16, 16]
    start: 2
    state: 1
    model: {path: slow.segmentation.TinyNet, arguments: {pause: PAUSE}}
    schedule:
      start: {batch: 2, optimiser: {name: adamw, lr: 3.0e-3}}
      step: {batch: 2, crop: [16, 16], replay: 0.5, optimiser: {name: sgd, lr: 1.0e-3, momentum: 0.9}}
      final: {batch: 2, crop: [24, 24], optimiser: {name: adamw, lr: 3.0e-3, schedule: one_cycle}}
budgets: [4, 10]
batch: 2
groups: {count: 2, size: 4}
steps: {start: 4, update: 2, final: 6, full: 6}
seeds: [0, 1]
strategies: [random, entropy/global]
threads: 1
device: cpu
"""


LEARNED = {
    "TinyNet": "SplitNet",
    "    start: 2\n": "    start: 4\n    split_seed: 0\n",
    "[random, entropy/global]": """[random, ralis/sound, ralis/untrained]
train:
  policies: 2
  start: 4
  first: 4
  update: 2
  settings:
    ralis/sound: {episodes: 3, warm_up: 1, budget: 6, pool_train: 3, batch: 4, check_games: 2}
    ralis/faithful: {episodes: 2, budget: 6, pool_train: 3, batch: 4, check_games: 1}""",
}
"""What is different in a recipe whose strategies learn."""


class TinyNet(nn.Module):
    """Two convolutions with batch normalisation and dropout: state and randomness that a resume has to restore.

    Args:
        classes: of the logits.
        pause: seconds to sleep in every forward pass, so that there is something to interrupt.
        width: channels between the two.
    """

    def __init__(self, classes: int, pause: float = 0.0, width: int = 8) -> None:
        super().__init__()
        self.pause = pause
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout2d(0.2),
            nn.Conv2d(width, classes, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(self.pause)
        return self.layers(images)


class SplitNet(SplitAtTheHead):
    """The same, split before its last layer: policies can be trained on its features."""

    def __init__(self, classes: int, pause: float = 0.0, width: int = 8) -> None:
        super().__init__(dropout=0.2)
        self.pause = pause
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, 2, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.classifier = nn.Conv2d(width, classes, 3, padding=1)

    def features(self, x: Tensor) -> Tensor:
        time.sleep(self.pause)
        return self.body(x)


def write_tiny(folder: Path, pause: float = 0.0, learned: bool = False) -> tuple[Path, Path]:
    """Write recipe and data; returns (data folder, recipe's path)."""
    from querist.demo.scenes import write_scenes

    data, recipe = folder / "data", folder / ("learned.yaml" if learned else "tiny.yaml")
    if not data.exists():
        write_scenes(data, {"train": 8, "val": 2, "test": 2}, *SIZE)
    text = RECIPE.replace("PAUSE", str(pause))
    for old, new in LEARNED.items() if learned else ():
        text = text.replace(old, new)
    recipe.write_text(text, encoding="utf-8")
    return data, recipe


def change_pixel(path: Path) -> None:
    """Change one pixel of an image, or of a mask to another class."""
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[3, 4] = (pixels[3, 4] + 1) % 9
    Image.fromarray(pixels).save(path)


def write_weights(path: Path, classes: int = 9, seed: int = 0, model: Callable[[int], nn.Module] = TinyNet) -> Path:
    """Weights of a network as a user would bring them."""
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_file(model(classes).state_dict(), path)
    return path
