from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from querist.errors import QueristError
from querist.tasks.segmentation.data import Chain, Column, SegmentationData
from tiny import CLASSES, SIZE, tiny_data

IMAGES, MASKS = np.zeros((2, *SIZE, 3), dtype=np.uint8), np.zeros((2, *SIZE), dtype=np.uint8)


def data_of(images=IMAGES, masks=MASKS, names=("a", "b"), classes=CLASSES, void=None):
    return SegmentationData(names, images, masks, classes, void)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"names": ("a",)}, "2 images for 1 names"),
        ({"masks": MASKS[:1]}, "1 masks for 2 images"),
        ({"classes": tuple(f"c{i}" for i in range(256))}, "256 classes do not fit"),
        ({"void": 0}, r"void is 0, but must be one of 3\.\.255"),
        ({"void": -1}, "void is -1"),
        ({"void": 256}, "void is 256"),
    ],
)
def test_what_cannot_be_is_refused_at_once(wrong, words):
    with pytest.raises(QueristError, match=words):
        data_of(**wrong)


def test_void_is_the_id_behind_the_classes_unless_it_is_said():
    assert data_of().void_id == 3
    assert data_of(void=255).void_id == 255
    assert data_of().size == SIZE


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((24, 33, 3), np.uint8),
        np.zeros((*SIZE, 3), np.float32),
        np.zeros(SIZE, np.uint8),
        np.zeros((*SIZE, 4), np.uint8),
    ],
)
def test_an_image_of_another_form_is_named(image):
    with pytest.raises(QueristError, match=r"image 'b' is .* expected uint8 \(24, 32, 3\)"):
        data_of(images=[IMAGES[0], image]).image(1)


@pytest.mark.parametrize("bad", [3, 7, 254, -1])
def test_a_class_id_out_of_range_is_named(bad):
    mask = np.zeros(SIZE, dtype=np.int64)
    mask[5, 6] = bad
    with pytest.raises(QueristError, match=f"mask of 'b' has the class id {bad}"):
        data_of(masks=[MASKS[0], mask], void=255).mask(1)


def test_masks_of_any_integers_become_bytes():
    mask = np.full(SIZE, 255, dtype=np.int64)
    mask[0, 0] = 2
    found = data_of(masks=[MASKS[0], mask], void=255).mask(1)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, mask)
    with pytest.raises(QueristError, match="mask of 'a' is"):
        data_of(masks=[mask[:5], mask], void=255).mask(0)
    with pytest.raises(QueristError, match="'a' has no mask"):
        data_of(masks=None).mask(0)


def test_a_torch_data_set_becomes_two_columns():
    rows = [
        (Image.fromarray(IMAGES[0]), Image.fromarray(MASKS[0] + 1)),
        (torch.ones(*SIZE, 3, dtype=torch.uint8), torch.full(SIZE, 2)),
    ]
    data = data_of(images=Column(rows, 0), masks=Column(rows, 1))
    assert [int(data.image(i).max()) for i in range(2)] == [0, 1]
    assert [int(data.mask(i).min()) for i in range(2)] == [1, 2]
    assert len(Column(rows, 0)) == 2


def test_a_lazy_reader_decodes_an_image_once():
    looked = Counter()

    class Lazy:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            looked[index] += 1
            return IMAGES[index]

    data = data_of(images=Lazy())
    assert data.size == SIZE
    before = looked.total()
    data.image(1)
    data.mask(1)
    assert looked.total() == before + 1


def test_a_chain_is_its_parts_one_after_another():
    parts = [np.arange(3), np.arange(0), np.arange(10, 12), np.arange(0)]
    chain = Chain(parts)
    assert len(chain) == 5
    assert [int(chain[i]) for i in range(5)] == [0, 1, 2, 10, 11]
    assert int(chain[np.int64(3)]) == 10
    assert len(Chain([])) == 0
    for outside in (-1, len(chain)):
        with pytest.raises(IndexError):
            chain[outside]
    with pytest.raises(IndexError):
        chain[5]
    images = Chain([tiny_data(2).images, tiny_data(1, seed=5).images])
    assert np.shares_memory(images[0], images[0])  # views, not copies
