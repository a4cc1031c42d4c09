"""``querist select --labelled``: what is labelled already is seen by whoever chooses, and is not offered again."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from querist.agents.ralis.features import LabelledSide
from querist.annotate.batch_files import read_names
from querist.commands import select as command
from querist.core.ledger import Ledger
from querist.core.oracle import SilentOracle
from querist.core.split import Role, Split
from querist.core.step import Game, offer
from querist.demo.scenes import write_scenes
from slow.segmentation import SplitNet, write_weights
from tiny_pose_recipe import POSES, write_poses
from tiny_pose_task import TinyMaps, limbs

LABELLED = range(0, 20, 3)


class Poses:
    """A recipe, a card that was trained on it, a model, and a folder of which a third is labelled."""

    def __init__(self, folder):
        self.recipe, self.card, self.weights = folder / "poses.yaml", folder / "card", folder / "mine.safetensors"
        self.recipe.write_text(yaml.safe_dump(POSES))
        self.data = write_poses(folder / "some", LABELLED)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.net = TinyMaps().eval()
        save_file(self.net.state_dict(), self.weights)


@pytest.fixture(scope="module")
def poses(tmp_path_factory):
    from querist.cli import main

    folder = tmp_path_factory.mktemp("poses")
    patch = pytest.MonkeyPatch()
    patch.setenv("QUERIST_CACHE", str(folder / "cache"))
    found = Poses(folder)
    data = write_poses(folder / "all", range(20))
    arguments = ["--strategy", "matal/sound", "--out", str(found.card)]
    assert main(["train", str(found.recipe), "--data", str(data), *arguments]) == 0
    patch.undo()
    return found


@pytest.fixture
def seen(monkeypatch):
    """The game and the observation of each choice."""
    found = []

    def watching(game, step):
        found.append((game, offer(game, step)))
        return found[-1][1]

    monkeypatch.setattr(command, "offer", watching)
    return found


@pytest.fixture
def select(querist, poses, tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))

    def run(*arguments, data=poses.data):
        place = ["--data", data, "--checkpoint", poses.weights, "--out", tmp_path / "batch"]
        return querist("select", poses.recipe, *place, *arguments)

    return run


def units(tmp_path):
    return [named.name for named in read_names(tmp_path / "batch.json", "")]


def write_list(path, names):
    path.write_text("\n".join(names) + "\n\n")
    return path


# Poses ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [["--policy", "CARD"], ["--strategy", "egl++"], ["--strategy", "learning_loss"]])
def test_who_compares_with_labels_plays_once_some_are_named(select, poses, tmp_path, who):
    who = [poses.card if word == "CARD" else word for word in who]
    said = select(*who)
    assert said.code == 2
    assert "begin with some labels" in said.flat
    assert "; what the data folder holds labels of" in said.flat
    assert "--labelled" in said.err
    said = select(*who, "--labelled", "known")
    assert said.code == 0, said.err
    chosen = {int(name.removeprefix("train/p")) for name in units(tmp_path)}
    assert len(chosen) == 2
    assert not chosen & set(LABELLED)


def test_core_set_is_far_from_what_is_labelled(select, poses, tmp_path):
    """The first pick has the largest distance to its nearest labelled image, by the network itself."""
    images = limbs().batch(np.arange(20)) / 255.0
    normal = (images - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    with torch.no_grad():
        looks = poses.net.look(torch.from_numpy(normal.transpose(0, 3, 1, 2)).float()).appearance.double().numpy()
    near = np.linalg.norm(looks[:, None] - looks[list(LABELLED)], axis=2).min(axis=1)
    assert select("--strategy", "core_set", "--labelled", "known").code == 0
    assert units(tmp_path)[0] == f"train/p{near.argmax():02d}"


def test_a_card_sees_what_a_game_shows_that_began_with_these_labels(select, poses, seen, tmp_path):
    assert select("--policy", poses.card, "--labelled", "known").code == 0
    (game, found), start = seen[0], np.array(LABELLED)
    roles = np.full(20, Role.POOL, dtype=np.int8)
    roles[start] = Role.START
    split = Split(roles)
    ledger = Ledger.create(tmp_path / "ledger.sqlite", {})
    number = ledger.start_game(game.pool, split, 8)
    parts = (game.task, SilentOracle(), game.candidates, game.featuriser, 2, 0, start)
    other = Game(ledger, number, 0, 0, game.pool, split, *parts)
    expected = offer(other, 0)
    assert np.array_equal(found.groups.units, expected.groups.units)
    assert np.array_equal(found.candidates, expected.candidates)
    assert np.array_equal(found.state, expected.state)
    ledger.close()


def test_lists_and_known_say_the_same(select, poses, seen, tmp_path):
    listed = write_list(tmp_path / "names.txt", [f"train/p{i:02d}" for i in LABELLED])
    select("--policy", poses.card, "--labelled", "known")
    select("--policy", poses.card, "--labelled", listed)
    (one, known), (other, named) = seen
    assert one.given.tolist() == other.given.tolist() == list(LABELLED)
    assert np.array_equal(known.candidates, named.candidates)


@pytest.mark.parametrize("count", [2, 4])
def test_batches_were_bought_from_the_budget(select, poses, seen, tmp_path, count):
    names = [f"train/p{i:02d}" for i in LABELLED][:count]
    rows = [{"unit": name, "score": 1.0} for name in names]
    (tmp_path / "one.json").write_text(json.dumps({"units": rows[:1]}))
    (tmp_path / "two.csv").write_text("unit,score\n" + "".join(f"{name},1\n" for name in names[1:]))
    said = select("--policy", poses.card, "--labelled", tmp_path / "one.json", tmp_path / "two.csv")
    assert said.code == 0, said.err
    game, found = seen[0]
    labels, data = game.view.labels(), limbs()
    assert [game.pool.name(int(unit)) for unit in labels.units] == names
    for answer, i in zip(labels.answers, LABELLED, strict=False):
        np.testing.assert_allclose(answer, data.joints[i], atol=1e-4)
    assert found.schema.state[-1].name == "spent"
    assert found.state[-1] == count / 8  # of the recipe's last budget
    assert not len(labels.given)


def test_what_is_labelled_and_left_out_is_neither_offered_nor_forgotten(select, seen, tmp_path):
    other = write_list(tmp_path / "other.txt", ["train/p01", "train/p03"])
    said = select("--strategy", "random", "--labelled", "known", "--exclude", other, "--count", 99)
    assert said.code == 0, said.err
    assert len(units(tmp_path)) == 20 - len(LABELLED) - 1
    assert seen[0][0].view.labels().given.tolist() == list(LABELLED)


# Regions --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def scenes(tmp_path):
    """Six images of the size that the model sees; the first two have masks."""
    write_scenes(tmp_path / "scenes", {"train": 6}, 32, 48)
    for path in sorted((tmp_path / "scenes" / "masks" / "train").iterdir())[2:]:
        path.unlink()
    return tmp_path / "scenes"


@pytest.fixture
def regions(querist, taught, scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    weights = write_weights(tmp_path / "split.safetensors", model=SplitNet)
    where = ["--data", scenes, "--checkpoint", weights, "--out", tmp_path / "batch"]
    return lambda *arguments: querist("select", taught.recipe, *where, *arguments)


def shares(path, classes, *corner):
    """Of each class in a window of 16 x 16, and of void behind them."""
    top, left = corner
    pixels = np.asarray(Image.open(path))[top : top + 16, left : left + 16].ravel().astype(int)
    return [*((pixels == c).mean() for c in range(classes)), (pixels >= classes).mean()]


def test_ralis_sees_labelled_images_and_regions(regions, taught, scenes, seen, tmp_path):
    masks = sorted((scenes / "masks" / "train").iterdir())
    names = [f"train/{path.stem}" for path in masks]
    images = write_list(tmp_path / "images.txt", names[:1])
    bought = [f"{names[1]}@r1c2", f"{names[1]}@r0c1", f"{names[0]}@r0c0"]  # the last one's image is labelled anyway
    (tmp_path / "first.json").write_text(json.dumps({"units": [{"unit": name} for name in bought]}))
    said = regions("--policy", taught.card, "--count", 36, "--labelled", images, tmp_path / "first.json")
    assert said.code == 0, said.err
    game, _ = seen[0]
    classes = len(game.task.parts)
    whole = [shares(masks[0], classes, 16 * row, 16 * column) for row in range(2) for column in range(3)]
    parts = [shares(masks[1], classes, 16, 32), shares(masks[1], classes, 0, 16)]
    np.testing.assert_allclose(LabelledSide(classes).fractions(game), [*whole, *parts], atol=1e-12)
    assert len(units(tmp_path)) == 36 - 6 - 2
    assert not {*bought, f"{names[0]}@r1c1"} & set(units(tmp_path))
    assert game.view.asked_per_source().tolist() == [0, 2, 0, 0, 0, 0]


def test_known_are_the_images_with_masks(regions, scenes, seen, tmp_path):
    said = regions("--strategy", "core_set", "--count", 99, "--labelled", "known")
    assert said.code == 0, said.err
    assert seen[0][0].given.tolist() == [0, 1]
    assert len(units(tmp_path)) == 4 * 6


def test_every_batch_draws_its_pools_from_other_images(regions, seen, tmp_path):
    """One small pool: were the images always in one order, the first of them would be offered again and again."""
    files, offered, small = [], [], ["--strategy", "entropy/group", "--set", "groups.size=2"]
    for number in range(4):
        left_out = ["--exclude", *files] if files else []
        assert regions(*small, "--count", 1, *left_out).code == 0
        files.append(tmp_path / f"left_out{number}.json")
        (tmp_path / "batch.json").rename(files[-1])
        game, observation = seen[-1]
        offered.append(set(game.pool.sources(observation.groups.flat)[:, 0].tolist()))
    assert not set.intersection(*offered)


def test_known_is_no_more_of_an_image_than_the_regions_that_a_batch_names(regions, scenes, seen, tmp_path):
    name = f"train/{sorted((scenes / 'masks' / 'train').iterdir())[1].stem}"
    (tmp_path / "first.json").write_text(json.dumps({"units": [{"unit": f"{name}@r1c2"}]}))
    said = regions("--strategy", "core_set", "--count", 99, "--labelled", "known", tmp_path / "first.json")
    assert said.code == 0, said.err
    assert seen[0][0].given.tolist() == [0]
    assert len(units(tmp_path)) == 5 * 6 - 1
    assert f"{name}@r0c0" in units(tmp_path)


def test_a_damaged_mask_is_not_taken_for_a_missing_one(regions, scenes):
    path = sorted((scenes / "masks" / "train").iterdir())[1]
    path.write_bytes(b"no image")
    said = regions("--labelled", "known")
    assert said.code == 2
    assert f"{path} cannot be decoded" in said.err
    assert regions().code == 0  # nobody looks at masks then


# What cannot be used --------------------------------------------------------------------------------------------------


def test_a_wrong_name_ends_it_before_anything_is_written(select, tmp_path):
    said = select("--labelled", write_list(tmp_path / "names.txt", ["train/p00", "train/p77"]))
    assert said.code == 2
    assert f"--labelled {tmp_path / 'names.txt'}, line 2: the pool has no image 'train/p77'" in said.err
    assert not (tmp_path / "batch.json").exists()


def test_nothing_is_left(select, tmp_path):
    said = select("--strategy", "random", "--labelled", "known", data=write_poses(tmp_path / "every", range(20)))
    assert said.code == 2
    assert "every unit of the data is labelled or left out" in said.err


def test_an_image_of_void_is_not_labelled_but_a_region_may_be(regions, scenes, tmp_path):
    path = sorted((scenes / "masks" / "train").iterdir())[0]
    Image.fromarray(np.full((32, 48), 9, np.uint8)).save(path)
    name = f"train/{path.stem}"
    said = regions("--labelled", write_list(tmp_path / "image.txt", [name]))
    assert f"image.txt, line 1: nobody has labelled {name}" in said.err
    assert regions("--labelled", write_list(tmp_path / "region.txt", [f"{name}@r0c0"])).code == 0
