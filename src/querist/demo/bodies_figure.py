"""A body in space: 16 joints on a chain with limits, and the capsules that dress them.

Lengths are shares of the body's height, angles radians. In the body's own space the pelvis is the origin, x leads to
its left, y up and z forward. Joints are in the order of MPII.
"""

import math
from dataclasses import dataclass

import numpy as np

_ANKLE, _KNEE, _HIP, _PELVIS, _THORAX, _NECK, _TOP, _WRIST, _ELBOW, _SHOULDER = 0, 1, 2, 6, 7, 8, 9, 10, 11, 12
"""Joints of the middle and of the right side; :func:`_other` gives those of the left."""

HEAD_RADIUS = 0.056

PARTS = ("skin", "hair", "top", "sleeve", "bottom", "leg", "shoe")
"""What capsules are dressed as."""


@dataclass(frozen=True, eq=False)
class Stance:
    """Angles of a body; pairs are right and left.

    Args:
        spine: (3,) forward, to the left, and turned, of the chest against the hips.
        neck: (2,) forward and to the left.
        arms: (2, 2) how far an upper arm is raised from hanging, and where to: 0 forward, 1.57 aside.
        elbows: (2,) bend.
        thighs: (2, 2) how far a thigh is raised forward, and aside.
        knees: (2,) bend.
    """

    spine: np.ndarray
    neck: np.ndarray
    arms: np.ndarray
    elbows: np.ndarray
    thighs: np.ndarray
    knees: np.ndarray


LIMITS = {
    "spine": np.radians([[-20.0, 75], [-30, 30], [-40, 40]]),
    "neck": np.radians([[-25.0, 45], [-25, 25]]),
    "arms": np.radians([[0.0, 175], [-35, 120]]),
    "elbows": np.radians([0.0, 140]),
    "thighs": np.radians([[-25.0, 120], [-10, 55]]),
    "knees": np.radians([2.0, 140]),
}
"""Smallest and largest of each angle."""

STANCES = ("stand", "walk", "reach", "sit", "jump", "kick", "bow", "free")
_SHARES = np.array([0.26, 0.22, 0.13, 0.11, 0.09, 0.06, 0.05, 0.08])


def draw_stance(stream: np.random.Generator) -> tuple[Stance, str]:
    """A pose within the limits of the joints and its kind, one of :data:`STANCES`: standing is common, bowing rare."""
    kind = STANCES[int(stream.choice(len(STANCES), p=_SHARES))]

    def around(middle: object, spread: object) -> np.ndarray:
        return np.radians(stream.normal(np.asarray(middle, float), np.asarray(spread, float)))

    one = float(stream.choice([-1.0, 1.0]))
    side = np.array([one, -one])  # what one leg does, the other does not
    spine, neck = around([4, 0, 0], [5, 5, 8]), around([5, 0], [10, 8])
    arms = around([[14, 60], [14, 60]], [[9, 35], [9, 35]])
    elbows, knees = around([22, 22], 18), around([5, 5], 4)
    thighs = around([[2, 4], [2, 4]], [[5, 4], [5, 4]])
    if kind == "walk":
        swing = around(24, 9)
        thighs[:, 0] += swing * side
        arms[:, 0], arms[:, 1] = around([24, 24], 10), np.where(side > 0, math.radians(160), math.radians(10))
        knees += np.where(side < 0, around(28, 16), 0)
        elbows += around([25, 25], 20)
    elif kind == "reach":
        raised = np.abs(stream.random(2) + np.where(stream.random(2) < 0.5, 0, 0.4)) > 0.45
        arms[raised, 0] = around(145, 22)
        elbows[raised] = around(25, 22)
    elif kind == "sit":
        thighs[:, 0], knees = around([88, 88], 14), around([90, 90], 22)
        thighs[:, 1] += around([8, 8], 7)
        arms[:, 0], arms[:, 1], elbows = around([38, 38], 16), around([15, 15], 25), around([50, 50], 28)
        spine[0] += around(12, 12)
    elif kind == "jump":
        thighs, knees = around([[28, 26], [28, 26]], [[28, 14], [28, 14]]), around([50, 50], 35)
        arms = around([[115, 80], [115, 80]], [[32, 30], [32, 30]])
    elif kind == "kick":
        thighs[:, 0] = np.where(side > 0, around(82, 18), around(-6, 8))
        knees = np.where(side > 0, around(28, 22), around(12, 8))
        arms = around([[60, 60], [60, 60]], [[25, 35], [25, 35]])
        spine[0] -= around(8, 8)
    elif kind == "bow":
        spine[0], knees = around(62, 12), around([14, 14], 10)
        thighs[:, 0] = around([55, 55], 15)
        arms[:, 0], arms[:, 1] = around([50, 50], 25), around([10, 10], 20)
    drawn = {"spine": spine, "neck": neck, "arms": arms, "elbows": elbows, "thighs": thighs, "knees": knees}
    if kind == "free":
        drawn = {name: stream.uniform(*LIMITS[name].T, size=angles.shape) for name, angles in drawn.items()}
    return Stance(**{name: np.clip(angles, *LIMITS[name].T) for name, angles in drawn.items()}), kind


