import math
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.demo import people
from querist.demo.people_body import paint_person
from querist.demo.people_figure import Figure
from querist.demo.people_world import Cloth, Person, draw_camera, draw_person, draw_track
from querist.errors import QueristError
from querist.tasks.reid.data import ReidData, load
from querist.tasks.reid.layouts import read
from querist.tasks.reid.metric import retrieval


def painted(person: Person, heading: float) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mask of a person alone."""
    figure = Figure((64, 128), (32, 122), 116, heading, 0.1, 0.3)
    paint_person(figure, person, 1.0, 0.12)
    return np.asarray(figure.picture), np.asarray(figure.mask)


def drawn(number: int, camera: int = 1, sighting: int = 0, height: int = 128, width: int = 64, **changes) -> np.ndarray:
    track = draw_track(draw_camera(0, camera), (0, number, camera), sighting + 1)
    seen = replace(track[-1], **changes)
    crop = people.draw_crop(draw_person(0, number), draw_camera(0, camera), seen, 0, height, width)
    return np.asarray(Image.open(BytesIO(crop)))


@pytest.mark.parametrize("cover", ["", "pole", "hedge", "passer"])
@pytest.mark.parametrize(("height", "width"), [(128, 64), (8, 8), (64, 48), (256, 128)])
def test_crops_come_in_any_size_whatever_stands_in_the_way(cover, height, width):
    assert drawn(1, height=height, width=width, cover=cover).shape == (height, width, 3)


PLAIN = replace(
    draw_person(0, 1), top=Cloth((90, 90, 90), (200, 30, 30)), sleeve=Cloth((90, 90, 90), (90, 90, 90)),
    sleeves="short", style="short", hat=None, shirt=None, badge=None, legs="trousers", bag="", hem=0.44,
)  # fmt: skip


@pytest.mark.parametrize(
    "dress",
    [
        {"bag": "backpack"}, {"bag": "shoulder"}, {"bag": "hand"}, {"legs": "shorts"}, {"legs": "skirt"},
        {"style": "long"}, {"style": "tail"}, {"hat": (200, 0, 0)}, {"sleeves": "long"}, {"build": 1.3},
        {"top": Cloth((90, 90, 90), (200, 30, 30), "stripes")}, {"top": Cloth((90, 90, 90), (200, 30, 30), "checks")},
        {"top": Cloth((90, 90, 90), (200, 30, 30), "block")},
    ],
    ids=lambda dress: "-".join(f"{key}-{getattr(value, 'pattern', value)}" for key, value in dress.items()),
)  # fmt: skip
def test_what_makes_a_person_is_seen_from_three_sides_at_least(dress):
    seen = 0
    for heading in (0.0, math.pi / 2, math.pi, 3 * math.pi / 2):
        (plain, _), (dressed, mask) = painted(PLAIN, heading), painted(replace(PLAIN, **dress), heading)
        assert 0.1 < (mask > 0).mean() < 0.6
        seen += int((plain != dressed).any(axis=2).sum() > 8)
    assert seen >= 3


@pytest.mark.parametrize("dress", [{"badge": (200, 30, 30)}, {"shirt": (200, 30, 30)}])
def test_what_is_on_the_chest_is_not_seen_from_behind(dress):
    front, back = (
        (painted(PLAIN, heading)[0] != painted(replace(PLAIN, **dress), heading)[0]).any() for heading in (0.0, math.pi)
    )
    assert front
    assert not back


def test_a_person_is_the_same_however_many_there_are_and_seeds_differ():
    assert draw_person(3, 7) == draw_person(3, 7)
    assert len({draw_person(seed, number) for seed in (0, 1) for number in range(50)}) == 100


def test_some_people_come_dressed_like_another_and_nobody_is_a_copy():
    pairs = [(draw_person(0, number - 1), draw_person(0, number)) for number in range(1, 80, 2)]
    alike = [a.top.colour == b.top.colour and a.bottom == b.bottom for a, b in pairs]
    assert 0.35 < np.mean(alike) < 0.85
    assert all(a != b for a, b in pairs)


def test_a_track_is_alike_and_longer_tracks_begin_the_same():
    camera = draw_camera(0, 1)
    track = draw_track(camera, (0, 1, 1), 4)
    assert draw_track(camera, (0, 1, 1), 6)[:4] == track
    assert np.ptp([sighting.light for sighting in track]) < 0.4
    crops = [drawn(1, camera, i, cover="").astype(float) for camera in (1, 2) for i in range(3)]
    within, across = np.abs(crops[0] - crops[1]).mean(), np.abs(crops[0] - crops[3]).mean()
    assert within < across


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_written_people_are_in_the_layout_of_market(tmp_path):
    calls: list[tuple[int, int]] = []
    root = tmp_path / "people"
    people.write_people(root, 2, 5, 8, 3, 32, 16, seed=1, progress=lambda *call: calls.append(call))
    listing = read(root)
    assert listing.layout == "market"
    by_split = {split: {crop.person for crop in crops} for split, crops in listing.splits.items()}
    assert by_split == {"train": {1, 2}, "query": set(range(3, 8)), "gallery": {0, *range(3, 8)}}
    # Three cameras see everybody, twice each: the first crop is the query.
    assert {split: len(crops) for split, crops in listing.splits.items()} == {"train": 12, "query": 15, "gallery": 16}
    assert calls == [(i, 43) for i in range(1, 44)]
    assert list(tmp_path.iterdir()) == [root]
    with Image.open(listing.split("query")[0].image) as crop:
        assert crop.size == (16, 32)


def test_junk_and_distractors_lie_in_the_gallery_alone(tmp_path):
    people.write_people(tmp_path / "people", 1, 20, 6, 2, 8, 8)
    listing = read(tmp_path / "people")
    clutter = [crop.person for crop in listing.split("gallery") if crop.person < 1]
    assert (clutter.count(0), clutter.count(-1)) == (6, 2)  # a tenth of 20 people x 2 cameras x 2 crops
    assert min(crop.person for split in ("train", "query") for crop in listing.split(split)) == 1


def test_the_seed_decides_and_more_people_change_none(tmp_path):
    for name, train, seed in (("a", 3, 0), ("b", 3, 0), ("more", 4, 0), ("other", 3, 1)):
        people.write_people(tmp_path / name, train, 0, 4, 3, 16, 8, seed)
    a, b, more, other = (contents(tmp_path / name) for name in ("a", "b", "more", "other"))
    assert a == b
    assert a.items() <= more.items()
    assert len(more) == len(a) + 4
    assert not set(a.values()) & set(other.values())


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> ReidData:
    root = tmp_path_factory.mktemp("crowd")
    people.write_people(root / "data", 1, 20, 8, 4)
    return load(read(root / "data"), 128, 64, ("query", "gallery"), root / "cache")


def found(data: ReidData, features: np.ndarray) -> tuple[float, float]:
    """mAP and rank-1 of retrieval by some features."""
    q, g = data.sources("query"), data.sources("gallery")
    x, persons, cameras = features.astype(np.float32), data.persons, data.cameras
    result = retrieval(q, x[q], x[g], persons[q], persons[g], cameras[q], cameras[g])
    assert result.left_out == 0
    rank_1 = result.part_values[0]
    assert rank_1 is not None
    return result.value, rank_1


def test_mean_colour_does_not_tell_people_apart_but_looking_closer_does(crowd):
    pixels = crowd.batch(np.arange(len(crowd))).astype(np.float32)
    _, by_colour = found(crowd, pixels.mean(axis=(1, 2)))
    # Colours from head to foot, freed of each camera's cast: what any network can learn at least.
    rows = pixels[:, :, 20:44].reshape(len(crowd), 8, 16, 24, 3).mean(axis=(2, 3)).reshape(len(crowd), -1)
    for camera in np.unique(crowd.cameras):
        here = crowd.cameras == camera
        rows[here] = (rows[here] - rows[here].mean(axis=0)) / rows[here].std(axis=0)
    by_rows, _ = found(crowd, rows)
    assert by_colour < 25
    assert 30 < by_rows < 80


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(QueristError, match="holds something already"):
        people.write_people(tmp_path, 1, 0)
    assert contents(tmp_path) == {"mine.txt": b"precious"}
    empty = tmp_path / "empty"
    empty.mkdir()
    people.write_people(empty, 1, 0, 4, 2, 8, 8)
    assert len(contents(empty)) == 4


def test_a_disk_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(people, "draw_crop", full)
    with pytest.raises(QueristError, match="cannot be written: No space left"):
        people.write_people(tmp_path / "people", 1, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [{"train": 0}, {"test": -1}, {"images": 3}, {"cameras": 1}, {"cameras": 100}, {"width": 4}, {"test": 9999}],
)
def test_impossible_numbers_are_refused(tmp_path, change):
    with pytest.raises(ValueError, match="there must be"):
        people.write_people(tmp_path / "people", **({"train": 1, "test": 1} | change))
