"""Data that a recipe has drawn for it: which, how many, and where they are kept."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

from querist.errors import QueristError
from querist.nn.cache import default_cache

What = Literal["scenes", "bodies", "hands", "people"]
_DRAWN = 1
"""Raised when the same numbers give other pictures than before."""


@dataclass(frozen=True)
class Drawing:
    """Images that are drawn by our own code, with exact labels.

    Args:
        what: street ``scenes`` for segmentation, ``bodies`` and depth images of ``hands`` for poses, crops of
            ``people`` for re-identification.
        train: how many to learn from, ``test`` to be tested on; of people both count persons.
        seed: decides all.
        more: further arguments of the function that draws, such as ``{images: 10}`` of each person.
    """

    what: What
    train: int
    test: int
    seed: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.what not in get_args(What):
            raise QueristError(f"draw: {self.what!r} is nothing that is drawn", f"choose {', '.join(get_args(What))}")
        if min(self.train or 0, self.test or 0) < 1 or self.seed is None or self.more is None:
            raise QueristError(
                f"draw: {self.train} {self.what} to learn from, {self.test} to be tested on",
                "give at least one of each, and leave seed and more away rather than empty",
            )

    def draw(self, folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
        """Draw into a folder, which appears when all of it is written, or not at all.

        Args:
            folder: to be made.
            progress: told how many are drawn, and of how many.

        Raises:
            QueristError: the folder holds something or cannot be written, or ``more`` does not fit.
        """
        module = import_module(f"querist.demo.{self.what}")  # only now: drawing needs more than reading a recipe
        write: Callable[..., None] = getattr(module, f"write_{self.what}")
        counts: dict[str, Any] = {"train": self.train, "test": self.test}
        more = dict(self.more)
        if self.what == "scenes":
            counts = {"counts": {"train": self.train, "val": more.pop("val", 0), "test": self.test}}
        try:
            write(folder, **counts, **more, seed=self.seed, progress=progress)
        except (TypeError, ValueError) as error:
            raise QueristError(f"draw: {error}", f"compare 'more' with querist.demo.{self.what}") from error

    def kept(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """The folder of these drawings in the cache, drawn if it is not there yet."""
        about = json.dumps([_DRAWN, asdict(self)], sort_keys=True)
        folder = default_cache() / "drawn" / f"{self.what}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"
        if not folder.is_dir():
            try:
                self.draw(folder, progress)
            except QueristError:
                if not folder.is_dir():  # else another process has drawn the same meanwhile
                    raise
        return folder
