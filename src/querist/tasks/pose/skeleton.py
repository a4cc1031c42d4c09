"""Which joints a pose has, which hang together, and what they make up."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.errors import QueristError
from querist.tasks.pose.documents import load_json

Pair = tuple[int, int]


@dataclass(frozen=True)
class Skeleton:
    """The joints of a pose, joined to a tree.

    Args:
        names: (J,) unique names of the joints, in the order of every array of joints.
        bones: (M,) = (J - 1,) pairs of parent and child. They make a tree: every joint but one, the root, is a child
            once, and all hang on the root.
        swaps: pairs of left and right joints that change places when an image is mirrored; the others stay.
        parts: bones of the local parts, by their rows in ``bones``: palm and fingers, torso and limbs.
        torso: the joints between which the length of the torso is measured (PCK), if there are any.
        head: the joints between which the length of the head is measured where there is no box of it (PCKh).
        unscored: joints that a metric leaves out of its mean, as MPII's leaves out pelvis and thorax.

    Raises:
        QueristError: saying which joint, bone or part is wrong.
    """

    names: tuple[str, ...]
    bones: tuple[Pair, ...]
    swaps: tuple[Pair, ...] = ()
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    torso: Pair | None = None
    head: Pair | None = None
    unscored: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) < 2:
            raise QueristError(f"a skeleton of {len(self.names)} joints has no bone", "name two joints or more")
        twins = {name for name in self.names if self.names.count(name) > 1 or not name}
        if twins:
            raise QueristError(f"the joint name {min(twins)!r} is empty or occurs twice", "name every joint once")
        self._check_tree()
        self._check_swaps()
        for part, bones in self.parts.items():
            if not bones:
                raise QueristError(f"the part {part!r} has no bone", "give its bones or take it out")
            if len(set(bones)) < len(bones) or not all(0 <= bone < len(self.bones) for bone in bones):
                raise QueristError(
                    f"the part {part!r} has the bones {list(bones)}",
                    f"use each of 0..{len(self.bones) - 1} once",
                )
        for what, pair in (("torso", self.torso), ("head", self.head)):
            if pair is not None and (len(pair) != 2 or pair[0] == pair[1] or not self._are_joints(pair)):
                raise QueristError(f"the {what} is measured between the joints {pair}", "give two different joints")
        if not self._are_joints(self.unscored) or len(set(self.unscored)) == len(self.names):
            raise QueristError(
                f"the joints {self.unscored} shall not be scored", "leave at least one joint that exists"
            )

    def _are_joints(self, joints: Sequence[int]) -> bool:
        return all(0 <= joint < len(self.names) for joint in joints)

    def _check_tree(self) -> None:
        for row, (parent, child) in enumerate(self.bones):
            if parent == child or not self._are_joints((parent, child)):
                raise QueristError(
                    f"bone {row} leads from joint {parent} to {child}", f"join different joints of 0..{len(self) - 1}"
                )
        children = [child for _, child in self.bones]
        for child in children:
            if children.count(child) > 1:
                raise QueristError(
                    f"two bones end in the joint {self.names[child]!r}",
                    "give every joint one parent: bones are a tree",
                )
        roots = [joint for joint in range(len(self)) if joint not in children]
        reached, grown = set(roots[:1]), 0
        while len(reached) > grown:
            grown = len(reached)
            reached |= {child for parent, child in self.bones if parent in reached}
        lost = sorted(set(range(len(self))) - reached)
        if lost:
            root = repr(self.names[roots[0]]) if roots else "any joint"
            raise QueristError(
                f"no bones lead from {root} to {self.names[lost[0]]!r}", "join all joints to one tree without circles"
            )

    def _check_swaps(self) -> None:
        flat = [joint for pair in self.swaps for joint in pair]
        if any(len(pair) != 2 for pair in self.swaps) or not self._are_joints(flat) or len(set(flat)) < len(flat):
            raise QueristError(
                f"the pairs of left and right are {list(self.swaps)}",
                f"pair joints of 0..{len(self) - 1}, each once at most; joints in the middle have no partner",
            )

    def __len__(self) -> int:
        """J."""
        return len(self.names)

    @property
    def mirrored(self) -> np.ndarray:
        """(J,) int64: joint ``mirrored[j]`` of a pose is joint j of the mirrored pose."""
        order = np.arange(len(self))
        for left, right in self.swaps:
            order[[left, right]] = right, left
        return order

    @property
    def bone_array(self) -> np.ndarray:
        """(M, 2) int64: parent and child of each bone."""
        return np.array(self.bones, dtype=np.int64)

    @property
    def part_bones(self) -> tuple[tuple[int, ...], ...]:
        """The bones of each part, in the order of ``parts``."""
        return tuple(tuple(bones) for bones in self.parts.values())

    def joint(self, name: str) -> int:
        """The joint of a name; QueristError if there is none."""
        if name not in self.names:
            raise QueristError(f"the skeleton has no joint {name!r}", f"its joints are {', '.join(self.names)}")
        return self.names.index(name)

    def to_json(self) -> str:
        """The contents of a skeleton file; see :func:`read_skeleton`."""

        def named(joints: Sequence[int]) -> list[str]:
            return [self.names[joint] for joint in joints]

        document: dict[str, Any] = {
            "names": list(self.names),
            "bones": [named(bone) for bone in self.bones],
            "swaps": [named(pair) for pair in self.swaps],
            "parts": {part: named([self.bones[bone][1] for bone in bones]) for part, bones in self.parts.items()},
        }
        document |= {key: named(pair) for key, pair in (("torso", self.torso), ("head", self.head)) if pair}
        return json.dumps(document | ({"unscored": named(self.unscored)} if self.unscored else {}), indent=1)


_KEYS = ("names", "bones", "swaps", "parts", "torso", "head", "unscored")


def read_skeleton(path: Path) -> Skeleton:
    """Reads a skeleton file: JSON in which joints go by their names.

    ``names`` lists the joints and ``bones`` pairs of parent and child. Optional are ``swaps``, pairs of left and right;
    ``parts``, for each part its bones, each named by the joint that it ends in; ``torso`` and ``head``, two joints
    each; and ``unscored``, joints.

    Raises:
        QueristError: naming the file and the entry, if it cannot be read, an entry is missing, of another kind or
            unknown, names say left and right of joints that ``swaps`` does not pair, or what :class:`Skeleton` checks
            is wrong.
    """
    document = load_json(path)
    if not isinstance(document, dict) or "names" not in document or "bones" not in document:
        raise QueristError(
            f"{path} has no names and bones", 'write {"names": [...], "bones": [["parent", "child"], ...]}'
        )
    unknown = set(document) - set(_KEYS)
    if unknown:
        raise QueristError(f"{path} has the entry {min(unknown)!r}", f"use {', '.join(_KEYS)}")
    try:
        found = _from_document(document)
        _check_sides(found)
    except QueristError as error:
        raise QueristError(f"{path}: {error.what}", error.fix) from error
    return found


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LEFT = re.compile(r"^(?:l(?=$)|left)|(?<=.)left$")


def _check_sides(skeleton: Skeleton) -> None:
    """Mirrored images would teach a left joint as a right one: left_hip, LHip, hip.L, lefthip and the like."""
    plain = [tuple(word.lower() for word in _WORDS.findall(name)) for name in skeleton.names]
    paired = {joint for pair in skeleton.swaps for joint in pair}
    for at, words in enumerate(plain):
        long = tuple(_LEFT.sub("right", word) for word in words)
        other = long if long in plain else tuple("r" if word == "l" else word for word in words)
        if other != words and other in plain and not {at, plain.index(other)} <= paired:
            pair = skeleton.names[at], skeleton.names[plain.index(other)]
            raise QueristError(
                f"{pair[0]!r} and {pair[1]!r} are not in swaps, so that mirrored images would confuse them",
                f'add ["{pair[0]}", "{pair[1]}"] to swaps',
            )


def _from_document(document: Mapping[str, Any]) -> Skeleton:
    names = tuple(_texts(document["names"], "names"))

    def joints(entry: Any, where: str, count: int | None = None) -> tuple[int, ...]:
        found = _texts(entry, where)
        if count is not None and len(found) != count:
            raise QueristError(f"{where} names {len(found)} joints", f"name {count}")
        for name in found:
            if name not in names:
                raise QueristError(f"{where} names the joint {name!r}, which is not in names", "correct its spelling")
        return tuple(names.index(name) for name in found)

    def pairs(key: str) -> tuple[Pair, ...]:
        rows = document.get(key, [])
        if not isinstance(rows, list):
            raise QueristError(f"{key} is no list", "write a list of pairs of joint names")
        found = [joints(row, f"{key}[{i}]", 2) for i, row in enumerate(rows)]
        return tuple((first, second) for first, second in found)

    bones, parts = pairs("bones"), document.get("parts", {})
    if not isinstance(parts, dict):
        raise QueristError("parts is no mapping", 'write {"part": ["joint that its bone ends in", ...]}')
    ends = {child: row for row, (_, child) in enumerate(bones)}
    rows: dict[str, tuple[int, ...]] = {}
    for part, entry in parts.items():
        found = joints(entry, f"parts[{part!r}]")
        for joint in found:
            if joint not in ends:
                raise QueristError(
                    f"parts[{part!r}]: no bone ends in {names[joint]!r}", "name a bone by its child joint"
                )
        rows[part] = tuple(ends[joint] for joint in found)
    torso, head = (
        (*joints(document[key], key, 2),) if document.get(key) is not None else None for key in ("torso", "head")
    )
    return Skeleton(
        names, bones, pairs("swaps"), rows,
        None if torso is None else (torso[0], torso[1]), None if head is None else (head[0], head[1]),
        joints(document.get("unscored", []), "unscored"),
    )  # fmt: skip


def _texts(entry: Any, where: str) -> list[str]:
    if not isinstance(entry, list) or not all(isinstance(name, str) for name in entry):
        raise QueristError(f"{where} is {json.dumps(entry)[:60]}", "write a list of joint names")
    return entry
