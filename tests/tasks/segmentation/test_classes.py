from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.errors import QueristError
from querist.tasks.segmentation.classes import CAMVID, CITYSCAPES, ClassMap, read_classes, write_classes

GREY = (9, 9, 9)


def test_camvid_masks_hold_train_ids_and_void_11():
    table = CAMVID.table()
    assert CAMVID.count == CAMVID.void == 11
    assert table[:12].tolist() == list(range(12))
    assert set(table[12:].tolist()) == {-1}
    assert CAMVID.names[3] == "road"
    assert CAMVID.names[8] == "car"


def test_cityscapes_maps_label_ids_to_the_19_standard_classes():
    table = CITYSCAPES.table()
    assert CITYSCAPES.count == CITYSCAPES.void == 19
    # As the data set says: road 7, sidewalk 8, car 26, bicycle 33; unlabelled 0, ego vehicle 1, caravan 29.
    assert table[[7, 8, 26, 33]].tolist() == [0, 1, 13, 18]
    assert table[[0, 1, 4, 9, 10, 14, 18, 29, 30, 255]].tolist() == [19] * 10
    assert set(table[34:255].tolist()) == {-1}
    assert sorted(table[(table >= 0) & (table < 19)].tolist()) == list(range(19))


def test_palette_colours_classes_and_leaves_void_black():
    palette = CAMVID.palette()
    assert palette.dtype == np.uint8
    assert palette[[3, 11]].tolist() == [[128, 64, 128], [0, 0, 0]]


def test_fingerprint_follows_ids_and_names_but_not_colours():
    plain = ClassMap(("a", "b"), (GREY, GREY))
    assert plain.fingerprint() == ClassMap(("a", "b"), (GREY, (1, 2, 3))).fingerprint()
    others = [ClassMap(("a", "c"), (GREY, GREY)), ClassMap(("a", "b"), (GREY, GREY), void=255)]
    assert len({plain.fingerprint(), *(other.fingerprint() for other in others)}) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": (), "colours": ()},
        {"names": ("a", "a"), "colours": (GREY, GREY)},
        {"names": ("a", "b"), "colours": (GREY,)},
        {"names": ("a",), "colours": ((0, 0, 256),)},
        {"names": ("a", "b"), "colours": (GREY, GREY), "void": 1},
        {"names": ("a",), "colours": (GREY,), "lookup": (0, 1)},
        {"names": ("a",), "colours": (GREY,), "lookup": (2,) * 256},
    ],
)
def test_contradictory_class_maps_are_refused(wrong):
    with pytest.raises(ValueError):
        ClassMap(**wrong)


def write(folder: Path, text: str) -> Path:
    path = folder / "classes.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_default_to_positions_and_void_to_255(tmp_path):
    text = "classes: [{name: road, colour: [1, 2, 3]}, {name: car, colour: [4, 5, 6], id: 7}]"
    classes = read_classes(write(tmp_path, text))
    assert (classes.names, classes.colours, classes.void) == (("road", "car"), ((1, 2, 3), (4, 5, 6)), 2)
    expected = np.full(256, -1)
    expected[[0, 7, 255]] = [0, 1, 2]
    assert classes.table().tolist() == expected.tolist()


def test_void_may_be_a_list_and_a_class_may_claim_255(tmp_path):
    entry = "{name: road, colour: [1, 2, 3], id: 255}"
    assert read_classes(write(tmp_path, f"classes: [{entry}]")).table()[255] == 0
    table = read_classes(write(tmp_path, f"classes: [{entry}]\nvoid: [4, 9]")).table()
    assert np.flatnonzero(table == 1).tolist() == [4, 9]


@pytest.mark.parametrize("classes", [CAMVID, CITYSCAPES])
def test_published_class_maps_survive_the_file(tmp_path, classes):
    write_classes(tmp_path / "classes.yaml", classes)
    assert read_classes(tmp_path / "classes.yaml") == classes


@settings(max_examples=40)
@given(
    names=st.lists(
        st.text(min_size=1, max_size=9).filter(lambda name: name.strip() and name.isprintable()),
        min_size=1,
        max_size=6,
        unique=True,
    ),
    ids=st.permutations(range(12)),
    voids=st.sets(st.integers(12, 255)),
)
def test_any_class_map_survives_the_file(tmp_path_factory, names, ids, voids):
    lookup = [-1] * 256
    for train, raw in enumerate(ids[: len(names)]):
        lookup[raw] = train
    for raw in voids:
        lookup[raw] = len(names)
    classes = ClassMap(tuple(names), ((0, 128, 255),) * len(names), lookup=tuple(lookup))
    path = tmp_path_factory.mktemp("classes") / "classes.yaml"
    write_classes(path, classes)
    again = read_classes(path)
    assert again.table().tolist() == lookup
    assert (again.names, again.colours, again.void) == (classes.names, classes.colours, classes.void)


def test_a_class_of_two_ids_cannot_be_written(tmp_path):
    classes = ClassMap(("a",), (GREY,), lookup=tuple(0 if raw in (3, 4) else -1 for raw in range(256)))
    with pytest.raises(ValueError, match=r"raw ids \[3, 4\]"):
        write_classes(tmp_path / "classes.yaml", classes)


ROAD = "{name: road, colour: [1, 2, 3]}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("classes: [", "cannot be read as YAML"),
        ("- road", "the file must be a mapping"),
        ("clases: []", "unknown key 'clases'"),
        ("void: 255", "no key 'classes'"),
        ("classes: {}", "must be a list"),
        ("classes: []", "must be a list of 1 to 255"),
        (f"classes: [{ROAD}, road]", "entry 2 of classes must be a mapping, found 'road'"),
        (
            f"classes: [{ROAD}, {{name: car, color: [1, 2, 3]}}]",
            "entry 2 of classes has the unknown key 'color'",
        ),
        (f"classes: [{ROAD}, {{name: car}}]", "entry 2 of classes has no key 'colour'"),
        (f"classes: [{ROAD}, {{name: no, colour: [1, 2, 3]}}]", "entry 2 of classes has the name False"),
        ("classes: [{name: road, colour: [1, 2, 256]}]", "'road'.*colour.*256"),
        ("classes: [{name: road, colour: red}]", "'road'.*colour 'red'"),
        ("classes: [{name: road, colour: [1, 2, 3], id: 256}]", "'road'.*the id 256"),
        ("classes: [{name: road, colour: [1, 2, 3], id: true}]", "'road'.*the id True"),
        (f"classes: [{ROAD}, {ROAD}]", "entry 2 of classes repeats the name 'road'"),
        (
            f"classes: [{ROAD}, {{name: car, colour: [1, 2, 3], id: 0}}]",
            "entry 2.*repeats the id 0 of 'road'",
        ),
        (f"classes: [{ROAD}]\nvoid: 0", "the id 0 is both void and the class 'road'"),
        (f"classes: [{ROAD}]\nvoid: [300]", "void has the id 300"),
    ],
)
def test_wrong_files_are_named_with_the_entry(tmp_path, text, says):
    path = write(tmp_path, text)
    with pytest.raises(QueristError, match=says) as caught:
        read_classes(path)
    assert str(path) in caught.value.what
    assert caught.value.fix


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(QueristError, match=r"classes\.yaml is missing"):
        read_classes(tmp_path / "classes.yaml")
