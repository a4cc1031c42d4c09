"""Where the answer page of a run is, and what the run remembers of it, so that a page that is open finds it again.

Port 0 stays 0: it means another port each time.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from querist.core.snapshots import write_atomically
from querist.errors import QueristError

PLACE = "page.json"
"""In a run's folder: the place that was said last."""


@dataclass(frozen=True)
class Place:
    """Where the page is served.

    Args:
        host: the address to listen on, ``port`` its port (0: any that is free) and ``names`` by which else the server
            is called: see :class:`querist.annotate.serve.Address`.
        people: how many may answer at once.

    Raises:
        QueristError: nobody may answer.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    names: Sequence[str] = ()
    people: int = 8

    def __post_init__(self) -> None:
        if self.people < 1:
            raise QueristError(f"nobody can answer with --people {self.people}", "let at least 1 do so")


@dataclass(frozen=True)
class Said:
    """What a command said of the place: as in :class:`Place`; None: nothing."""

    host: str | None = None
    port: int | None = None
    names: Sequence[str] | None = None
    people: int | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in vars(self).values())

    def over(self, place: Place) -> Place:
        """The place, with what was said in place of what had been; QueristError if that cannot be."""
        return replace(place, **{name: value for name, value in vars(self).items() if value is not None})


def keep_place(folder: Path, place: Place) -> None:
    """Let a run remember its place."""
    write_atomically(folder / PLACE, json.dumps(asdict(place)).encode())


def kept_place(folder: Path) -> Place:
    """The place that a run remembers; the usual one if it remembers none.

    Raises:
        QueristError: the file does not hold a place.
    """
    file = folder / PLACE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        place = Place(**document)
        kinds = {"host": str, "port": int, "names": list, "people": int}
        wrong = [name for name, kind in kinds.items() if type(getattr(place, name)) is not kind]
        if wrong or not all(isinstance(name, str) for name in place.names):
            raise ValueError(f"{', '.join(wrong) or 'names'} of another type")
    except FileNotFoundError:
        return Place()
    except (OSError, ValueError, TypeError) as error:
        raise QueristError(
            f"{file} does not say where the page is: {error}", "delete it and say --port anew"
        ) from error
    return place
