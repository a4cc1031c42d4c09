"""Tiny folders in the forms of MPII, NYU, ICVL and BigHand: hands and bodies of dots, whose joints are known."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from querist.tasks.pose import bighand, icvl, nyu
from querist.tasks.pose.camera import Depth
from querist.tasks.pose.nyu import WHOLE

_BACKGROUND_MM = 1200


def _hand(rng: np.random.Generator, joints: int) -> np.ndarray:
    """(joints, 3) mm before the camera, no two at one place."""
    return np.array([0.0, 0.0, 600.0]) + rng.uniform(-70, 70, size=(joints, 3))


def _depth_image(depth: Depth, uvd: np.ndarray) -> np.ndarray:
    """A square of its depth at every joint, before a far wall; uint16 (height, width)."""
    assert depth.size is not None
    width, height = depth.size
    image = np.full((height, width), _BACKGROUND_MM, np.uint16)
    for u, v, d in uvd[np.argsort(-uvd[:, 2])]:
        row, column = round(v), round(u)
        image[row - 4 : row + 5, column - 4 : column + 5] = round(d)
    return image


def _save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def write_nyu(root: Path, train: int, test: int, rng: np.random.Generator) -> None:
    for split, count in (("train", train), ("test", test)):
        table = np.zeros((3, count, 36, 3))
        for i in range(count):
            uvd = nyu.DEPTH.camera.to_uvd(_hand(rng, 36))
            table[:, i] = uvd
            image = _depth_image(nyu.DEPTH, uvd[WHOLE])
            high, low = (image >> 8).astype(np.uint8), (image & 255).astype(np.uint8)
            _save(root / split / f"depth_1_{i + 1:07d}.png", np.stack([np.zeros_like(low), high, low], axis=-1))
        savemat(root / split / "joint_data.mat", {"joint_uvd": table})


def write_icvl(root: Path, train: int, test: int, rng: np.random.Generator) -> None:
    for split, folder, labels, count in (
        ("Training", "2014", "labels.txt", train),
        ("Testing", "test_seq_1", "test_seq_1.txt", test),
    ):
        lines = []
        for i in range(count):
            uvd = icvl.DEPTH.camera.to_uvd(_hand(rng, 16))
            name = f"{folder}/image_{i:04d}.png"
            _save(root / split / "Depth" / name, _depth_image(icvl.DEPTH, uvd))
            lines.append(" ".join([name, *(f"{x:.3f}" for x in uvd.ravel())]) + " \n")
        (root / split / labels).write_text("".join(lines))


def write_bighand(root: Path, train: int, test: int, rng: np.random.Generator) -> None:
    """The whole release, a person for every twelve images; it has no test set."""
    for person in range(1, (train + test) // 12 + 1):
        lines = []
        for i in range(12):
            xyz = _hand(rng, 21)
            image = _depth_image(bighand.DEPTH, bighand.DEPTH.camera.to_uvd(xyz))
            _save(root / f"Subject_{person}/1 75/image_D{i:08d}.png", image)
            lines.append("\t".join([f"{i:08d}", *(f"{x:.4f}" for x in xyz.ravel())]) + "\n")
        labels = root / f"full_annotation/Subject_{person}/1 75_loc_shift.txt"
        labels.parent.mkdir(parents=True)
        labels.write_text("".join(lines))


def write_mpii(root: Path, train: int, test: int, rng: np.random.Generator) -> None:
    (root / "annot").mkdir(parents=True)
    for split, count in (("train", train), ("valid", test)):
        people = []
        for i in range(count):
            joints = rng.uniform(20, 140, size=(16, 2))
            image = np.full((160, 160, 3), 90, np.uint8)
            for j, (x, y) in enumerate(joints.astype(int)):
                image[y - 3 : y + 4, x - 3 : x + 4] = (16 * j, 255 - 16 * j, 40)
            name = f"{split}{i:03d}.png"
            _save(root / "images" / name, image)
            person = {"image": name, "joints": (joints + 1).tolist(), "joints_vis": [1] * 16}
            people.append(person | {"center": [80.0, 80.0], "scale": 0.7})
        (root / "annot" / f"{split}.json").write_text(json.dumps(people))


WRITERS: dict[str, Callable[[Path, int, int, np.random.Generator], None]] = {
    "mpii": write_mpii, "nyu": write_nyu, "icvl": write_icvl, "bighand": write_bighand,
}  # fmt: skip
