import pytest

from querist.core.changes import changes
from querist.errors import QueristError


def test_numbers_words_and_nothing():
    found = changes("a/b+…", "team=top,gamma=0.9,steps=7,prior=null,own=true")
    assert found == {"team": "top", "gamma": 0.9, "steps": 7, "prior": None, "own": True}


@pytest.mark.parametrize("text", ["", "team", "=top", "team=", "a b=1", "team=top,", "team=top,team=all", "team=["])
def test_what_is_no_change_is_refused_by_name(text):
    with pytest.raises(QueristError, match=r"matal/sound\+"):
        changes(f"matal/sound+{text}", text)
