"""The numbers of agents: profiles, what a recipe may change of them, and the rules that they keep."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from querist.errors import QueristError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Numbers = TypeVar("Numbers", bound="DataclassInstance")


def changed(agent: str, profiles: Mapping[str, Numbers], profile: str, changes: Mapping[str, Any] | None) -> Numbers:
    """A profile with some of its numbers changed.

    Args:
        agent: its name, for errors.
        profiles: instances of a frozen dataclass, by name.
        profile: which; ``changes`` field -> value, as a recipe has them.

    Raises:
        QueristError: no such profile or number, or a value of another kind than its field.
    """
    if profile not in profiles:
        raise QueristError(f"{agent} has no profile {profile!r}", f"choose among {', '.join(profiles)}")
    chosen = profiles[profile]
    known = {f.name for f in fields(chosen)}
    for name, value in (changes or {}).items():
        if name not in known:
            raise QueristError(f"{agent} has no setting {name!r}", f"its settings: {', '.join(sorted(known))}")
        _check_kind(agent, chosen, name, value)
    return replace(chosen, **(changes or {}))


def keep_rules(agent: str, numbers: "DataclassInstance", rules: Mapping[str, bool]) -> None:
    """For ``__post_init__``: fields of literal words have one of them, and each rule is kept.

    Args:
        agent: its name, for errors and its page in the docs.
        numbers: the instance; ``rules`` in words -> whether it keeps them.

    Raises:
        QueristError: names the rule that is broken.
    """
    words = {
        f"{name} is one of {', '.join(choices)}": getattr(numbers, name) in choices
        for name, kind in get_type_hints(type(numbers)).items()
        if (choices := get_args(kind))
    }
    for rule, kept in {**words, **rules}.items():
        if not kept:
            raise QueristError(f"the settings of {agent} break a rule: {rule}", f"compare with docs/{agent}.md")


def _check_kind(agent: str, profile: "DataclassInstance", name: str, value: Any) -> None:
    """Refuse a value of another kind than its field; words are left to the rules, which list them."""
    kind = get_type_hints(type(profile))[name]
    fits = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    }
    if not fits.get(kind, True):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise QueristError(
            f"{agent}: the setting {name} is {wanted}, not {value!r}",
            f"such as {name}: {json.dumps(getattr(profile, name))}",
        )
