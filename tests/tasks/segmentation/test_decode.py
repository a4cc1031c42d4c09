from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.nn.decode import decode_image
from querist.tasks.segmentation.classes import ClassMap
from querist.tasks.segmentation.decode import decode_mask

TWO = ClassMap(("a", "b"), ((1, 1, 1), (2, 2, 2)))
MAPPED = ClassMap(("a", "b"), TWO.colours, lookup=tuple({7: 0, 9: 1, 0: 2}.get(raw, -1) for raw in range(256)))
IMAGE, MASK = Path("x.png"), Path("y.png")


def encode(array: np.ndarray, mode: str | None = None) -> bytes:
    image = Image.fromarray(array)
    buffer = BytesIO()
    (image.convert(mode) if mode else image).save(buffer, "png")
    return buffer.getvalue()


def mask_of(array: np.ndarray, height: int, width: int, classes: ClassMap) -> np.ndarray:
    size = (array.shape[1], array.shape[0])
    return decode_mask(MASK, encode(array), IMAGE, size, height, width, classes)


def test_masks_are_mapped_and_shrunk_to_ids_that_were_there():
    raw = np.array([[7, 7, 9, 9], [7, 7, 9, 9], [0, 0, 7, 7], [0, 0, 7, 7]], dtype=np.uint8)
    assert mask_of(raw, 2, 2, MAPPED).tolist() == [[0, 1], [2, 0]]
    assert mask_of(raw, 4, 4, MAPPED).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 0, 0], [2, 2, 0, 0]]


def test_image_and_mask_stay_aligned():
    # A vertical edge in the middle must fall on the same column of both.
    ids = np.zeros((90, 120), dtype=np.uint8)
    ids[:, 60:] = 1
    image, _ = decode_image(IMAGE, encode(np.repeat(ids[..., None] * 255, 3, axis=2)), 30, 40)
    assert np.array_equal(image[..., 0] > 127, mask_of(ids, 30, 40, TWO) == 1)


def test_palette_masks_are_read_as_indices():
    image = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8))
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    assert image.mode == "P"
    buffer = BytesIO()
    image.save(buffer, "png")
    assert decode_mask(MASK, buffer.getvalue(), IMAGE, (2, 2), 2, 2, TWO).tolist() == [[0, 1], [2, 1]]


def test_unknown_ids_are_listed_even_where_shrinking_would_skip_them():
    raw = np.zeros((4, 4), dtype=np.uint8)
    raw[0, :3] = [5, 6, 200]
    with pytest.raises(QueristError, match=r"y\.png holds ids of no class: 5-6, 200") as caught:
        mask_of(raw, 1, 1, TWO)
    assert "0-2" in caught.value.fix


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "1", "LA"])
def test_masks_that_are_not_class_ids_are_refused(mode):
    data = encode(np.zeros((2, 2, 3), dtype=np.uint8), mode)
    with pytest.raises(QueristError, match=rf"y\.png is a mask of mode {mode}; 8-bit class ids are expected"):
        decode_mask(MASK, data, IMAGE, (2, 2), 2, 2, TWO)


def test_masks_of_another_size_are_refused():
    with pytest.raises(QueristError, match=r"y\.png has 3x2 pixels but its image x\.png has 2x3"):
        decode_mask(MASK, encode(np.zeros((2, 3), dtype=np.uint8)), IMAGE, (2, 3), 2, 2, TWO)
