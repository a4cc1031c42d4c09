"""What all verbs show in the same way: the console, bars, and an event in words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from querist.core.card import PolicyCard
from querist.core.loop import Event
from querist.core.problem import Progress as Told

console = Console(highlight=False)


def say(text: str, style: str | None = None) -> None:
    """Print a line as it is: a path in it is neither broken at the terminal's width nor read as markup."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def say_of(card: PolicyCard | None) -> None:
    """What is known of a policy, to whoever is about to trust it; nothing where none plays or it was never compared."""
    if card is not None and card.compared:
        say(f"Of this policy {card.compared['recipe']} says ({card.compared['seeds']} seeds): {card.compared['said']}")


def bars() -> Progress:
    """The look of all progress bars."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


@contextmanager
def reading() -> Iterator[Told]:
    """A bar per thing that is being read, while it is read."""
    with bars() as progress:
        tasks: dict[str, int] = {}

        def told(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=of, note="")
            progress.update(tasks[what], completed=done, total=of)  # pyright: ignore[reportArgumentType]

        yield told


def words(event: Event) -> str:
    """A measured mark in words; nothing for other events."""
    if event.kind != "mark":
        return ""
    return "  ".join(f"{name} {value:.2f}" for name, value in event.details.items() if isinstance(value, float))


def gain(episode: Mapping[str, Any]) -> str:
    """An episode of a training in words."""
    return f"gain {episode['return']:+.2f}, each of its steps ± {episode['standard_error']:.2f}"
