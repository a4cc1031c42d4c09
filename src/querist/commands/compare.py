"""``querist compare``: the missing cells, then summary and report."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import yaml
from rich.table import Table

from querist.commands.report import write
from querist.commands.show import bars, console, say, words
from querist.compare.cells import Cell
from querist.compare.run import expected_seconds, missing, planned, play_cells
from querist.core.loop import Event
from querist.core.problem import Setup
from querist.core.snapshots import write_atomically
from querist.errors import QueristError
from querist.recipes.build import find_data, prepare, set_up
from querist.recipes.recipe import LoadedRecipe, load_recipe


def main(
    recipe: str,
    data: str | None = None,
    out: str | None = None,
    strategies: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    workers: int | None = None,
    pictures: bool = True,
    set: Sequence[str] | None = None,
) -> Path:
    """Compare strategies; returns the path of the report."""
    loaded = load_recipe(recipe, set or [])
    return compare(
        loaded, find_data(loaded, data), Path(out or f"runs/{loaded.name}"), strategies, seeds, workers, pictures
    )


def compare(
    loaded: LoadedRecipe,
    data: Path,
    out: Path,
    strategies: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    workers: int | None = None,
    pictures: bool = True,
) -> Path:
    """Play what is missing of a comparison and write its summary and report."""
    if workers is not None and workers < 1:
        raise QueristError(f"--workers {workers}: nobody would play", "give 1 or more")
    changed = dataclasses.replace(
        loaded.recipe,
        strategies=tuple(strategies or loaded.recipe.strategies),
        seeds=tuple(loaded.recipe.seeds if seeds is None else seeds),
    )
    loaded = dataclasses.replace(loaded, recipe=changed)
    device, setup = _check(loaded, data, strategies=changed.strategies)
    cells = planned(loaded)
    left = missing(loaded, cells, out, setup.data_hash, device)
    at_once = workers or max(1, (os.cpu_count() or 1) // loaded.recipe.threads)
    seconds = expected_seconds(left, out)
    if left:
        guess = (
            "unknown until the first has ended" if seconds is None else f"about {seconds / at_once / 60:.0f} minutes"
        )
        console.print(f"{len(cells)} cells, {len(left)} to play, {at_once} at a time: {guess}")
        _play(loaded, left, data, out, at_once)
    config = {**loaded.config, "strategies": list(changed.strategies), "seeds": list(changed.seeds)}
    write_atomically(out / "recipe.yaml", yaml.safe_dump(config, sort_keys=False).encode())
    report = write(out, config, setup if pictures else None)
    say(f"Report: {report}")
    return report


def _check(loaded: LoadedRecipe, data: Path, strategies: Sequence[str]) -> tuple[str, Setup]:
    """Everything that can be wrong is found here, before hours are spent."""
    from querist.acquisition.registry import strategy
    from querist.commands.show import reading

    device = prepare(loaded)
    with reading() as told:
        setup = set_up(loaded, data, loaded.recipe.seeds[0], told=told)
    for name in strategies:
        strategy(name, setup.task, loaded.recipe.groups)
    return device.split(":")[0], setup


def _play(loaded: LoadedRecipe, left: Sequence[Cell], data: Path, out: Path, workers: int) -> None:
    budget = loaded.recipe.budgets[-1]
    with bars() as progress:
        overall = progress.add_task("[bold]cells", total=len(left), note="")
        tasks = {}

        def watch(cell: Cell, event: Event | None) -> None:
            name = f"{cell.strategy}, seed {cell.seed}"
            if event is None:
                progress.advance(overall)
                if cell in tasks:
                    progress.remove_task(tasks.pop(cell))
                return
            if cell not in tasks:
                tasks[cell] = progress.add_task(f"  {name}", total=budget, note="")
            progress.update(tasks[cell], completed=event.spent, note=words(event))

        play_cells(loaded, left, data, out, workers, watch)


def table(summary: dict) -> Table:
    """A comparison as a small table for the terminal."""
    shown = Table("strategy", "AUBC", "at the end", "against random", "p")
    tests = {test["a"]: test for test in summary["tests"] if test["b"] == "random"}
    for name, found in sorted(summary["strategies"].items(), key=lambda item: -_mean(item[1]["aubc"])):
        last = found["curve"][str(summary["budgets"][-1])]
        test = tests.get(name)
        gain = f"{test['difference']:+.2f}" if test else ""
        shown.add_row(
            name, f"{_mean(found['aubc']):.2f}", f"{_mean(last):.2f}", gain, f"{test['p']:.3f}" if test else ""
        )
    return shown


def _mean(by_seed: dict[str, float]) -> float:
    return sum(by_seed.values()) / max(1, len(by_seed))
