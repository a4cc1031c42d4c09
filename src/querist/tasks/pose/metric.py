"""How good estimated poses are: PCKh, PCK and the average joint error, all larger the better.

All three are sums over images: a row of statistics holds for each joint a hit, or the millimetres by which it was
missed, and whether it counts, so that the bootstrap over images needs nothing else. Joints that are unknown do not
count; covered joints whose place was labelled do. A joint that counts must have been estimated.
"""

import functools

import numpy as np

from querist.core.evaluation import Evaluation
from querist.errors import QueristError
from querist.tasks.pose.data import PoseData

HEAD_FACTOR = 0.6
"""MPII's share of the head box's diagonal: about the length of a head (evalMPII's SC_BIAS)."""


def pckh(
    data: PoseData, sources: np.ndarray, estimated: np.ndarray, threshold: float = 0.5, head_factor: float = HEAD_FACTOR
) -> Evaluation:
    """Percent of joints within a share of the head's length: PCKh (Andriluka et al. 2014).

    The head's length is ``head_factor`` times the diagonal of the head's box, or, where a pose has no such box, the
    distance between the joints of the skeleton's head, which is that length itself. The mean is over joints of all
    images, without the skeleton's ``unscored`` (MPII: pelvis and thorax). Poses of which neither is known do not count
    and are ``left_out``.

    Args:
        data: gives the truth.
        sources: (n,) that were estimated.
        estimated: (n, J, 2) in the frame of the model, as ``data.joints``.
        threshold: share of the head's length; a joint at just that distance is a hit.
        head_factor: 0.6 is official; public code of active learning for poses has 1.0, which makes PCKh@0.5 an official
            PCKh@0.83 (ALGORITHMS 2.7).

    Returns:
        Statistics (n, 2 J): hits of each joint, then whether it counts. The parts are the skeleton's joints.

    Raises:
        QueristError: if no head is known, or an estimate is not finite.
        ValueError: if shapes do not fit, or threshold or factor is not positive.
    """
    if head_factor <= 0:
        raise ValueError(f"the head factor must be positive, not {head_factor}")
    sources = np.asarray(sources)
    boxed = data.heads is not None and not np.isnan(data.heads).all()
    if data.skeleton.head is None and not boxed and not data.is_depth:
        raise _lacks("head", "; or give the diagonals of their boxes")
    lengths = _distances(data, sources, data.skeleton.head)
    if data.heads is not None:
        boxes = data.heads[sources]
        lengths = np.where(np.isnan(boxes), lengths, head_factor * boxes)
    return _correct(data, sources, estimated, threshold * lengths, threshold, "a head box, nor two joints of the head")


def pck(data: PoseData, sources: np.ndarray, estimated: np.ndarray, threshold: float = 0.2) -> Evaluation:
    """Percent of joints within a share of the torso's length: PCK@0.2 as on LSP (Yang and Ramanan 2013).

    The torso's length is the distance between the joints of the skeleton's torso: left shoulder and right hip. Poses of
    which one of them is unknown do not count and are ``left_out``.

    Args:
        data: gives the truth.
        sources: (n,) that were estimated.
        estimated: (n, J, 2) in the frame of the model, as ``data.joints``.
        threshold: share of the torso's length; a joint at just that distance is a hit.

    Returns:
        As :func:`pckh`.

    Raises:
        QueristError: if no torso is known, or an estimate is not finite.
        ValueError: if shapes do not fit, or the threshold is not positive.
    """
    sources = np.asarray(sources)
    if data.skeleton.torso is None and not data.is_depth:
        raise _lacks("torso")
    lengths = _distances(data, sources, data.skeleton.torso)
    return _correct(data, sources, estimated, threshold * lengths, threshold, "two joints of the torso")


