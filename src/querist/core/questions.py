"""Questions as the ledger keeps them, and the rules that it lets nobody break."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from querist.errors import QueristError


class LedgerRuleError(QueristError):
    """Something was tried that the ledger forbids: a defect of the caller, and nothing was written."""


@dataclass(frozen=True)
class Question:
    """One question as it stands in the ledger.

    Args:
        id: its number, unique in the run: answers are idempotent by it.
        unit: what it is about.
        step: the step of the game that asked it; ``position`` its place there.
        cost: what was paid for it.
        score: why it was asked, if the strategy scores; larger was better.
        context: under which circumstance it was asked, such as the anchor of a pair.
    """

    id: int
    unit: int
    step: int
    position: int
    cost: int
    score: float | None = None
    context: str | None = None


@dataclass(frozen=True)
class Asking:
    """A question about to be written: see :class:`Question`."""

    unit: int
    score: float | None = None
    context: str | None = None


_BROKEN = {
    "role forbids": "a unit outside the pool was to be asked",
    "not bought": "an episode was to ask for a label that was never bought",
    "overspent": "the question would overspend the budget",
    "asked twice": "a unit was to be asked twice",
    "test source in a pool": "a test image was to be put into a pool",
    "pool source in a test set": "an image of a pool was to be put into a test set",
    "append-only": "an entry was to be changed or removed",
    "one deployment": "a run has one deployment only",
    "out of order": "a revision of an answer was to be left out or replaced",
    "FOREIGN KEY": "something was to be noted of a game, step or question that does not exist",
}


def broken_rule(error: sqlite3.IntegrityError, path: Path, about: str) -> LedgerRuleError:
    """What a violated constraint means, in words."""
    text = str(error)
    why = next((words for key, words in _BROKEN.items() if key in text), text)
    return LedgerRuleError(f"{path}: {why} ({about})", "nothing was written; this is a defect, report it")
