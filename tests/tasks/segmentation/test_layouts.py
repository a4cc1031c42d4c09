import os
from pathlib import Path

import pytest

from querist.errors import QueristError
from querist.tasks.segmentation import layouts
from querist.tasks.segmentation.classes import CAMVID, CITYSCAPES

CLASSES = "classes: [{name: road, colour: [1, 2, 3]}]"


def touch(root: Path, *names: str) -> Path:
    """Makes empty files: a listing opens none."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def folder(root: Path, *names: str) -> Path:
    touch(root, *names)
    (root / "classes.yaml").write_text(CLASSES)
    return root


def as_text(listing: layouts.Listing) -> dict[str, list[tuple[str, str, str | None]]]:
    def relative(path: Path | None) -> str | None:
        return path.relative_to(listing.root).as_posix() if path else None

    return {
        split: [(s.name, str(relative(s.image)), relative(s.mask)) for s in samples]
        for split, samples in listing.splits.items()
    }


def test_camvid_matches_any_suffix_by_stem_and_sorts(tmp_path):
    touch(tmp_path, "train/b.JPG", "train/a.png", "trainannot/b.png", "test/c.jpeg", "testannot/c.tif")
    touch(tmp_path, "train/.a.png", "train/Thumbs.db", "val.txt")
    listing = layouts.read_camvid(tmp_path)
    assert (listing.layout, listing.classes) == ("camvid", CAMVID)
    assert as_text(listing) == {
        "train": [("train/a", "train/a.png", None), ("train/b", "train/b.JPG", "trainannot/b.png")],
        "test": [("test/c", "test/c.jpeg", "testannot/c.tif")],
    }


def test_cityscapes_names_hold_split_and_city(tmp_path):
    stem = "{}/train/{}/{}_000000_000019_{}.png"
    touch(
        tmp_path,
        stem.format("leftImg8bit", "zurich", "zurich", "leftImg8bit"),
        stem.format("leftImg8bit", "aachen", "aachen", "leftImg8bit"),
        stem.format("gtFine", "aachen", "aachen", "gtFine_labelIds"),
        stem.format("gtFine", "aachen", "aachen", "gtFine_color"),
        stem.format("gtFine", "aachen", "aachen", "gtFine_instanceIds"),
    )
    listing = layouts.read_cityscapes(tmp_path)
    assert listing.classes == CITYSCAPES
    aachen, zurich = listing.split("train")
    assert (aachen.name, zurich.name) == (
        "train/aachen/aachen_000000_000019",
        "train/zurich/zurich_000000_000019",
    )
    assert aachen.mask == tmp_path / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"
    assert zurich.mask is None


def test_plain_folder_with_splits(tmp_path):
    folder(tmp_path, "images/train/a.b.jpg", "images/val/a.png", "masks/train/a.b.png")
    assert as_text(layouts.read_folder(tmp_path)) == {
        "train": [("train/a.b", "images/train/a.b.jpg", "masks/train/a.b.png")],
        "val": [("val/a", "images/val/a.png", None)],
    }


@pytest.mark.parametrize("masks", [(), ("masks/x.png",)])
def test_flat_folder_is_one_split_and_needs_no_masks(tmp_path, masks):
    folder(tmp_path, "images/x.jpg", *masks)
    assert as_text(layouts.read_folder(tmp_path)) == {
        "train": [("train/x", "images/x.jpg", masks[0] if masks else None)]
    }


def test_layouts_are_recognised(tmp_path):
    touch(tmp_path / "camvid", "train/a.png", "trainannot/a.png")
    touch(tmp_path / "cityscapes", "leftImg8bit/val/x/x_leftImg8bit.png")
    folder(tmp_path / "folder", "images/a.png")
    for name in ("camvid", "cityscapes", "folder"):
        assert layouts.read(tmp_path / name).layout == name
        assert layouts.read(tmp_path / name, name) == layouts.read(tmp_path / name)


def test_another_layout_than_the_named_one_is_recognised(tmp_path):
    """As where a recipe names CamVid, and the data are one's own."""
    root = folder(tmp_path, "images/train/a.png", "masks/train/a.png")
    with pytest.raises(QueristError, match=r"it looks like the layout folder\n.*--set problem.layout=folder"):
        layouts.read(root, "camvid")
    assert layouts.read(root, "folder").split("train")


def test_names_survive_a_move_and_a_linked_root(tmp_path):
    real = folder(tmp_path / "real", "images/a.png", "masks/a.png")
    link = tmp_path / "link"
    link.symlink_to(real)
    names = [[s.name for s in layouts.read(root).split("train")] for root in (real, link)]
    assert names[0] == names[1] == ["train/a"]


def test_links_inside_the_root_are_followed_and_links_out_of_it_refused(tmp_path):
    root = folder(tmp_path / "data", "images/a.png", "masks/a.png")
    (root / "images/b.png").symlink_to(root / "images/a.png")
    assert len(layouts.read(root).split("train")) == 2
    touch(tmp_path, "data-secret/c.png")  # its path begins with the root's
    (root / "masks/b.png").symlink_to(tmp_path / "data-secret/c.png")
    with pytest.raises(QueristError, match=r"masks/b\.png is a link that leads out of"):
        layouts.read(root)


