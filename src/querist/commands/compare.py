"""``querist compare``: the missing cells, then summary and report."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.progress import TaskID
from rich.table import Table

from querist.commands.report import write
from querist.commands.show import bars, console, gain, reading, say, words
from querist.compare.cards import Given, check_cards, given_cards, keep
from querist.compare.cells import Cell, labels_elsewhere
from querist.compare.run import Job, expected_seconds, lessons, missing, planned, play_cells, trained_otherwise, wanted
from querist.core.loop import Event
from querist.core.problem import Setup
from querist.core.snapshots import write_atomically
from querist.errors import QueristError
from querist.recipes.build import check_name_and_settings, find_data, prepare, set_up
from querist.recipes.learned import check, episodes
from querist.recipes.recipe import LoadedRecipe, load_recipe
from querist.recipes.strategy_names import parse
from querist.report.wording import plural


def main(
    recipe: str,
    data: str | None = None,
    out: str | None = None,
    strategies: Sequence[str] | None = None,
    policy: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    workers: int | None = None,
    pictures: bool = True,
    set: Sequence[str] | None = None,
) -> Path:
    """Compare strategies; returns the path of the report."""
    loaded = load_recipe(recipe, set or [])
    given = given_cards(policy or (), loaded.recipe.problem)
    for name in strategies or loaded.recipe.strategies:
        check_name_and_settings(loaded, name)
    with reading() as told:
        found = find_data(loaded, data, told)
    return compare(loaded, found, Path(out or f"runs/{loaded.name}"), strategies, seeds, workers, pictures, given)


def compare(
    loaded: LoadedRecipe,
    data: Path,
    out: Path,
    strategies: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    workers: int | None = None,
    pictures: bool = True,
    given: Sequence[Given] = (),
) -> Path:
    """Play what is missing of a comparison and write its summary and report.

    Args:
        loaded: the recipe; ``strategies`` and ``seeds`` are instead of its own.
        data: the data folder; ``out`` the comparison's.
        workers: cells at a time; None: cores / threads.
        pictures: whether the report shows what was chosen.
        given: cards that are played instead of trained ones. Their strategies belong to the comparison, named or not.

    Returns:
        The path of the report.

    Raises:
        QueristError: anything that the user can put right, before anything is written or played.
    """
    if workers is not None and workers < 1:
        raise QueristError(f"--workers {workers}: nobody would play", "give 1 or more")
    loaded = _asked(loaded, strategies, seeds, given)
    device, setup = _check(loaded, data, out, given)
    cells = planned(loaded, given)
    left = missing(loaded, cells, out, setup.data_hash, device)
    keep(given, out)
    for folder in trained_otherwise(loaded, out, given):
        say(f"{folder} was trained otherwise than the recipe says now; it is played as it is.", "yellow")
    taught = lessons(loaded, out, given) if left else []
    at_once = workers or max(1, (os.cpu_count() or 1) // loaded.recipe.threads)
    seconds = expected_seconds(left, out)
    if left:
        guess = (
            "unknown until the first has ended" if seconds is None else f"about {seconds / at_once / 60:.0f} minutes"
        )
        policies = f"; {plural(len(taught), 'policy')} to train first" if taught else ""
        console.print(f"{plural(len(cells), 'cell')}, {len(left)} to play, {at_once} at a time: {guess}{policies}")
        _play(loaded, [*taught, *left], data, out, at_once)
    config = {**loaded.config, **_compared(loaded, out / "recipe.yaml")}
    write_atomically(out / "recipe.yaml", yaml.safe_dump(config, sort_keys=False).encode())
    report = write(out, config, setup if pictures else None)
    say(f"Report: {report}")
    return report


def _compared(loaded: LoadedRecipe, path: Path) -> dict[str, list[Any]]:
    """Strategies and seeds of a comparison: what was asked for now, beside what was before."""
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        before = None
    kept = before if isinstance(before, dict) else {}
    strategies = dict.fromkeys([*(kept.get("strategies") or ()), *loaded.recipe.strategies])
    return {"strategies": [*strategies], "seeds": sorted({*(kept.get("seeds") or ()), *loaded.recipe.seeds})}


def _asked(
    loaded: LoadedRecipe, strategies: Sequence[str] | None, seeds: Sequence[int] | None, given: Sequence[Given]
) -> LoadedRecipe:
    """The recipe with what the user wants compared; the strategies of given cards come after the others."""
    names = tuple(strategies or loaded.recipe.strategies)
    added = dict.fromkeys(one.lesson.strategy for one in given if one.lesson.strategy not in names)
    numbers = tuple(loaded.recipe.seeds if seeds is None else seeds)
    asked = {"strategies": [*names, *added], "seeds": [*numbers]}
    recipe = dataclasses.replace(loaded.recipe, strategies=(*names, *added), seeds=numbers)
    config = {**loaded.config, **asked}  # workers read the text: it says the same as the recipe
    return dataclasses.replace(loaded, recipe=recipe, config=config, text=yaml.safe_dump(config, sort_keys=False))


def _check(loaded: LoadedRecipe, data: Path, out: Path, given: Sequence[Given]) -> tuple[str, Setup]:
    """Everything that can be wrong is found here, before hours are spent."""
    from querist.acquisition.registry import strategy

    recipe = loaded.recipe
    for name in recipe.strategies:
        if f"{name}/global" in recipe.strategies:
            raise QueristError(f"{name} and {name}/global are one strategy", "name it once: it would be played twice")
    device = prepare(loaded)
    with reading() as told:
        setup = set_up(loaded, data, recipe.seeds[0], told=told)
    taught = dict.fromkeys(lesson.strategy for lesson in lessons(loaded, out, given))
    for name in recipe.strategies:
        if name in taught:
            check(loaded, setup, name)
        elif not parse(name):
            strategy(name, setup.task, recipe.groups, recipe.pairs)
    played = wanted(loaded, given)
    others = recipe.seeds[1:2] if played else ()  # either all seeds share one split, or none does
    setups = {recipe.seeds[0]: setup} | {seed: set_up(loaded, data, seed) for seed in others}
    if taught and len({each.split.digest() for each in setups.values()}) > 1:
        raise QueristError(
            f"{next(iter(taught))} is trained on one starting set and played on all seeds, but each seed draws its own "
            "split: it would have met labels of their pools",
            "give the recipe one split for all seeds (--set problem.split_seed=0), or a single seed",
        )
    for where, card in check_cards(loaded, setups, out, played, given).items():
        if elsewhere := labels_elsewhere(card, setup):
            cost = plural(elsewhere, "label")
            say(f"{where} was trained on other data; the {cost} that took are counted with its own.")
    return device.split(":")[0], setup


def _play(loaded: LoadedRecipe, left: Sequence[Job], data: Path, out: Path, workers: int) -> None:
    with bars() as progress:
        overall = progress.add_task("[bold]policies and cells", total=len(left), note="")
        tasks: dict[Job, TaskID] = {}

        def watch(job: Job, event: Event | Mapping[str, Any] | None) -> None:
            if event is None:
                progress.advance(overall)
                if job in tasks:
                    progress.remove_task(tasks.pop(job))
                return
            if job not in tasks:
                total = loaded.recipe.budgets[-1] if isinstance(job, Cell) else episodes(loaded, job.strategy)
                tasks[job] = progress.add_task(f"  {job.label}", total=total, note="")
            done, note = (event.spent, words(event)) if isinstance(event, Event) else (event["episode"], gain(event))
            progress.update(tasks[job], completed=done, note=note)

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
