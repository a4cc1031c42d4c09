import sys

import pytest

from querist.acquisition.random import Random
from querist.core.plugin import construct, load_class
from querist.core.policy import Policy
from querist.errors import QueristError
from toy import ToyTask


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A user's script in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine_beside.py").write_text(
        "class Mine:\n    def __init__(self, classes, width=3):\n        self.width = (classes, width)\n"
    )
    yield "mine_beside"
    sys.modules.pop("mine_beside", None)


def test_a_class_is_found_by_its_path_also_beside_the_user(beside):
    assert load_class("querist.acquisition.random.Random", Policy) is Random
    assert load_class(f"{beside}.Mine").__name__ == "Mine"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("class Mine(:\n    pass\n", r"mine_broken cannot be imported: SyntaxError: .*mine_broken\.py, line 1"),
        ("x = 1 / 0\n", r"mine_broken cannot be imported: ZeroDivisionError: .*mine_broken\.py, line 1"),
        ("class Mine:\n    def __init__(self):\n        {}['key']\n",
         r"mine_broken\.Mine cannot be made: KeyError: 'key' .*mine_broken\.py, line 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_users_file_is_said_with_its_line(tmp_path, monkeypatch, code, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine_broken", raising=False)
    (tmp_path / "mine_broken.py").write_text(code)
    with pytest.raises(QueristError, match=words):
        construct("mine_broken.Mine", {})
    sys.modules.pop("mine_broken", None)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("Random", "is not a class path"),
        ("", "is not a class path"),
        (".Random", "is not a class path"),
        ("..Random", "is not a class path"),
        ("querist.nowhere.Random", "cannot be imported"),
        ("querist.acquisition.random.Nobody", "cannot be imported"),
        ("querist.core.policy.top_k", "is not a Policy"),
        ("toy.ToyTask", "is not a Policy"),
        ("querist.acquisition.random", "is not a Policy"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path, words):
    with pytest.raises(QueristError, match=words) as caught:
        load_class(path, Policy)
    assert path in caught.value.what
    assert caught.value.fix


def test_arguments_are_passed_and_checked(beside):
    assert construct("toy.ToyTask", {"seed": 4}, 7, expected=ToyTask).x.shape == (7, 4)
    assert construct(f"{beside}.Mine", {}, 11).width == (11, 3)
    for arguments, words in (({"size": 3}, "unexpected keyword argument 'size'"), ({"classes": 1}, "multiple values")):
        with pytest.raises(QueristError, match=words) as caught:
            construct(f"{beside}.Mine", arguments, 11)
        assert caught.value.fix == "it takes: classes, width"
    with pytest.raises(QueristError, match="missing a required argument: 'classes'"):
        construct(f"{beside}.Mine", {})


def test_a_base_is_no_plugin():
    with pytest.raises(QueristError, match="Acquisition is only a base"):
        construct("querist.core.policy.Acquisition", {}, expected=Policy)