def place_joints(stance: Stance, legs: float = 1.0, shoulders: float = 1.0) -> np.ndarray:
    """The (16, 3) joints of a body in its own space.

    Args:
        stance: its pose.
        legs: length of the legs against a usual body; the trunk takes the rest.
        shoulders: their width against a usual body.
    """
    joints = np.zeros((16, 3))
    bend, aside, turned = stance.spine.tolist()
    chest = _turn(1, turned) @ _turn(2, -aside) @ _turn(0, bend)
    half = _turn(1, turned / 2) @ _turn(2, -aside / 2) @ _turn(0, bend / 2)
    trunk = 2 - legs
    joints[_THORAX] = half @ [0, 0.15 * trunk, 0] + chest @ [0, 0.13 * trunk, 0]
    joints[_NECK] = joints[_THORAX] + chest @ [0, 0.055, 0.004]
    nod, tilt = stance.neck.tolist()
    joints[_TOP] = joints[_NECK] + chest @ _turn(2, -tilt) @ _turn(0, nod) @ [0, 0.135, 0.012]
    for i, x in enumerate((-1.0, 1.0)):  # the right side of a body is at negative x
        hip, knee, ankle, wrist, elbow, shoulder = _other(i)
        up, out = stance.thighs[i].tolist()
        thigh = np.array([x * math.sin(out), -math.cos(out) * math.cos(up), math.cos(out) * math.sin(up)])
        joints[hip] = [x * 0.055, -0.012, 0]
        joints[knee] = joints[hip] + 0.245 * legs * thigh
        behind = np.array([0, -math.sin(up), -math.cos(up)])
        joints[ankle] = joints[knee] + 0.235 * legs * _bent(thigh, behind, stance.knees[i])
        lift, where = stance.arms[i].tolist()
        arm = np.array([x * math.sin(lift) * math.sin(where), -math.cos(lift), math.sin(lift) * math.cos(where)])
        joints[shoulder] = joints[_THORAX] + chest @ [x * 0.105 * shoulders, 0.02 * max(lift - 1, 0), 0]
        joints[elbow] = joints[shoulder] + 0.172 * (chest @ arm)
        fold = np.array([-0.35 * x, 0.55 - 0.4 * lift, 1.0])
        joints[wrist] = joints[elbow] + 0.155 * (chest @ _bent(arm, fold, stance.elbows[i]))
    return joints


def _other(i: int) -> tuple[int, int, int, int, int, int]:
    """Hip, knee, ankle, wrist, elbow and shoulder of the right (0) or left (1) side, in the order of MPII."""
    return (_HIP, _KNEE, _ANKLE, _WRIST, _ELBOW, _SHOULDER) if i == 0 else (3, 4, 5, 15, 14, 13)


