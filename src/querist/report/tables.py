"""The tables of the report, as formatted text in rows."""

from __future__ import annotations

import statistics as stats
from collections.abc import Mapping, Sequence
from typing import Any

from querist.report.style import RANDOM, Look, mean
from querist.report.wording import NONE, Scale, count, interval, number, p_value, plural

Row = dict[str, Any]


def strategy_rows(summary: Mapping[str, Any], looks: Mapping[str, Look]) -> list[Row]:
    """One row per strategy in rank order, everything formatted."""
    last = str(summary["budgets"][-1]) if summary["budgets"] else ""
    tests = {t["a"]: t for t in summary["tests"] if t["b"] == RANDOM}
    winner = summary["verdict"]["winner"]
    scale = Scale.of(summary)
    rows = []
    for name, look in looks.items():
        entry, test = summary["strategies"][name], tests.get(name)
        areas = list(entry["aubc"].values())
        closed = (entry.get("gap_closed") or {}).get(last)
        rows.append(
            {
                "name": name,
                "look": look,
                "winner": name == winner,
                "aubc": scale.number(mean(areas)),
                "sd": f"± {scale.number(stats.stdev(areas))}" if len(areas) > 1 else "",
                "difference": scale.signed(test["difference"]) if test else NONE,
                "interval": scale.interval(test["interval"]) if test else "",
                "p": p_value(p_shown(test)) if test else NONE,
                "final": scale.number(mean(entry["curve"][last].values())),
                "gap": NONE if closed is None else f"{number(100 * closed, 0)} %",
                "labels_to": [_reached(summary, name, share) for share in shares_reached(summary)[0]],
                "seconds": _seconds(entry.get("seconds_select")),
                "memory": count(entry.get("peak_mb")),
                "all": count(entry.get("labels_all")),
                "note": _note(entry, scale, len(summary["seeds"])),
            }
        )
    return rows


def _note(entry: Mapping[str, Any], scale: Scale, seeds: int) -> str:
    """`3 of 8 seeds; 3 policies, sd between them 0.41`: what is behind a row, where it is not all seeds of a rule."""
    notes = [f"{len(entry['aubc'])} of {plural(seeds, 'seed')}"] if len(entry["aubc"]) < seeds else []
    if entry.get("profile") is not None:
        counted, spread = plural(entry.get("policies") or 1, "policy"), entry.get("policy_spread")
        notes.append(counted if spread is None else f"{counted}, sd between them {scale.number(spread)}")
    return "; ".join(notes)


def test_rows(summary: Mapping[str, Any]) -> list[Row]:
    """One row per test, the confirmatory ones first."""
    scale = Scale.of(summary)
    return [
        {
            "a": t["a"],
            "b": t["b"],
            "confirmatory": t["confirmatory"],
            "difference": scale.signed(t["difference"]),
            "interval": scale.interval(t["interval"]),
            "p": p_value(t["p"]),
            "corrected": p_value(t["p_holm"] if t["confirmatory"] else t.get("p_family")),
            "effect": number(t.get("effect")),
            "effect_interval": interval(t.get("effect_interval") or (None, None), 1),
            "final": scale.signed((t.get("final") or {}).get("difference")),
            "seeds": t["seeds"],
        }
        for t in sorted(summary["tests"], key=lambda t: (not t["confirmatory"], t["confirmatory"] or -t["difference"]))
    ]


def key_figures(
    summary: Mapping[str, Any], looks: Mapping[str, Look], cells: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The few numbers at the top: where it starts, where it could go, how far it got, on what evidence."""
    metric, scale = summary["metric"], Scale.of(summary)
    unit = f" {metric.get('unit') or ''}".rstrip()
    start, full = summary["start"], summary["full_supervision"]
    figures = [
        {
            "value": f"{scale.number(start)} → {scale.number(full)}{unit}",
            "label": f"{metric['name']} before any question, and with every label of the pool",
        }
    ]
    figures += [_reach(summary, name, unit) for name in _shown(looks)]
    seconds = sum(cell.get("seconds") or 0 for cell in cells)
    evidence = [f"{plural(len(looks), 'strategy')} {_seeds(summary)}, paired by seed"]
    evidence += [f"{_duration(seconds)} of computing"] if seconds else []
    figures.append(
        {"value": plural(sum(e["cells"] for e in summary["strategies"].values()), "cell"), "label": "; ".join(evidence)}
    )
    return figures


def fewest_seeds(summary: Mapping[str, Any]) -> int:
    """How many seeds the strategy has that has fewest."""
    return min((len(entry["aubc"]) for entry in summary["strategies"].values()), default=0)


def _seeds(summary: Mapping[str, Any]) -> str:
    """`× 8 seeds`, or `on 3 to 8 seeds`."""
    fewest, most = fewest_seeds(summary), len(summary["seeds"])
    return f"{'×' if fewest == most else f'on {fewest} to'} {plural(most, 'seed')}"


def _shown(looks: Mapping[str, Look]) -> list[str]:
    """The best strategy and random, once if they are one."""
    return [name for name in dict.fromkeys([*list(looks)[:1], RANDOM]) if name in looks]


def _reach(summary: Mapping[str, Any], name: str, unit: str) -> dict[str, str]:
    last = str(summary["budgets"][-1])
    entry = summary["strategies"][name]
    closed = (entry.get("gap_closed") or {}).get(last)
    label = f"{name} after {count(summary['budgets'][-1])} labels"
    if closed is not None:
        label += f": {number(100 * closed, 0)} % of the way"
    return {"value": f"{Scale.of(summary).number(mean(entry['curve'][last].values()))}{unit}", "label": label}


def p_shown(test: Mapping[str, Any]) -> float | None:
    """The p value to show beside a difference to random: after every correction that applies."""
    corrected = [p for p in (test["p"], test["p_holm"], test.get("p_family")) if p is not None]
    return max(corrected) if corrected else None


def shares_reached(summary: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The shares of full supervision that some strategy reaches, and those that none does; none if it is not known."""
    if summary["full_supervision"] is None:
        return [], []
    shares = list(dict.fromkeys(share for found in summary["labels_to"].values() for share in found))
    reached = [s for s in shares if any((f or {}).get(s) for f in summary["labels_to"].values())]
    return reached, [s for s in shares if s not in reached]


def _reached(summary: Mapping[str, Any], name: str, share: str) -> dict[str, str]:
    found = (summary["labels_to"].get(name) or {}).get(share)
    if found is None:
        return {"labels": NONE, "interval": ""}
    ends = "" if found[1] is None and found[2] is None else interval(found[1:], 0)
    return {"labels": count(found[0]), "interval": ends}


def _seconds(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _duration(seconds: float) -> str:
    for size, name in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:,.1f} {name}"
    return f"{seconds:.0f} s"


def metric_title(summary: Mapping[str, Any]) -> str:
    """`mIoU (%)`."""
    metric = summary["metric"]
    return f"{metric['name']} ({metric['unit']})" if metric.get("unit") else str(metric["name"])


def difference_unit(summary: Mapping[str, Any]) -> str:
    """`points`."""
    return Scale.of(summary).unit or "in units of the metric"
