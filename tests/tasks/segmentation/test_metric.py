import numpy as np
import pytest
import torch

from querist.core.evaluation import paired_difference
from querist.tasks.segmentation.metric import evaluation, pixel_losses, smooth_evaluation


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


def test_the_smooth_companion_by_hand():
    """Two images of two pixels, two classes; one pixel is void, one is so wrong that its loss is clipped at 5."""
    chances = torch.tensor([[[0.5, 0.9], [0.5, 0.1]], [[0.2, 1 - 1e-9], [0.8, 1e-9]]]).log()[:, :, None]  # (2, 2, 1, 2)
    truth = torch.tensor([[[0, 1]], [[2, 1]]])
    found = pixel_losses(chances, truth, classes=2, void=2)
    half, tenth = -np.log(0.5), -np.log(0.1)
    np.testing.assert_allclose(found, [[half, tenth, 1, 1], [0, 5, 0, 1]], rtol=1e-6)
    value = smooth_evaluation(np.arange(2), found)
    mean_of_second = (tenth + 5) / 2  # of two pixels, beside one of the first class
    assert value.part_values == pytest.approx([-100 * half, -100 * mean_of_second])
    assert value.value == pytest.approx(-100 * (half + np.sqrt(2) * mean_of_second) / (1 + np.sqrt(2)))
    # Without the first image the first class has no pixel, and its weight is nothing.
    assert value.resampled(np.array([[0.0, 1.0]]))[0] == pytest.approx(-500.0)


def test_better_beliefs_are_better():
    rng = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 4, (3, 4, 5), generator=rng)  # 3 is void
    logits = torch.randn(3, 3, 4, 5, generator=rng)
    right = torch.nn.functional.one_hot(truth, 4)[..., :3].permute(0, 3, 1, 2)
    values = [
        smooth_evaluation(np.arange(3), pixel_losses(logits + sure * right, truth, 3, 3)).value for sure in (0, 1, 2)
    ]
    assert values[0] < values[1] < values[2] < 0
