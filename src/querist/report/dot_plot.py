"""Paired differences to random, one dot a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from querist.report.style import RANDOM, Look, mean
from querist.report.svg import colour, drawing, marker, render
from querist.report.tables import p_shown
from querist.report.wording import Scale, p_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FONT = {False: 9.0, True: 11.0}


def draw_differences(summary: Mapping[str, Any], looks: Mapping[str, Look], *, narrow: bool) -> str | None:
    """Draw what every strategy gains over random within each seed.

    Args:
        summary: content of summary.json.
        looks: in rank order.
        narrow: for a phone: names above the rows, no figures beside them.

    Returns:
        Inline SVG, or None where nothing was compared with random.
    """
    tests = {t["a"]: t for t in summary["tests"] if t["b"] == RANDOM}
    rows = [name for name in looks if name in tests]
    if not rows:
        return None
    scale = Scale.of(summary)
    row = 34.0 if narrow else 21.0
    width, height = (330.0 if narrow else 690.0), row * len(rows) + 52
    left = 10.0 if narrow else min(210.0, max(len(n) for n in rows) * _FONT[narrow] * 0.64 + 12)
    right = 10.0 if narrow else 128.0
    with drawing(_FONT[narrow]):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width / 72, height / 72))
        axes = figure.add_axes((left / width, 34 / height, 1 - (left + right) / width, 1 - (34 + 16) / height))
        for y, name in enumerate(rows):
            values = differences(summary, name)
            _draw_row(axes, y, name, looks[name], values, tests[name], narrow)
        axes.set_ylim(len(rows) - (0.5 if not narrow else 0.35), -0.5 if not narrow else -0.9)
        _frame(axes, f"AUBC beyond random ({scale.unit or 'difference'})")
        if not narrow:
            _columns(axes, [tests[name] for name in rows], scale)
        return render(
            figure,
            key=f"paired-{'narrow' if narrow else 'wide'}",
            title="Paired difference to random, by seed",
            description="; ".join(f"{n} {scale.difference(tests[n]['difference'])}" for n in rows),
            names={f"row-{y}": name for y, name in enumerate(rows)},
        )


def differences(summary: Mapping[str, Any], name: str) -> list[float]:
    """AUBC of a strategy minus that of random, seed by seed; positive is better."""
    a, b = summary["strategies"][name]["aubc"], summary["strategies"][RANDOM]["aubc"]
    sign = 1.0 if summary["metric"]["larger_is_better"] else -1.0
    return [sign * (a[seed] - b[seed]) for seed in a if seed in b]


def _draw_row(
    axes: Axes, y: int, name: str, look: Look, values: list[float], test: Mapping[str, Any], narrow: bool
) -> None:
    shade = colour(look.slot if look.highlighted else "soft")
    low, high = test["interval"]
    if low is not None and high is not None:
        axes.plot([low, high], [y, y], color=shade, linewidth=7, alpha=0.22, solid_capstyle="butt", zorder=2)
    # A little height keeps equal seeds apart; it means nothing.
    spread = [0.0] if len(values) == 1 else [0.44 * i / (len(values) - 1) - 0.22 for i in range(len(values))]
    (dots,) = axes.plot(
        values,
        [y + s for s in spread],
        linestyle="none",
        marker=marker(look.marker if look.highlighted else "circle"),
        markersize=4.2,
        color=shade,
        markeredgecolor=colour("paper"),
        markeredgewidth=0.5,
        alpha=0.9,
        zorder=3,
    )
    dots.set_gid(f"row-{y}")
    axes.plot([mean(values)] * 2, [y - 0.34, y + 0.34], color=shade, linewidth=2, zorder=4)
    place: Any = {"xytext": (0, 9), "va": "bottom"} if narrow else {"xytext": (-8, 0), "va": "center", "ha": "right"}
    axes.annotate(
        name, (0, y), xycoords=("axes fraction", "data"), textcoords="offset points",
        color=shade if look.highlighted else colour("ink"), annotation_clip=False,
        fontweight="bold" if look.highlighted else "normal", **place,
    )  # fmt: skip


def _frame(axes: Axes, x_label: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.margins(x=0.06)
    axes.set_yticks([])
    axes.axvline(0, color=colour("ink"), linewidth=1.1, linestyle=(0, (3.5, 2.5)), zorder=1.5)
    axes.grid(axis="x", color=colour("line"), linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:+g}".replace("-", "−") if x else "0"))
    axes.set_xlabel(x_label, labelpad=5)
    axes.annotate(
        "random", (0, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
        ha="center", va="bottom", color=colour("soft"), annotation_clip=False,
    )  # fmt: skip


def _columns(axes: Axes, tests: list[Mapping[str, Any]], scale: Scale) -> None:
    """The mean difference and p at the right of every row."""
    cells = [
        ("mean", "p", -1.0),
        *((scale.signed(t["difference"]), p_value(p_shown(t)), y) for y, t in enumerate(tests)),
    ]
    for difference, p, y in cells:
        head = y < 0
        for text, offset in ((difference, 58), (p, 114)):
            axes.annotate(
                text, (1, 1 if head else y), xycoords=("axes fraction", "axes fraction" if head else "data"),
                xytext=(offset, 3 if head else 0), textcoords="offset points", ha="right",
                va="bottom" if head else "center", annotation_clip=False,
                color=colour("soft" if head else "ink"),
            )  # fmt: skip
