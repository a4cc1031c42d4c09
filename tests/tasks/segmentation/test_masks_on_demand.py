import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError, UnlabelledError
from querist.tasks.segmentation import masks_on_demand as module
from querist.tasks.segmentation.classes import ClassMap
from querist.tasks.segmentation.listing import Sample
from querist.tasks.segmentation.masks_on_demand import MasksOnDemand, masks_on_demand

RAW = (7, 9, 200)  # raw ids of road, car and void
CLASSES = ClassMap(
    ("road", "car"), ((1, 2, 3), (4, 5, 6)), 255, tuple({7: 0, 9: 1, 200: 255}.get(raw, -1) for raw in range(256))
)


@pytest.fixture
def samples(tmp_path):
    """Three images of 6 x 8, of which the second has no mask; masks in blocks of 2 x 2."""
    found = []
    for i in range(3):
        image, mask = tmp_path / f"{i}.png", tmp_path / f"{i}-mask.png"
        Image.new("RGB", (8, 6)).save(image)
        ids = np.random.default_rng(i).choice(RAW, (3, 4)).repeat(2, axis=0).repeat(2, axis=1)
        Image.fromarray(ids.astype(np.uint8)).save(mask)
        found.append(Sample(f"train/{i}", image, None if i == 1 else mask))
    return found


@pytest.mark.parametrize("size", [(6, 8), (3, 4)])
def test_masks_are_those_of_the_files(samples, size):
    masks = MasksOnDemand(samples, size, CLASSES)
    assert len(masks) == 3
    for i in (2, 0, 0):
        raw = np.asarray(Image.open(samples[i].mask))[:: 6 // size[0], :: 8 // size[1]]
        expected = np.select([raw == 7, raw == 9], [0, 1], 255)
        assert masks[i].dtype == np.uint8
        assert np.array_equal(masks[i], expected)


def test_an_image_is_decoded_once_for_all_of_its_regions(samples, monkeypatch):
    read = []
    monkeypatch.setattr(module, "read_file", lambda path: read.append(path) or (path.read_bytes(), None))
    masks = MasksOnDemand(samples, (6, 8), CLASSES)
    assert read == []
    for index in (0, 0, 2, 2, 2, 0):
        _ = masks[index]
    assert read == [samples[0].mask, samples[2].mask, samples[0].mask]


def test_what_is_missing_and_what_is_wrong(samples):
    masks = MasksOnDemand(samples, (6, 8), CLASSES)
    with pytest.raises(UnlabelledError, match=r"1\.png has no mask"):
        _ = masks[1]
    Image.fromarray(np.full((6, 8), 8, np.uint8)).save(samples[0].mask)
    with pytest.raises(QueristError, match=r"0-mask\.png holds ids of no class: 8") as caught:
        _ = masks[0]
    assert not isinstance(caught.value, UnlabelledError)
    Image.fromarray(np.full((5, 8), 7, np.uint8)).save(samples[2].mask)
    with pytest.raises(QueristError, match=r"2-mask\.png has 8x5 pixels but its image"):
        _ = masks[2]


def test_without_a_single_mask_there_are_none(samples):
    assert masks_on_demand(samples[1:2], (6, 8), CLASSES) is None
    assert masks_on_demand(samples, (6, 8), CLASSES) is not None