def test_a_linked_split_folder_that_leads_out_is_refused(tmp_path):
    touch(tmp_path / "elsewhere", "a.png")
    touch(tmp_path / "data", "trainannot/a.png")
    (tmp_path / "data/train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(QueristError, match=r"train/a\.png is a link that leads out of"):
        layouts.read(tmp_path / "data")


def test_file_names_that_are_not_utf8_are_refused(tmp_path):
    touch(tmp_path, "trainannot/a.png", "train/a.png")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/train/\xff.png")).touch()
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    with pytest.raises(QueristError, match="is not UTF-8"):
        layouts.read(tmp_path)


def test_require_masks_names_the_first_and_counts(tmp_path):
    folder(tmp_path, "images/a.png", "images/b.png", "images/c.png", "masks/a.png")
    samples = layouts.read(tmp_path).split("train")
    layouts.require_masks(samples[:1])
    with pytest.raises(QueristError, match=r"images/b\.png has no mask \(2 of 3 images"):
        layouts.require_masks(samples)


def test_an_absent_split_names_those_there_are(tmp_path):
    listing = layouts.read(folder(tmp_path, "images/val/a.png"))
    with pytest.raises(QueristError, match="no split 'train'") as caught:
        listing.split("train")
    assert "val" in caught.value.fix


@pytest.mark.parametrize(
    ("files", "layout", "says"),
    [
        (("train/a.png", "train/a.jpg"), "camvid", r"train holds both a\.jpg and a\.png"),
        (
            ("train/a.png", "trainannot/a.png", "trainannot/a.tif"),
            "camvid",
            r"trainannot holds both a\.png and a\.tif",
        ),
        (("train/a.png", "trainannot/b.png"), "camvid", r"trainannot/b\.png is a mask without an image"),
        (("train/a.png", "val/note.md"), "camvid", r"val holds no images"),
        (("train/a.png", "valannot/a.png"), "camvid", r"/val does not exist"),
        (("other/a.png",), "camvid", r"has no split"),
        (("other/a.png",), "cityscapes", r"leftImg8bit does not exist"),
        (("leftImg8bit/train/x/note.md",), "cityscapes", r"leftImg8bit/train holds no images"),
        (("leftImg8bit/extra/x/x_leftImg8bit.png",), "cityscapes", r"has no split"),
        (
            ("leftImg8bit/val/x/x_leftImg8bit.png", "gtFine/val/y/y_gtFine_labelIds.png"),
            "cityscapes",
            r"leftImg8bit/val/y does not exist",
        ),
        (
            ("leftImg8bit/val/x/x_leftImg8bit.png", "gtFine/val/x/y_gtFine_labelIds.png"),
            "cityscapes",
            r"y_gtFine_labelIds\.png is a mask without an image",
        ),
        (("images/a.png",), "folder", r"classes\.yaml is missing"),
        (("other/a.png",), "auto", r"has no layout that is known"),
        (("images/a.png", "trainannot/a.png"), "auto", r"looks like camvid and folder at once"),
        ((), "pascal", r"there is no layout 'pascal'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, files, layout, says):
    touch(tmp_path, *files)
    with pytest.raises(QueristError, match=says) as caught:
        layouts.read(tmp_path, layout)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (("masks/a.png",), r"images does not exist"),
        (("images/note.md",), r"images holds no images"),
        (("images/day/a.png",), r"images/day is no split folder"),
        (("images/train/a.png", "images/b.png"), r"both split folders and loose files such as b\.png"),
        (("images/train/a.png", "masks/a.png"), r"images has split folders and .*masks has none"),
        (("images/a.png", "masks/train/a.png"), r"masks has split folders and .*images has none"),
        (("images/train/a.png", "masks/val/a.png"), r"images/val does not exist"),
    ],
)
def test_what_is_wrong_in_a_plain_folder_is_named(tmp_path, files, says):
    with pytest.raises(QueristError, match=says):
        layouts.read_folder(folder(tmp_path, *files))


@pytest.mark.parametrize("layout", ["auto", "camvid", "cityscapes", "folder"])
def test_a_missing_root_is_named(tmp_path, layout):
    with pytest.raises(QueristError, match=r"nowhere.* does not exist"):
        layouts.read(tmp_path / "nowhere", layout)


def test_camvid_on_disk_has_the_published_split():
    root = os.environ.get("QUERIST_DATA")
    if not root or not (Path(root) / "camvid").is_dir():
        pytest.skip("QUERIST_DATA holds no camvid/")
    listing = layouts.read(Path(root) / "camvid")
    assert listing.layout == "camvid"
    assert {split: len(samples) for split, samples in listing.splits.items()} == {
        "train": 367,
        "val": 101,
        "test": 233,
    }
    assert listing.split("train")[0].name == "train/0001TP_006690"
    for samples in listing.splits.values():
        layouts.require_masks(samples)
