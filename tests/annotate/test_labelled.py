import json

import numpy as np
import pytest

from querist.annotate.labelled import find_labelled, named_units, one_with_labels
from querist.core.problem import Setup
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.tasks.segmentation.grid import Grid
from tiny_people import tiny_task as people_task
from tiny_pose_task import limbs, tiny_task

KNOWN = [0, 3, 4, 8]


def a_setup(task):
    return Setup(task.pool, task, Split(np.full(task.pool.source_count, Role.POOL, np.int8)), "")


def poses(known=KNOWN):
    """26 images; the first joint of some of them is known."""
    joints = np.full((26, 3, 2), np.nan, np.float32)
    joints[known, 0] = limbs().joints[known, 0]
    return a_setup(tiny_task(limbs(joints=joints, visible=np.isfinite(joints).all(axis=2))))


@pytest.fixture
def write(tmp_path):
    def run(name, *names):
        batch = json.dumps({"units": [{"unit": name} for name in names]})
        (tmp_path / name).write_text(batch if name.endswith(".json") else "".join(f"{n}\n" for n in names))
        return str(tmp_path / name)

    return run


def test_nothing_is_named():
    found = find_labelled([], poses())
    assert (len(found), found.given.tolist(), found.units.tolist(), found.answers) == (0, [], [], ())


def test_known_is_what_has_one_joint_or_more():
    found = find_labelled(["known"], poses())
    assert (found.given.tolist(), found.units.tolist(), len(found)) == (KNOWN, [], 4)


def test_an_image_that_holds_labels_is_found_where_units_are_images():
    setup = poses([3, 8])
    assert one_with_labels(setup) == setup.pool.name(3)
    assert one_with_labels(poses([])) is None
    assert one_with_labels(a_setup(people_task())) is None


def test_batches_were_bought_and_lists_were_there(write):
    found = find_labelled([write("a.json", "p08", "p03"), write("b.txt", "p04"), write("c.json", "p03")], poses())
    assert found.given.tolist() == [4]
    assert found.units.tolist() == [8, 3]
    for answer, source in zip(found.answers, found.units, strict=True):  # a pixel of the frame is two of the file
        np.testing.assert_allclose(answer[0], 2 * limbs().joints[source, 0] + [10, 20], atol=1e-4)
        assert np.isnan(answer[1:]).all()


def test_a_batch_was_bought_though_its_labels_are_known_now(write):
    found = find_labelled([write("a.json", "p08"), "known"], poses())
    assert (found.given.tolist(), found.units.tolist()) == ([s for s in KNOWN if s != 8], [8])


def test_what_a_list_names_was_there_before_any_batch(write):
    found = find_labelled([write("a.json", "p08"), write("b.txt", "p08"), "known"], poses())
    assert (found.given.tolist(), found.units.tolist()) == (KNOWN, [])


@pytest.mark.parametrize(
    ("file", "names", "says"),
    [
        ("a.txt", ["p00", "p99"], "a.txt, line 2: the pool has no image 'p99'"),
        ("a.json", ["p99"], r"a.json, units\[0\]: the pool has no image 'p99'"),
        ("a.txt", ["p00", "p01"], "a.txt, line 2: nobody has labelled p01"),
        ("a.json", ["p00", "p02"], r"a.json, units\[1\]: nobody has labelled p02"),
    ],
)
def test_wrong_names_are_found_where_they_stand(write, file, names, says):
    with pytest.raises(QueristError, match=says):
        find_labelled([write(file, *names)], poses())


def test_a_folder_without_labels_knows_nothing():
    with pytest.raises(QueristError, match="holds no labels at all"):
        find_labelled(["known"], poses([]))


def test_pairs_are_not_labelled_in_folders():
    with pytest.raises(QueristError, match=r"a ReidTask does not take its answers from files .*\n.*querist label"):
        find_labelled(["known"], a_setup(people_task()))


def test_an_image_stands_for_its_regions(write):
    pool = Grid(2, 3, 8, 10).pool(["train/a", "train/b"])
    names = [write("a.txt", pool.source_name(1)), write("b.json", pool.name(0), pool.name(1))]
    parts = len(pool.parts)
    for name in ("b.png", "train/b.png", "train/b.PNG"):  # its file, as tables and batches name it
        assert named_units([write("f.txt", name)], pool, "--exclude").tolist() == [*range(parts, 2 * parts)]
    assert named_units(names, pool, "--exclude").tolist() == [0, 1, *range(parts, 2 * parts)]
    with pytest.raises(QueristError, match=r"c.txt, line 1: the pool has no unit 'nobody'\n.*names are such as"):
        named_units([write("c.txt", "nobody")], pool, "--exclude")
