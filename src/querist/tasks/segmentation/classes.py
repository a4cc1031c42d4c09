"""What the classes of a data set are called, how they are coloured and which raw ids stand for them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from querist.errors import QueristError

Colour = tuple[int, int, int]

IDS = 256
"""Number of raw ids that an 8-bit mask can hold."""

UNKNOWN = -1
"""Entry of a look-up table for a raw id that must not occur in a mask."""

EXAMPLE = "classes: [{name: road, colour: [128, 64, 128], id: 0}]"


@dataclass(frozen=True)
class ClassMap:
    """The classes of a segmentation data set.

    Train ids are 0..C-1, in the order of `names`; every pixel that counts for nothing gets the id `void`.

    Args:
        names: the C class names, unique.
        colours: one (red, green, blue) colour a class, 0..255, for pictures.
        void: the id of void after mapping, C..255; -1 stands for C.
        lookup: 256 entries, the train id (or `void`) of every raw id, or -1 for a raw id that must not occur.
            None: masks hold train ids already, and `void` itself.

    Raises:
        ValueError: if lengths, names, colours or ids contradict each other.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    void: int = -1
    lookup: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.names)
        if self.void == -1:
            object.__setattr__(self, "void", count)
        if not 1 <= count < IDS or len(set(self.names)) != count:
            raise ValueError(f"1 to {IDS - 1} unique class names are needed, not {self.names}")
        if len(self.colours) != count:
            raise ValueError(f"{count} classes but {len(self.colours)} colours")
        if not all(len(c) == 3 and all(0 <= v < IDS for v in c) for c in self.colours):
            raise ValueError("a colour is three numbers from 0 to 255")
        if not count <= self.void < IDS:
            raise ValueError(f"void must lie in {count}..{IDS - 1}, not {self.void}")
        allowed = {UNKNOWN, self.void, *range(count)}
        if self.lookup is not None and (len(self.lookup) != IDS or not allowed.issuperset(self.lookup)):
            raise ValueError(f"lookup needs {IDS} entries, each a train id, void or -1")

    @property
    def count(self) -> int:
        """Number of classes C, void not counted."""
        return len(self.names)

    def table(self) -> np.ndarray:
        """The look-up table of raw ids, int16 (256,): train id, `void`, or -1 where the id must not occur."""
        if self.lookup is not None:
            return np.array(self.lookup, dtype=np.int16)
        table = np.full(IDS, UNKNOWN, dtype=np.int16)
        table[: self.count] = np.arange(self.count)
        table[self.void] = self.void
        return table

    def palette(self) -> np.ndarray:
        """The colours as uint8 (256, 3), to be indexed by a mapped mask; void and unused ids are black."""
        palette = np.zeros((IDS, 3), dtype=np.uint8)
        palette[: self.count] = self.colours
        return palette

    def fingerprint(self) -> str:
        """16 hexadecimal digits of names, void and look-up table; colours do not count."""
        text = json.dumps([self.names, self.void, self.table().tolist()], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


CAMVID = ClassMap(
    names=(
        "sky", "building", "pole", "road", "pavement", "tree", "sign_symbol", "fence", "car", "pedestrian",
        "bicyclist",
    ),
    colours=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
)  # fmt: skip
"""CamVid's 11 classes with the ids of the SegNet copy; void = 11."""

_CITYSCAPES: dict[str, tuple[int, Colour]] = {
    "road": (7, (128, 64, 128)),
    "sidewalk": (8, (244, 35, 232)),
    "building": (11, (70, 70, 70)),
    "wall": (12, (102, 102, 156)),
    "fence": (13, (190, 153, 153)),
    "pole": (17, (153, 153, 153)),
    "traffic light": (19, (250, 170, 30)),
    "traffic sign": (20, (220, 220, 0)),
    "vegetation": (21, (107, 142, 35)),
    "terrain": (22, (152, 251, 152)),
    "sky": (23, (70, 130, 180)),
    "person": (24, (220, 20, 60)),
    "rider": (25, (255, 0, 0)),
    "car": (26, (0, 0, 142)),
    "truck": (27, (0, 0, 70)),
    "bus": (28, (0, 60, 100)),
    "train": (31, (0, 80, 100)),
    "motorcycle": (32, (0, 0, 230)),
    "bicycle": (33, (119, 11, 32)),
}


def _lookup(ids: Mapping[int, int], void_ids: set[int], void: int) -> tuple[int, ...]:
    """A look-up table: `ids` maps raw to train ids, `void_ids` become `void`, the rest must not occur."""
    return tuple(void if raw in void_ids else ids.get(raw, UNKNOWN) for raw in range(IDS))


def _cityscapes() -> ClassMap:
    ids = {raw: train for train, (raw, _) in enumerate(_CITYSCAPES.values())}
    # The data set defines label ids 0..33 and -1 (licence plates), which an 8-bit file holds as 255.
    void_ids = {*range(34), 255} - set(ids)
    colours = tuple(colour for _, colour in _CITYSCAPES.values())
    return ClassMap(tuple(_CITYSCAPES), colours, lookup=_lookup(ids, void_ids, len(ids)))


CITYSCAPES = _cityscapes()
"""The 19 standard classes of Cityscapes from its label ids; every other id that it defines is void = 19."""


def read_classes(path: Path) -> ClassMap:
    """Reads the `classes.yaml` of a plain folder.

    The file holds `classes`, a list of `{name, colour, id}` in the order of the train ids, and optionally
    `void`, one raw id or a list of them. A class without `id` has its position in the list as its raw id;
    without `void`, 255 is void unless a class claims it.

    Raises:
        QueristError: if the file is missing, is not YAML, or an entry is wrong; names the file and the entry.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QueristError(f"{path} is missing", f"write one, such as: {EXAMPLE}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise QueristError(f"{path} cannot be read as YAML: {error}", f"write it like this: {EXAMPLE}") from error
    entries = _keys(path, "the file", document, required={"classes"}, optional={"void"})
    if not isinstance(entries["classes"], list) or not 1 <= len(entries["classes"]) < IDS:
        raise QueristError(f"{path}: classes must be a list of 1 to {IDS - 1} entries", f"example: {EXAMPLE}")
    names: list[str] = []
    colours: list[Colour] = []
    ids: dict[int, int] = {}
    for position, entry in enumerate(entries["classes"]):
        where = f"entry {position + 1} of classes"
        name, colour, raw = _entry(path, where, position, entry)
        if name in names:
            raise QueristError(f"{path}: {where} repeats the name {name!r}", "give every class its own name")
        if raw in ids:
            raise QueristError(
                f"{path}: {where} ({name!r}) repeats the id {raw} of {names[ids[raw]]!r}",
                "give every class its own id; a class without one takes its position in the list, from 0",
            )
        names.append(name)
        colours.append(colour)
        ids[raw] = position
    void_ids = _void_ids(path, entries.get("void"), {raw: names[train] for raw, train in ids.items()})
    classes = ClassMap(tuple(names), tuple(colours), lookup=_lookup(ids, void_ids, len(names)))
    plain = ClassMap(classes.names, classes.colours)
    return plain if np.array_equal(plain.table(), classes.table()) else classes


def write_classes(path: Path, classes: ClassMap) -> None:
    """Writes a class map as `classes.yaml`, so that `read_classes` gives it back (with void = C).

    Raises:
        ValueError: if a class has no raw id or more than one; the file cannot say that.
    """
    table = classes.table()
    entries = []
    for train, (name, colour) in enumerate(zip(classes.names, classes.colours, strict=True)):
        raws = np.flatnonzero(table == train).tolist()
        if len(raws) != 1:
            raise ValueError(f"class {name!r} has the raw ids {raws}; classes.yaml needs exactly one")
        entries.append({"name": name, "colour": list(colour), "id": raws[0]})
    document = {"classes": entries, "void": np.flatnonzero(table == classes.void).tolist()}
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    path.write_text(text, encoding="utf-8")


def _keys(path: Path, where: str, value: Any, required: set[str], optional: set[str]) -> dict[str, Any]:
    """Checks that a value is a mapping with the right keys, and returns it."""
    if not isinstance(value, dict):
        raise QueristError(f"{path}: {where} must be a mapping, found {value!r}", f"example: {EXAMPLE}")
    wrong = sorted(str(key) for key in set(value) - required - optional)
    missing = sorted(required - set(value))
    if wrong or missing:
        problem = f"the unknown key {wrong[0]!r}" if wrong else f"no key {missing[0]!r}"
        known = ", ".join(sorted(required) + [f"{key} (optional)" for key in sorted(optional)])
        raise QueristError(f"{path}: {where} has {problem}", f"the keys are: {known}")
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < IDS


def _entry(path: Path, where: str, position: int, entry: Any) -> tuple[str, Colour, int]:
    """Name, colour and raw id of one class."""
    entry = _keys(path, where, entry, required={"name", "colour"}, optional={"id"})
    name, colour, raw = entry["name"], entry["colour"], entry.get("id", position)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise QueristError(f"{path}: {where} has the name {name!r}", "a name is printable text; put it in quotes")
    if not isinstance(colour, list) or len(colour) != 3 or not all(map(_is_id, colour)):
        raise QueristError(
            f"{path}: {where} ({name!r}) has the colour {colour!r}",
            "a colour is three whole numbers from 0 to 255: colour: [128, 64, 128]",
        )
    if not _is_id(raw):
        raise QueristError(f"{path}: {where} ({name!r}) has the id {raw!r}", "an id is a whole number from 0 to 255")
    return name, (colour[0], colour[1], colour[2]), raw


def _void_ids(path: Path, void: Any, names: dict[int, str]) -> set[int]:
    """Raw ids that mean void; `names` tells the raw ids that the classes claim."""
    if void is None:
        return {255} - set(names)
    values = void if isinstance(void, list) else [void]
    for value in values:
        if not _is_id(value):
            raise QueristError(f"{path}: void has the id {value!r}", "void is a whole number from 0 to 255, or a list")
        if value in names:
            raise QueristError(
                f"{path}: the id {value} is both void and the class {names[value]!r}",
                "take it out of void, or give the class another id",
            )
    return set(values)
