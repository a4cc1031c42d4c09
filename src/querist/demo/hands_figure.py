"""A hand in space: lengths and widths of a person's hand, angles of its joints within their limits, and its 21 joints.

Lengths are millimetres, angles radians. In the hand's own space the wrist is the origin, x leads to the thumb, y along
the fingers and z out of the back of the hand. Joints are in the order of ``tasks/pose/skeletons.py``: the wrist, then
from thumb to little finger four each, from knuckle to tip.
"""

import math
from dataclasses import dataclass, fields

import numpy as np

_KNUCKLES = np.array([[25.0, 87, 1], [3, 90, 4], [-17, 84, 2], [-34, 73, -4]])
"""Where index, middle, ring and little finger begin on a hand of usual size."""

_BONES = np.array([[44.0, 26, 22], [49, 30, 23], [45, 29, 23], [35, 21, 20]])
_THUMB = (44.0, 33.0, 27.0)
_THUMB_ROOT = np.array([22.0, 22, -9])

_RADII = np.array([[10.5, 9.2, 8.2, 6.6], [10.5, 9.4, 8.3, 6.8], [10.0, 8.8, 7.8, 6.4], [9.0, 7.6, 6.8, 5.8]])
_THUMB_RADII = np.array([13.5, 11.0, 9.8, 7.8])

_SPLAY = np.radians([-7.0, -1.0, 5.0, 12.0])
"""In which direction fingers point when the hand is flat."""

_FINGER_LIMITS = np.radians([[-15.0, 92], [0, 108], [0, 75]])
_SPREAD_LIMIT = math.radians(14)
_THUMB_LIMITS = np.radians([[12.0, 68], [2, 58], [-8, 55], [-12, 78]])
"""Of the thumb: away from the index finger, out of the palm, and its two hinges."""

GESTURES: tuple[tuple[float, ...], ...] = (
    (0.15, 0.1, 0.1, 0.1, 0.1), (0.35, 0.35, 0.35, 0.38, 0.4), (0.8, 0.95, 0.97, 0.97, 0.95),
    (0.7, 0.05, 0.9, 0.92, 0.9), (0.7, 0.05, 0.05, 0.9, 0.9), (0.05, 0.92, 0.92, 0.92, 0.92),
    (0.55, 0.5, 0.1, 0.08, 0.1), (0.75, 0.1, 0.1, 0.1, 0.15), (0.5, 0.55, 0.55, 0.58, 0.6), (0.1, 0.05, 0.9, 0.9, 0.08),
)  # fmt: skip
"""What hands do most of the time, as how far each finger is bent, 0..1: flat, at rest, fist, pointing, and so on."""


@dataclass(frozen=True, eq=False)
class Hand:
    """What makes a hand the same person's.

    Args:
        size: length against a usual hand.
        slender: width of fingers against a usual hand of this size.
        broad: width of the palm against a usual hand of this size.
        bones: (5, 3) lengths behind the first joint of each finger, thumb first, against a usual hand of this size.
    """

    size: float
    slender: float
    broad: float
    bones: np.ndarray


@dataclass(frozen=True, eq=False)
class Bend:
    """Angles of a hand.

    Args:
        fingers: (4, 3) how far the three hinges of index to little finger are bent towards the palm.
        spread: (4,) to which side they lean, against a flat hand.
        thumb: (4,) see :data:`_THUMB_LIMITS`.
        wrist: (2,) of the forearm, towards the palm and to the side.
    """

    fingers: np.ndarray
    spread: np.ndarray
    thumb: np.ndarray
    wrist: np.ndarray


def draw_hand(stream: np.random.Generator) -> Hand:
    """Somebody's hand."""
    size, slender, broad = (float(np.clip(stream.normal(1, sd), 0.8, 1.2)) for sd in (0.07, 0.08, 0.05))
    return Hand(size, slender, broad, np.clip(stream.normal(1, 0.035, (5, 3)), 0.9, 1.1))


def draw_bend(stream: np.random.Generator, usual: float = 0.65) -> Bend:
    """A pose within the limits of the joints: mostly a common gesture, sometimes anything.

    Args:
        stream: draws it.
        usual: the share of common gestures, of which the first ones are the most common.
    """
    if stream.random() < usual:
        share = 1 / np.arange(2, len(GESTURES) + 2)
        curls = np.array(GESTURES[int(stream.choice(len(GESTURES), p=share / share.sum()))])
        curls = curls + stream.normal(0, 0.05, 5)
        loose = 0.05
    else:
        together = stream.beta(0.8, 0.9)
        curls = np.where(stream.random(5) < 0.6, stream.beta(0.7, 0.7, 5), together)
        loose = 0.16
    curls = np.clip(curls, 0, 1)
    low, high = _FINGER_LIMITS.T
    angles = np.clip(curls[1:, None] + stream.normal(0, loose, (4, 3)), 0, 1)
    angles[:, 2] = 0.75 * angles[:, 1] + 0.25 * angles[:, 2]  # the last two hinges share a tendon
    fingers = low + (high - low) * np.clip(angles + [0.12, 0, 0] * (1 - angles), 0, 1)
    free = 1 - 0.85 * curls[1:]  # a bent finger cannot be spread
    spread = free * np.clip(stream.normal(0, 0.1) * np.array([-1, -0.3, 0.4, 1]) + stream.normal(0, 0.05, 4), -1, 1)
    low, high = _THUMB_LIMITS.T
    inward = np.clip(curls[0] + stream.normal(0, 1.5 * loose, 4), 0, 1)
    inward[0] = 1 - inward[0]
    wrist = np.clip(stream.normal(0, [0.3, 0.15]), [-0.9, -0.35], [0.9, 0.35])
    return Bend(fingers, np.clip(spread, -_SPREAD_LIMIT, _SPREAD_LIMIT), low + (high - low) * inward, wrist)


