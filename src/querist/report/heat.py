"""Heat maps as tables: they scroll on a phone, can be read aloud, and the colour only repeats the number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from querist.report.style import RANDOM
from querist.report.wording import NONE, Scale, number, signed

_STRONGEST = 0.62  # opacity of the strongest cell; ink stays readable on it

HeatCell = dict[str, Any]  # text, side ("up", "down" or ""), strength
Heat = dict[str, Any]


def gains_table(summary: Mapping[str, Any], order: Iterable[str], *, beyond_random: bool) -> Heat | None:
    """Gain of every class at the last budget, over the start or beyond what random gains.

    Returns:
        None where nothing is known.
    """
    last = str(summary["budgets"][-1]) if summary["budgets"] else ""
    rows = {n: (summary["strategies"][n].get("part_gains") or {}).get(last) or {} for n in order}
    if beyond_random:
        base = rows.pop(RANDOM, {})
        rows = {n: {p: _minus(row.get(p), base.get(p)) for p in row} for n, row in rows.items()}
    known = [abs(v) for row in rows.values() for v in row.values() if v is not None]
    if not known:
        return None
    scale, digits = max(known) or 1.0, Scale.of(summary).digits - 1
    parts = list(summary["parts"])
    return {
        "parts": parts,
        "rows": [(n, [_cell(row.get(p), scale, signed(row.get(p), digits)) for p in parts]) for n, row in rows.items()],
    }


def bought_table(summary: Mapping[str, Any], order: Iterable[str]) -> Heat | None:
    """What each strategy bought by class, as a multiple of random's share.

    Returns:
        Rows of multiples (`×1.8`) on a logarithmic colour scale, and the shares of random (or, without
        random, of every strategy) in percent. None where no answer was counted by class.
    """
    last = str(summary["budgets"][-1]) if summary["budgets"] else ""
    shares = {n: _shares((summary["strategies"][n].get("bought") or {}).get(last)) for n in order}
    shares = {n: share for n, share in shares.items() if share}
    if not shares:
        return None
    parts, base = list(summary["parts"]), shares.get(RANDOM)
    rows = []
    for name, share in shares.items():
        if base is None or name == RANDOM:
            rows.append((name, [_cell(None, 1.0, _percent(share.get(p))) for p in parts]))
        else:
            rows.append((name, [_multiple(share.get(p, 0.0), base.get(p, 0.0)) for p in parts]))
    if base is not None:
        rows.sort(key=lambda row: row[0] != RANDOM)
    return {"parts": parts, "rows": rows, "relative": base is not None}


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _shares(amounts: Mapping[str, float] | None) -> dict[str, float]:
    total = sum((amounts or {}).values())
    return {part: amount / total for part, amount in (amounts or {}).items()} if total else {}


def _multiple(share: float, base: float) -> HeatCell:
    if base == 0:
        return _cell(None, 1.0, NONE if share == 0 else "new")
    ratio = share / base
    # Full strength at four times more or less.
    return _cell(math.log2(max(ratio, 2.0**-4)), 2.0, f"×{ratio:.2f}" if ratio < 9.995 else f"×{ratio:.0f}")


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{number(100 * share, 1)} %"


def _cell(value: float | None, scale: float, text: str) -> HeatCell:
    if value is None or value == 0:
        return {"text": text, "side": "", "strength": 0}
    strength = _STRONGEST * min(1.0, abs(value) / scale)
    return {"text": text, "side": "up" if value > 0 else "down", "strength": round(strength, 3)}
