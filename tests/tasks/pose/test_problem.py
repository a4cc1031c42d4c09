import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from querist.core.split import Role
from querist.errors import QueristError
from querist.recipes.recipe import load_recipe
from querist.tasks.pose.problem import ModelSpec, PoseProblem
from querist.tasks.pose.process_task import PoseProcessTask
from querist.tasks.pose.skeleton import Skeleton
from tiny_pose_task import LIMB, TinyMaps, limbs, tiny_schedule

PROBLEM = PoseProblem(32, start=5, model=ModelSpec("tiny_pose_task.TinyMaps"), schedule=tiny_schedule())


def write(folder, data, **changes):
    """A plain folder; ``changes`` of its rows by number."""
    rows = []
    for i, name in enumerate(data.names):
        split = data.split_of[i]
        (folder / split).mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.image(i)).save(folder / split / f"{name}.png")
        rows.append({"path": f"{split}/{name}.png", "split": str(split), "joints": data.joints[i].tolist()})
    for i, row in enumerate(rows):
        row |= {key: values[i] for key, values in changes.items() if values[i] is not None}
    (folder / "skeleton.json").write_text(LIMB.to_json())
    (folder / "joints.json").write_text(json.dumps({"frames": rows}))
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    return write(tmp_path / "data", limbs())


def counts(setup):
    return {role.name: len(setup.split.sources(role)) for role in Role if len(setup.split.sources(role))}


def starting(setup):
    return setup.split.sources(Role.START).tolist()


def test_everything_has_its_role(folder):
    told = []
    setup = PROBLEM.build(folder, 0, "cpu", progress=lambda *words: told.append(words))
    assert counts(setup) == {"POOL": 15, "START": 5, "TEST": 6}
    setup.split.check(setup.pool)
    assert isinstance(setup.task.model, TinyMaps)
    assert setup.labels_per_source == 1
    assert len(setup.pool) == len(setup.files) == 26
    assert {name for name, _, _ in told} == {"reading train", "reading test"}
    np.testing.assert_allclose(setup.task.data.joints, limbs().joints, atol=1e-5)
    assert setup.task.truth(np.array([3]))[0] == pytest.approx(limbs().joints[3], abs=1e-5)


def test_a_process_may_be_what_learns(folder):
    assert not isinstance(PROBLEM.build(folder, 0, "cpu").task, PoseProcessTask)
    task = replace(PROBLEM, learner="process").build(folder, 0, "cpu").task
    assert isinstance(task, PoseProcessTask)
    assert (task.metric.measure, task.objective) == (PROBLEM.measure, PROBLEM.objective)


def test_what_tables_say_follows_from_the_measure():
    changes = ({}, {"measure": "mm"}, {"threshold": 0.5}, {"measure": "pckh", "head_factor": 1.0})
    told = [(p.metric, p.unit) for p in (replace(PROBLEM, **change) for change in changes)]
    assert told == [
        ("PCK@0.2", "%"), ("negative joint error", "mm"), ("PCK@0.5", "%"), ("PCKh@0.5 (head factor 1)", "%"),
    ]  # fmt: skip


def test_a_recipe_sets_the_head_factor_and_else_keeps_its_hash(folder):
    words = ["problem.size=32", "problem.start=5", "problem.model.path=tiny_pose_task.TinyMaps", "problem.measure=pckh"]
    plain, wider, official = (
        load_recipe("demo-pose", [*words, "problem.model.arguments={}", *more])
        for more in ([], ["problem.head_factor=1.0"], ["problem.head_factor=0.6"])
    )
    assert plain.hash == official.hash != wider.hash
    problem = wider.recipe.problem
    assert problem.metric == "PCKh@0.5 (head factor 1)"
    write(folder, limbs(), head=[4.0] * 26)
    data = [loaded.recipe.problem.build(folder, 0, "cpu") for loaded in (plain, wider)]
    moved = data[0].task.data.joints + np.float32([1.5, 0.0])  # a radius of 0.5 x 0.6 x 4 = 1.2 pixels, or of 2
    assert [setup.task.metric(setup.task.data, np.arange(26), moved).value for setup in data] == [0.0, 100.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"measure": "pck-torso"}, "the skeleton names no torso"), ({"measure": "pckh"}, "the skeleton names no head"),
     ({"measure": "mm"}, "no millimetres")],
)  # fmt: skip
def test_a_measure_that_the_data_cannot_give_is_found_before_any_training(folder, changes, words):
    bare = Skeleton(LIMB.names, LIMB.bones, LIMB.swaps)
    (folder / "skeleton.json").write_text(bare.to_json())
    with pytest.raises(QueristError, match=words):
        replace(PROBLEM, **changes).build(folder, 0, "cpu")
    replace(PROBLEM, **changes).build(folder, 0, "cpu", labelled=False)  # people are asked: nothing is measured


def test_the_seed_draws_the_starting_set_and_the_weights(folder):
    setups = [PROBLEM.build(folder, seed, "cpu") for seed in (0, 0, 1)]
    assert starting(setups[0]) == starting(setups[1]) != starting(setups[2])
    weights = [setup.task.snapshot()["model/head.weight"] for setup in setups]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    assert len({setup.data_hash for setup in setups}) == 1
    fixed = [replace(PROBLEM, split_seed=1).build(folder, seed, "cpu") for seed in (0, 3)]
    assert starting(fixed[0]) == starting(fixed[1]) == starting(setups[2])


def test_a_test_set_can_be_held_out_and_is_the_same_for_all_seeds(folder):
    setups = [replace(PROBLEM, test=4).build(folder, seed, "cpu") for seed in (0, 1)]
    assert [counts(setup) for setup in setups] == [{"POOL": 11, "START": 5, "TEST": 4}] * 2
    held = [setup.split.sources(Role.TEST).tolist() for setup in setups]
    assert held[0] == held[1]
    assert starting(setups[0]) != starting(setups[1])


def test_nobody_is_tested_on_and_learned_from(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    data = limbs()
    people = [f"person{i // 3}" if i < 20 else None for i in range(26)]
    setup = replace(PROBLEM, test=4).build(write(tmp_path / "data", data, subject=people), 0, "cpu")
    setup.split.check(setup.pool)
    assert 4 <= counts(setup)["TEST"] <= 6
    assert counts(setup)["START"] == 5
    subjects = setup.pool.source_subjects
    labelled, asked = (set(subjects[setup.split.sources(r)]) for r in (Role.START, Role.POOL))
    assert labelled & asked


def test_images_that_nobody_labelled_are_not_asked_about(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    joints = [[None] * 3 if i == 2 else pose.tolist() for i, pose in enumerate(limbs().joints)]
    folder = write(tmp_path / "data", limbs(), joints=joints)
    setup = PROBLEM.build(folder, 0, "cpu")
    assert setup.split.roles[2] == Role.UNUSED
    assert len(PROBLEM.build(folder, 0, "cpu", labelled=False).split.sources(Role.POOL)) == 20


@pytest.mark.parametrize(
    ("changes", "words"), [({"start": 20}, "20 shall be the start"), ({"test": 30}, "30 shall be the test"),
                           ({"test": "val"}, "no split 'val'")]
)  # fmt: skip
def test_something_must_be_left_to_ask_about(folder, changes, words):
    with pytest.raises(QueristError, match=words):
        replace(PROBLEM, **changes).build(folder, 0, "cpu")


@pytest.mark.parametrize("wrong", [{"size": 31}, {"start": -1}, {"test": "train"}, {"test": 0}, {"measure": "oks"},
                                   {"head_factor": 0.0}])  # fmt: skip
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(QueristError):
        replace(PROBLEM, **wrong)
