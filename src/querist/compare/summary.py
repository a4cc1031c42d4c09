"""From cells to summary.json: one dictionary that holds everything a comparison found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.compare import curves, statistics
from querist.compare.comparisons import RANDOM, all_tests
from querist.compare.evidence import FULL, START, Cell, check_together, labels_before, read_cells
from querist.compare.verdict import decide
from querist.core.snapshots import write_atomically

__all__ = ["read_cells", "summarise", "write_summary"]


def summarise(cells: Sequence[Cell], recipe: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Build the content of summary.json.

    Cells may be missing. A seed counts for a strategy where it has every policy that the strategy has on any
    seed; tests use the seeds that count on both sides, and say how many. Values of one seed are averaged over
    its policies before anything else. All tests are on the area under the budget curve (AUBC); each also carries
    the difference at the last budget, as a description.

    Args:
        cells: what `read_cells` returned.
        recipe: the recipe's settings, passed through for the reader.

    Returns:
        JSON-able dictionary without NaN; differences and gains are positive where a strategy is better,
        whatever the direction of the metric.

    Raises:
        QueristError: cells that do not belong together, by file.
    """
    check_together(cells)
    first = cells[0]
    larger = bool(first["metric"]["larger_is_better"])
    groups = _group(cells)
    references = {name: _tests(groups.pop(name, {}), 0) for name in (START, FULL)}
    missing, groups = _missing(groups), _complete(groups)
    start_parts = {str(c["seed"]): c["points"][0].get("parts") for c in cells if c["strategy"] == START}
    budgets = next(([p["labels"] for p in c["points"]] for c in cells if c["strategy"] in groups), [])
    strategies = {n: _strategy(groups[n], budgets, references, start_parts, larger) for n in sorted(groups)}
    labels_to = {name: _labels_to(entry["curve"], references, larger) for name, entry in strategies.items()}
    for name, entry in strategies.items():
        entry["to_random"] = _along(entry, strategies.get(RANDOM), budgets, larger) if name != RANDOM else {}
    summary: dict[str, Any] = {
        **{key: first[key] for key in ("format", "recipe", "recipe_hash", "task", "data_hash")},
        "settings": dict(recipe) if recipe is not None else None,
        "metric": dict(first["metric"]),
        "budgets": budgets,
        "seeds": sorted({int(seed) for group in groups.values() for seed in group}),
        "parts": list(first.get("parts") or ()),
        "bought_unit": next((c["bought_unit"] for c in cells if c.get("bought_unit")), None),
        "start": _mean(references[START].values()),
        "full_supervision": _mean(references[FULL].values()),
        "strategies": strategies,
        "tests": all_tests(strategies, budgets, larger),
        "labels_to": labels_to,
        "missing": missing,
        "references_missing": _without_reference(references, groups),
        "environment": _environment(cells),
    }
    return {**summary, "verdict": decide(summary)}


def write_summary(summary: Mapping[str, Any], path: str | Path) -> Path:
    """Write summary.json whole or not at all (temporary file, fsync, rename).

    Raises:
        ValueError: a number is not finite; strict JSON has no word for it.
    """
    path = Path(path)
    text = json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
    return path


Group = dict[str, list[Cell]]  # seed -> its cells, one per policy


