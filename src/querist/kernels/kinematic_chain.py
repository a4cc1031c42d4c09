"""Poses in kinematic chain space: lengths of bones and angles between them, wherever and however the body stands.

Wandt et al. 2018 (A kinematic chain space for monocular motion capture) for the space; Gong et al. 2022 (MATAL) for the
global and local features (ALGORITHMS 2.2).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_BLOCK = 65_536  # poses at a time: their whole matrices are larger than what is kept of them


def chain_features(joints: Tensor, bones: Tensor, parts: Sequence[Sequence[int]]) -> Tensor:
    """The upper triangles, with their diagonals, of ``V Vᵀ`` for all bones and then for the bones of each part.

    V has a row ``child - parent`` for each bone: the diagonal of ``V Vᵀ`` holds squared lengths, and what lies off it
    cosines of angles, weighted with both lengths. 20 bones of a hand with parts of 5 and five times 4 bones make 275
    numbers; 15 bones of a body with parts of 5 and five times 2 make 150.

    Args:
        joints: (n, J, D) floating point, finite.
        bones: (M, 2) int64, parent and child of each.
        parts: the bones of each local part, by their rows in ``bones``.

    Returns:
        (n, F) of the type of ``joints``; :func:`space_columns` tells what stands where.

    Raises:
        ValueError: shapes that do not fit, a joint or bone that does not exist, or a coordinate that is not finite.
    """
    _check(joints, bones)
    spaces = _spaces(len(bones), parts)
    pairs = [torch.tensor(space)[torch.triu_indices(len(space), len(space))] for space in spaces]
    first, second = torch.cat(pairs, dim=1).to(joints.device)
    features = joints.new_empty(len(joints), len(first))
    for some, out in zip(joints.split(_BLOCK), features.split(_BLOCK), strict=True):
        vectors = some[:, bones[:, 1]] - some[:, bones[:, 0]]
        out.copy_((vectors @ vectors.transpose(1, 2))[:, first, second])
    return features


def space_columns(bones: int, parts: Sequence[Sequence[int]]) -> tuple[slice, ...]:
    """Which columns of :func:`chain_features` belong to all bones (P_0) and to each part (P_1, ...).

    Args:
        bones: M; ``parts`` as above.

    Raises:
        ValueError: a part that is empty, holds a bone twice, or one that does not exist.
    """
    columns, start = [], 0
    for space in _spaces(bones, parts):
        size = len(space) * (len(space) + 1) // 2
        columns.append(slice(start, start + size))
        start += size
    return tuple(columns)


def _spaces(bones: int, parts: Sequence[Sequence[int]]) -> list[list[int]]:
    if bones < 1:
        raise ValueError("a skeleton needs at least one bone")
    spaces = [list(range(bones))]
    for place, part in enumerate(parts):
        chosen = [int(bone) for bone in part]
        if not chosen or len(set(chosen)) < len(chosen) or not 0 <= min(chosen) <= max(chosen) < bones:
            raise ValueError(f"part {place} is {chosen}; a part has one or more different bones of 0..{bones - 1}")
        spaces.append(chosen)
    return spaces


def _check(joints: Tensor, bones: Tensor) -> None:
    if joints.ndim != 3 or not joints.is_floating_point():
        raise ValueError(f"joints must be (n, J, D) floating point, got {tuple(joints.shape)} of {joints.dtype}")
    if bones.ndim != 2 or bones.shape[1] != 2 or bones.dtype != torch.int64:
        raise ValueError(f"bones must be (M, 2) int64, got {tuple(bones.shape)} of {bones.dtype}")
    if bones.numel() and not 0 <= int(bones.min()) <= int(bones.max()) < joints.shape[1]:
        raise ValueError(f"bones join joints {int(bones.min())}..{int(bones.max())}, but poses have {joints.shape[1]}")
    wrong = (~torch.isfinite(joints).flatten(1).all(dim=1)).nonzero()[:, 0]
    if len(wrong):
        raise ValueError(f"{len(wrong)} poses have joints that are not finite, first pose {int(wrong[0])}")
