"""``querist demo``: the whole loop on images drawn for it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.commands.compare import compare, table
from querist.commands.show import console, say
from querist.errors import QueristError
from querist.recipes.recipe import load_recipe


@dataclass(frozen=True)
class Demo:
    """One system's demo.

    Args:
        recipe: a shipped one.
        folder: of the drawings, below the demo's.
        draws: says what is drawn; ``draw`` draws it into a folder, told the recipe's problem.
        words: what is about to be seen.
    """

    recipe: str
    folder: str
    draws: str
    draw: Callable[[Path, Mapping[str, Any]], None]
    words: str


def _scenes(folder: Path, problem: Mapping[str, Any]) -> None:
    from querist.demo.scenes import write_scenes

    height, width = problem["image"]
    write_scenes(folder, {"train": 120, "val": 30, "test": 60}, height, width, seed=0)


def _bodies(folder: Path, problem: Mapping[str, Any]) -> None:
    from querist.demo.bodies import write_bodies

    write_bodies(folder, train=400, test=200, seed=0)


def _people(folder: Path, problem: Mapping[str, Any]) -> None:
    from querist.demo.people import write_people

    height, width = problem["image"]
    write_people(folder, train=120, test=40, images=10, cameras=4, height=height, width=width, seed=0)


DEMOS = {
    "regions": Demo(
        "demo",
        "scenes",
        "210 street scenes",
        _scenes,
        "First a policy learns what to ask (a quarter of a minute): it plays games with the scenes that are labelled "
        "from the start, and is paid by how much the answers help. Then each strategy, the policy among them, buys "
        "labels of image regions for a small segmentation network, on the same seeds and from the same start; at every "
        "budget the network is trained anew from its first weights and tested.",
    ),
    "pose": Demo(
        "demo-pose",
        "bodies",
        "600 people in many poses",
        _bodies,
        "Each strategy buys the joints of people for a small pose network, on the same seeds and from the same start; "
        "at every budget the network is trained anew and tested.",
    ),
    "reid": Demo(
        "demo-reid",
        "people",
        "some 1,300 crops of 160 pedestrians",
        _people,
        "First a policy learns which pairs of crops to ask about ('the same person or not?'): it plays games with the "
        "people who are known from the start, and is paid by how hard each answer was to foresee. Then each strategy, "
        "the policy among them, asks about pairs of other people, on the same seeds and from the same start; the "
        "network learns from the answers after every hundred questions, and the policy from each of them.",
    ),
}


def main(which: str = "regions", out: str | None = None) -> Path:
    """Draw images, train a policy where the recipe has one, compare strategies, print a table and the report's path.

    Args:
        which: ``regions``, ``pose`` or ``reid``.
        out: the folder; what was played there before is not played again.

    Raises:
        QueristError: no such demo.
    """
    if which not in DEMOS:
        raise QueristError(f"there is no demo {which!r}", f"choose among {', '.join(DEMOS)}")
    began, chosen = time.perf_counter(), DEMOS[which]
    folder = Path(out or ("querist-demo" if which == "regions" else f"querist-demo-{which}"))
    data = folder / chosen.folder
    loaded = load_recipe(chosen.recipe)
    if not data.exists():
        console.print(f"Drawing {chosen.draws} into {data} ...")
        chosen.draw(data, loaded.config["problem"]["init_args"])
    console.print(chosen.words)
    report = compare(loaded, data, folder)
    console.print(table(json.loads((folder / "summary.json").read_text(encoding="utf-8"))))
    say(f"{time.perf_counter() - began:.0f} seconds. Open the report in a browser: {report}")
    return report
