import pytest

from querist.recipes import build, learned
from tiny import write_folder
from tiny_learned import LOADED


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("learned")
    patch.setenv("QUERIST_CACHE", str(folder / "cache"))
    yield build.set_up(LOADED, write_folder(folder / "data", {"train": 8, "val": 2, "test": 2}), 0)
    patch.undo()


@pytest.fixture(scope="module")
def card(setup):
    return learned.train(LOADED, setup, "ralis/sound", 1)
