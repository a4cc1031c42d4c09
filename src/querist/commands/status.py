"""``querist status``: how far a run is, read beside whoever writes it."""

import json as codec
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from querist.commands.show import console, say
from querist.core.ledger import Ledger
from querist.errors import QueristError

_SOME = 5
"""Contradictions that are spelled out; ``--json`` has them all."""


def main(run: str, json: bool = False) -> dict[str, Any]:
    """Show a run; returns what is shown."""
    found = look(Path(run))
    if json:
        console.print_json(data=found)
    else:
        _show(run, found)
    return found


def look(folder: Path) -> dict[str, Any]:
    """What a run's ledger says of it, as plain values."""
    ledger = Ledger.read(folder / "ledger.sqlite")
    try:
        about, game = ledger.about, ledger.game()
        if game is None:
            raise QueristError(f"{folder}: the run was killed before it began", f"querist resume {folder}")
        closings = ledger.closings(game["id"])
        counts = ledger.counts(game["id"])
        measured = ledger.evaluations(game["id"])
        return {
            "recipe": about.get("recipe"),
            "strategy": about.get("strategy"),
            "policy": about.get("policy"),
            "seed": about.get("seed"),
            "data": about.get("data"),
            "environment": codec.loads(about.get("environment", "{}")),
            "spent": game["spent"],
            "budget": game["budget"],
            "questions": counts["questions"],
            "answers": counts["answers"],
            "steps_closed": sum(step >= 0 for step, _, _ in closings),
            "waiting_for": counts["questions"] - counts["answers"],
            "done": any(row["labels"] == game["budget"] or row["details"].get("ended") for row in measured),
            "given": ledger.given(game["id"]),
            "contradictions": _contradictions(ledger, game["id"]) if about.get("answers") == "people" else [],
            "measured": [
                {"labels": row["labels"], "set": row["part"], "value": row["value"]}
                for row in measured
                if row["part"] != "account"
            ],
        }
    finally:
        ledger.close()


def _contradictions(ledger: Ledger, game: int) -> list[dict[str, Any]]:
    """Answers about pairs that cannot all be true: two that differ, and a chain by which they are the same."""
    from querist.tasks.reid.verified import contradictions

    said = {unit: blob for _, _, unit, blob in ledger.answers(game) if "~" in unit}
    told = {blob: ledger.decode(blob) for blob in set(said.values()) if blob is not None}
    rows = [(unit.split("~"), bool(told[blob])) for unit, blob in said.items() if blob is not None]
    names = sorted({name for pair, _ in rows for name in pair})
    place = {name: i for i, name in enumerate(names)}
    pairs = np.array([[place[name] for name in pair] for pair, _ in rows], dtype=np.int64).reshape(-1, 2)
    found = contradictions(pairs, np.array([same for _, same in rows], dtype=bool))
    return [{"different": [names[i] for i in c.different], "chain": [names[i] for i in c.chain]} for c in found]


def _show(run: str, found: dict[str, Any]) -> None:
    policy = f" (policy {found['policy']})" if found["policy"] else ""
    say(f"{run}: {found['recipe']}, {found['strategy']}{policy}, seed {found['seed']}")
    share = found["spent"] / found["budget"]
    console.print(f"  {found['spent']} of {found['budget']} labels bought ({share:.0%}), {found['steps_closed']} steps")
    if found["waiting_for"]:
        console.print(f"  {found['waiting_for']} questions have no answer yet")
    given = ", ".join(f"{purpose} {count}" for purpose, count in found["given"].items())
    console.print(f"  labels that were there before: {given or 'none'}")
    torn = found["contradictions"]
    if torn:
        say(f"  {len(torn)} answers contradict others, such as:")
    for one in torn[:_SOME]:
        say(f"    {one['different'][0]} and {one['different'][1]} are different, but {' = '.join(one['chain'])}")
    if found["measured"]:
        table = Table("labels", "set", "value")
        for row in found["measured"]:
            table.add_row(str(row["labels"]), row["set"], f"{row['value']:.2f}")
        console.print(table)
    say("  finished" if found["done"] else f"  go on with: querist resume {run}")