def joint_error(data: PoseData, sources: np.ndarray, estimated: np.ndarray) -> Evaluation:
    """The average joint error in millimetres, *negated*, so that larger is better here too.

    It is the mean over images and joints of the Euclidean distance in space, after the crop was undone and with the
    camera's intrinsics. The skeleton's ``unscored`` joints stay out of the mean.

    Args:
        data: gives the truth and the camera.
        sources: (n,) that were estimated.
        estimated: (n, J, 3) in the frame of the model, as ``data.joints``.

    Returns:
        Statistics (n, 2 J): mm by which each joint was missed, then whether it counts. The value is -mm, and so are the
        parts, the skeleton's joints.

    Raises:
        QueristError: if no joint is known, an estimate is not finite, or images are not of depth.
        ValueError: if shapes do not fit.
    """
    sources = np.asarray(sources)
    known = _known(data, sources, estimated)
    truth = data.in_space(sources, data.joints[sources])
    missed = np.linalg.norm(data.in_space(sources, estimated) - truth, axis=2)
    statistics = np.concatenate([np.where(known, missed, 0.0), known], axis=1)
    return _evaluation(data, sources, statistics, -1.0)


def _correct(
    data: PoseData, sources: np.ndarray, estimated: np.ndarray, radius: np.ndarray, threshold: float, needs: str
) -> Evaluation:
    """Hits within a radius (n,) in pixels of the file; NaN where a pose cannot be measured."""
    if threshold <= 0:
        raise ValueError(f"the threshold must be positive, not {threshold}")
    if data.is_depth:
        raise QueristError("depth images have no correct keypoints in pixels", "use the joint error in mm")
    counts = _known(data, sources, estimated) & (radius > 0)[:, None]
    if not counts.any():
        raise QueristError(f"none of {len(sources)} poses has {needs}", "use another metric, or label them")
    truth = data.in_file(sources, data.joints[sources])
    missed = np.linalg.norm(data.in_file(sources, estimated) - truth, axis=2)
    with np.errstate(invalid="ignore"):
        hits = counts & (missed <= radius[:, None])
    return _evaluation(data, sources, np.concatenate([hits, counts], axis=1).astype(np.float64), 100.0)


def _lacks(what: str, other: str = "") -> QueristError:
    return QueristError(
        f"the skeleton names no {what}, whose length is what errors are measured by",
        f'name its two joints: "{what}": ["JOINT", "JOINT"] in skeleton.json{other}',
    )


def _distances(data: PoseData, sources: np.ndarray, pair: tuple[int, int] | None) -> np.ndarray:
    """(n,) true distances between two joints, in pixels of the file; NaN where one is unknown."""
    if pair is None:
        return np.full(len(sources), np.nan)
    ends = data.in_file(sources, data.joints[sources][:, list(pair)])
    return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)


def _known(data: PoseData, sources: np.ndarray, estimated: np.ndarray) -> np.ndarray:
    """(n, J) which joints count, once shapes and estimates are found sound."""
    expected = (len(sources), *data.joints.shape[1:])
    if sources.ndim != 1 or np.shape(estimated) != expected:
        raise ValueError(f"estimated joints are {np.shape(estimated)} for {len(sources)} sources, expected {expected}")
    known = data.known[sources]
    wrong = np.flatnonzero((known & ~np.isfinite(estimated).all(axis=2)).any(axis=1))
    if len(wrong):
        raise QueristError(
            f"the pose of {data.names[int(sources[wrong[0]])]!r} and of {len(wrong) - 1} more is not finite",
            "the model's training has diverged: lower its learning rate",
        )
    if not known.any():
        raise QueristError(f"none of {len(sources)} poses has a known joint", "measure on labelled images")
    return known


def _evaluation(data: PoseData, sources: np.ndarray, statistics: np.ndarray, factor: float) -> Evaluation:
    scored = np.setdiff1d(np.arange(len(data.skeleton)), data.skeleton.unscored)
    return Evaluation(
        sources,
        statistics,
        functools.partial(_mean, scored=scored, factor=factor),
        functools.partial(_means, factor=factor),
        int((statistics[:, len(data.skeleton) :].sum(axis=1) == 0).sum()),
    )


def _mean(statistics: np.ndarray, scored: np.ndarray, factor: float) -> np.ndarray:
    """Sums (..., 2 J) -> the mean over scored joints (...); NaN where none counts."""
    joints = statistics.shape[-1] // 2
    with np.errstate(invalid="ignore"):
        return factor * statistics[..., scored].sum(axis=-1) / statistics[..., joints + scored].sum(axis=-1)


def _means(statistics: np.ndarray, factor: float) -> np.ndarray:
    """Sums (2 J,) -> the mean of each joint (J,); NaN where it never counts."""
    gained, counts = np.split(statistics, 2)
    with np.errstate(invalid="ignore"):
        return factor * gained / counts
