"""Which strategies are tested against which: the confirmatory families, and the rest as a description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from querist.compare import statistics
from querist.recipes.strategy_names import parse

RANDOM, STRENGTHENED = "random", "strengthened_random"
CEILINGS = ("true_gain",)  # they look at answers that nobody has: how far one could get, and no strategies
CONTROLS = ("untrained", "shuffled")  # what a learned policy must beat to have learned anything
ALPHA = 0.05
FAMILY = 2 + len(CONTROLS)  # tests of a learned strategy, fixed beforehand: random, strengthened random, its controls


def all_tests(
    strategies: Mapping[str, Mapping[str, Any]], budgets: Sequence[int], larger: bool
) -> list[dict[str, Any]]:
    """Test the confirmatory families first, then every other strategy against random.

    Args:
        strategies: the strategies of a summary, each with `curve` and `aubc` by seed.
        budgets: the last one is where the difference "at the end" is taken.
        larger: the direction of the metric.

    Returns:
        One dictionary per pair with common seeds. Holm's correction is within the family of a learned strategy;
        `p_family` corrects the tests against random for looking at all of them.
    """
    tests: list[dict[str, Any]] = []
    families = [name for name in strategies if controls(name, strategies)]
    for name in families:
        family = [_test(strategies, name, r, budgets, larger) for r in rivals(name, strategies) if r in strategies]
        family = [test for test in family if test is not None]
        adjusted = statistics.holm([test["p"] for test in family], planned=FAMILY)
        tests += [{**t, "p_holm": p, "confirmatory": True} for t, p in zip(family, adjusted, strict=True)]
    for name in strategies:
        if name != RANDOM and name not in families and RANDOM in strategies:
            test = _test(strategies, name, RANDOM, budgets, larger)
            tests += [test] if test is not None else []
    _correct_for_looking_at_all([t for t in tests if t["b"] == RANDOM and not ceiling(t["a"])], strategies, larger)
    return tests


def beats(test: Mapping[str, Any]) -> bool:
    """Whether `a` beats `b` by interval, by test and by every correction that applies."""
    corrected = [p for p in (test["p"], test["p_holm"], test["p_family"]) if p is not None]
    return above(test) and max(corrected) < ALPHA


def above(test: Mapping[str, Any]) -> bool:
    """Whether the interval of a difference lies above zero."""
    low = test["interval"][0]
    return low is not None and low > 0


def learned(strategy: str) -> bool:
    """Whether a strategy is played by a policy that was trained to be good; a control was not."""
    what = parse(strategy)
    return what is not None and what.control is None


def control(strategy: str) -> bool:
    """Whether a strategy is a control of a learned one."""
    what = parse(strategy)
    return what is not None and what.control is not None


def controls(strategy: str, among: Iterable[str]) -> list[str]:
    """The names of a learned strategy's controls, whether they were played or not.

    Args:
        strategy: such as `ralis/sound+games=still`, whose controls have the same settings, in any order.
        among: the strategies of the comparison.

    Returns:
        One name for each of `CONTROLS`. None for what is not learned, nor for the profile `faithful`: controls are
        of `sound`.
    """
    what = parse(strategy)
    if what is None or what.control is not None or what.profile != "sound":
        return []
    played = {name: parsed for name in among if (parsed := parse(name)) and parsed.agent == what.agent}
    suffix = f"+{what.variant}" if what.variant else ""
    found = []
    for kind in CONTROLS:
        same = (n for n, other in played.items() if other.control == kind and other.changes == what.changes)
        found.append(next(same, f"{what.agent}/{kind}{suffix}"))
    return found


def rivals(strategy: str, among: Iterable[str]) -> list[str]:
    """What a learned strategy must beat to be called a winner: random, strengthened random, its controls."""
    return [RANDOM, STRENGTHENED, *controls(strategy, among)]


def ceiling(strategy: str) -> bool:
    """Whether a strategy looks at answers that nobody has."""
    return strategy.partition("/")[0] in CEILINGS


def _test(
    strategies: Mapping[str, Mapping[str, Any]], a: str, b: str, budgets: Sequence[int], larger: bool
) -> dict[str, Any] | None:
    x, y, last = strategies[a], strategies[b], str(budgets[-1])
    seeds, d = statistics.paired_differences(x["aubc"], y["aubc"], larger_is_better=larger)
    if not seeds:
        return None
    _, end = statistics.paired_differences(x["curve"][last], y["curve"][last], larger_is_better=larger)
    return {
        "a": a,
        "b": b,
        "difference": float(d.mean()),
        "interval": list(statistics.bootstrap_interval(d)),
        "p": statistics.permutation_p(d),
        "p_holm": None,
        "p_family": None,
        "effect": statistics.effect_size(d),
        "effect_interval": list(statistics.effect_interval(d)),
        "seeds": len(seeds),
        "confirmatory": False,
        "final": {
            "difference": float(end.mean()),
            "interval": list(statistics.bootstrap_interval(end)),
            "p": statistics.permutation_p(end),
        },
    }


def _correct_for_looking_at_all(
    tests: list[dict[str, Any]], strategies: Mapping[str, Mapping[str, Any]], larger: bool
) -> None:
    """Fill `p_family`: p against random, corrected for the number of strategies looked at."""
    if not tests:
        return
    seeds = sorted(strategies[RANDOM]["aubc"])
    table = np.full((len(seeds), len(tests)), np.nan)
    for column, test in enumerate(tests):
        common, d = statistics.paired_differences(
            strategies[test["a"]]["aubc"], strategies[RANDOM]["aubc"], larger_is_better=larger
        )
        table[[seeds.index(seed) for seed in common], column] = d
    for test, p in zip(tests, statistics.familywise_p(table), strict=True):
        test["p_family"] = float(p)
