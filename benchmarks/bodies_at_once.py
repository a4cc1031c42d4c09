"""Is there anything to gain by choosing whom to label on lsp-small? Ways to choose 400 people, one training each.

    python benchmarks/bodies_at_once.py --data DIR

The network of the starting set (400 people) chooses 400 of 1,700 others, or somebody does who knows their true poses or
the network's true errors; then one final training on all 800. Measured on 700 further people of the train split: nobody
of the test set has a part. Two minutes a way, on a core of its own.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from querist.core import rng
from querist.core.answers import Labels
from querist.core.split import Role
from querist.kernels.k_centre import k_centre_greedy
from querist.kernels.k_means import k_means
from querist.recipes.build import environment, find_data, prepare, set_up
from querist.recipes.recipe import load_recipe
from querist.tasks.pose.frame import normalised
from querist.tasks.pose.task import PoseTask

HERE = Path(__file__).resolve().parent
WHAT = "Ways to choose 400 of 1,700 people of lsp-small at once, and one final training on all 800."
HELD, CHOSEN, KINDS, SEED = 700, 400, 10, 99


class Chooser:
    """The ways, of a task that has learned its start.

    Args:
        task: as the start left it.
        start: labelled sources; ``pool`` those to choose from.
    """

    def __init__(self, task: PoseTask, start: np.ndarray, pool: np.ndarray) -> None:
        self.start, self.pool = start, pool
        joints = normalised(task.data, task.data.joints)
        said = task.describe(np.arange(len(joints)), ("appearance", "pose"), np.random.default_rng(0))
        self.true, self.estimated = shapes(joints), shapes(said["pose"].reshape(joints.shape))
        self.looks = said["appearance"]
        self.losses = task.losses(pool, task.truth(pool))

    def ways(self) -> dict[str, Callable[[], np.ndarray]]:
        """Name -> the chosen sources."""
        order = np.argsort(self.losses)
        middle = (len(order) - CHOSEN) // 2
        return {
            **{f"chance {s}": lambda s=s: np.random.default_rng(s).choice(self.pool, CHOSEN, False) for s in range(3)},
            "true loss, largest": lambda: self.pool[np.argsort(-self.losses)[:CHOSEN]],
            "true loss, middle": lambda: self.pool[order[middle : middle + CHOSEN]],
            "true loss, smallest": lambda: self.pool[order[:CHOSEN]],
            "true poses: ten kinds in turn": lambda: self.in_turn(self.true),
            "true poses: one of each of 400 kinds": lambda: self.one_each(self.true),
            "true poses: k-centre": lambda: self.k_centre(self.true),
            "estimated poses: ten kinds in turn": lambda: self.in_turn(self.estimated),
            "appearances: k-centre": lambda: self.k_centre(self.looks),
            "appearances: one of each of 400 kinds": lambda: self.one_each(self.looks),
        }

    def kinds(self, features: np.ndarray, count: int) -> list[np.ndarray]:
        """Places in the pool, kind by kind."""
        kind = k_means(torch.tensor(features[self.pool]), count, torch.Generator().manual_seed(0))[0].numpy()
        return [np.flatnonzero(kind == c) for c in range(count)]

    def one_each(self, features: np.ndarray) -> np.ndarray:
        kinds, stream = self.kinds(features, CHOSEN), np.random.default_rng(0)
        return self.pool[[stream.choice(places) for places in kinds]]

    def in_turn(self, features: np.ndarray) -> np.ndarray:
        stream = np.random.default_rng(0)
        queues = [list(stream.permutation(places)) for places in self.kinds(features, KINDS)]
        found: list[int] = []
        while len(found) < CHOSEN:
            found += [queue.pop() for queue in queues if queue]
        return self.pool[found[:CHOSEN]]

    def k_centre(self, features: np.ndarray) -> np.ndarray:
        own, known = (torch.tensor(features[sources]) for sources in (self.pool, self.start))
        return self.pool[k_centre_greedy(own, CHOSEN, known)[0].numpy()]


def shapes(joints: np.ndarray) -> np.ndarray:
    """(n, J, D) -> (n, J * D): poses wherever they stand and whatever their size."""
    centred = joints - np.nanmean(joints, axis=1, keepdims=True)
    sizes = np.sqrt(np.nanmean(centred**2, axis=(1, 2), keepdims=True))
    return np.nan_to_num(centred / sizes).reshape(len(joints), -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=WHAT)
    parser.add_argument("--data", help="the folder of LSP; default: lsp below QUERIST_DATA")
    parser.add_argument("--only", nargs="*", help="ways")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "bodies-at-once.json")
    options = parser.parse_args()
    loaded = load_recipe("lsp-small", ())
    device = prepare(loaded)
    setup = set_up(loaded, find_data(loaded, options.data), 0)
    task, start = setup.task, setup.split.sources(Role.START)
    assert isinstance(task, PoseTask)
    given, steps = Labels(np.zeros(0, dtype=np.int64), (), start), loaded.recipe.steps
    task.fit(given, new=given, steps=steps.start, phase="start", rng=rng.generator(0, "start"))
    initial = task.snapshot()
    others = np.random.default_rng(SEED).permutation(setup.split.sources(Role.POOL))
    held, pool = others[:HELD], others[HELD:]
    rows: dict[str, float] = {"before": task.evaluate(held).value}
    for name, way in Chooser(task, start, pool).ways().items():
        if options.only and name not in options.only:
            continue
        chosen, began = way(), time.perf_counter()
        task.restore(initial)
        labels = Labels(chosen, tuple(task.truth(chosen)), start)
        task.fit(labels, new=labels, steps=steps.final, phase="final", rng=rng.generator(0, "x"))
        rows[name] = task.evaluate(held).value
        print(f"{name:40} {rows[name]:.2f}  {time.perf_counter() - began:.0f} s", flush=True)
    what = {"what": WHAT, "metric": "PCK@0.2 of the torso, 700 held-out people of the train split"}
    result = what | {"chosen": CHOSEN, "values": rows, "environment": environment(device, loaded.recipe.threads)}
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
