"""The skeletons of the data sets that are read; ALGORITHMS 2.2 for the parts of MPII's body and of the hand."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from querist.tasks.pose.skeleton import Skeleton


def _named(
    names: Sequence[str],
    chains: Sequence[Sequence[str]],
    parts: Mapping[str, Sequence[str]],
    torso: tuple[str, str] | None = None,
    head: tuple[str, str] | None = None,
    unscored: Sequence[str] = (),
) -> Skeleton:
    """A skeleton whose bones follow chains of joints; joints ``left ...`` and ``right ...`` change places.

    A part names its bones by the joints that they end in.
    """
    at = {name: joint for joint, name in enumerate(names)}
    bones = tuple((at[a], at[b]) for chain in chains for a, b in pairwise(chain))
    ends = {child: row for row, (_, child) in enumerate(bones)}
    left = [name for name in names if name.startswith("left ")]
    return Skeleton(
        tuple(names), bones, tuple((at[name], at[name.replace("left", "right", 1)]) for name in left),
        {part: tuple(ends[at[joint]] for joint in joints) for part, joints in parts.items()},
        None if torso is None else (at[torso[0]], at[torso[1]]),
        None if head is None else (at[head[0]], at[head[1]]),
        tuple(at[name] for name in unscored),
    )  # fmt: skip


def _both(*joints: str) -> list[list[str]]:
    """A chain on the right and the same on the left; a joint that begins with ``*`` is in the middle."""
    return [[j[1:] if j.startswith("*") else f"{side} {j}" for j in joints] for side in ("right", "left")]


_LIMBS = {
    f"{side} {limb}": (f"{side} {joints[0]}", f"{side} {joints[1]}")
    for limb, joints in (("arm", ("elbow", "wrist")), ("leg", ("knee", "ankle")))
    for side in ("right", "left")
}
_TORSO = ("left shoulder", "right hip")
"""Yang and Ramanan (2013) measure the torso across, from the left shoulder to the right hip; so does LSP's PCK."""

LSP = _named(
    ("right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "right wrist", "right elbow",
     "right shoulder", "left shoulder", "left elbow", "left wrist", "neck", "head top"),
    [["neck", "head top"], *_both("*neck", "shoulder", "elbow", "wrist"), *_both("*neck", "hip", "knee", "ankle")],
    {"torso": ("right hip", "left hip"), "head": ("head top", "right shoulder", "left shoulder"), **_LIMBS},
    _TORSO, ("neck", "head top"),
)  # fmt: skip
"""Leeds Sports Pose (Johnson and Everingham 2010): 14 joints. Without pelvis and thorax, hips hang on the neck.

One bone by itself has no angle, and all its lengths have one direction: the head is seen against the shoulders.
"""

MPII = _named(
    ("right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "pelvis", "thorax", "upper neck",
     "head top", "right wrist", "right elbow", "right shoulder", "left shoulder", "left elbow", "left wrist"),
    [["pelvis", "thorax", "upper neck", "head top"], *_both("*thorax", "shoulder", "elbow", "wrist"),
     *_both("*pelvis", "hip", "knee", "ankle")],
    {"torso": ("thorax", "right shoulder", "left shoulder", "right hip", "left hip"),
     "head": ("upper neck", "head top"), **_LIMBS},
    _TORSO, ("upper neck", "head top"), ("pelvis", "thorax"),
)  # fmt: skip
"""MPII Human Pose (Andriluka et al. 2014): 16 joints, 15 bones; its PCKh leaves pelvis and thorax out of the mean."""

COCO = _named(
    ("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
     "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle",
     "right ankle"),
    [*_both("*nose", "eye", "ear"), *_both("*nose", "shoulder", "elbow", "wrist"),
     *_both("shoulder", "hip", "knee", "ankle")],
    {"torso": ("right shoulder", "left shoulder", "right hip", "left hip"),
     "head": ("right eye", "left eye", "right ear", "left ear"), **_LIMBS},
    _TORSO,
)  # fmt: skip
"""COCO keypoints (Lin et al. 2014): 17 joints; shoulders hang on the nose, hips on the shoulders."""

FINGERS = ("thumb", "index", "middle", "ring", "little")


def _fingers(joints: int, root: str) -> Skeleton:
    """A hand whose fingers have so many joints each, numbered from the palm, behind a root."""
    own = {finger: [f"{finger} {i + 1}" for i in range(joints)] for finger in FINGERS}
    names = [name for finger in FINGERS for name in own[finger]]
    return _named(
        [root, *names],
        [[root, *chain] for chain in own.values()],
        {"palm": [chain[0] for chain in own.values()], **own},
    )


HAND21 = _fingers(4, "wrist")
"""The hand of BigHand2.2M and of most others: the wrist, then from thumb to little finger four joints, knuckle to tip.

20 bones; the palm has the five from the wrist, a finger its four with the one from the wrist: 275 numbers.
"""

ICVL16 = _fingers(3, "palm")
"""The hand of ICVL (Tang et al. 2014): the palm, then from thumb to little finger root, middle and tip."""

NYU14 = _named(
    ("little 2", "little 1", "ring 2", "ring 1", "middle 2", "middle 1", "index 2", "index 1", "thumb 3", "thumb 2",
     "thumb 1", "wrist 1", "wrist 2", "palm"),
    [["palm", f"{finger} 1", f"{finger} 2"] for finger in ("little", "ring", "middle", "index")]
    + [["palm", "thumb 1", "thumb 2", "thumb 3"], ["palm", "wrist 1"], ["palm", "wrist 2"]],
    {"palm": ("little 1", "ring 1", "middle 1", "index 1", "thumb 1", "wrist 1", "wrist 2"),
     **{finger: (f"{finger} 1", f"{finger} 2") for finger in ("little", "ring", "middle", "index")},
     "thumb": ("thumb 1", "thumb 2", "thumb 3")},
)  # fmt: skip
"""The 14 of 36 joints on which results on NYU (Tompson et al. 2014) are compared; a finger has a joint and its tip."""

SKELETONS: Mapping[str, Skeleton] = {
    "lsp": LSP, "mpii": MPII, "coco": COCO, "hand21": HAND21, "icvl16": ICVL16, "nyu14": NYU14,
}  # fmt: skip
"""All of them by name."""
