"""ICVL, BigHand2.2M and NYU: files as their authors' notes and public importers describe them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.pose.bighand import ORDER, read_bighand
from querist.tasks.pose.icvl import read_icvl
from querist.tasks.pose.layouts import read
from querist.tasks.pose.load import load
from querist.tasks.pose.nyu import EVALUATED, WHOLE, read_nyu21
from querist.tasks.pose.skeletons import HAND21, NYU14


def numbers(count: int, joint: int = 0) -> list[float]:
    """u, v and d, or x, y and z, of each joint."""
    return [value for j in range(joint, joint + count) for value in (100.0 + j, 80.0 + j, 300.0 + j)]


def line(path: str, values: list[float], between: str = " ") -> str:
    return between.join([path, *(f"{value:.4f}" for value in values)]) + between + "\n"


def image(path: Path, array: np.ndarray | None = None, shape: tuple[int, int] = (240, 320)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, 300, np.uint16) if array is None else array).save(path)


def icvl(root: Path) -> Path:
    image(root / "Training/Depth/2014/image_0000.png")
    image(root / "Testing/Depth/test_seq_1/image_0001.png")
    (root / "Training/labels.txt").write_text(line("2014/image_0000.png", numbers(16)) + "\n")
    (root / "Testing/test_seq_1.txt").write_text(line("test_seq_1/image_0001.png", numbers(16, 1)))
    return root


def test_icvl_is_read(tmp_path):
    found = read(icvl(tmp_path))
    assert found.layout == "icvl"
    assert found.names == ("train/2014/image_0000", "test/test_seq_1/image_0001")
    assert found.joints[0, 15].tolist() == [115, 95, 315]
    assert found.centres[0].tolist() == [107.5, 87.5, 307.5]
    data = load(found, 16, cache=tmp_path / "cache")
    assert data.image(0)[8, 8, 0] == pytest.approx(-7.5 / 125, abs=1e-4)  # 300 mm, in a cube of 250 around 307.5
    assert np.allclose(data.in_file(np.arange(2), data.joints), found.joints, atol=1e-3)


def test_turned_copies_of_icvl_are_passed_over(tmp_path):
    """The release lists them among the others; whoever is tested is never turned."""
    root, lines = icvl(tmp_path), []
    for folder in ("2014", "22-5", "-22-5", "45", "-90", "112-5", "180"):
        image(root / f"Training/Depth/{folder}/image_0000.png")
        lines.append(line(f"{folder}/image_0000.png", numbers(16)))
    lines.append(line("67-5\\image_0000.png", numbers(16)))
    (root / "Training/labels.txt").write_text("".join(lines))
    assert read_icvl(root).names == ("train/2014/image_0000", "test/test_seq_1/image_0001")


def test_images_of_another_size_or_with_nothing_where_the_hand_is_are_named(tmp_path):
    found = read_icvl(icvl(tmp_path))
    image(tmp_path / "Training/Depth/2014/image_0000.png", shape=(480, 640))
    with pytest.raises(QueristError, match=r"image_0000\.png has 640 x 480 pixels, and its camera takes 320 x 240"):
        load(found, 16, cache=tmp_path / "cache")
    image(tmp_path / "Training/Depth/2014/image_0000.png", np.full((240, 320), 3000, np.uint16))  # tenths of a mm
    with pytest.raises(QueristError, match=r"image_0000\.png: nothing lies in the cube of 250 mm .* 108, 88, 308"):
        load(found, 16, cache=tmp_path / "cache")


def test_later_copies_of_icvl_are_read_too(tmp_path):
    image(tmp_path / "Depth/a.png")
    (tmp_path / "train.txt").write_text(line("a.png", numbers(16)))
    assert read(tmp_path).names == ("train/a",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (line("2014/image_0000.png", numbers(15)), "line 1 has 45 numbers behind a path, expected 48"),
        (line("2014/image_0000.png", numbers(16)).replace("300.0000", "far"), "line 1: could not convert"),
        (
            line("2014/image_0000.png", numbers(16)).replace("300.0000", "nan"),
            "line 1 holds a number that is not finite",
        ),
        (line("2014/image_0000.png", numbers(16)).replace("300.0000", "0"), "'palm' has no positive depth"),
        (line("2014/image_0009.png", numbers(16)), r"line 1: there is no file .*image_0009\.png"),
        (line("/etc/a.png", numbers(16)), "is not one inside"),
        (line(".", numbers(16)), r"line 1: the path '\.' is not one inside"),
        (2 * line("2014/image_0000.png", numbers(16)), "two poses are named train/2014/image_0000"),
    ],
)
def test_wrong_lines_of_icvl_are_named(tmp_path, text, says):
    (icvl(tmp_path) / "Training/labels.txt").write_text(text)
    with pytest.raises(QueristError, match=says):
        read_icvl(tmp_path)


def test_what_icvl_lacks_is_named(tmp_path):
    with pytest.raises(QueristError, match="has no labels"):
        read_icvl(tmp_path)
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(QueristError, match="Depth does not exist"):
        read_icvl(tmp_path)
    (tmp_path / "Depth").mkdir()
    with pytest.raises(QueristError, match=r"train\.txt is not text"):
        read_icvl(tmp_path)


def test_bighand_is_read_in_the_order_of_the_other_hands(tmp_path):
    image(tmp_path / "training/images/image_D00000001.png")
    labels = tmp_path / "training/Training_Annotation.txt"
    xyz = np.array([[j, -j, 400.0 + j] for j in range(21)])
    labels.write_text(line("image_D00000001.png", xyz.ravel().tolist(), "\t"))
    found = read(tmp_path)
    assert found.layout == "bighand"
    assert found.names == ("train/image_D00000001",)
    assert found.depth is not None
    # HANDS 2017: wrist, five knuckles from thumb to little finger, then three joints of each finger.
    own = ["wrist", *(f"{f} 1" for f in ("thumb", "index", "middle", "ring", "little"))]
    own += [f"{f} {i}" for f in ("thumb", "index", "middle", "ring", "little") for i in (2, 3, 4)]
    assert [own[j] for j in ORDER] == list(HAND21.names)
    assert np.allclose(found.depth.camera.to_xyz(found.joints[0]), xyz[[own.index(name) for name in HAND21.names]])
    u, v, d = found.joints[0, HAND21.joint("little 4")]
    assert (u, v, d) == pytest.approx((475.065948 * 20 / 420 + 315.944855, 245.287079 - 475.065857 * 20 / 420, 420))


def test_paths_of_bighand_may_hold_spaces_and_backslashes(tmp_path):
    image(tmp_path / "Subject_1/1 75/image_1.png")
    (tmp_path / "Training_Annotation.txt").write_text(line("Subject_1\\1 75\\image_1.png", numbers(21), "\t"))
    assert read(tmp_path).names == ("train/Subject_1/1 75/image_1",)


def whole_bighand(root: Path, recordings: dict[str, int], ending: str = " \n") -> Path:
    """As importers of the whole release describe it: an image's number, tab between tab, something at the end."""
    for recording, count in recordings.items():
        person, view = recording.split("/")
        for i in range(count):
            image(root / recording / f"image_D{i:08d}.png")
        labels = root / "full_annotation" / person / f"{view}_loc_shift_made_by_qi_20180112_v2.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        text = [line(f"{i:08d}", numbers(21), "\t").rstrip() + ending for i in range(count)]
        labels.write_text("".join(text))
        (labels.parent / "README.txt").write_text("about these files")
    return root


