"""``querist demo``: the whole loop on images drawn for it."""

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from querist.commands.compare import compare, table
from querist.commands.show import console, reading, say
from querist.errors import QueristError
from querist.recipes.recipe import load_recipe


@dataclass(frozen=True)
class Demo:
    """One system's demo.

    Args:
        recipe: a shipped one, which says what is drawn.
        words: what is about to be seen.
    """

    recipe: str
    words: str


DEMOS = {
    "regions": Demo(
        "demo",
        "First a policy learns what to ask (a quarter of a minute): it plays games with the scenes that are labelled "
        "from the start, and is paid by how much the answers help. Then each strategy, the policy among them, buys "
        "labels of image regions for a small segmentation network, on the same seeds and from the same start; at every "
        "budget the network goes back to that start, learns all that was bought, and is tested.",
    ),
    "pose": Demo(
        "demo-pose",
        "First a team of agents learns which people to choose (half a minute): it plays games with those who are "
        "labelled from the start, and each agent is paid by what its choice teaches. Then each "
        "strategy, the team among them, buys the joints of other people for a small pose network, on the same seeds "
        "and from the same start; at every budget the network goes back to that start, learns all that was bought, and "
        "is tested.",
    ),
    "reid": Demo(
        "demo-reid",
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
    loaded = load_recipe(chosen.recipe)
    drawing = loaded.recipe.draw
    assert drawing is not None
    data = folder / drawing.what
    if not data.exists():
        with reading() as told:
            drawing.draw(data, partial(told, f"drawing {drawing.what} into {data}"))
    console.print(chosen.words)
    report = compare(loaded, data, folder)
    console.print(table(json.loads((folder / "summary.json").read_text(encoding="utf-8"))))
    say(f"{time.perf_counter() - began:.0f} seconds. Open the report in a browser: {report}")
    return report
