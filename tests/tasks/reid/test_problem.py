from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from querist.core.split import Role
from querist.errors import QueristError
from querist.tasks.reid.problem import ModelSpec, ReidProblem
from tiny_people import TinyEmbedder, tiny_people, tiny_schedule, write_market

PROBLEM = ReidProblem((64, 32), start=2, model=ModelSpec("tiny_people.TinyEmbedder"), schedule=tiny_schedule())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    return write_market(tmp_path / "data", tiny_people(extra=True))


def people(setup, role):
    return set(setup.task.data.persons[setup.split.sources(role)].tolist())


def weights(setup):
    return {n: a for n, a in setup.task.snapshot().items() if n.endswith("body.0.weight")}


def test_everything_has_its_role_and_its_place(folder):
    told = []
    setup = PROBLEM.build(folder, 0, "cpu", progress=lambda *words: told.append(words))
    counts = {role.name: len(setup.split.sources(role)) for role in Role}
    assert counts == {"UNUSED": 0, "POOL": 16, "START": 8, "STATE": 0, "REWARD": 0, "TEST": 14}
    setup.split.check(setup.pool)
    assert len(people(setup, Role.START)) == 2
    assert not people(setup, Role.START) & people(setup, Role.POOL)
    assert people(setup, Role.TEST) == {-1, 0, 7, 8, 9}
    assert isinstance(setup.task.model, TinyEmbedder)
    assert setup.pool.source_name(0) == "train/0001_c1s1_000000_00"
    assert setup.task.data.image(0).shape == (64, 32, 3)
    assert setup.labels_per_source == 1
    assert len(setup.files) == 38
    assert {name for name, _, _ in told} == {"reading train", "reading query", "reading gallery"}
    assert (PROBLEM.metric, PROBLEM.unit) == ("mAP", "%")
    assert np.isfinite(setup.task.evaluate(setup.split.sources(Role.TEST)).value)


def test_the_seed_draws_the_split_and_the_weights(folder):
    setups = [PROBLEM.build(folder, seed, "cpu") for seed in (0, 0, 1, 2, 3)]
    sources = [people(setup, Role.START) for setup in setups]
    assert sources[0] == sources[1]
    assert len({frozenset(s) for s in sources}) > 1
    first, again, other = (weights(setup) for setup in setups[:3])
    assert first
    assert all(np.array_equal(a, again[n]) for n, a in first.items())
    assert not any(np.array_equal(a, other[n]) for n, a in first.items())
    assert len({setup.data_hash for setup in setups}) == 1


def test_a_split_seed_holds_for_all_seeds(folder):
    setups = [replace(PROBLEM, split_seed=2).build(folder, seed, "cpu") for seed in range(4)]
    assert len({frozenset(people(setup, Role.START)) for setup in setups}) == 1
    assert people(setups[0], Role.START) == people(PROBLEM.build(folder, 2, "cpu"), Role.START)


def test_without_a_source_all_of_train_is_the_pool(folder):
    setup = replace(PROBLEM, start=0).build(folder, 0, "cpu")
    assert len(setup.split.sources(Role.POOL)) == 24


def test_for_people_to_answer_only_train_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    data = tiny_people()
    (tmp_path / "crops").mkdir()
    for i in range(5):
        Image.fromarray(data.image(i)).save(tmp_path / "crops" / f"{i}.png")
    setup = PROBLEM.build(tmp_path / "crops", 0, "cpu", labelled=False)
    assert setup.split.roles.tolist() == [Role.POOL] * 5
    assert len(setup.pool) == 10
    setup.split.check(setup.pool)
    with pytest.raises(QueristError, match="no split 'query'"):
        PROBLEM.build(tmp_path / "crops", 0, "cpu")


@pytest.mark.parametrize(("start", "words"), [(6, "6 people to learn from, and 6"), (-1, "start is -1")])
def test_somebody_must_be_left_to_ask_about(folder, start, words):
    with pytest.raises(QueristError, match=words):
        replace(PROBLEM, start=start).build(folder, 0, "cpu")


def test_images_of_a_few_pixels_are_refused():
    with pytest.raises(QueristError, match="31 x 16"):
        replace(PROBLEM, image=(31, 16))
