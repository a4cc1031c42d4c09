"""Times our form and the reference in turn, and the memory that ours needs."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_HIGH_WATER = "5"


@dataclass(frozen=True)
class Case:
    """One comparison on data that is already in memory.

    Args:
        ours: our form.
        reference: what it is measured against.
        units: how many units of work (such as picks) one call of either does; times are given per unit. Less than one
            where only a part of the unit is done: seconds are scaled up.
        overhead: the part of ``ours`` that does not grow with the units; timed beside it and subtracted.
        agree: says whether the two results are equal; checked before anything is timed.
        reference_units: how many the reference does, where all would take too long; None: as many as ours.
        errors: how far off ours is where it is approximate, asked for after ``agree``; goes into the row.
    """

    ours: Callable[[], Any]
    reference: Callable[[], Any]
    units: float = 1
    overhead: Callable[[], Any] | None = None
    agree: Callable[[Any, Any], bool] | None = None
    reference_units: float | None = None
    errors: Callable[[], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Timing:
    """Medians over the repeats, in seconds per unit; ``ratio`` is the median of the ratios of neighbours."""

    ours_s: float
    reference_s: float
    ratio: float


def compare(case: Case, repeats: int) -> Timing:
    """Runs ours and the reference in turn, A B A B ..., so that a busy spell of the machine hits both.

    Raises:
        ValueError: the two do not agree.
    """
    first, second = case.ours(), case.reference()
    if case.agree is not None and not case.agree(first, second):
        raise ValueError("our form and the reference do not agree")
    del first, second
    ours, references = [], []
    for _ in range(repeats):
        whole = _seconds(case.ours)
        fixed = _seconds(case.overhead) if case.overhead is not None else 0.0
        ours.append((whole - fixed) / case.units)
        references.append(_seconds(case.reference) / (case.reference_units or case.units))
    ratios = [a / b for a, b in zip(ours, references, strict=True)]
    return Timing(statistics.median(ours), statistics.median(references), statistics.median(ratios))


def extra_memory_mb(function: Callable[[], Any]) -> float:
    """How far the resident memory of this process rises above its level now while the function runs, in MiB.

    On Linux the high-water mark is reset first. Elsewhere the mark includes the preparation of the data, and the
    result is a lower bound.
    """
    if _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text(_RESET_HIGH_WATER)
    before = _resident_kib("VmRSS")
    function()
    return max(0, _resident_kib("VmHWM") - before) / 1024


def _resident_kib(field: str) -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:"))


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