@pytest.mark.parametrize("ending", ["\n", "\t\n", " \r\n"])
def test_the_whole_of_bighand_is_read_person_by_person(tmp_path, ending):
    found = read(whole_bighand(tmp_path, {"Subject_1/1 75": 2, "Subject_1/ego": 1, "Subject_12/76 150": 1}, ending))
    assert found.layout == "bighand"
    assert found.names == (
        "train/Subject_1/1 75/image_D00000000", "train/Subject_1/1 75/image_D00000001",
        "train/Subject_1/ego/image_D00000000", "train/Subject_12/76 150/image_D00000000",
    )  # fmt: skip
    assert found.images[2] == tmp_path / "Subject_1/ego/image_D00000000.png"
    assert found.subjects.tolist() == [0, 0, 0, 1]
    assert found.depth is not None
    assert np.allclose(found.depth.camera.to_xyz(found.joints[0])[0], numbers(21)[:3])


def test_joints_of_images_that_bighand_lacks_are_passed_over_unless_most_are(tmp_path):
    root = whole_bighand(tmp_path, {"Subject_1/1 75": 4})
    (root / "Subject_1/1 75/image_D00000001.png").unlink()
    (root / "Subject_1/1 75/image_D00000002.png").unlink()
    assert [name[-1] for name in read_bighand(root).names] == ["0", "3"]
    (root / "Subject_1/1 75/image_D00000003.png").unlink()
    with pytest.raises(QueristError, match=r"1 75_loc_.*\.txt has the joints of 4 images, of which 1 are in .*1 75"):
        read_bighand(root)


def test_paths_instead_of_numbers_are_fine_in_the_whole_of_bighand(tmp_path):
    root = whole_bighand(tmp_path, {"Subject_1/ego": 1})
    labels = root / "full_annotation/Subject_1/ego_loc_shift_made_by_qi_20180112_v2.txt"
    labels.write_text(line("Subject_1/ego/image_D00000000.png", numbers(21), "\t"))
    assert read_bighand(root).names == ("train/Subject_1/ego/image_D00000000",)


