"""What a run's data were, file by file, so that a change is named and not only noticed."""

import json
from collections.abc import Mapping
from pathlib import Path

from querist.core.ledger import Ledger
from querist.core.problem import Setup
from querist.core.snapshots import write_atomically
from querist.errors import QueristError

CONTENTS = "data.json"
"""In a run's folder: the hash of all data, and that of every source. The ledger knows the first one too."""


def same_data(folder: Path, setup: Setup) -> None:
    """Note the contents of a new run's data, or compare them with those that an old run began with.

    Args:
        folder: of the run.
        setup: what was read now.

    Raises:
        QueristError: the data have changed; names the first file that did and says how many.
    """
    ledger_file = folder / "ledger.sqlite"
    if not ledger_file.exists():
        if setup.files:
            document = {"data_hash": setup.data_hash, "files": dict(setup.files)}
            write_atomically(folder / CONTENTS, json.dumps(document, indent=0).encode())
        return
    ledger = Ledger.read(ledger_file)
    began_with = ledger.about.get("data_hash", setup.data_hash)
    ledger.close()
    if began_with != setup.data_hash:
        raise QueristError(
            f"{folder}: the data have changed since the run began: {_difference(folder, began_with, setup)}",
            "restore the data (--data names the folder), or begin a new run in another folder",
        )


def _difference(folder: Path, began_with: str, setup: Setup) -> str:
    then = _contents(folder, began_with)
    if then is None:
        return f"their hash is {setup.data_hash}, not {began_with} (which files, {CONTENTS} does not tell)"
    now = setup.files
    kinds = {
        "changed": sorted(name for name in then if name in now and then[name] != now[name]),
        "missing": sorted(name for name in then if name not in now),
        "new": sorted(name for name in now if name not in then),
    }
    if not any(kinds.values()):
        return f"their hash is {setup.data_hash}, not {began_with}, though every file is as it was"
    kind, names = next((kind, names) for kind, names in kinds.items() if names)
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in kinds.items() if names)
    return f"{names[0]} is {kind} ({counts}, of {len(then)})"


def _contents(folder: Path, data_hash: str) -> Mapping[str, str] | None:
    """The contents as they were; None if the file is gone or is not of this run."""
    try:
        document = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        return document["files"] if document["data_hash"] == data_hash else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