def between(first: Bend, last: Bend, share: float) -> Bend:
    """The pose on the way from one to another; it keeps within the limits that both keep within."""
    return Bend(*((1 - share) * getattr(first, part.name) + share * getattr(last, part.name) for part in fields(Bend)))


def place_joints(hand: Hand, bend: Bend) -> np.ndarray:
    """The (21, 3) joints of a hand in its own space."""
    joints = np.zeros((21, 3))
    knuckles = _KNUCKLES * [hand.broad, 1, 1]
    for finger in range(4):
        around = _SPLAY[finger] + bend.spread[finger]
        joints[5 + 4 * finger] = knuckles[finger]
        bent = np.cumsum(bend.fingers[finger])
        steps = _BONES[finger] * hand.bones[finger + 1]
        for i in range(3):
            flat = math.cos(bent[i])
            along = np.array([-math.sin(around) * flat, math.cos(around) * flat, -math.sin(bent[i])])
            joints[6 + 4 * finger + i] = joints[5 + 4 * finger + i] + steps[i] * along
    out, up, *hinges = bend.thumb.tolist()
    along = np.array([math.sin(out) * math.cos(up), math.cos(out) * math.cos(up), -math.sin(up)])
    towards = np.array([-0.62, 0.3, -0.72])  # the palm, to which hinges bend the thumb
    joints[1] = _THUMB_ROOT * [hand.broad, 1, 1]
    for i, (step, hinge) in enumerate(zip(np.array(_THUMB) * hand.bones[0], [0.0, *hinges], strict=True)):
        side = towards - along * (along @ towards)
        side /= np.linalg.norm(side)
        along = math.cos(hinge) * along + math.sin(hinge) * side
        joints[2 + i] = joints[1 + i] + step * along
    return hand.size * joints


def _joint_radii(hand: Hand) -> np.ndarray:
    """(21,) how thick a hand is around its joints."""
    fingers = np.concatenate([_THUMB_RADII[None], _RADII]).ravel()
    return hand.size * np.concatenate([[18.0], hand.slender * fingers])


def solids(hand: Hand, bend: Bend, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a hand is made of: (c, 2, 3) ends and (c,) radii of capsules, in its own space; the last three are the arm.

    Args:
        hand: whose.
        bend: its pose.
        joints: (21, 3) of :func:`place_joints`.
    """
    radii, size = _joint_radii(hand), hand.size
    ends: list[tuple[np.ndarray, np.ndarray]] = []
    widths: list[float] = []

    def add(a: np.ndarray, b: np.ndarray, radius: float) -> None:
        ends.append((a, b))
        widths.append(radius)

    for finger in range(5):
        for i in range(1 + 4 * finger, 4 + 4 * finger):
            add(joints[i], joints[i + 1], 0.5 * (radii[i] + radii[i + 1]))
    for place, knuckle in zip((13.0, 4.5, -4.5, -13.0), (5, 9, 13, 17), strict=True):
        carpal = size * np.array([place * hand.broad, 8.0, 0.0])
        add(carpal, joints[knuckle] - [0, 0, 1.5 * size], 11.5 * size)
    for first, second in ((5, 9), (9, 13), (13, 17)):
        add(joints[first] - [0, 4, 1.5], joints[second] - [0, 4, 1.5], 10.5 * size)
        half = 0.5 * (joints[first] + joints[second]) * [1, 0.6, 1]
        add(half, 0.5 * (joints[first] + joints[second]) - [0, 10, 0], 10.5 * size)
    add(size * np.array([10.0, 8, -4]), joints[2], 14.0 * size)  # the ball of the thumb, and the one across from it
    add(joints[1], 0.55 * joints[2] + 0.45 * joints[5] * [1, 0.75, 1], 8.5 * size)
    add(size * np.array([-15.0, 12, -4]), joints[17] * [1, 0.62, 1] - [0, 0, 5 * size], 13.0 * size)
    up, aside = bend.wrist.tolist()
    away = 170 * size * np.array([math.sin(aside) * math.cos(up), -math.cos(aside) * math.cos(up), -math.sin(up)])
    for place in (-9.0, 0.0, 9.0):
        start = size * np.array([place, 0.0, 0.0])
        add(start, start * [1.35, 1, 1] + away, 17.0 * size)
    return np.array(ends), np.array(widths)
