import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.kernels.confusion import confusion_counts, intersection_over_union, mean_iou


def test_counts_by_hand_per_image():
    truth = torch.tensor([[[0, 0], [1, 9]], [[2, 2], [2, 2]]])
    prediction = torch.tensor([[[0, 1], [1, 0]], [[2, 2], [0, 1]]])
    counts = confusion_counts(prediction, truth, classes=3, void=9)
    assert counts.dtype == torch.int64
    assert counts.tolist() == [[[1, 1, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [1, 1, 2]]]


@pytest.mark.parametrize("classes", [2, 11, 15, 16, 19, 181])
@pytest.mark.parametrize(
    ("dtype", "void"), [(torch.uint8, "classes"), (torch.uint8, 255), (torch.int64, -1), (torch.int64, 10**6)]
)
def test_equals_loops_over_the_classes(classes, dtype, void):
    void = classes if void == "classes" else void
    generator = torch.Generator().manual_seed(classes)
    truth = torch.randint(0, classes, (2, 9, 8), generator=generator)
    prediction = torch.randint(0, classes, (2, 9, 8), generator=generator)
    prediction[0, 0, 0] = truth[0, 0, 0] = classes - 1  # the largest cell number occurs
    truth[:, 3] = void
    counts = confusion_counts(prediction.to(dtype), truth.to(dtype), classes, void)
    for image, actual, guessed in zip(counts, truth, prediction, strict=True):
        for row in {0, 1, classes - 1}:
            for column in {0, 1, classes - 1}:
                assert image[row, column] == ((actual == row) & (guessed == column)).sum()
    assert counts.sum() == (truth != void).sum()


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(0, 2**31))
def test_images_add_up_to_the_whole_set(images, seed):
    generator = torch.Generator().manual_seed(seed)
    truth, prediction = (torch.randint(0, 4, (images, 5, 3), generator=generator) for _ in range(2))
    each = confusion_counts(prediction, truth, 4, 255)
    together = confusion_counts(prediction.reshape(1, -1), truth.reshape(1, -1), 4, 255)
    assert torch.equal(each.sum(dim=0), together[0])


def test_nothing_to_count():
    empty = torch.zeros(0, 4, 4, dtype=torch.uint8)
    assert confusion_counts(empty, empty, 3, 255).shape == (0, 3, 3)


@pytest.mark.parametrize(
    ("prediction", "truth", "void", "message"),
    [
        ([[0, 1]], [[0, 1, 1]], 9, "equal"),
        ([[0, 1]], [[0, 1]], 1, "void 1"),
        ([[0, 3]], [[0, 1]], 9, "prediction holds"),
        ([[0, 1]], [[0, 4]], 9, "truth holds"),
        ([[0, 1]], [[0, 3]], 9, "truth holds the class id 3"),
        ([[0, 1]], [[0, -1]], 9, "truth holds"),
    ],
)
def test_ids_outside_the_classes_are_refused(prediction, truth, void, message):
    with pytest.raises(ValueError, match=message):
        confusion_counts(torch.tensor(prediction), torch.tensor(truth), 3, void)


COUNTS = [[3, 1, 0], [2, 4, 0], [0, 0, 0]]


def test_intersection_over_union_by_hand():
    first, second, third = intersection_over_union(torch.tensor(COUNTS)).tolist()
    assert first == pytest.approx(3 / 6)
    assert second == pytest.approx(4 / 7)
    assert math.isnan(third)
    assert mean_iou(torch.tensor(COUNTS)).item() == pytest.approx((3 / 6 + 4 / 7) / 2)


def test_a_class_that_is_only_predicted_counts_as_zero():
    assert intersection_over_union(torch.tensor([[1, 1], [0, 0]])).tolist() == [0.5, 0.0]


def test_leading_axes_and_an_all_void_image():
    stack = torch.tensor([COUNTS, [[0] * 3] * 3])
    values = mean_iou(stack)
    assert values.shape == (2,)
    assert values.dtype == torch.float64
    assert math.isnan(values[1])


def test_numpy_gives_numpy_with_equal_values():
    counts = np.array([COUNTS, COUNTS])[::-1]
    values = intersection_over_union(counts)
    assert isinstance(values, np.ndarray)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, intersection_over_union(torch.tensor([COUNTS, COUNTS])).numpy())
    assert mean_iou(counts).tolist() == mean_iou(torch.tensor([COUNTS, COUNTS])).tolist()
