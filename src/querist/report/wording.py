"""Numbers and lists as a reader expects them; shared by the verdict and the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "–"  # what a table shows where there is no value


@dataclass(frozen=True, slots=True)
class Scale:
    """How values of a metric are written.

    Args:
        unit: unit of a *difference*; percent values differ by points.
        digits: decimals, enough for two significant ones in a hundredth of the metric's usual size.
    """

    unit: str
    digits: int

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Scale:
        """The scale that suits the values of a summary."""
        values = [summary.get("start"), summary.get("full_supervision")]
        values += [v for entry in summary["strategies"].values() for v in entry["aubc"].values()]
        size = max((abs(v) for v in values if v is not None), default=1.0)
        digits = 2 if size >= 1 or size == 0 else 3 + math.ceil(-math.log10(size))
        unit = str(summary["metric"].get("unit") or "")
        return cls("points" if unit == "%" else unit, digits)

    def number(self, value: float | None) -> str:
        """`55.50`."""
        return number(value, self.digits)

    def signed(self, value: float | None) -> str:
        """`+2.31`."""
        return signed(value, self.digits)

    def difference(self, value: float) -> str:
        """`+2.31 points`."""
        return f"{self.signed(value)} {self.unit}".rstrip()

    def interval(self, ends: Sequence[float | None]) -> str:
        """`1.20 to 3.40`."""
        return interval(ends, self.digits)


def number(value: float | None, digits: int = 2) -> str:
    """Fixed digits with a true minus sign, and none for a zero."""
    if value is None:
        return NONE
    shown = f"{abs(value):,.{digits}f}"
    return f"−{shown}" if value < 0 and float(shown.replace(",", "")) else shown


def signed(value: float | None, digits: int = 2) -> str:
    """`+2.31`, `−0.40`; `0.00` without a sign."""
    shown = number(value, digits)
    positive = value is not None and value > 0 and float(shown.replace(",", ""))
    return f"+{shown}" if positive else shown


def p_value(p: float | None) -> str:
    """Two significant digits, which keeps 0.0078 and 0.25 apart from 0 and from each other."""
    if p is None:
        return NONE
    return f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def interval(ends: Sequence[float | None], digits: int = 2) -> str:
    """`1.20 to 3.40`; an open end shows as an ellipsis; a dash where both are unknown."""
    low, high = ends
    if low is None and high is None:
        return NONE
    return " to ".join("…" if end is None else number(end, digits) for end in (low, high))


def count(value: float | None) -> str:
    """`6,168`: a number of labels, without decimals."""
    return NONE if value is None else f"{value:,.0f}"


def plural(n: int, noun: str) -> str:
    """`1 seed`, `8 seeds`, `3 policies`."""
    if n == 1:
        return f"1 {noun}"
    return f"{n:,} {noun[:-1] + 'ies' if noun.endswith('y') else noun + 's'}"


def listed(names: Sequence[str], word: str = "and") -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
