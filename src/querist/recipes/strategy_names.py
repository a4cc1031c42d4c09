"""The names of learned strategies, taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from querist.core.changes import changes
from querist.errors import QueristError

if TYPE_CHECKING:  # games need gymnasium, which --help does without
    from querist.core.agent import Control

AGENTS = {
    "ralis": "querist.agents.ralis.agent",
    "matal": "querist.agents.matal.agent",
    "dral": "querist.agents.dral.agent",
}
"""Modules with an ``AGENT``; imported when one is used, because they need torch."""
PROFILES = ("sound", "faithful", "untrained", "shuffled")
TRAINED = tuple(f"{name}/{profile}" for name in AGENTS for profile in PROFILES[:2])
"""What has settings of its own."""


@dataclass(frozen=True)
class Learned:
    """A learned strategy's name, taken apart: ``ralis/shuffled`` is the profile ``sound`` with a control.

    ``matal/sound+team=top`` is a variant, for ablations: some settings are changed in the name itself, so that variants
    stand side by side in a comparison, with policies of their own.
    """

    agent: str
    profile: str
    control: "Control | None"
    variant: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)


def parse(name: str) -> Learned | None:
    """What a strategy's name says; None for one that is not learned.

    Raises:
        QueristError: an agent without a profile, one that it does not have, or a variant that is not one.
    """
    base, _, rest = name.partition("/")
    if base not in AGENTS:
        return None
    profile, plus, variant = rest.partition("+")
    changed = changes(name, variant) if plus else {}
    if profile in ("sound", "faithful"):
        return Learned(base, profile, None, variant, changed)
    if profile == "untrained" or profile == "shuffled":
        return Learned(base, "sound", profile, variant, changed)
    raise QueristError(
        f"{name!r} does not say which {base}", f"choose among {', '.join(f'{base}/{p}' for p in PROFILES)}"
    )


def names() -> list[str]:
    """All names of learned strategies, without variants."""
    return [f"{name}/{profile}" for name in AGENTS for profile in PROFILES]
