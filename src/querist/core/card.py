"""Policy cards: a trained policy as two files, ``policy.safetensors`` and ``card.json``. Never pickle."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.observation import Field, Schema
from querist.core.snapshots import encode_arrays, read_arrays, write_atomically
from querist.errors import QueristError

FORMAT = 1
TENSORS, CARD = "policy.safetensors", "card.json"


@contextmanager
def fitting(card: "PolicyCard") -> Iterator[None]:
    """Around what builds a policy from its card.

    Raises:
        QueristError: whatever the code inside found wrong with the card's settings, schema or weights.
    """
    try:
        yield
    except (RuntimeError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        reason = str(error).split("\n")[-1].strip()
        raise QueristError(
            f"the settings, schema and weights of {card.strategy} do not fit together: {reason}",
            "train the policy anew with this version",
        ) from error


@dataclass(frozen=True, eq=False)
class PolicyCard:
    """What must be known of a trained policy to use it and to believe it.

    Args:
        agent: such as ``"ralis"``; ``profile`` such as ``"sound"``.
        control: ``"untrained"`` or ``"shuffled"`` for the controls of an experiment; None for the policy itself.
        schema: the observation that it was trained on.
        settings: the agent's numbers.
        training: recipe, hash of recipe and data, seed, labels it cost, versions, seconds.
        curve: what happened episode by episode.
        check: how it did against chance in games it was not trained in; empty if nobody looked.
        tensors: its weights.
        variant: what of its profile was changed by the name that it was trained under, such as ``team=top``.
        compared: what a comparison that it played in says of its strategy: its recipe, how many seeds, and in words
            whether it beat its controls; empty before. No choice depends on it.
    """

    agent: str
    profile: str
    schema: Schema
    settings: Mapping[str, Any]
    training: Mapping[str, Any]
    curve: tuple[Mapping[str, Any], ...]
    tensors: Mapping[str, np.ndarray]
    control: str | None = None
    check: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    compared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def strategy(self) -> str:
        """Its name in comparisons, such as ``ralis/sound``, ``ralis/untrained`` or ``matal/sound+team=top``."""
        return f"{self.agent}/{self.control or self.profile}" + (f"+{self.variant}" if self.variant else "")

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over everything that its choices depend on."""
        about = json.dumps([self.agent, self.profile, self.schema.hash(), dict(self.settings)], sort_keys=True)
        return hashlib.sha256(about.encode() + encode_arrays(self.tensors)).hexdigest()[:16]

    def save(self, folder: Path) -> Path:
        """Write both files, the card last; returns the folder."""
        write_atomically(folder / TENSORS, encode_arrays(self.tensors))
        return self.save_words(folder)

    def save_words(self, folder: Path) -> Path:
        """Write the card alone, beside the weights that lie there; returns the folder."""
        document = {
            "format": FORMAT,
            "agent": self.agent,
            "profile": self.profile,
            "control": self.control,
            "variant": self.variant,
            "classes": "class-aware" if self.schema.classes else "class-free",
            "schema": asdict(self.schema),
            "schema_hash": self.schema.hash(),
            "settings": dict(self.settings),
            "training": dict(self.training),
            "check": dict(self.check),
            "compared": dict(self.compared),
            "curve": list(self.curve),
            "tensors_sha256": hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest(),
        }
        text = json.dumps(document, indent=1) + "\n"
        write_atomically(folder / CARD, text.encode())
        return folder

    @classmethod
    def load(cls, folder: Path) -> "PolicyCard":
        """Read a card.

        Raises:
            QueristError: one of the files is missing, is not a card's, or is not what was written.
        """
        try:
            document = _document((folder / CARD).read_text(encoding="utf-8"))
            schema = _schema(document["schema"])
            if document["schema_hash"] != schema.hash():
                raise ValueError("its schema was changed by hand")
            data = (folder / TENSORS).read_bytes()
            if hashlib.sha256(data).hexdigest() != document["tensors_sha256"]:
                raise ValueError(f"{TENSORS} is not the one that was written with it")
            return cls(
                document["agent"],
                document["profile"],
                schema,
                document["settings"],
                document["training"],
                tuple(document["curve"]),
                read_arrays(folder / TENSORS),
                document["control"],
                document["check"],
                document["variant"],
                document["compared"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise QueristError(
                f"{folder}: not a policy card ({error})",
                f"name a folder with {CARD} and {TENSORS}, as 'querist train' writes it",
            ) from error


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "agent": str,
    "profile": str,
    "control": (str, type(None)),
    "variant": str,
    "schema": dict,
    "schema_hash": str,
    "settings": dict,
    "training": dict,
    "check": dict,
    "compared": dict,
    "curve": list,
    "tensors_sha256": str,
}


def _document(text: str) -> dict[str, Any]:
    """The JSON of a card of this format, with all its parts; ValueError says what is wrong."""
    document = json.loads(text)
    if not isinstance(document, dict) or "format" not in document:
        raise ValueError(f"{CARD} names no format")
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']}: it was written by another version of querist")
    document = {"variant": "", "compared": {}, **document}  # cards from before there were any
    for name, kind in _KINDS.items():
        if not isinstance(document.get(name, ...), kind):
            raise ValueError(f"{CARD} has no {name}, or not as it was written")
    return document


def _schema(document: Mapping[str, Any]) -> Schema:
    def fields(rows: list[dict[str, Any]]) -> tuple[Field, ...]:
        return tuple(Field(**{**row, "shape": tuple(row["shape"])}) for row in rows)

    classes = None if document["classes"] is None else tuple(document["classes"])
    return Schema(fields(document["candidates"]), fields(document["state"]), classes)
