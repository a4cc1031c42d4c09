from types import SimpleNamespace

import numpy as np
import pytest

from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.kernels.reciprocal import squared_distances
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.neighbourhoods import NeighbourIndex, pair_pool
from querist.pairs.settings import PairSettings
from querist.pairs.space import PairSpace
from toy import ToyTask
from toy_pairs import ToyPairs, whole_pool

SETTINGS = PairSettings(neighbours=3, mutual=2, shells=2)


def around(task, split=None):
    return SimpleNamespace(task=task, split=split or whole_pool(task), pool=task.pool)


def test_neighbours_are_the_nearest_by_mahalanobis_distance():
    task = ToyPairs()
    found = NeighbourIndex(SETTINGS).of(around(task, whole_pool(task, outside=[0, 5])))
    assert found.sources.tolist() == [i for i in range(24) if i not in (0, 5)]
    vectors = task.vectors[found.sources]
    np.testing.assert_allclose(found.vectors, vectors, rtol=1e-6)
    covariance = 0.9 * np.cov(vectors, rowvar=False, bias=True)
    covariance += 0.1 * np.trace(covariance) / 0.9 / 5 * np.eye(5)
    apart = vectors[:, None] - vectors[None]
    distances = np.einsum("ijd,de,ije->ij", apart, np.linalg.inv(covariance), apart)
    np.testing.assert_allclose(squared_distances(found.whitened), distances, rtol=1e-3, atol=1e-4)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(found.nearest, np.argsort(distances, axis=1)[:, :6])
    assert found.typical == pytest.approx(distances[np.isfinite(distances)].mean(), rel=1e-4)


def test_a_row_is_found_and_a_stranger_is_not():
    task = ToyPairs()
    found = NeighbourIndex(SETTINGS).of(around(task, whole_pool(task, outside=[0, 5])))
    assert [found.row(source) for source in (1, 4, 6, 23)] == [0, 3, 4, 21]
    for stranger in (0, 5, 24):
        with pytest.raises(ValueError, match=f"source {stranger}"):
            found.row(stranger)


def test_vectors_are_made_once_for_each_version_task_and_split():
    task, other, index = ToyPairs(), ToyPairs(seed=1), NeighbourIndex(SETTINGS)
    game = around(task)
    first = index.of(game)
    assert index.of(game) is first
    assert index.of(around(task, game.split)) is first
    assert task.embedded == 1
    task.restore(task.snapshot())
    again = index.of(game)
    assert again is not first
    assert (again.version, task.embedded) == (1, 2)
    np.testing.assert_array_equal(again.nearest, first.nearest)
    assert index.of(around(task, whole_pool(task, outside=[1]))).sources.tolist()[:2] == [0, 2]
    assert index.of(around(other, game.split)).version == 0
    assert other.embedded == 1


def test_two_tasks_are_kept_because_one_may_learn_while_the_other_is_asked_with():
    split, index = whole_pool(ToyPairs()), NeighbourIndex(SETTINGS)
    tasks = [ToyPairs(seed=seed) for seed in range(3)]
    for task in (*tasks[:2], *tasks[:2]):
        index.find(task, split)
    assert [task.embedded for task in tasks] == [1, 1, 0]
    AnchorNeighbours(PairSpace(SETTINGS)).warm(tasks[2], split)
    index.find(tasks[2], split)  # the oldest of the others goes
    index.find(tasks[1], split)
    assert [task.embedded for task in tasks] == [1, 1, 2]
    index.find(tasks[0], split)
    assert tasks[0].embedded == 2


def test_a_small_pool_has_fewer_neighbours():
    task = ToyPairs(people=2, each=2)
    found = NeighbourIndex(SETTINGS).of(around(task))
    assert found.nearest.shape == (4, 3)


def test_alike_images_have_a_typical_distance_of_one():
    task = ToyPairs(vectors=np.ones((24, 3)))
    found = NeighbourIndex(SETTINGS).of(around(task))
    assert found.typical == 1.0
    assert found.nearest[2].tolist() == [0, 1, 3, 4, 5, 6]


def test_one_image_has_no_pairs():
    task = ToyPairs()
    roles = np.full(24, Role.START, dtype=np.int8)
    roles[3] = Role.POOL
    with pytest.raises(QueristError, match="a pool of 1 images"):
        NeighbourIndex(SETTINGS).of(around(task, Split(roles)))


def test_a_model_that_diverged_is_named():
    task = ToyPairs()
    task.vectors[7, 1] = np.nan
    with pytest.raises(QueristError, match="finite numbers"):
        NeighbourIndex(SETTINGS).of(around(task))
    task.embed_sources = lambda sources: np.zeros(len(sources), dtype=np.float32)
    with pytest.raises(QueristError, match=r"\(24,\)"):
        NeighbourIndex(SETTINGS).of(around(task))


def test_units_that_are_no_pairs_are_refused():
    with pytest.raises(QueristError, match="no pairs of images"):
        pair_pool(around(ToyTask(), ...))
