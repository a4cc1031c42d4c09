"""Cells read back from disk, and the proof that they belong together before anything is averaged."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from querist.errors import QueristError
from querist.recipes.strategy_names import parse

Cell = dict[str, Any]

FORMAT = 1
START, FULL = "_start", "_full"
"""The two references of a seed: a final training without any question, and one with every label of the pool."""

# What must agree between all cells of a comparison, and what to tell the user where it does not.
_SHARED = {
    "format": "these cells were written by another version of querist; move them out of the folder",
    "recipe_hash": "cells of another recipe cannot be averaged with these; use one --out folder per recipe",
    "data_hash": "the data changed between cells; restore the data, or move the old cells away",
    "task": "use one --out folder per recipe",
    "device": "results differ between kinds of device; run the missing cells where the others were run",
}
_NEEDED = ("recipe", "strategy", "policy", "seed", "metric", "points", "environment", *_SHARED)


def read_cells(folder: str | Path) -> list[Cell]:
    """Read every cell of a folder.

    Args:
        folder: the folder with one JSON file per cell.

    Returns:
        The cells in the order of their file names; each carries its file as `_path`.

    Raises:
        QueristError: a file is not strict JSON or not a cell, or there is none.
    """
    cells = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            cell = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        except (ValueError, OSError) as error:
            raise QueristError(f"{path}: not a readable cell ({error})", _AGAIN) from error
        if not isinstance(cell, dict):
            raise QueristError(f"{path}: expected a JSON object, found {type(cell).__name__}", _AGAIN)
        cells.append({**cell, "_path": str(path)})
    if not cells:
        raise QueristError(f"{folder}: no cells (*.json) there", "run `querist compare` first")
    return cells


_AGAIN = "delete the file; `querist compare` runs the missing cell again"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def check_together(cells: Sequence[Cell]) -> None:
    """Refuse cells that must not be averaged, naming the file.

    Raises:
        QueristError: cells disagree in recipe, data, format, task, metric or kind of device, a cell is there
            twice, or one is not a cell.
    """
    if not cells:
        raise QueristError("there are no cells to summarise", "run `querist compare` first")
    for cell in cells:
        _check_shape(cell)
    for key, fix in _SHARED.items():
        _check_agreement(cells, key, fix)
    _check_agreement(cells, "metric", _SHARED["task"])
    _check_budgets([c for c in cells if c["strategy"] not in (START, FULL)])
    seen: dict[tuple[str, int, int], str] = {}
    for cell in cells:
        identity = (cell["strategy"], cell["policy"], cell["seed"])
        if identity in seen:
            name, policy, seed = identity
            what = f"{where(cell)}: {name}, policy {policy}, seed {seed} is also in {seen[identity]}"
            raise QueristError(what, "keep one of the two files")
        seen[identity] = where(cell)


def where(cell: Mapping[str, Any]) -> str:
    """The file of a cell, or what it says it is."""
    return str(cell.get("_path") or f"cell {cell.get('strategy')} p{cell.get('policy')} s{cell.get('seed')}")


def labels_before(cell: Mapping[str, Any]) -> int:
    """The labels that a cell needed besides those it bought. The test set is not among them: it only measures."""
    return sum(count for purpose, count in (cell.get("accounts") or {}).items() if purpose != "test")


def device_kind(cell: Mapping[str, Any]) -> str:
    """`cpu` or `cuda`, without the number of the device."""
    return str(cell["environment"].get("device", "cpu")).split(":")[0]


def _value(cell: Cell, key: str) -> Any:
    if key == "device":
        return device_kind(cell)
    value = cell[key]
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def _check_agreement(cells: Sequence[Cell], key: str, fix: str) -> None:
    values = Counter(_value(cell, key) for cell in cells)
    usual = FORMAT if key == "format" else values.most_common(1)[0][0]
    for cell in cells:
        if _value(cell, key) != usual:
            raise QueristError(f"{where(cell)}: {key} is {_value(cell, key)}, expected {usual}", fix)


def _check_budgets(cells: Sequence[Cell]) -> None:
    ladders = Counter(tuple(point["labels"] for point in cell["points"]) for cell in cells)
    for cell in cells:
        ladder, usual = tuple(p["labels"] for p in cell["points"]), ladders.most_common(1)[0][0]
        if ladder != usual or list(ladder) != sorted(set(ladder)):
            what = f"{where(cell)}: points at {list(ladder)} labels, expected {list(usual)} in ascending order"
            short = ladder[:-1] == usual[: len(ladder) - 1] and ladder[-1] < usual[-1]
            fix = "nothing was left to ask there: lower the budgets to what every strategy can spend, in a new folder"
            raise QueristError(what, fix if short else _AGAIN)


def _check_shape(cell: Cell) -> None:
    missing = [key for key in _NEEDED if key != "device" and key not in cell]
    if missing:
        raise QueristError(f"{where(cell)}: not a cell, {', '.join(missing)} missing", _AGAIN)
    try:
        parse(str(cell["strategy"]))
    except QueristError as error:
        raise QueristError(f"{where(cell)}: {error.what}", f"{error.fix}; or move the file away") from error
    if not cell["points"]:
        raise QueristError(f"{where(cell)}: no points", _AGAIN)
    for point in cell["points"]:
        test = point.get("test")
        if isinstance(test, bool) or not isinstance(test, int | float) or not math.isfinite(test):
            what = f"{where(cell)}: test value at {point.get('labels')} labels is {test!r}, expected a number"
            raise QueristError(what, _AGAIN)
        parts = point.get("parts")
        if parts is not None and len(parts) != len(cell.get("parts") or ()):
            what = f"{where(cell)}: {len(parts)} part values at {point.get('labels')} labels"
            raise QueristError(f"{what}, expected {len(cell.get('parts') or ())}", _AGAIN)
