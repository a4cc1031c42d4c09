from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from querist.core.split import Role
from querist.errors import QueristError
from querist.tasks.segmentation.problem import ModelSpec, RegionProblem
from tiny import CLASSES, VOID, TinyNet, tiny_schedule, write_folder

COUNTS = {"train": 9, "val": 4, "test": 3}
PROBLEM = RegionProblem((24, 32), (8, 10), "folder", start=3, state=2, model=ModelSpec("tiny.TinyNet"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    return write_folder(tmp_path / "data", COUNTS)


def roles(setup):
    return {role.name: setup.split.sources(role).tolist() for role in Role}


def weights(setup):
    return {n: a for n, a in setup.task.snapshot().items() if n.endswith("weight")}


def test_everything_has_its_role_and_its_place(folder):
    told = []
    setup = PROBLEM.build(folder, 0, "cpu", progress=lambda *words: told.append(words))
    assert [setup.pool.source_name(s) for s in (0, 9, 15)] == ["train/0", "val/0", "test/2"]
    found = roles(setup)
    assert {name: len(sources) for name, sources in found.items()} == {
        "UNUSED": 0, "POOL": 4, "START": 3, "STATE": 2, "REWARD": 4, "TEST": 3
    }  # fmt: skip
    assert found["REWARD"] == [9, 10, 11, 12]
    assert found["TEST"] == [13, 14, 15]
    setup.split.check(setup.pool)
    assert setup.labels_per_source == 9
    assert len(setup.pool) == 16 * 9
    assert isinstance(setup.task.model, TinyNet)
    assert setup.task.parts == CLASSES
    np.testing.assert_array_equal(
        setup.task.data.image(10), np.asarray(Image.open(folder / "images" / "val" / "1.png"))
    )
    np.testing.assert_array_equal(setup.task.data.mask(14), np.asarray(Image.open(folder / "masks" / "test" / "1.png")))
    assert setup.task.locate(np.array([9 * 9]))[0]["image"] == str(folder / "images" / "val" / "0.png")
    assert {name for name, _, _ in told} == {"reading train", "reading val", "reading test"}


def test_the_seed_draws_the_split_and_the_weights(folder):
    first, again, other = (PROBLEM.build(folder, seed, "cpu") for seed in (0, 0, 1))
    assert roles(first) == roles(again) != roles(other)
    assert all(np.array_equal(a, weights(again)[n]) for n, a in weights(first).items())
    assert not any(np.array_equal(a, weights(other)[n]) for n, a in weights(first).items() if "0.weight" in n)
    assert first.data_hash == other.data_hash


def test_a_smaller_reward_set_is_drawn_by_the_seed(folder):
    problem = replace(PROBLEM, reward_images=2)
    drawn = [problem.build(folder, seed, "cpu") for seed in range(6)]
    for setup in drawn:
        assert len(setup.split.sources(Role.REWARD)) == len(setup.split.sources(Role.UNUSED)) == 2
        assert setup.split.sources(Role.TEST).tolist() == [13, 14, 15]
    assert len({tuple(s.split.sources(Role.REWARD)) for s in drawn}) > 1
    assert roles(drawn[0])["POOL"] == roles(PROBLEM.build(folder, 0, "cpu"))["POOL"]


def test_a_reward_set_can_be_held_out_of_the_pool(folder):
    """As Cityscapes needs it: its public test masks are void, so its validation split is the test set."""
    setup = replace(PROBLEM, reward="train", reward_images=2, test="val").build(folder, 0, "cpu")
    found = roles(setup)
    assert {name: len(sources) for name, sources in found.items()} == {
        "UNUSED": 0, "POOL": 2, "START": 3, "STATE": 2, "REWARD": 2, "TEST": 4
    }  # fmt: skip
    assert max(found["REWARD"]) < 9  # of the training split
    assert found["TEST"] == [9, 10, 11, 12]


def test_a_set_without_a_labelled_pixel_cannot_be_measured_on(folder):
    for mask in (folder / "masks" / "test").iterdir():
        Image.fromarray(np.full((24, 32), VOID, dtype=np.uint8)).save(mask)
    setup = PROBLEM.build(folder, 0, "cpu")
    with pytest.raises(QueristError, match=r"not one pixel of the 3 images .* test/0"):
        setup.task.evaluate(setup.split.sources(Role.TEST))


def test_to_select_for_people_no_mask_is_needed(folder):
    for path in (folder / "masks" / "train").iterdir():
        path.unlink()
    setup = PROBLEM.build(folder, 0, "cpu", labelled=False)
    assert setup.split.sources(Role.POOL).tolist() == list(range(9))
    assert setup.task.data.masks is None
    with pytest.raises(QueristError, match="mask"):
        PROBLEM.build(folder, 0, "cpu")


def test_the_data_hash_is_of_the_content(folder, tmp_path):
    first = PROBLEM.build(folder, 0, "cpu").data_hash
    moved = folder.rename(tmp_path / "elsewhere")
    assert PROBLEM.build(moved, 0, "cpu").data_hash == first
    path = moved / "masks" / "test" / "1.png"
    mask = np.asarray(Image.open(path)).copy()
    mask[1, 1] = (mask[1, 1] + 1) % 3
    Image.fromarray(mask).save(path)
    assert PROBLEM.build(moved, 0, "cpu").data_hash != first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": 7}, "7 starting, 2 state and 0 reward images leave nothing of 9"),
        ({"reward": "validation"}, "no split 'validation', only train, val, test"),
        ({"reward": "test"}, "pool, reward and test are train, test, test"),
        ({"reward": "train"}, "pool, reward and test are train, train, test"),
        ({"reward": "train", "reward_images": 7}, "and 7 reward images leave nothing of 9"),
        ({"layout": "coco"}, "no layout 'coco'"),
        ({"region": (30, 30)}, "do not fit"),
        ({"image": (0, 32)}, "do not fit"),
        ({"state": -1}, "state -1"),
        ({"model": ModelSpec("tiny.HugeNet")}, r"tiny\.HugeNet"),
        ({"model": ModelSpec("tiny.TinyNet", {"depth": 3})}, "unexpected keyword argument 'depth'"),
        ({"model": ModelSpec("toy.ToyTask")}, "not a Module"),
    ],
)
def test_what_cannot_be_built_is_said(folder, change, words):
    with pytest.raises(QueristError, match=words):
        replace(PROBLEM, **change).build(folder, 0, "cpu")


def test_the_schedule_and_arguments_arrive(folder):
    problem = replace(PROBLEM, model=ModelSpec("tiny.TinyNet", {"width": 6}), schedule=tiny_schedule())
    task = problem.build(folder, 0, "cpu").task
    assert task.model.body[0].out_channels == 6
    assert task._schedule.step.crop == (12, 16)