def _bent(along: np.ndarray, towards: np.ndarray, angle: float) -> np.ndarray:
    """A direction bent by an angle towards another."""
    side = towards - along * (along @ towards)
    return math.cos(angle) * along + math.sin(angle) * side / max(float(np.linalg.norm(side)), 1e-6)


def _turn(axis: int, angle: float) -> np.ndarray:
    """A rotation about a coordinate axis."""
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[[one, two], [one, two]] = math.cos(angle)
    matrix[one, two], matrix[two, one] = -math.sin(angle), math.sin(angle)
    return matrix


def forward(joints: np.ndarray) -> np.ndarray:
    """(3,) where the chest faces: across the line of the shoulders and the spine."""
    left = joints[13] - joints[12]
    facing = np.cross(left, joints[_THORAX] - joints[_PELVIS])
    return facing / np.linalg.norm(facing)


def solids(
    joints: np.ndarray, build: float, fit: float, short: bool, bare: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a body is made of.

    Args:
        joints: (16, 3) of :func:`place_joints`.
        build: width against a usual body.
        fit: width of the trousers, 1 is usual.
        short: whether sleeves are.
        bare: whether the legs are, from above the knee.

    Returns:
        (c, 2, 3) ends and (c,) radii of capsules, and (c,) what each is dressed as, a number of :data:`PARTS`.
    """
    rows: list[tuple[np.ndarray, np.ndarray, float, str]] = []

    def add(a: np.ndarray, b: np.ndarray, radius: float, part: str) -> None:
        rows.append((a, b, radius, part))

    facing, thorax, pelvis, neck, top = forward(joints), joints[_THORAX], joints[_PELVIS], joints[_NECK], joints[_TOP]
    up = (top - neck) / np.linalg.norm(top - neck)
    add(neck - 0.03 * up, neck + 0.03 * up, 0.03 * build, "skin")
    add(neck + 0.4 * (top - neck), top - HEAD_RADIUS * up, HEAD_RADIUS, "hair")
    for i in range(2):
        hip, knee, ankle, wrist, elbow, shoulder = (joints[j] for j in _other(i))
        inner = thorax + 0.62 * (shoulder - thorax)
        add(pelvis + 1.05 * (hip - pelvis), inner - 0.03 * (thorax - pelvis), 0.057 * build, "top")
        add(pelvis + 0.5 * (hip - pelvis) + 0.012 * facing, thorax + 0.4 * (inner - thorax), 0.062 * build, "top")
        add(thorax, shoulder, 0.043 * build, "top")
        add(pelvis, hip, 0.066 * build, "bottom")
        half = 0.5 * (shoulder + elbow)
        add(shoulder, half, 0.038 * build, "sleeve")
        add(half, elbow, 0.032 * build, "skin" if short else "sleeve")
        add(elbow, wrist, (0.026 if short else 0.029) * build, "skin" if short else "sleeve")
        add(wrist, wrist + 0.3 * (wrist - elbow), 0.021, "skin")
        low = 0.6 * hip + 0.4 * knee
        add(hip, low, 0.055 * build, "bottom")
        add(low, knee, (0.04 if bare else 0.045 * fit) * build, "skin" if bare else "leg")
        add(knee, ankle, (0.031 if bare else 0.036 * fit) * build, "skin" if bare else "leg")
        shank = (ankle - knee) / np.linalg.norm(ankle - knee)
        toe = _bent(shank, facing + 0.01 * up, 1.35)
        add(ankle + 0.012 * shank, ankle + 0.022 * shank + 0.085 * toe, 0.024, "shoe")
    return (
        np.array([(a, b) for a, b, _, _ in rows]),
        np.array([radius for _, _, radius, _ in rows]),
        np.array([PARTS.index(part) for _, _, _, part in rows]),
    )
