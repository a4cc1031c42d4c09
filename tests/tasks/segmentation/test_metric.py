import numpy as np
import pytest

from querist.core.evaluation import paired_difference
from querist.tasks.segmentation.metric import evaluation


def brute(confusion):
    """IoU by definition, class by class."""
    total = confusion.sum(axis=0)
    shares = []
    for c in range(len(total)):
        union = total[c].sum() + total[:, c].sum() - total[c, c]
        shares.append(100 * total[c, c] / union if union else None)
    return shares


def test_a_case_by_hand():
    """Two images, three classes, the third nowhere: IoU 8 / 14 and 6 / 12 over the set, not the mean over images."""
    confusion = np.array([[[5, 1, 0], [4, 0, 0], [0, 0, 0]], [[3, 1, 0], [0, 6, 0], [0, 0, 0]]])
    found = evaluation(np.array([4, 2]), confusion)
    assert found.part_values == [pytest.approx(100 * 8 / 14), pytest.approx(100 * 6 / 12), None]
    assert found.value == pytest.approx((100 * 8 / 14 + 50) / 2)
    each = [evaluation(np.array([0]), confusion[i : i + 1]).value for i in range(2)]
    assert found.value != pytest.approx(np.mean(each))


def test_against_the_definition():
    rng = np.random.default_rng(0)
    for classes in (1, 2, 5):
        confusion = rng.integers(0, 20, (7, classes, classes)) * (rng.random((classes, classes)) < 0.5)
        confusion[:, 0, 0] += 1
        found = evaluation(np.arange(7), confusion)
        expected = brute(confusion)
        assert [v is None for v in found.part_values] == [v is None for v in expected]
        known = [v for v in expected if v is not None]
        np.testing.assert_allclose([v for v in found.part_values if v is not None], known)
        assert found.value == pytest.approx(np.mean(known))


def test_resampling_is_the_metric_of_the_resampled_images():
    rng = np.random.default_rng(1)
    confusion = rng.integers(0, 20, (6, 3, 3))
    found = evaluation(np.arange(6), confusion)
    weights = rng.multinomial(6, np.full(6, 1 / 6), size=5).astype(float)
    expected = [evaluation(np.arange(6), np.repeat(confusion, w.astype(int), axis=0)).value for w in weights]
    np.testing.assert_allclose(found.resampled(weights), expected)


def test_a_class_missing_from_a_resample_is_no_trouble():
    """Class 1 lives in one image of eight, so many resamples do not hold it."""
    confusion = np.zeros((8, 2, 2), dtype=np.int64)
    confusion[:, 0, 0], confusion[3, 1, 1], confusion[3, 0, 0] = 5, 5, 0
    better = confusion.copy()
    better[0, 0] = [[4, 1], [0, 0]][0]
    value, error = paired_difference(
        evaluation(np.arange(8), confusion), evaluation(np.arange(8), better), np.random.default_rng(0)
    )
    assert value < 0
    assert np.isfinite(error)
    assert error > 0
