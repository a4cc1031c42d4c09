import pytest

from querist.annotate.place import PLACE, Place, Said, keep_place, kept_place
from querist.errors import QueristError


def test_a_run_remembers_its_place(tmp_path):
    assert kept_place(tmp_path) == Place()
    place = Place("192.168.1.7", 80, ["labels.local"], 3)
    keep_place(tmp_path, place)
    assert kept_place(tmp_path) == place


def test_what_is_said_goes_over_what_was(tmp_path):
    place = Place("192.168.1.7", 80, ["labels.local"], 3)
    assert Said().over(place) == place
    assert not Said()
    said = Said(port=0, names=[])
    assert said
    assert said.over(place) == Place("192.168.1.7", 0, [], 3)
    with pytest.raises(QueristError, match="let at least 1 do so"):
        Said(people=0).over(place)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"port": "80"}', '{"port": 1, "door": 2}', '{"names": "ab"}', '{"names": [1]}', '{"people": true}'],
)
def test_a_file_that_is_no_place_is_named(tmp_path, text):
    (tmp_path / PLACE).write_text(text)
    with pytest.raises(QueristError, match=rf"{PLACE} does not say where the page is.*\n.*delete it"):
        kept_place(tmp_path)
