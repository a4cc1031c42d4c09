"""Files as https://cocodataset.org/#format-data describes them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.errors import QueristError
from querist.tasks.pose.coco import read_coco
from querist.tasks.pose.layouts import read

KEYPOINTS = [
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
]  # fmt: skip


def person(number: int = 1, image: int = 139, **changes) -> dict:
    keypoints = [value for j in range(17) for value in (10 + j, 20 + j, 2)]
    keypoints[:6] = 0, 0, 0, 11, 21, 1  # the nose is not labelled, the left eye covered
    whole = {
        "id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "num_keypoints": 16, "keypoints": keypoints,
        "bbox": [4.0, 8.0, 40.0, 80.0], "area": 900.5, "segmentation": [],
    }  # fmt: skip
    return whole | changes


def write(root: Path, split: str, *people: object, **changes) -> Path:
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": KEYPOINTS, "skeleton": [[16, 14]]}
    document = {
        "info": {}, "licenses": [], "categories": [category], "annotations": people,
        "images": [{"id": 139, "file_name": "000139.jpg", "width": 80, "height": 100}],
    }  # fmt: skip
    (root / "annotations").mkdir(exist_ok=True)
    (root / split).mkdir(exist_ok=True)
    Image.new("RGB", (80, 100)).save(root / split / "000139.jpg")
    (root / f"annotations/person_keypoints_{split}.json").write_text(json.dumps(document | changes))
    return root


def test_people_are_listed(tmp_path):
    crowd, bare = person(3, iscrowd=1, keypoints=[0] * 51), person(4, num_keypoints=0, keypoints=[0] * 51)
    write(tmp_path, "train2017", person(2), person(1), crowd, bare)
    found = read(write(tmp_path, "val2017", person(9)))
    assert found.layout == "coco"
    assert found.names == ("train/000139@1", "train/000139@2", "val/000139@9")
    assert found.subjects.tolist() == [0, 0, 1]
    assert np.isnan(found.joints[0, 0]).all()
    assert found.joints[0, 1].tolist() == [11, 21]
    assert found.visible[0].tolist() == [False, False, *[True] * 15]
    assert found.boxes[0].tolist() == [-1, -2, 50, 100]


def test_two_images_with_one_id_are_named(tmp_path):
    images = [{"id": 139, "file_name": f"{name}.jpg"} for name in ("000139", "000140")]
    with pytest.raises(QueristError, match=r"images\[1\]: the id 139 is that of 000139\.jpg too"):
        read_coco(write(tmp_path, "train2017", person(), images=images))


def test_images_may_lie_deeper(tmp_path):
    write(tmp_path, "val2017", person())
    (tmp_path / "images").mkdir()
    (tmp_path / "val2017").rename(tmp_path / "images/val2017")
    assert read_coco(tmp_path).images[0] == tmp_path / "images/val2017/000139.jpg"
    (tmp_path / "images/val2017").rename(tmp_path / "elsewhere")
    with pytest.raises(QueristError, match="val2017 does not exist"):
        read_coco(tmp_path)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ([], r"annotations\[0\] has no entry"),
        (person(image=140), r"annotations\[0\]: there is no image 140"),
        (person(category_id=2), r"annotations\[0\]: there is no category 2"),
        (person(keypoints=[0] * 50), "keypoints is .*expected 51 numbers"),
        (person(keypoints=[1, 1, 3] * 17), "a keypoint's v is none of 0, 1 and 2"),
        (person(bbox=[1, 2, 3]), r"bbox is \[1, 2, 3\]"),
        (person(bbox=[1, 2, 0, 0]), "the box of 000139@1 is"),
        (person(keypoints="none"), 'keypoints is "none"'),
    ],
)
def test_wrong_people_are_named(tmp_path, entry, says):
    with pytest.raises(QueristError) as caught:
        read_coco(write(tmp_path, "train2017", entry))
    assert re.search(says, str(caught.value).replace("\n", " "))


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(QueristError, match="holds no keypoints"):
        read_coco(tmp_path)
    for changes, says in (
        ({"images": None}, "images is null"),
        ({"images": [{"id": 1}]}, r"images\[0\] has no entry 'file_name'"),
        ({"images": [{"id": 139, "file_name": "none.jpg"}]}, r"there is no file .*none\.jpg"),
        ({"images": [{"id": 139, "file_name": "../none.jpg"}]}, "'../none.jpg' is not one inside"),
        ({"images": [{"id": 139, "file_name": "a" * 5000}]}, r"annotations\[0\]: there is no file .*characters"),
        ({"categories": [{"id": 1, "keypoints": ["nose"]}]}, "has other keypoints than COCO's 17"),
        ({"annotations": []}, "holds no poses"),
    ):
        with pytest.raises(QueristError, match=says):
            read_coco(write(tmp_path, "train2017", person(), **changes))
