"""``querist report``: summary and page of a comparison's cells."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from querist.commands.show import say
from querist.compare.cards import tell
from querist.compare.summary import read_cells, summarise, write_summary
from querist.core.capabilities import DrawsPictures
from querist.core.problem import Setup
from querist.core.snapshots import write_atomically
from querist.errors import QueristError


def main(folder: str, data: str | None = None) -> Path:
    """Write ``summary.json`` and ``report.html`` anew; with data, the report shows what was chosen."""
    recipe = Path(folder) / "recipe.yaml"
    settings, setup = None, None
    if recipe.is_file():
        try:
            settings = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            what = f"{recipe}: cannot be read as YAML ({' '.join(str(error).split())})"
            raise QueristError(what, "remove the file, or let 'querist compare' write it again") from error
    if data is not None:
        setup = _setup(recipe, data)
    path = write(Path(folder), settings, setup)
    say(f"Report: {path}")
    return path


def _setup(recipe: Path, data: str) -> Setup:
    from querist.recipes.build import find_data, prepare, set_up
    from querist.recipes.recipe import parse_recipe

    if not recipe.is_file():
        raise QueristError(f"{recipe} is not there", "leave --data away; the report is then without pictures")
    loaded = parse_recipe("recipe", recipe.read_text(encoding="utf-8"))
    prepare(loaded)
    return set_up(loaded, find_data(loaded, data), loaded.recipe.seeds[0])


def write(out: Path, settings: Mapping[str, Any] | None, setup: Setup | None) -> Path:
    """Summary and report of the cells in ``out``.

    Args:
        out: the comparison's folder.
        settings: the recipe's, for the page.
        setup: of the first seed, to draw pictures of what was chosen; None: no pictures.
    """
    from querist.report.page import render_report

    cells = read_cells(out / "cells")
    summary = summarise(cells, settings)
    write_summary(summary, out / "summary.json")
    tell(out, summary)
    pictures = _pictures(cells, setup) if setup is not None else None
    path = out / "report.html"
    write_atomically(path, render_report(summary, cells, pictures).encode())
    return path


def _pictures(cells: Sequence[Mapping[str, Any]], setup: Setup) -> dict[str, list[tuple[str, bytes]]] | None:
    """What the first, the middle and the last step of each strategy chose, on the first seed."""
    task = setup.task
    if not isinstance(task, DrawsPictures):
        return None
    played = [cell for cell in cells if cell["steps"] and "units" in cell["steps"][0]]
    first = min((cell["seed"] for cell in played), default=0)
    shown: dict[str, list[tuple[str, bytes]]] = {}
    for cell in played:
        if cell["seed"] != first or cell["strategy"] in shown:
            continue
        steps = cell["steps"]
        chosen = sorted({0, len(steps) // 3, 2 * len(steps) // 3, len(steps) - 1})
        shown[cell["strategy"]] = [
            (
                f"step {steps[i]['step'] + 1}, {steps[i]['labels']} labels",
                task.picture(np.array([setup.pool.unit(name) for name in steps[i]["units"]])),
            )
            for i in chosen
        ]
    return shown
