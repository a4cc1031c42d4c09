from dataclasses import dataclass
from typing import Literal

import pytest

from querist.core.profiles import changed, keep_rules
from querist.errors import QueristError


@dataclass(frozen=True)
class Numbers:
    kind: Literal["plain", "fancy"] = "plain"
    count: int = 3
    share: float = 0.5
    on: bool = True

    def __post_init__(self):
        keep_rules("toy", self, {"count is at least 1": self.count >= 1})


PROFILES = {"sound": Numbers(), "faithful": Numbers("fancy", 7)}


def test_a_profile_with_and_without_changes():
    assert changed("toy", PROFILES, "faithful", None) is not PROFILES["faithful"]
    assert changed("toy", PROFILES, "faithful", {}) == Numbers("fancy", 7)
    assert changed("toy", PROFILES, "sound", {"share": 1, "on": False}) == Numbers("plain", 3, 1, False)


@pytest.mark.parametrize(
    ("profile", "changes", "words"),
    [
        ("best", {}, "toy has no profile 'best'.*sound, faithful"),
        ("sound", {"cuont": 3}, "toy has no setting 'cuont'.*count, kind, on, share"),
        ("sound", {"count": 2.0}, "count is a whole number, not 2.0.*count: 3"),
        ("sound", {"count": True}, "count is a whole number, not True"),
        ("sound", {"share": "half"}, "share is a number, not 'half'.*share: 0.5"),
        ("sound", {"share": float("nan")}, "share is a number, not nan"),
        ("sound", {"on": 1}, "on is true or false, not 1.*on: true"),
        ("sound", {"kind": "odd"}, "the settings of toy break a rule: kind is one of plain, fancy.*docs/toy.md"),
        ("sound", {"count": 0}, "the settings of toy break a rule: count is at least 1"),
    ],
)
def test_what_does_not_fit_is_named(profile, changes, words):
    with pytest.raises(QueristError, match=f"(?s){words}"):
        changed("toy", PROFILES, profile, changes)
