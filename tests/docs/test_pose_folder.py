"""The files and recipes that the documentation shows for poses are read as they are printed."""

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from querist.acquisition.registry import strategy
from querist.agents.matal.spaces import Spaces
from querist.core.capabilities import Embeds
from querist.core.split import Role
from querist.errors import QueristError
from querist.recipes import learned
from querist.recipes.recipe import load_recipe
from querist.tasks.pose.folder import read_folder
from querist.tasks.pose.listing import Listing
from querist.tasks.pose.problem import PoseProblem
from querist.tasks.segmentation.problem import RegionProblem
from tiny_pose_task import TinyMaps, tiny_task

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "own-model.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    """All blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


SKELETON, FRAMES, CAMERA, DEPTHS = fenced("json")
(TABLE,) = fenced("csv")
REGIONS, POSES = fenced("yaml")


@pytest.fixture
def folder(tmp_path):
    """The images that the tables name, and the skeleton."""
    (tmp_path / "images").mkdir()
    for frame in json.loads(FRAMES)["frames"]:
        Image.new("RGB", (40, 48)).save(tmp_path / frame["path"])
    (tmp_path / "skeleton.json").write_text(SKELETON)
    return tmp_path


def read(folder: Path, **files: str) -> Listing:
    for name, content in files.items():
        (folder / re.sub("_", ".", name)).write_text(content)
    return read_folder(folder)


def rows(found: Listing, *names: str) -> list[int]:
    return [found.names.index(name.replace("/", "/images/")) for name in names]


def test_a_skeleton_and_frames(folder):
    found = read(folder, joints_json=FRAMES)
    skeleton = found.skeleton
    assert skeleton.names == ("neck", "head top", "left hip", "right hip")
    assert skeleton.bones == ((0, 1), (0, 2), (0, 3))
    assert (skeleton.swaps, skeleton.torso, skeleton.head, skeleton.unscored) == (((2, 3),), (0, 2), (0, 1), (3,))
    assert skeleton.parts == {"trunk": (0, 1, 2), "hips": (1, 2)}
    one, two, three, four = rows(found, "train/one", "train/two", "test/three", "train/four")
    assert found.split_of[[one, two, three, four]].tolist() == ["train", "train", "test", "train"]
    assert np.isnan(found.joints).any(axis=2).sum() == 1 + 4
    assert np.isnan(found.joints[[two, four], [1, 0]]).all()
    assert found.joints[one, 1].tolist() == [20.5, 4]
    assert found.visible[two].tolist() == [True, False, True, False]
    assert found.boxes[three].tolist() == [4, 2, 30, 36]
    assert found.heads[three] == 9.5
    assert np.isnan(found.boxes[[one, two, four]]).all()


def test_a_table_says_the_same(folder):
    frames = read(folder, joints_json=FRAMES)
    (folder / "joints.json").unlink()
    table = read(folder, joints_csv=TABLE)
    assert table.names == frames.names
    assert np.array_equal(table.joints, frames.joints, equal_nan=True)
    assert table.split_of.tolist() == frames.split_of.tolist()
    assert len(next(csv.reader([TABLE.splitlines()[0]]))) == 3 + 4 * 2 + 1


def test_a_camera(folder):
    """(u, v) = f (x, y) / z + c."""
    found = read(folder, joints_json=DEPTHS, camera_json=CAMERA)
    assert found.depth is not None
    assert (found.depth.cube_mm, found.depth.unit_mm) == (250, 1)
    one, four = rows(found, "train/one", "train/four")
    np.testing.assert_allclose(found.joints[one, 1], [475 * 5 / 490 + 160, 475 * -40 / 490 + 120, 490])
    np.testing.assert_allclose(found.centres[four], [475 * 10 / 520 + 160, 120, 520])
    assert np.isnan(found.joints[four]).all()


def test_defaults_that_are_told(folder):
    """A camera without cube and unit; an image of depth without joints and without centre."""
    plain = {key: value for key, value in json.loads(CAMERA).items() if len(key) == 2}
    depth = read(folder, joints_json=DEPTHS, camera_json=json.dumps(plain)).depth
    assert depth is not None
    assert (depth.cube_mm, depth.unit_mm) == (300, 1)
    frames = json.loads(DEPTHS)
    del frames["frames"][1]["centre"]
    with pytest.raises(QueristError, match="four"):
        read(folder, joints_json=json.dumps(frames))


def test_which_strategies_work_with_which_network():
    """The table of the page, row by row: each adds to those before."""
    rows = re.search(r"^\| the network \|.*?\n\n", PAGE, re.M | re.S)
    assert rows is not None
    told = [re.findall(r"`([\w+]+)`", line.split("|")[2]) for line in rows[0].splitlines()[2:] if line]
    coordinates = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3 * 64, 3 * 2), nn.Unflatten(1, (3, 2)))
    tasks = [
        tiny_task(model=coordinates, objective="coordinate_mse"),
        tiny_task(model=nn.Conv2d(3, 3, 5, stride=4, padding=2)),
        tiny_task(model=TinyMaps(dropout=0.0)),
        tiny_task(),
    ]
    known: set[str] = set()
    everything = {name for row in told for name in row}
    for names, task in zip(told, tasks, strict=True):
        known |= set(names)
        assert {name for name in everything if works(name, task)} == known


def works(name, task):
    try:
        return strategy(name, task).name == name
    except QueristError:
        return False


def test_recipes(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("QUERIST_CACHE", str(folder / "cache"))
    monkeypatch.delitem(sys.modules, "my_models", raising=False)
    network = next(
        block for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S) if "class MyPoses" in block
    )
    own = network.split("\ntask = ")[0]
    (folder / "my_models.py").write_text("from torch import nn\n" + own)
    for name, content in (("regions", REGIONS), ("poses", POSES)):
        (folder / f"{name}.yaml").write_text(content)
    assert isinstance(load_recipe(str(folder / "regions.yaml")).recipe.problem, RegionProblem)
    loaded = load_recipe(str(folder / "poses.yaml"))
    assert isinstance(loaded.recipe.problem, PoseProblem)
    frames = []
    for i in range(40):
        Image.new("RGB", (32, 32), (i, i, i)).save(folder / f"{i}.png")
        frames.append({"path": f"{i}.png", "joints": [[8, 9], [8, 3], [6, 20], [9, 20 + i % 3]]})
    setup = loaded.recipe.problem.build(write(folder, frames), 0, "cpu")
    assert setup.task.can(Embeds)
    assert len(setup.split.sources(Role.START)) == 20
    assert len(Spaces(setup.task)) == 2 + 2  # appearance, all bones, head and legs
    for name in loaded.recipe.strategies:
        if "matal" in name:
            learned.check(loaded, setup, name)
            few = replace(loaded.recipe.problem, start=10).build(folder, 0, "cpu")
            with pytest.raises(QueristError, match="games of 8 questions") as told:
                learned.check(loaded, few, name)
            assert "lower train.settings.matal/sound.steps, or batch" in told.value.fix
        else:
            strategy(name, setup.task)


def write(folder, frames):
    (folder / "joints.json").write_text(json.dumps({"frames": frames}))
    return folder
