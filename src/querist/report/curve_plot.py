"""Budget curves: the metric over labels, with intervals and the two references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from querist.report.style import RANDOM, Look, mean
from querist.report.svg import colour, drawing, marker, render
from querist.report.wording import Scale, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE, _NARROW = (690.0, 340.0), (330.0, 290.0)  # points; the page scales them to its width
_FONT = {False: 9.0, True: 11.0}


@dataclass(frozen=True, slots=True)
class Line:
    """One strategy in one chart: labels, means and interval ends (None where there is no interval)."""

    name: str
    look: Look
    x: list[float]
    y: list[float]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw, before any size is chosen."""

    key: str
    title: str
    description: str
    x_label: str
    y_label: str
    lines: list[Line]
    references: list[tuple[str, float]]
    ticks: list[float] | None = None


def charts(summary: Mapping[str, Any], looks: Mapping[str, Look]) -> list[Chart]:
    """The three views of the curves: over labels bought, over all labels, as a difference to random."""
    metric = summary["metric"]
    name, unit = metric["name"], metric.get("unit") or ""
    y_label = f"{name} ({unit})" if unit else name
    scale = Scale.of(summary)
    budgets = [float(b) for b in summary["budgets"]]
    references = [
        (text, value)
        for text, value in (
            (f"full supervision {scale.number(summary['full_supervision'])}", summary["full_supervision"]),
            (f"before any question {scale.number(summary['start'])}", summary["start"]),
        )
        if value is not None
    ]
    bought = [_line(summary, n, look, 0.0) for n, look in looks.items()]
    shifted = [_line(summary, n, look, _other_labels(summary, n)) for n, look in looks.items()]
    found = [
        Chart(
            "bought", f"{name} over labels bought", _description(bought, name, scale),
            "labels bought by the loop", y_label, bought, references, [0.0, *budgets],
        ),
        Chart(
            "all", f"{name} over all labels ever needed", _description(shifted, name, scale),
            "all labels ever needed (with starting, reward and state sets and policy training)",
            y_label, shifted, references,
        ),
    ]  # fmt: skip
    differences = [_difference(summary, n, look) for n, look in looks.items() if n != RANDOM]
    differences = [line for line in differences if line.x]
    if differences:
        y_label = f"{name} beyond random ({scale.unit or 'difference'})"
        described = _description(differences, f"{name} beyond random", scale)
        found.append(
            Chart(
                "difference", f"{name} beyond random", described,
                "labels bought by the loop", y_label, differences, [(RANDOM, 0.0)], budgets,
            )
        )  # fmt: skip
    return found


def draw(chart: Chart, *, narrow: bool) -> str:
    """Draw a chart as inline SVG, for a wide page or for a phone."""
    width, height = _NARROW if narrow else _WIDE
    font = _FONT[narrow]
    crowd = [line for line in chart.lines if line.look.highlighted]
    named = [] if narrow else crowd
    margin = min(0.3, (max((len(line.name) for line in named), default=0) * font * 0.62 + 16) / width)
    with drawing(font):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width / 72, height / 72))
        axes = figure.add_axes((42 / width, 40 / height, 1 - 42 / width - max(margin, 0.03), 1 - 52 / height))
        for index, line in enumerate(chart.lines):
            _draw_line(axes, line, f"series-{index}", narrow, shade=0.12 if len(crowd) < 4 else 0.07)
        _frame(axes, chart, narrow, font)
        box = axes.get_position()
        _name_ends(axes, named, (0.6 * font / (box.width * width), font / (box.height * height)))
        key = f"{chart.key}-{'narrow' if narrow else 'wide'}"
        names = {f"series-{i}": line.name for i, line in enumerate(chart.lines)}
        return render(figure, key=key, title=chart.title, description=chart.description, names=names)


def _line(summary: Mapping[str, Any], name: str, look: Look, shift: float) -> Line:
    entry = summary["strategies"][name]
    intervals = entry.get("curve_interval") or {}
    budgets = [str(b) for b in summary["budgets"]]
    ends = [intervals.get(b) or [None, None] for b in budgets]
    x = [float(b) + shift for b in budgets]
    y = [mean(entry["curve"][b].values()) for b in budgets]
    low, high = [e[0] for e in ends], [e[1] for e in ends]
    if summary["start"] is not None:
        x, y = [shift, *x], [summary["start"], *y]
        low, high = [summary["start"], *low], [summary["start"], *high]
    return Line(name, look, x, y, low, high)


def _difference(summary: Mapping[str, Any], name: str, look: Look) -> Line:
    found = summary["strategies"][name].get("to_random") or {}
    kept = [(float(b), *found[str(b)]) for b in summary["budgets"] if str(b) in found]
    x, y, low, high = ([row[i] for row in kept] for i in range(4))
    return Line(name, look, x, y, low, high)


def _other_labels(summary: Mapping[str, Any], name: str) -> float:
    return float(summary["strategies"][name]["labels_all"] or 0) - float(summary["budgets"][-1])


def _description(lines: Sequence[Line], what: str, scale: Scale) -> str:
    ends = (f"{line.name} {scale.number(line.y[-1])}" for line in lines)
    return f"{what} at the last budget: {', '.join(ends)}."