def _group(cells: Sequence[Cell]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for cell in sorted(cells, key=lambda c: (c["seed"], c["policy"])):
        groups.setdefault(cell["strategy"], {}).setdefault(str(cell["seed"]), []).append(cell)
    return groups


def _lacking(group: Group, seed: str) -> list[int]:
    """The policies that a strategy has on other seeds only."""
    every = {int(cell["policy"]) for cells in group.values() for cell in cells}
    return sorted(every - {int(cell["policy"]) for cell in group.get(seed, ())})


def _complete(groups: Mapping[str, Group]) -> dict[str, Group]:
    """The seeds of each strategy that have all its policies: where some lack, a mean is one of other policies."""
    kept = {n: {seed: cs for seed, cs in group.items() if not _lacking(group, seed)} for n, group in groups.items()}
    return {name: group for name, group in kept.items() if group}


def _missing(groups: Mapping[str, Group]) -> dict[str, dict[str, list[int] | None]]:
    """By strategy and seed, the policies whose cells are missing; None where the seed has no cell at all."""
    seeds = sorted({seed for group in groups.values() for seed in group}, key=int)
    found = {
        name: {seed: lacks if seed in group else None for seed in seeds if (lacks := _lacking(group, seed))}
        for name, group in sorted(groups.items())
    }
    return {name: lacks for name, lacks in found.items() if lacks}


def _without_reference(
    references: Mapping[str, Mapping[str, float]], groups: Mapping[str, Group]
) -> dict[str, list[str]]:
    """By reference, the seeds that were played and have none of their own; a reference no seed has is not there."""
    seeds = sorted({seed for group in groups.values() for seed in group}, key=int)
    lacking = {name: [seed for seed in seeds if seed not in known] for name, known in references.items() if known}
    return {name.strip("_"): lacks for name, lacks in lacking.items() if lacks}


def _mean(values: Any) -> float | None:
    kept = [v for v in values if v is not None]
    return float(np.mean(kept)) if kept else None


def _tests(group: Group, index: int) -> dict[str, float]:
    """Test value by seed at one point of the curve, averaged over policies."""
    return {seed: float(np.mean([c["points"][index]["test"] for c in cs])) for seed, cs in group.items()}


def _by_seed(known: Mapping[str, float], seeds: Sequence[str]) -> list[float] | None:
    """A reference for each seed; a seed without its own gets the mean of the others."""
    mean = _mean(known.values())
    return None if mean is None else [known.get(seed, mean) for seed in seeds]


def _strategy(
    group: Group,
    budgets: Sequence[int],
    references: Mapping[str, Mapping[str, float]],
    start_parts: Mapping[str, Any],
    larger: bool,
) -> dict[str, Any]:
    cells = [cell for seed_cells in group.values() for cell in seed_cells]
    curve = {str(b): _tests(group, i) for i, b in enumerate(budgets)}
    start, full = (_by_seed(references[name], list(group)) for name in (START, FULL))
    closed = {
        b: None
        if start is None or full is None
        else curves.gap_closed(list(values.values()), start, full, larger_is_better=larger)
        for b, values in curve.items()
    }
    policies: dict[int, dict[str, float]] = {}
    for cell in cells:
        area = curves.aubc(budgets, [p["test"] for p in cell["points"]])
        policies.setdefault(cell["policy"], {})[str(cell["seed"])] = area
    return {
        "profile": cells[0].get("profile"),
        "curve": curve,
        "curve_interval": {b: list(statistics.bootstrap_interval(list(v.values()))) for b, v in curve.items()},
        "aubc": {seed: curves.aubc(budgets, [curve[str(b)][seed] for b in budgets]) for seed in group},
        "seconds_select": _mean(c.get("seconds_select") for c in cells),
        "peak_mb": max((c["peak_mb"] for c in cells if c.get("peak_mb") is not None), default=None),
        "labels_all": _mean(c["points"][-1]["labels"] + labels_before(c) for c in cells),
        "gap_closed": closed,
        "part_gains": _part_gains(group, budgets, start_parts, larger),
        "bought": _bought(cells, budgets),
        "policies": len(policies),
        "policy_spread": curves.policy_spread(policies.values()),
        "cells": len(cells),
    }


def _part_gains(
    group: Group, budgets: Sequence[int], start_parts: Mapping[str, Any], larger: bool
) -> dict[str, dict[str, float | None]]:
    names = next(iter(group.values()))[0].get("parts") or []
    gains = {}
    for index, budget in enumerate(budgets):
        rows = [
            curves.mean_of_parts([c["points"][index].get("parts") or [None] * len(names) for c in cells])
            for cells in group.values()
        ]
        start = [start_parts.get(seed) for seed in group]
        means = curves.part_gains(rows, start, larger_is_better=larger)
        gains[str(budget)] = dict(zip(names, means, strict=True))
    return gains


def _bought(cells: Sequence[Cell], budgets: Sequence[int]) -> dict[str, dict[str, float]]:
    bought = {}
    for budget in budgets:
        # A task that does not count what answers hold has nothing here, though its metric may have parts.
        rows = [b["amounts"] for c in cells for b in c.get("bought") or () if b["labels"] == budget and b["amounts"]]
        if rows:
            means = np.asarray(rows, dtype=np.float64).mean(axis=0).tolist()
            bought[str(budget)] = dict(zip(cells[0]["parts"], means, strict=True))
    return bought


def _labels_to(
    curve: Mapping[str, Mapping[str, float]], references: Mapping[str, Mapping[str, float]], larger: bool
) -> dict[str, list[float | None] | None]:
    seeds = list(next(iter(curve.values())))
    start, full = (_by_seed(references[name], seeds) for name in (START, FULL))
    if full is None:
        return {str(share): None for share in curves.SHARES}
    labels = [int(b) for b in curve]
    values = [[curve[b][seed] for b in curve] for seed in seeds]
    if start is not None:
        labels = [0, *labels]
        values = [[s, *row] for s, row in zip(start, values, strict=True)]
    return {
        str(share): curves.labels_to_reach(labels, values, full, share, larger_is_better=larger)
        for share in curves.SHARES
    }


def _along(
    entry: Mapping[str, Any], random: Mapping[str, Any] | None, budgets: Sequence[int], larger: bool
) -> dict[str, list[float | None]]:
    """Difference to random at each budget: mean, low, high over the common seeds."""
    if random is None:
        return {}
    found: dict[str, list[float | None]] = {}
    for b in map(str, budgets):
        seeds, d = statistics.paired_differences(entry["curve"][b], random["curve"][b], larger_is_better=larger)
        if seeds:
            found[b] = [float(d.mean()), *statistics.bootstrap_interval(d)]
    return found


def _environment(cells: Sequence[Cell]) -> dict[str, Any]:
    """What all cells share; where they differ, every value met, joined."""
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for cell in cells for key in cell["environment"]):
        values = list(dict.fromkeys(c["environment"][key] for c in cells if key in c["environment"]))
        merged[key] = values[0] if len(values) == 1 else ", ".join(map(str, values))
    return merged
