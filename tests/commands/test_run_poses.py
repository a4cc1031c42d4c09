"""``querist run`` about poses, with a team that is trained again while it is deployed."""

import copy

import pytest
import yaml

from querist.core.card import PolicyCard
from querist.core.ledger import Ledger
from tiny_pose_recipe import POSES, write_poses


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Seven images begin; after eight more the labels have doubled, and two are left to buy."""
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    write_poses(tmp_path / "data", range(26), 26)
    changed = copy.deepcopy(POSES)
    changed["problem"]["init_args"]["start"] = 7
    changed["budgets"] = [4, 10]
    path = tmp_path / "poses.yaml"
    path.write_text(yaml.safe_dump(changed))
    return path


@pytest.mark.parametrize("rehearsal", ["true", "false"])
def test_a_team_is_trained_again_once_its_labels_have_doubled(querist, recipe, tmp_path, rehearsal):
    data, again = tmp_path / "data", ["--set", f"train.rehearsal={rehearsal}"]
    if rehearsal == "false":  # the model itself cannot tell what one image is worth
        again += ["--set", "train.settings.matal/sound.reward=metric"]
    card = ["--strategy", "matal/sound", "--out", tmp_path / "card"]
    said = querist("train", recipe, "--data", data, *card, *again)
    assert said.code == 0, said.err
    said = querist("run", recipe, "--data", data, "--policy", tmp_path / "card", "--out", tmp_path / "run", *again)
    assert said.code == 0, said.err
    ledger = Ledger.read(tmp_path / "run" / "ledger.sqlite")
    closings = ledger.closings(ledger.game()["id"])
    ledger.close()
    assert [step for step, _, log in closings if "seconds_retrain" in log] == [3]
    assert max(step for step, _, _ in closings) == 4  # it goes on with what it has learned


def test_who_does_not_say_gets_what_is_meant_for_poses(querist, recipe, tmp_path):
    data = tmp_path / "data"
    said = querist("run", recipe, "--data", data, "--out", tmp_path / "run")
    assert said.code == 0, said.err
    ledger = Ledger.read(tmp_path / "run" / "ledger.sqlite")
    assert ledger.about["strategy"] == "strengthened_random"
    ledger.close()
    said = querist("train", recipe, "--data", data, "--out", tmp_path / "card")
    assert said.code == 0, said.err
    assert PolicyCard.load(tmp_path / "card").strategy == "matal/sound"