def test_what_is_wrong_with_the_whole_of_bighand_is_named(tmp_path):
    root = whole_bighand(tmp_path, {"Subject_1/1 75": 1})
    labels = root / "full_annotation/Subject_1/1 75_loc_shift_made_by_qi_20180112_v2.txt"
    labels.write_text(line("../../0", numbers(21), "\t"))
    with pytest.raises(QueristError, match=r"line 1: the path '\.\./\.\./0' is not one inside"):
        read_bighand(root)
    labels.write_text(line("00000000", numbers(20), "\t"))
    with pytest.raises(QueristError, match=r"line 1 has 60 numbers behind a path, expected 63"):
        read_bighand(root)
    labels.write_text(line("00000000", [-1.0] * 63, "\t"))
    with pytest.raises(QueristError, match=r"line 1: a point at a depth of -1\.0"):
        read_bighand(root)
    (root / "Training_Annotation.txt").write_text("")
    with pytest.raises(QueristError, match=r"holds full_annotation/Subject_1/1 75_.* and Training_Annotation\.txt"):
        read_bighand(root)
    (root / "Training_Annotation.txt").unlink()
    (root / "Subject_1").rename(root / "elsewhere")
    with pytest.raises(QueristError, match=r"Subject_1/1 75 is missing, whose joints are in"):
        read_bighand(root)


def test_what_is_wrong_with_bighand_is_named(tmp_path):
    with pytest.raises(QueristError, match="has no annotations"):
        read_bighand(tmp_path)
    image(tmp_path / "a.png")
    (tmp_path / "Training_Annotation.txt").write_text(line("a.png", [-1.0] * 63))
    with pytest.raises(QueristError, match=r"line 1: a point at a depth of -1\.0"):
        read_bighand(tmp_path)


def nyu(root: Path, table: np.ndarray, frames: int = 2) -> Path:
    savemat = pytest.importorskip("scipy.io").savemat
    for split in ("train", "test"):
        for i in range(1, frames + 1):
            pixels = np.zeros((480, 640, 3), np.uint8)
            pixels[..., 1], pixels[..., 2] = 2, 188  # 700 mm
            image(root / split / f"depth_1_{i:07d}.png", pixels)
        savemat(root / split / "joint_data.mat", {"joint_uvd": table, "joint_xyz": table})
    return root


def poses(frames: int = 2) -> np.ndarray:
    table = np.zeros((3, frames, 36, 3))
    table[..., 0], table[..., 1], table[..., 2] = 300 + np.arange(36), 200 + np.arange(36), 700
    table[1:] += 50  # the other cameras
    return table


def test_nyu_is_read(tmp_path):
    found = read(nyu(tmp_path, poses()))
    assert found.layout == "nyu"
    assert found.skeleton is NYU14
    assert found.names[2:] == ("test/depth_1_0000001", "test/depth_1_0000002")
    assert (found.joints[0, :, 0] - 300).tolist() == EVALUATED.tolist()
    data = load(found, 8, ("train",), tmp_path / "cache")
    assert np.abs(data.batch(np.arange(2))).max() < 1e-4  # all is as far as the joints


def test_nyu_has_the_joints_of_the_other_hands_too(tmp_path):
    found = read_nyu21(nyu(tmp_path, poses(1), 1))
    assert found.skeleton is HAND21
    assert (found.joints[0, :, 0] - 300).tolist() == WHOLE.tolist()
    # A finger's joints of the 36 are numbered from its tip, and what is compared is among them.
    assert (np.diff(WHOLE[1:].reshape(5, 4), axis=1) < 0).all()
    tips = {NYU14.names[j]: EVALUATED[j] for j in range(14)}
    for finger, tip in (("thumb", "thumb 3"), ("index", "index 2"), ("little", "little 2")):
        assert WHOLE[HAND21.joint(f"{finger} 4")] == tips[tip]


def test_what_is_wrong_with_nyu_is_named(tmp_path):
    with pytest.raises(QueristError, match="has neither train/ nor test/"):
        read_nyu21(tmp_path)
    with pytest.raises(QueristError, match=r"joint_uvd is float64 \(3, 2, 14, 3\)"):
        read_nyu21(nyu(tmp_path, poses()[:, :, :14]))
    with pytest.raises(QueristError, match=r"depth_1_0000003\.png is missing, of the 3"):
        read_nyu21(nyu(tmp_path, poses(3)))
    (tmp_path / "train/joint_data.mat").unlink()
    with pytest.raises(QueristError, match=r"joint_data\.mat is missing"):
        read_nyu21(tmp_path)
