"""What a comparison says of learned policies: whether they learned anything, and how far trainings differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.compare import statistics
from querist.compare.comparisons import ALPHA, FAMILY, beats, controls, learned, rivals
from querist.report.wording import Scale, listed, p_value, plural

Summary = Mapping[str, Any]


def what_was_learned(summary: Summary, scale: Scale) -> list[str]:
    """What a summary says of all learned strategies, sentence by sentence.

    Args:
        summary: as `summarise` builds it; `strategies` and `tests` are read.
        scale: how values of the metric are written.

    Returns:
        For each of them what it was not compared with, whether it learned anything, and how far its trainings
        and those of its controls differ.
    """
    strategies = summary["strategies"]
    names, found = [name for name in strategies if learned(name)], []
    for name in (n for n in names if controls(n, strategies)):
        found += _family(name, summary, scale) + _between_trainings(name, summary, scale)
    uncontrolled = [name for name in names if not controls(name, strategies)]
    found += [_uncontrolled(uncontrolled)] if uncontrolled else []
    found += [told for name in names for told in _spread(name, strategies[name], scale)]
    once = [name for name in names if strategies[name].get("policies") == 1]
    if once:
        who = f"{listed(once)} {_stand(once)} for a single trained policy"
        found.append(f"{who}{'' if len(once) == 1 else ' each'}: how much luck is in a training is unknown.")
    return found + _single(list(dict.fromkeys(c for n in names for c in controls(n, strategies))), strategies)


def whether_it_learned(name: str, summary: Summary) -> str:
    """What a summary says of a learned strategy beside its controls, and how much luck of training may be in it."""
    scale, strategies = Scale.of(summary), summary["strategies"]
    luck = _between_trainings(name, summary, scale) + _single(controls(name, strategies), strategies)
    return " ".join([_family(name, summary, scale)[0], *luck])


def _family(name: str, summary: Summary, scale: Scale) -> list[str]:
    """What the confirmatory tests of a learned strategy say of it, and which of them are not there."""
    wanted = controls(name, summary["strategies"])
    if not wanted:
        return [_uncontrolled([name])]
    family = {t["b"]: t for t in summary["tests"] if t["a"] == name and t["confirmatory"]}
    absent = [rival for rival in rivals(name, summary["strategies"]) if rival not in family]
    lacks = f"{name} was not compared with {listed(absent)}" if absent else ""
    if set(absent) & set(wanted):
        return [f"{lacks}: whether it learned is unknown."]
    tests = [family[rival] for rival in wanted]
    figures = "; ".join(f"{t['b']}: {scale.difference(t['difference'])}, p = {p_value(t['p_holm'])}" for t in tests)
    if FAMILY * statistics.smallest_p(min(t["seeds"] for t in family.values())) >= ALPHA:
        told = f"{name} cannot pass its four corrected tests with so few seeds ({figures})."
    elif all(beats(t) for t in tests):
        told = f"{name} beats its controls ({figures}): what it learned is real."
    else:
        told = f"{name} does not beat its controls ({figures}): by that measure it has learned nothing."
    return [told, *([f"{lacks}."] if lacks else [])]


def _uncontrolled(names: Sequence[str]) -> str:
    verb, they = ("has", "it") if len(names) == 1 else ("have", "they")
    return f"{listed(names)} {verb} no controls: whether {they} learned is unknown."


def _single(names: Sequence[str], strategies: Mapping[str, Any]) -> list[str]:
    """Which of the controls that were played stand for one training."""
    played = [name for name in names if name in strategies]
    single = [name for name in played if strategies[name].get("policies") == 1]
    if not single:
        return []
    who = "Each control stands" if single == played else f"{listed(single)} {_stand(single)}"
    return [f"{who} for a single policy."]


def _stand(names: Sequence[str]) -> str:
    return "stands" if len(names) == 1 else "stand"


def _spread(name: str, entry: Mapping[str, Any], scale: Scale) -> list[str]:
    """How much training differs from training, where several are there."""
    policies, spread = entry.get("policies"), entry.get("policy_spread")
    if policies is None or spread is None:
        return []
    return [f"{name} stands for {plural(policies, 'policy')}, whose AUBC differs by {scale.number(spread)} (sd)."]


def _between_trainings(name: str, summary: Summary, scale: Scale) -> list[str]:
    """Whether a lead over controls is clear of what trainings differ by, which tests paired by seed cannot tell.

    Those hold the policies as they are. Welch's test takes each policy as one draw of its training.
    """
    strategies, found = summary["strategies"], []
    tests = {t["b"]: t for t in summary["tests"] if t["a"] == name and t["confirmatory"]}
    for rival in controls(name, strategies):
        ours, theirs, test = strategies[name], strategies.get(rival, {}), tests.get(rival)
        spreads = (ours.get("policy_spread"), theirs.get("policy_spread"))
        if test is None or not beats(test) or not all(spreads):
            continue
        sides = [ours["policies"], theirs["policies"]]
        error, p = statistics.welch(test["difference"], spreads, sides)
        clear = "clear" if p < ALPHA else "not clear"
        found.append(
            f"Between trainings ({sides[0]} of {name}, {sides[1]} of {rival}) the lead has a standard error of "
            f"{scale.number(error)} (p = {p_value(p)}): {clear} of what trainings differ by."
        )
    return found
