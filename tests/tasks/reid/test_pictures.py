import io
from dataclasses import replace

import numpy as np
from PIL import Image

from querist.core.capabilities import ShowsSources
from querist.tasks.reid.data import load
from querist.tasks.reid.layouts import read
from querist.tasks.reid.listing import UNKNOWN
from querist.tasks.reid.pictures import source_picture
from tiny_people import SIZE, tiny_people, tiny_task, write_market


def opened(data):
    assert data.startswith(b"\xff\xd8")
    return Image.open(io.BytesIO(data))


def test_a_crop_is_shown_as_its_file_has_it_and_says_nothing_else(tmp_path):
    data = tiny_people()
    exif = Image.Exif()
    exif[0x010E] = "person 3"
    paths = []
    for i in range(len(data)):
        paths.append(tmp_path / f"{i}.jpg")
        Image.new("RGB", (40, 100), (i, 0, 200)).save(paths[-1], comment=b"person 3", exif=exif)
    data = replace(data, paths=tuple(paths))
    found = source_picture(data, 3)
    assert opened(found).size == (40, 100)
    assert b"person" not in found
    assert opened(source_picture(data, 3, most=50)).size == (20, 50)


def test_where_the_file_is_gone_what_was_read_of_it_is_shown(tmp_path):
    data = replace(tiny_people(), paths=tuple(tmp_path / f"{i}.jpg" for i in range(36)))
    (tmp_path / "4.jpg").write_bytes(b"no picture")
    for source in (3, 4):
        shown = np.asarray(opened(source_picture(data, source)), dtype=int)
        assert shown.shape == (*SIZE, 3)
        assert np.abs(shown.mean((0, 1)) - data.image(source).mean((0, 1))).max() < 12


def test_what_a_task_says_of_a_source(tmp_path):
    task = tiny_task()
    assert isinstance(task, ShowsSources)
    assert task.source_words(0) == f"camera {task.data.cameras[0]}"
    assert opened(task.source_picture(0)).size == SIZE[::-1]
    from_files = load(read(write_market(tmp_path, tiny_people())), *SIZE, cache=tmp_path / "cache")
    assert [tiny_task(from_files).source_words(i) for i in range(8)] == [
        "camera " + name.split("_c")[1][0] for name in from_files.names[:8]
    ]
    nowhere = tiny_task(replace(tiny_people(), cameras=np.full(36, UNKNOWN)))
    assert nowhere.source_words(0) == ""
