import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.annotate.batch_files import Named, read_names, write_batch
from querist.errors import QueristError

NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9), unique=True)


@given(names=NAMES)
def test_what_is_written_is_read(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("batch")
    rows = [{"unit": name, "image": "a, b.png", "box": [1, 2, 3, 4], "score": 0.5} for name in names]
    path = write_batch(rows, folder / "first.csv", {"recipe": "mine"})
    assert path == folder / "first.json"
    assert json.loads(path.read_text()) == {"recipe": "mine", "units": rows}
    for file in (path, folder / "first.csv"):
        assert [named.name for named in read_names(file, "--exclude")] == names


def test_lines_of_a_list_are_names(tmp_path):
    path = tmp_path / "names"
    path.write_text("\ufefftrain/a b \r\n\n\tval/c.d\n")
    where = f"--labelled {path}, line"
    assert read_names(path, "--labelled") == [Named("train/a b", f"{where} 1"), Named("val/c.d", f"{where} 3")]


def test_rows_say_where_they_stand(tmp_path):
    (tmp_path / "a.csv").write_text('note,unit\n"two\nlines",x\n,y\n')
    assert [named.where for named in read_names(tmp_path / "a.csv", "--exclude")] == [
        f"--exclude {tmp_path / 'a.csv'}, line 3",
        f"--exclude {tmp_path / 'a.csv'}, line 4",
    ]
    (tmp_path / "a.json").write_text('{"units": [{"unit": "x"}, {"unit": "y"}]}')
    assert read_names(tmp_path / "a.json", "")[1].where.endswith("a.json, units[1]")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", b"[" * 100_000, "a.json: not a batch that 'querist select' wrote"),
        ("a.json", b"[]", "a.json: not a batch"),
        ("a.json", b'{"units": [{"name": "x"}]}', "a.json: not a batch"),
        ("a.json", b'{"units": [{"unit": 3}]}', r"units\[0\] has a unit that is no name"),
        ("a.csv", b"name\nx\n", "it has no column 'unit'"),
        ("a.csv", b"unit,score\nx,1\n,2\n", "line 3 has no unit"),
        ("a.csv", b"", "it has no column 'unit'"),
        ("a.txt", b"\xff\xfe", "a.txt cannot be read: 'utf-8' codec"),
        ("b.txt", None, "b.txt cannot be read: No such file"),
        (".", None, "cannot be read: Is a directory"),
        ("x" * 5000, None, "cannot be read: File name too long"),
    ],
)
def test_what_is_no_batch_is_named(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(QueristError, match=says) as caught:
        read_names(tmp_path / name, "--exclude")
    assert caught.value.what.startswith(f"--exclude {tmp_path}")
