"""``querist demo``: the whole loop on scenes drawn for it."""

import json
import time
from pathlib import Path

from querist.commands.compare import compare, table
from querist.commands.show import console, say
from querist.demo.scenes import write_scenes
from querist.recipes.recipe import load_recipe

SCENES = {"train": 120, "val": 30, "test": 60}


def main(out: str = "querist-demo") -> Path:
    """Draw scenes, train a policy, compare strategies on them, print a table and the path of the report.

    Args:
        out: the folder; what was played there before is not played again.
    """
    began = time.perf_counter()
    folder = Path(out)
    data = folder / "scenes"
    loaded = load_recipe("demo")
    size = loaded.config["problem"]["init_args"]["image"]
    if not (data / "classes.yaml").exists():
        console.print(f"Drawing {sum(SCENES.values())} street scenes into {data} ...")
        write_scenes(data, SCENES, size[0], size[1], seed=0)
    console.print(
        "First a policy learns what to ask (a quarter of a minute): it plays games with the scenes that are labelled "
        "from the start, and is paid by how much the answers help. Then each strategy, the policy among them, buys "
        "labels of image regions for a small segmentation network, on the same seeds and from the same start; at every "
        "budget the network is trained anew from its first weights and tested."
    )
    report = compare(loaded, data, folder)
    console.print(table(json.loads((folder / "summary.json").read_text(encoding="utf-8"))))
    say(f"{time.perf_counter() - began:.0f} seconds. Open the report in a browser: {report}")
    return report
