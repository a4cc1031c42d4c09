import os
from pathlib import Path

import pytest

from querist.errors import QueristError
from querist.tasks.reid import layouts
from querist.tasks.reid.listing import UNKNOWN


def touch(root: Path, *names: str) -> Path:
    """Makes empty files: a listing opens no image."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def table(root: Path, *lines: str, name: str = "people.csv") -> Path:
    """Writes a table and makes the files it lists."""
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n")
    for line in lines[1:]:
        path = line.split(",")[0].strip()
        if path.endswith(".jpg") and ".." not in path and not path.startswith("/"):
            touch(root, path)
    return root


def as_text(listing: layouts.Listing) -> dict[str, list[tuple[str, str, int, int]]]:
    return {
        split: [(c.name, c.image.relative_to(listing.root).as_posix(), c.person, c.camera) for c in crops]
        for split, crops in listing.splits.items()
    }


def test_market_names_say_person_and_camera(tmp_path):
    touch(tmp_path, "bounding_box_train/0007_c3s2_070952_01.jpg", "bounding_box_train/0002_c1s1_000551_01.jpg")
    touch(tmp_path, "bounding_box_train/Thumbs.db", "bounding_box_train/.0002_c1s1_000551_01.jpg", "readme.txt")
    touch(tmp_path, "query/1501_c6s4_000001_00.jpg", "gt_query/anything.jpg")
    touch(tmp_path, *(f"bounding_box_test/{name}_c2s1_000001_01.jpg" for name in ("-1", "0000", "1501")))
    listing = layouts.read_market(tmp_path)
    assert listing.layout == "market"
    assert as_text(listing) == {
        "train": [
            ("train/0002_c1s1_000551_01", "bounding_box_train/0002_c1s1_000551_01.jpg", 2, 1),
            ("train/0007_c3s2_070952_01", "bounding_box_train/0007_c3s2_070952_01.jpg", 7, 3),
        ],
        "query": [("query/1501_c6s4_000001_00", "query/1501_c6s4_000001_00.jpg", 1501, 6)],
        "gallery": [
            ("gallery/-1_c2s1_000001_01", "bounding_box_test/-1_c2s1_000001_01.jpg", -1, 2),
            ("gallery/0000_c2s1_000001_01", "bounding_box_test/0000_c2s1_000001_01.jpg", 0, 2),
            ("gallery/1501_c2s1_000001_01", "bounding_box_test/1501_c2s1_000001_01.jpg", 1501, 2),
        ],
    }


def test_duke_names_are_read_too_and_a_test_may_be_missing(tmp_path):
    touch(tmp_path, "bounding_box_train/0005_c2_f0046985.jpg", "bounding_box_train/0019_c10_f0046985.PNG")
    assert as_text(layouts.read(tmp_path)) == {
        "train": [
            ("train/0005_c2_f0046985", "bounding_box_train/0005_c2_f0046985.jpg", 5, 2),
            ("train/0019_c10_f0046985", "bounding_box_train/0019_c10_f0046985.PNG", 19, 10),
        ]
    }


def test_a_person_asked_for_may_be_missing_in_the_gallery_but_not_all_of_them(tmp_path):
    touch(tmp_path, "query/0001_c1s1_1_1.jpg", "query/0002_c1s1_1_1.jpg", "bounding_box_test/0002_c2s1_1_1.jpg")
    assert len(layouts.read(tmp_path).split("query")) == 2
    (tmp_path / "bounding_box_test/0002_c2s1_1_1.jpg").rename(tmp_path / "bounding_box_test/0003_c2s1_1_1.jpg")
    with pytest.raises(QueristError, match=r"shows nobody of the queries, such as person 1 of .*query/0001"):
        layouts.read(tmp_path)


def test_somebody_must_be_seen_by_another_camera(tmp_path):
    touch(tmp_path, "query/0001_c1s1_1_1.jpg", "query/0002_c1s1_1_1.jpg", "bounding_box_test/0001_c1s1_1_2.jpg")
    with pytest.raises(QueristError, match=r"nobody .* by another camera.*person 1 of .*query/0001.*camera 1"):
        layouts.read(tmp_path)
    touch(tmp_path, "bounding_box_test/0002_c1s1_1_2.jpg", "bounding_box_test/0002_c3s1_1_2.jpg")
    assert len(layouts.read(tmp_path).split("query")) == 2


TEST = ("query/0001_c1s1_1_1.jpg", "bounding_box_test/0001_c2s1_1_1.jpg")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (("bounding_box_train/me.jpg",), r"bounding_box_train/me\.jpg is not named after person and camera"),
        (("bounding_box_train/0001_cXs1_1.jpg",), r"0001_cXs1_1\.jpg is not named after"),
        (("bounding_box_train/-2_c1s1_1.jpg",), r"-2_c1s1_1\.jpg is not named after"),
        (("bounding_box_train/0001_c1.jpg",), r"0001_c1\.jpg is not named after"),
        (("bounding_box_train/Thumbs.db",), r"bounding_box_train holds no images"),
        (("bounding_box_train/0001_c1_1.jpg", "bounding_box_train/0001_c1_1.png"), r"holds both 0001_c1_1\.jpg and"),
        (("bounding_box_train/-1_c1s1_1_1.jpg",), r"the person is -1 \(junk\), but the crop is in train"),
        (("query/0000_c1s1_1_1.jpg", TEST[1]), r"the person is 0 \(a distractor\), but the crop is in query"),
        (TEST[:1], "has a query but no gallery"),
        (TEST[1:], "has a gallery but no query"),
        (
            (*TEST, "bounding_box_train/0001_c1s1_1_1.jpg"),
            r"person 1 is in train \(.*bounding_box_train/0001.* and in the test \(.*bounding_box_test/0001",
        ),
        (("other/0001_c1s1_1_1.jpg",), r"has no split"),
        (("bounding_box_train",), r"bounding_box_train is not a folder"),
    ],
)
def test_what_is_wrong_in_the_market_layout_is_named(tmp_path, files, says):
    with pytest.raises(QueristError, match=says) as caught:
        layouts.read_market(touch(tmp_path, *files))
    assert caught.value.fix


def test_links_that_lead_out_are_refused(tmp_path):
    touch(tmp_path, "secret/0001_c1_1.jpg", "data/bounding_box_train/0002_c1_1.jpg")
    (tmp_path / "data/bounding_box_train/0001_c1_1.jpg").symlink_to(tmp_path / "secret/0001_c1_1.jpg")
    with pytest.raises(QueristError, match=r"0001_c1_1\.jpg is a link that leads out of"):
        layouts.read(tmp_path / "data")


def test_a_table_lists_paths_people_and_cameras(tmp_path):
    table(tmp_path, "\ufeffpath,person,camera,split,note", "b/x.jpg,0003,0,train,", "a/y.jpg,5,1,query,seen twice",
          "a/z.jpg,5,2,gallery,", "a/w.jpg,-1,2,gallery,", "b/a.v.jpg, 4 ,1,train,")  # fmt: skip
    expected = {
        "train": [("train/b/a.v", "b/a.v.jpg", 4, 1), ("train/b/x", "b/x.jpg", 3, 0)],
        "query": [("query/a/y", "a/y.jpg", 5, 1)],
        "gallery": [("gallery/a/w", "a/w.jpg", -1, 2), ("gallery/a/z", "a/z.jpg", 5, 2)],
    }
    assert as_text(layouts.read(tmp_path)) == expected
    assert as_text(layouts.read(tmp_path / "people.csv")) == expected


def test_a_table_without_people_and_splits_is_a_pool(tmp_path):
    table(tmp_path, "path,camera", "x.jpg,3", name="mine.csv")
    assert as_text(layouts.read(tmp_path / "mine.csv")) == {"train": [("train/x", "x.jpg", UNKNOWN, 3)]}


HEAD = "path,person,camera,split"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("path,person", "x.jpg,1"), r"people\.csv has no column 'camera', only 'path', 'person'"),
        (("",), r"has no column 'path'"),
        (("path,camera,camera", "x.jpg,1,1"), r"names a column twice"),
        ((HEAD,), r"holds no images"),
        ((HEAD, "x.jpg,1,1,train", "y.jpg,1,1"), r"line 3: the line does not have 4 cells"),
        ((HEAD, "x.jpg,1,1,train,5"), r"line 2: the line does not have 4 cells"),
        ((HEAD, "x.jpg,1,left,train"), r"line 2: the camera is 'left'"),
        ((HEAD, "x.jpg,1,1.0,train"), r"line 2: the camera is '1\.0'"),
        ((HEAD, "x.jpg,1,-1,train"), r"line 2: the camera is '-1'"),
        ((HEAD, "x.jpg,Ann,1,train"), r"line 2: the person is 'Ann'"),
        ((HEAD, "x.jpg,,1,train"), r"line 2: the person is ''"),
        ((HEAD, "x.jpg,1_0,1,train"), r"line 2: the person is '1_0'"),
        ((HEAD, "x.jpg,-2,1,train"), r"line 2: the person is '-2'"),
        ((HEAD, "x.jpg,0,1,train"), r"x\.jpg: the person is 0 \(a distractor\), but the crop is in train"),
        ((HEAD, "x.jpg,1,1,val"), r"line 2: the split is 'val'"),
        ((HEAD, "../x.jpg,1,1,train"), r"line 2: the path '\.\./x\.jpg' is not one inside"),
        ((HEAD, "a/../../x.jpg,1,1,train"), r"line 2: the path .* is not one inside"),
        ((HEAD, "/etc/hosts,1,1,train"), r"line 2: the path '/etc/hosts' is not one inside"),
        ((HEAD, ",1,1,train"), r"line 2: the path '' is not one inside"),
        ((HEAD, "x.png,1,1,train"), r"line 2: there is no file .*x\.png"),
        ((HEAD, "x" * 5000 + ".png,1,1,train"), "line 2: there is no file"),
        ((HEAD, "x.jpg,1,1,train", "./x.jpg,1,1,train"), r"line 3: \./x\.jpg was listed in line 2 already"),
        ((HEAD, "x.jpg,1,1,query", "x.jpg,1,2,gallery"), r"line 3: x\.jpg was listed in line 2 already"),
        (("path,camera,split", "x.jpg,1,gallery", "y.jpg,1,query"), r"person is -2 \(unknown\), .* in query"),
        ((HEAD, "x~1.jpg,1,1,train"), r"x~1\.jpg: its name holds a ~"),
        ((HEAD, "x.jpg,1,1,query"), r"has a query but no gallery"),
        ((HEAD, '"x.jpg'), r"is not a table in UTF-8"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path, lines, says):
    with pytest.raises(QueristError, match=says) as caught:
        layouts.read_csv(table(tmp_path, *lines))
    assert caught.value.fix


def test_a_table_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "people.csv").write_bytes("path,camera\nMüller.jpg,1\n".encode("latin-1"))
    with pytest.raises(QueristError, match=r"people\.csv is not a table in UTF-8"):
        layouts.read(tmp_path)


def test_a_folder_of_crops_is_a_pool_of_unknown_people(tmp_path):
    touch(tmp_path, "b.jpg", "a.png", "deep/er/c.jpg", "deep/a.png", "notes.txt", ".hidden/x.jpg")
    assert as_text(layouts.read(tmp_path)) == {
        "train": [
            ("train/a", "a.png", UNKNOWN, UNKNOWN),
            ("train/b", "b.jpg", UNKNOWN, UNKNOWN),
            ("train/deep/a", "deep/a.png", UNKNOWN, UNKNOWN),
            ("train/deep/er/c", "deep/er/c.jpg", UNKNOWN, UNKNOWN),
        ]
    }
    (tmp_path / "deep" / "again").symlink_to(tmp_path)
    with pytest.raises(QueristError, match="deep/again is a link to a folder"):
        layouts.read(tmp_path)


def test_layouts_are_recognised(tmp_path):
    touch(tmp_path / "market", "bounding_box_train/0001_c1_1.jpg")
    table(tmp_path / "csv", "path,camera", "x.jpg,1")
    touch(tmp_path / "folder", "x.jpg")
    for name in ("market", "csv", "folder"):
        assert layouts.read(tmp_path / name).layout == name
        assert layouts.read(tmp_path / name, name) == layouts.read(tmp_path / name)
    with pytest.raises(QueristError, match="has no layout that is known"):
        layouts.read(tmp_path)  # a folder of data sets is no pool of crops ...
    assert len(layouts.read(tmp_path, "folder").split("train")) == 3  # ... unless that is what is meant
    table(tmp_path / "market", "path,camera", "x.jpg,1")
    with pytest.raises(QueristError, match="looks like market and csv at once"):
        layouts.read(tmp_path / "market")


def test_unknown_layouts_and_splits_are_named(tmp_path):
    with pytest.raises(QueristError, match="there is no layout 'duke'") as caught:
        layouts.read(tmp_path, "duke")
    assert "market" in caught.value.fix
    with pytest.raises(QueristError, match=r"has no split 'query'") as caught:
        layouts.read(touch(tmp_path, "x.jpg")).split("query")
    assert "train" in caught.value.fix


@pytest.mark.parametrize("layout", ["auto", "market", "cuhk03", "csv", "folder"])
def test_a_missing_root_is_named(tmp_path, layout):
    with pytest.raises(QueristError, match=r"nowhere.* does not exist"):
        layouts.read(tmp_path / "nowhere", layout)


def test_market_on_disk():
    root = os.environ.get("QUERIST_DATA")
    if not root or not (Path(root) / "market").is_dir():
        pytest.skip("QUERIST_DATA holds no market/")
    listing = layouts.read(Path(root) / "market")
    assert {split: len(crops) for split, crops in listing.splits.items()} == {
        "train": 7712,
        "query": 864,
        "gallery": 2592,
    }
    assert len({crop.person for crop in listing.split("train")}) == 451
    assert {crop.camera for crop in listing.split("gallery")} == set(range(1, 7))
