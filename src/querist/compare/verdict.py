"""The verdict: what a comparison found, in words that hold.

Three things must agree before a strategy is said to beat random: the interval of its difference in area
under the budget curve lies above zero, the paired permutation test says so, and it still does after
correction for the number of strategies looked at. Error bars alone declare nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.compare import statistics
from querist.compare.comparisons import ALPHA, RANDOM, above, beats, ceiling, control, controls, learned, rivals
from querist.compare.learning import what_was_learned
from querist.report.wording import Scale, count, listed, p_value, plural

_IN_FULL = 2  # strategies that get a sentence of their own before the others are only listed

Test = Mapping[str, Any]
Summary = Mapping[str, Any]


def decide(summary: Summary) -> dict[str, Any]:
    """Judge a summary that has everything but its verdict.

    Args:
        summary: as `summarise` builds it; `strategies`, `tests`, `metric`, `budgets` and what is missing are read.

    Returns:
        `headline`, `sentences`, `winner` (a strategy or None) and `helps`: True, False, or None where the
        cells cannot tell.
    """
    tests = [t for t in summary["tests"] if t["b"] == RANDOM and not ceiling(t["a"])]
    scale = Scale.of(summary)
    taught = what_was_learned(summary, scale)
    closing = [*_ceilings(summary), *_costs(summary), *_missing(summary), *_references(summary)]
    if not tests:
        why = "A strategy is only as good as its distance to random: run random and one more on common seeds."
        return _verdict("No verdict: nothing was compared with random.", [why, *taught, *closing], None, None)
    seeds = max(t["seeds"] for t in tests)
    if statistics.smallest_p(seeds) >= ALPHA:
        return _too_few(tests, seeds, [*taught, *closing], scale)
    better = sorted((t for t in tests if beats(t)), key=lambda t: -t["difference"])
    details = _against_random(summary, tests, better, scale)
    if not better:
        return _none_better(tests, [details[0], *taught, *details[1:], *closing], scale)
    winner, why = _winner(summary, better, scale)
    chosen = [t for t in better if not control(t["a"])]  # a control that is ahead is no success of anybody's
    best = (chosen or better)[0]
    lead = f"{scale.difference(best['difference'])} of AUBC"
    if winner:
        headline = f"{winner} wins: {lead} over random."
    elif not chosen:
        headline = f"Undecided: what beats random is a control, {best['a']} ({lead})."
    elif len(chosen) == 1:
        headline = f"{best['a']} beats random: {lead}."
    else:
        many = f"{len(chosen)} of {sum(not control(t['a']) for t in tests)} strategies beat random"
        headline = f"Active learning helps here: {many}, {best['a']} most ({lead})."
    return _verdict(headline, [details[0], *why, *taught, *details[1:], *closing], winner, True if chosen else None)


def _verdict(headline: str, sentences: Sequence[str], winner: str | None, helps: bool | None) -> dict[str, Any]:
    return {"headline": headline, "sentences": list(sentences), "winner": winner, "helps": helps}


def _too_few(tests: Sequence[Test], seeds: int, closing: list[str], scale: Scale) -> dict[str, Any]:
    smallest = p_value(statistics.smallest_p(seeds))
    best = max(tests, key=lambda t: t["difference"])
    sentences = [
        "6 seeds are the least that can show anything (p = 0.031); a learned policy needs 8 to pass its four "
        "corrected tests (p = 0.0078 each).",
    ]
    if best["difference"] > 0:
        ahead = f"So far {best['a']} is furthest ahead of random: {_gain(best, scale)}."
        sentences.insert(0, f"{ahead} That is a direction, not a finding.")
    else:
        sentences.insert(0, "So far no strategy is ahead of random. That is a direction, not a finding.")
    headline = f"Too few seeds to tell: with {plural(seeds, 'seed')} no test can fall below p = {smallest}."
    return _verdict(headline, [*sentences, *closing], None, None)


def _none_better(tests: Sequence[Test], details: list[str], scale: Scale) -> dict[str, Any]:
    hopeful = [t["a"] for t in tests if above(t)]
    if hopeful:
        verb = "looks" if len(hopeful) == 1 else "look"
        headline = f"Undecided: {listed(hopeful)} {verb} better than random, but the tests do not confirm it."
        more = "An interval above zero is not enough: the permutation test, corrected for every strategy "
        more += "looked at, must agree. More seeds would settle it."
        return _verdict(headline, [details[0], more, *details[1:]], None, None)
    headline = "Active learning does not help here: no strategy beats random."
    highs = [(t["interval"][1], t["a"]) for t in tests if t["interval"][1] is not None]
    high, name = max(highs, default=(0.0, ""))
    if high > 0:
        more = f"The largest gain that the intervals still allow is {scale.difference(high)} ({name})."
        details = [details[0], more, *details[1:]]
    return _verdict(headline, details, None, False)


def _winner(summary: Summary, better: Sequence[Test], scale: Scale) -> tuple[str | None, list[str]]:
    """The one that gains most, if nothing disqualifies it and it also beats the next best strategy."""
    strategies, leader = summary["strategies"], better[0]["a"]
    against = _disqualified(leader, summary)
    if against:
        return None, [against]
    larger = bool(summary["metric"]["larger_is_better"])
    pairs = []
    for name in (n for n in strategies if n not in (leader, RANDOM) and not ceiling(n)):
        seeds, d = statistics.paired_differences(
            strategies[leader]["aubc"], strategies[name]["aubc"], larger_is_better=larger
        )
        if seeds:
            pairs.append((float(d.mean()), name, d))
    if not pairs:
        return leader, []
    gap, second, d = min(pairs, key=lambda pair: pair[:2])
    low, p = statistics.bootstrap_interval(d)[0], statistics.permutation_p(d)
    if low is None or low <= 0 or p >= ALPHA:
        told = f"{leader} and {second} cannot be told apart ({scale.difference(gap)}, p = {p_value(p)})."
        return None, [told]
    return leader, [f"It is also ahead of the next best, {second}: {scale.difference(gap)}, p = {p_value(p)}."]


def _disqualified(leader: str, summary: Summary) -> str | None:
    """Why the strategy that gains most is no winner all the same."""
    if control(leader):
        return f"{leader} gains most of all, and it is a control: what is ahead here was not learned."
    if not learned(leader):
        return None
    if not controls(leader, summary["strategies"]):
        return f"{leader} gains most of all, but has no controls: no winner."
    beaten = [t["b"] for t in summary["tests"] if t["a"] == leader and t["confirmatory"] and beats(t)]
    others = [rival for rival in rivals(leader, summary["strategies"]) if rival not in beaten]
    return f"{leader} gains most of all, but is not shown to beat {listed(others)}: no winner." if others else None


def _against_random(summary: Summary, tests: Sequence[Test], better: Sequence[Test], scale: Scale) -> list[str]:
    found = []
    for t in better[: _IN_FULL if len(better) > _IN_FULL + 1 else None]:
        end = t["final"]
        found.append(
            f"{t['a']} beats random over the whole curve by {_gain(t, scale)}; at the end "
            f"({count(summary['budgets'][-1])} labels) the difference is {scale.difference(end['difference'])} "
            f"({_ends(end['interval'], scale)}, p = {p_value(end['p'])})."
        )
    rest = better[len(found) :]
    if rest:
        gains = [f"{t['a']} ({scale.signed(t['difference'])})" for t in rest]
        found.append(f"Better than random as well, by {scale.unit} of AUBC: {listed(gains)}.".replace("by  of", "by"))
    worse = [t for t in tests if (t["interval"][1] is not None and t["interval"][1] < 0) and t["p_family"] < ALPHA]
    found += [f"{t['a']} is worse than random: {_gain(t, scale)}." for t in worse]
    undecided = [t["a"] for t in tests if t not in better and t not in worse]
    if undecided:
        found.append(f"Not told apart from random: {listed(undecided)}.")
    if len(tests) > 1:
        seeds = sorted({t["seeds"] for t in tests})
        counted = plural(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
        found.append(
            f"{len(tests)} strategies were held against random on {counted}; a finding has to survive the "
            "correction for looking at all of them."
        )
    return found


def _costs(summary: Summary) -> list[str]:
    """Say it where strategies differ in the labels they ever needed."""
    strategies = summary["strategies"]
    base = strategies.get(RANDOM, {}).get("labels_all")
    if base is None:
        return []
    dear = {n: e["labels_all"] - base for n, e in strategies.items() if (e["labels_all"] or 0) > base}
    if not dear:
        return []
    return [
        f"Counting every label ever needed, {listed(list(dear))} cost up to {count(max(dear.values()))} more "
        "than random: somebody labelled what the policies were trained on."
    ]


def _ceilings(summary: Summary) -> list[str]:
    names = [name for name in summary["strategies"] if ceiling(name)]
    verb = "looks" if len(names) == 1 else "look"
    return [f"{listed(names)} {verb} at the answers: a ceiling, left out of the verdict."] if names else []


def _missing(summary: Summary) -> list[str]:
    missing: Mapping[str, Mapping[str, Sequence[int] | None]] = summary.get("missing") or {}
    if not missing:
        return []
    partly = any(policies for lacks in missing.values() for policies in lacks.values())
    rule = "A seed counts for a strategy only with all its policies; every" if partly else "Every"
    alike: dict[str, list[str]] = {}
    for name, lacks in missing.items():
        alike.setdefault(_cells(lacks), []).append(name)
    told = "; ".join(f"{listed(names)} ({cells})" for cells, names in alike.items())
    found = [f"Cells are missing: {told}. {rule} test uses the seeds that both sides have."]
    out = [name for name in missing if name not in summary["strategies"]]
    return [*found, f"Left out, as no seed has all their policies: {listed(out)}."] if out else found


def _references(summary: Summary) -> list[str]:
    told = {"start": "before any question", "full": "with all labels"}
    lacking: Mapping[str, Sequence[str]] = summary.get("references_missing") or {}
    return [
        f"The value {told[name]} is missing on seed{'s' if len(seeds) > 1 else ''} {_run(seeds)}: "
        "the mean of the other seeds stands in."
        for name, seeds in lacking.items()
    ]


def _cells(lacks: Mapping[str, Sequence[int] | None]) -> str:
    """`seed 3; policies 1 and 2 on seeds 4 and 5`."""
    seeds_by: dict[tuple[int, ...], list[str]] = {}
    for seed, policies in lacks.items():
        seeds_by.setdefault(tuple(policies or ()), []).append(seed)
    found = []
    for policies, seeds in sorted(seeds_by.items()):
        on = f"seed{'s' if len(seeds) > 1 else ''} {_run(seeds)}"
        noun = "policies" if len(policies) > 1 else "policy"
        found.append(f"{noun} {listed([str(p) for p in policies])} on {on}" if policies else on)
    return "; ".join(found)


def _run(seeds: Sequence[str]) -> str:
    """`3 to 7` where they follow each other, else `3, 5 and 7`."""
    numbers = [int(seed) for seed in seeds]
    follow = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return f"{seeds[0]} to {seeds[-1]}" if follow else listed(seeds)


def _ends(ends: Sequence[float | None], scale: Scale) -> str:
    return "one seed, no interval" if ends[0] is None else f"95 % interval {scale.interval(ends)}"


def _gain(test: Test, scale: Scale) -> str:
    """`+2.31 points of AUBC (95 % interval 1.20 to 3.40, p = 0.0078)`."""
    p = max(p for p in (test["p"], test["p_holm"], test["p_family"]) if p is not None)
    return f"{scale.difference(test['difference'])} of AUBC ({_ends(test['interval'], scale)}, p = {p_value(p)})"
