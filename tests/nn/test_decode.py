from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.nn.decode import decode_image, image_size

IMAGE = Path("x.png")


def encode(array: np.ndarray, mode: str | None = None, suffix: str = "png") -> bytes:
    image = Image.fromarray(array)
    buffer = BytesIO()
    (image.convert(mode) if mode else image).save(buffer, suffix)
    return buffer.getvalue()


def test_an_image_of_the_right_size_is_left_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image, size = decode_image(IMAGE, encode(pixels), 6, 8)
    assert size == (8, 6)
    assert np.array_equal(image, pixels)


@pytest.mark.parametrize("factor", [2, 8])
def test_reduction_averages_instead_of_skipping(factor):
    # One-pixel stripes: skipping pixels would give 0 or 255, an antialiased filter gives their mean.
    pixels = np.zeros((8 * factor, 16 * factor, 3), dtype=np.uint8)
    pixels[:, ::2] = 255
    image, _ = decode_image(IMAGE, encode(pixels), 8, 16)
    assert image.shape == (8, 16, 3)
    assert abs(image[:, 1:-1].astype(int) - 128).max() <= 2


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_eight_bit_modes_become_rgb(mode):
    pixels = np.full((4, 4, 3), 204, dtype=np.uint8)  # a colour of the web palette, which P takes
    image, _ = decode_image(IMAGE, encode(pixels, mode, "tiff" if mode == "CMYK" else "png"), 4, 4)
    assert np.array_equal(image, pixels)


def test_deep_images_are_refused():
    with pytest.raises(QueristError, match=r"x\.png is an image of mode I;16"):
        decode_image(IMAGE, encode(np.zeros((4, 4), dtype=np.uint16)), 4, 4)


@pytest.mark.parametrize("suffix", ["png", "jpeg", "bmp", "tiff", "webp", "gif"])
def test_damaged_files_are_refused_by_name(suffix):
    data = encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), suffix=suffix)
    for part in (b"", data[:7], data[: len(data) // 2], b"no image at all"):
        with pytest.raises(QueristError, match=r"x\.png cannot be decoded"):
            decode_image(IMAGE, part, 64, 64)


def shot(orientation: int, suffix: str = "png") -> bytes:
    """What a camera writes: an image 7 wide and 5 high on the screen, red in its left upper corner, stored turned."""
    seen = np.zeros((5, 7, 3), np.uint8)
    seen[0, 0] = 255, 0, 0
    across = seen.transpose(1, 0, 2)
    stored = (seen, seen[:, ::-1], seen[::-1, ::-1], seen[::-1], across, np.rot90(seen, 1), across[::-1, ::-1],
              np.rot90(seen, -1))[orientation - 1]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(buffer, suffix, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_viewers_show_it(tmp_path, orientation):
    """Else joints and masks that were drawn on the screen would lie elsewhere."""
    path = tmp_path / "a.png"
    path.write_bytes(shot(orientation))
    assert image_size(path) == (7, 5)
    image, size = decode_image(path, path.read_bytes(), 5, 7)
    assert size == (7, 5)
    assert np.argwhere(image[..., 0] == 255).tolist() == [[0, 0]]


def test_exif_that_says_nonsense_turns_nothing(tmp_path):
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 77
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(path, exif=exif)
    assert image_size(path) == (7, 5)
    assert decode_image(path, path.read_bytes(), 5, 7)[1] == (7, 5)
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(path, exif=b"Exif\0\0rubbish")
    assert image_size(path) == (7, 5)
    assert decode_image(path, path.read_bytes(), 5, 7)[1] == (7, 5)


def test_the_size_of_an_image_is_read_from_its_head(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(np.zeros((5, 7, 3), np.uint8)))
    assert image_size(path) == (7, 5)
    path.write_bytes(b"nothing")
    with pytest.raises(QueristError, match=r"a\.png cannot be decoded: it is not an image"):
        image_size(path)
    path.unlink()
    with pytest.raises(QueristError, match=r"a\.png cannot be decoded: .*No such file"):
        image_size(path)
