"""One look per strategy, the same in every figure and table: colour, marker and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

RANDOM = "random"
MOST = 6  # more lines than this nobody can follow; the others turn grey

# Slots are CSS variables, so that one drawing serves light and dark. Colours (templates/style.css) keep a
# distance of 23 or more (CIE76) for the three kinds of colour blindness and a contrast above 3:1.
COLOURED = ("c0", "c1", "c2", "c3", "c4")
_MARKERS = ("circle", "square", "triangle", "diamond", "cross")
_DASHES = ("", "7 2", "5 2 1.4 2", "2 1.6", "9 2 2 2")


@dataclass(frozen=True, slots=True)
class Look:
    """How a strategy is drawn.

    Args:
        slot: CSS variable of its colour, `c0` to `c4`, `ink` for random, `grey` for those not highlighted.
        marker: `circle`, `square`, `triangle`, `diamond`, `cross`, `ring` or `dot`.
        dash: SVG dash pattern in line widths; empty for a solid line.
        highlighted: whether it is drawn in colour and named.
    """

    slot: str
    marker: str
    dash: str
    highlighted: bool


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean; the report needs no more than that, and no numpy for it."""
    kept = list(values)
    return sum(kept) / len(kept)


def ranked(summary: Mapping[str, Any]) -> list[str]:
    """Strategies by area under the budget curve, best first.

    Seeds differ by more than strategies do, so one that has few of them stands where its difference to random,
    on the seeds that both have, puts it. Without a difference to random its plain mean has to do.
    """
    sign = 1.0 if summary["metric"]["larger_is_better"] else -1.0
    strategies = summary["strategies"]
    ahead = {t["a"]: t["difference"] for t in summary["tests"] if t["b"] == RANDOM}
    base = sign * mean(strategies[RANDOM]["aubc"].values()) if RANDOM in strategies else 0.0

    def key(name: str) -> tuple[float, str]:
        value = base + ahead[name] if name in ahead else sign * mean(strategies[name]["aubc"].values())
        return -value, name

    return sorted(strategies, key=key)


def looks(summary: Mapping[str, Any]) -> dict[str, Look]:
    """Choose up to six strategies to highlight and give each its look.

    Random always, then learned policies in their `sound` form, then the best of the others.

    Args:
        summary: content of summary.json.

    Returns:
        Looks in rank order.
    """
    order = ranked(summary)
    candidates = [n for n in order if n != RANDOM]
    first = [n for n in candidates if n.endswith("/sound")]
    chosen = (first + [n for n in candidates if n not in first])[: MOST - (RANDOM in order)]
    chosen = [n for n in order if n in chosen][: len(COLOURED)]
    found = {}
    for name in order:
        if name == RANDOM:
            found[name] = Look("ink", "ring", "3.5 2.5", True)
        elif name in chosen:
            i = chosen.index(name)
            found[name] = Look(COLOURED[i], _MARKERS[i], _DASHES[i], True)
        else:
            found[name] = Look("grey", "dot", "", False)
    return found
