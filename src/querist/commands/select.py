"""``querist select``: the next batch to label, for the user's own checkpoint."""

import csv
import dataclasses
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.acquisition.registry import Strategy
from querist.commands.show import reading, say
from querist.core.capabilities import KnowsTruth, LocatesUnits
from querist.core.ledger import Ledger, Question
from querist.core.observation import Observation
from querist.core.oracle import SilentOracle
from querist.core.policy import Selection
from querist.core.problem import Setup
from querist.core.snapshots import write_atomically
from querist.core.step import Game, offer
from querist.errors import QueristError
from querist.recipes.build import find_data, named_strategy, prepare, set_up
from querist.recipes.learned import chosen as who
from querist.recipes.recipe import load_recipe


def main(
    recipe: str,
    data: str | None = None,
    checkpoint: str | None = None,
    strategy: str | None = None,
    policy: str | None = None,
    count: int | None = None,
    exclude: Sequence[str] = (),
    out: str = "batch",
    seed: int = 0,
    set: Sequence[str] | None = None,
) -> Path:
    """Select the next batch and write it as JSON and CSV (unit, image, box, score), best first.

    Returns:
        The JSON's path.
    """
    if count is not None and count < 1:
        raise QueristError(f"--count {count}: nothing to select", "ask for one unit or more")
    loaded = load_recipe(recipe, set or [])
    name, card = who(strategy, policy)
    found = find_data(loaded, data)
    prepare(loaded)
    with reading() as told:
        setup = set_up(loaded, found, seed, labelled=False, told=told)
    task = setup.task
    if checkpoint is not None:
        task.load(Path(checkpoint))
    shape = dataclasses.replace(loaded.recipe.groups, count=count or loaded.recipe.batch)
    chosen = named_strategy(dataclasses.replace(loaded.recipe, groups=shape), setup, name, card)
    if KnowsTruth in chosen.policy.needs:
        raise QueristError(f"{name} looks at the answers, and nobody has given them", "it is a ceiling for studies")
    if checkpoint is None and (card or chosen.policy.fields or chosen.policy.needs):
        raise QueristError(
            f"{name} goes by what a model predicts, and there is no model",
            "give --checkpoint MODEL.safetensors (any model: --set problem.model.path=...), or use --strategy random",
        )
    with tempfile.TemporaryDirectory() as folder:
        game = _game(setup, chosen, shape.count, seed, Path(folder), _excluded(exclude, setup))
        seen = offer(game, 0)
        selection = chosen.policy.select(seen, chosen.candidates.per_group(shape.count), game.stream("policy", 0))
        game.ledger.close()
    rows = _rows(setup, seen, selection)
    path = _write(
        rows,
        Path(out),
        {"recipe": loaded.name, "strategy": name, "seed": seed} | ({"policy": card.hash} if card else {}),
    )
    say(f"{len(rows)} units in {path} and {path.with_suffix('.csv')}")
    return path


def _game(setup: Setup, chosen: Strategy, count: int, seed: int, folder: Path, excluded: np.ndarray) -> Game:
    """A game that is never charged: nothing is asked, only chosen."""
    ledger = Ledger.create(folder / "ledger.sqlite", {})
    game = Game(
        ledger,
        ledger.start_game(setup.pool, setup.split, 0),
        0,
        seed,
        setup.pool,
        setup.split,
        setup.task,
        SilentOracle(),
        chosen.candidates,
        chosen.featuriser,
        count,
        0,
        np.zeros(0, dtype=np.int64),
    )
    for number, unit in enumerate(excluded):
        game.view.note_asked(Question(-1 - number, int(unit), -1, number, 0))
    if game.view.exhausted:
        raise QueristError("every unit of the data is in an excluded batch", "there is nothing left to label")
    return game


def _excluded(files: Sequence[str], setup: Setup) -> np.ndarray:
    """The units of earlier batches."""
    names: set[str] = set()
    for file in files:
        names |= _names(Path(file))
    return np.array(sorted(setup.pool.unit(name) for name in names), dtype=np.int64)


def _names(path: Path) -> set[str]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return {row["unit"] for row in json.loads(text)["units"]}
        table = csv.DictReader(io.StringIO(text))
        if "unit" not in (table.fieldnames or ()):
            raise ValueError("it has no column 'unit'")
        return {row["unit"] for row in table}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QueristError(
            f"--exclude {path}: not a batch that 'querist select' wrote ({type(error).__name__}: {error})",
            "a .json or .csv with a column 'unit'",
        ) from error


def _rows(setup: Setup, seen: Observation, selection: Selection) -> list[dict[str, Any]]:
    """One row per unit, best first."""
    task = setup.task
    picked = [(g, j, i) for g, row in enumerate(selection.indices) for j, i in enumerate(row) if i >= 0]
    units = np.array([seen.groups.units[g, i] for g, _, i in picked], dtype=np.int64)
    places = task.locate(units) if isinstance(task, LocatesUnits) else [{} for _ in units]
    rows = []
    for (g, j, _), unit, place in zip(picked, units, places, strict=True):
        score = None if selection.scores is None else round(float(selection.scores[g, j]), 6)
        rows.append({"unit": setup.pool.name(int(unit)), **place, "score": score})
    return sorted(rows, key=lambda row: -(row["score"] or 0.0))


def _write(rows: Sequence[Mapping[str, Any]], out: Path, about: Mapping[str, Any]) -> Path:
    if out.suffix in {".json", ".csv"}:
        out = out.with_suffix("")
    path = out.with_name(out.name + ".json")
    write_atomically(path, (json.dumps({**about, "units": rows}, indent=1) + "\n").encode())
    text = io.StringIO()
    flat = [{**row, "box": " ".join(str(v) for v in row["box"])} if "box" in row else dict(row) for row in rows]
    writer = csv.DictWriter(text, fieldnames=list(flat[0]) if flat else ["unit"])
    writer.writeheader()
    writer.writerows(flat)
    write_atomically(out.with_name(out.name + ".csv"), text.getvalue().encode())
    return path
