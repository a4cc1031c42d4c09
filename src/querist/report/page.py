"""The report: one self-contained HTML page, without scripts, fonts or pictures from elsewhere."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from querist.report.account import account_table
from querist.report.curve_plot import charts, draw
from querist.report.dot_plot import draw_differences
from querist.report.heat import bought_table, gains_table
from querist.report.pictures import strips
from querist.report.style import RANDOM, looks
from querist.report.tables import (
    difference_unit,
    fewest_seeds,
    key_figures,
    metric_title,
    shares_reached,
    strategy_rows,
    test_rows,
)
from querist.report.wording import count, listed

_TEMPLATES = Path(__file__).parent / "templates"
_STATES = {True: ("yes", "Active learning helps"), False: ("no", "Active learning does not help")}
_TABS = {"bought": "labels bought", "all": "all labels ever needed", "difference": "difference to random"}

Pictures = Mapping[str, Sequence[tuple[str, bytes]]]


def render_report(
    summary: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], pictures: Pictures | None = None
) -> str:
    """Render a comparison as one HTML page.

    Args:
        summary: content of summary.json.
        cells: the cells it was made of; the account of labels is read from them.
        pictures: per strategy (caption, JPEG or PNG bytes), step by step; None leaves the section out.

    Returns:
        The page. It refers to nothing outside itself and carries no script.

    Raises:
        QueristError: a picture is neither JPEG nor PNG.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    environment.filters["listed"] = listed
    environment.filters["tied"] = _tied
    environment.filters["breakable"] = _breakable
    return environment.get_template("report.html.j2").render(_context(summary, cells, pictures))


def _context(
    summary: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], pictures: Pictures | None
) -> dict[str, Any]:
    drawn = looks(summary)
    state, badge = _STATES.get(summary["verdict"]["helps"], ("open", "Cannot tell"))
    return {
        "summary": summary,
        "verdict": summary["verdict"],
        "state": state,
        "badge": badge,
        "figures": key_figures(summary, drawn, cells) if drawn else [],
        "looks": drawn,
        "grey": [name for name, look in drawn.items() if not look.highlighted],
        "metric": metric_title(summary),
        "unit": difference_unit(summary),
        "curves": _curves(summary, drawn) if drawn else [],
        "paired": [draw_differences(summary, drawn, narrow=narrow) for narrow in (False, True)],
        "rows": strategy_rows(summary, drawn),
        "fewer": fewest_seeds(summary) < len(summary["seeds"]),
        "learned": any(entry.get("profile") for entry in summary["strategies"].values()),
        "shares": shares_reached(summary),
        "gains": [
            {"key": key, "tab": tab, "table": table}
            for key, tab, table in (
                ("start", "over the start", gains_table(summary, drawn, beyond_random=False)),
                ("random", "beyond random", gains_table(summary, drawn, beyond_random=True)),
            )
            if table is not None
        ],
        "bought": bought_table(summary, drawn),
        "strips": strips(pictures),
        "account": account_table([c for c in cells if _counts(summary, c)], drawn),
        "tests": test_rows(summary),
        "random": RANDOM,
        "command": _command(summary),
        "settings": _settings(summary),
    }


def _command(summary: Mapping[str, Any]) -> str:
    """What plays these cells again: beside the page, if its recipe lies there."""
    recipe = "recipe.yaml" if summary.get("settings") else shlex.quote(str(summary["recipe"]))
    named = {"strategies": summary["strategies"], "seeds": summary["seeds"]}
    options = [f"--{option} {shlex.join(map(str, words))}" for option, words in named.items() if words]
    return " ".join([f"querist compare {recipe} --data DIR --out DIR", *options])


def _counts(summary: Mapping[str, Any], cell: Mapping[str, Any]) -> bool:
    """Whether a cell is in the summary's means: its seed has all policies of the strategy."""
    return str(cell["seed"]) in (summary["strategies"].get(cell["strategy"]) or {"aubc": ()})["aubc"]


def _curves(summary: Mapping[str, Any], drawn: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": chart.key,
            "tab": _TABS[chart.key],
            "title": chart.title,
            "wide": draw(chart, narrow=False),
            "narrow": draw(chart, narrow=True),
        }
        for chart in charts(summary, drawn)
    ]


def _tied(text: str) -> str:
    """Keep `p = 0.03` and `95 %` on one line."""
    return re.sub(r"(?<=\d) (?=%)", "\u00a0", text.replace("p = ", "p\u00a0=\u00a0"))


def _breakable(name: str) -> str:
    """Let a long name break after / and _ where a column is narrow."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([/_])", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped right here


def _settings(summary: Mapping[str, Any]) -> str | None:
    settings = summary.get("settings")
    return json.dumps(settings, indent=2, ensure_ascii=False, default=str) if settings else None
