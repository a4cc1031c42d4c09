"""The account of every label: what the loop bought, and what it needed besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from querist.report.style import mean
from querist.report.wording import NONE, count

_BOUGHT = "bought"
_TITLES = {
    _BOUGHT: "bought by the loop",
    "start": "starting set",
    "reward": "reward set",
    "state": "state set",
    "policy": "policy training",
}
_COUNTS = ("questions", "answers", "repeats")


def account_table(cells: Sequence[Mapping[str, Any]], order: Iterable[str]) -> dict[str, Any] | None:
    """The ledgers' totals per strategy, as means over its cells.

    Args:
        cells: the cells of the comparison.
        order: the strategies, in the order of the rows.

    Returns:
        `kinds` (key, title) of labels, and per strategy the amounts, their widths in percent of the largest
        total, the total, and the counts of questions, answers and repeats; and whether policies cost labels of
        their own. None without cells.
    """
    groups = {name: [c for c in cells if c["strategy"] == name] for name in order}
    groups = {name: group for name, group in groups.items() if group}
    if not groups:
        return None
    # The test set measures; nobody who only wants the model needs its labels.
    named = (key for group in groups.values() for cell in group for key in cell.get("accounts") or {})
    others = dict.fromkeys(key for key in named if key != "test")
    keys = [_BOUGHT, *(k for k in _TITLES if k in others), *(k for k in others if k not in _TITLES)]
    amounts = {name: [mean(_amount(c, key) for c in group) for key in keys] for name, group in groups.items()}
    largest = max(sum(row) for row in amounts.values()) or 1.0
    rows = [
        {
            "name": name,
            "amounts": [count(x) for x in row],
            "widths": [round(100 * x / largest, 2) for x in row],
            "total": count(sum(row)),
            "counts": [_count(groups[name], key) for key in _COUNTS],
        }
        for name, row in amounts.items()
    ]
    extra = any(_amount(cell, "policy") for group in groups.values() for cell in group)
    return {"kinds": [(k, _TITLES.get(k, k)) for k in keys], "counts": _COUNTS, "rows": rows, "policy_labels": extra}


def _amount(cell: Mapping[str, Any], key: str) -> float:
    if key == _BOUGHT:
        return float(cell["points"][-1]["labels"])
    return float((cell.get("accounts") or {}).get(key, 0))


def _count(group: Sequence[Mapping[str, Any]], key: str) -> str:
    values = [c["ledger"][key] for c in group if key in (c.get("ledger") or {})]
    return count(mean(values)) if values else NONE