def _draw_line(axes: Axes, line: Line, gid: str, narrow: bool, shade: float) -> None:
    look = line.look
    tone = colour(look.slot)
    ends = [(x, a, b) for x, a, b in zip(line.x, line.low, line.high, strict=True) if None not in (a, b)]
    if look.highlighted and len(ends) > 1:
        band = [[float(v or 0.0) for v in column] for column in zip(*ends, strict=True)]
        axes.fill_between(band[0], band[1], band[2], color=tone, alpha=shade, linewidth=0, zorder=2)
    style: Any = (0, tuple(float(v) for v in look.dash.split())) if look.dash else "solid"
    (drawn,) = axes.plot(
        line.x,
        line.y,
        color=tone,
        linestyle=style,
        linewidth=(1.9 if look.highlighted else 1.0),
        marker=marker(look.marker),
        markersize=(4.6 if narrow else 5.4) if look.highlighted else 2.2,
        markerfacecolor=colour("paper") if look.marker == "ring" else tone,
        markeredgecolor=tone if look.marker == "ring" else colour("paper"),
        markeredgewidth=1.4 if look.marker == "ring" else 0.7,
        zorder=4 if look.highlighted else 1,
        clip_on=False,
    )
    drawn.set_gid(gid)


def _frame(axes: Axes, chart: Chart, narrow: bool, font: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.margins(x=0.02, y=0.08)
    axes.grid(axis="y", color=colour("line"), linewidth=0.7)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(6 if narrow else 7, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel(chart.x_label if not narrow else chart.x_label.split(" (")[0], labelpad=5)
    axes.set_title(chart.y_label, loc="left", color=colour("soft"), fontsize=font, pad=8)
    ticks = _thinned(chart.ticks, 0.1 if narrow else 0.05) if chart.ticks else None
    if ticks:
        axes.set_xticks(ticks)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4 if narrow else 7, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x)))
    low, high = axes.get_xlim()
    lowest = min((value for _, value in chart.references), default=0.0)
    for text, value in chart.references:
        axes.axhline(value, color=colour("soft"), linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
        # The curves rise from the left: the lower line has room at its right, the upper one at its left.
        at_right = value <= lowest
        axes.text(
            high if at_right else low, value, text, color=colour("soft"), fontsize=font * 0.95, zorder=5,
            va="top" if at_right else "bottom", ha="right" if at_right else "left",
        )  # fmt: skip


def _thinned(ticks: Sequence[float], share: float) -> list[float]:
    """Leave out ticks that would touch their neighbour; the first and the last stay."""
    first, last = ticks[0], ticks[-1]
    least = share * (last - first)
    kept = [last]
    for tick in reversed(ticks[1:-1]):
        if min(kept[-1] - tick, tick - first) >= least:
            kept.append(tick)
    return [first, *kept[::-1]] if last > first else [first]


def _name_ends(axes: Axes, lines: Sequence[Line], letter: tuple[float, float]) -> None:
    """Write the names at the right ends of the lines, moved apart where they would overlap.

    Lines that end early are named there if the names do not reach into lines that begin further right.

    Args:
        axes: with its limits set.
        lines: what to name.
        letter: width and height of a letter as shares of the axes.
    """
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    step = (high - low) * 1.25 * letter[1]
    for end in {line.x[-1] for line in lines}:
        group = sorted((line for line in lines if line.x[-1] == end), key=lambda line: line.y[-1])
        last = end == max(line.x[-1] for line in lines)
        edge = right if last else end + (right - left) * 0.02
        reach = edge + (right - left) * letter[0] * (max(len(line.name) for line in group) + 3)
        if not last and any(line.x[0] < reach for line in lines if line.x[-1] > end):
            continue
        for line, y in zip(group, _apart([g.y[-1] for g in group], step, low, high), strict=True):
            _name_end(axes, line, edge, y)


def _name_end(axes: Axes, line: Line, edge: float, y: float) -> None:
    tone = colour(line.look.slot)
    axes.annotate(
        line.name, (edge, y), xytext=(12, 0), textcoords="offset points", va="center", color=tone,
        annotation_clip=False, fontweight="bold",
    )  # fmt: skip
    axes.annotate(
        "", (line.x[-1], line.y[-1]), xytext=(edge, y), textcoords="data", annotation_clip=False,
        arrowprops={"arrowstyle": "-", "color": tone, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 5,
                    "relpos": (0, 0.5)},
    )  # fmt: skip


def _apart(values: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Move ascending values to at least `step` apart, as little as possible, inside [low, high]."""
    placed: list[list[float]] = []  # clusters: [centre, number]
    for value in values:
        placed.append([value, 1.0])
        while len(placed) > 1 and placed[-1][0] - placed[-2][0] < step * (placed[-1][1] + placed[-2][1]) / 2:
            centre, size = placed.pop()
            before = placed[-1]
            before[0] = (before[0] * before[1] + centre * size) / (before[1] + size)
            before[1] += size
    found = [centre + step * (i - (size - 1) / 2) for centre, size in placed for i in range(int(size))]
    if found and found[-1] > high:
        found = [min(y, high - step * (len(found) - 1 - i)) for i, y in enumerate(found)]
    return [max(y, low + step * i) for i, y in enumerate(found)]
