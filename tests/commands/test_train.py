import json

import pytest

from querist.commands import train as command
from querist.core.card import PolicyCard
from querist.errors import QueristError


@pytest.fixture
def train(querist, taught, tmp_path, monkeypatch):
    """``querist train`` with the recipe, the data and a new folder filled in."""
    monkeypatch.setenv("QUERIST_CACHE", str(taught.data.parent / "cache"))

    def run(*arguments, out=tmp_path / "card"):
        return querist("train", taught.recipe, "--data", taught.data, "--out", out, *arguments)

    return run


def test_a_card_says_what_it_is_and_what_it_cost(taught):
    found = json.loads((taught.card / "card.json").read_text())
    who = (found["agent"], found["profile"], found["control"], found["classes"])
    assert who == ("ralis", "sound", None, "class-free")
    assert (found["training"]["recipe"], found["training"]["number"]) == ("learned", 0)
    assert found["training"]["labels"] == {"start": 4 * 6, "reward": 2 * 6}  # images of six regions
    assert found["training"]["environment"]["device"] == "cpu"
    assert [row["episode"] for row in found["curve"]] == [1, 2, 3]
    assert len(found["check"]["policy"]) == len(found["check"]["random"]) == 2
    assert sorted(path.name for path in taught.card.iterdir()) == ["card.json", "policy.safetensors"]


def test_it_says_how_the_policy_did_and_where_it_is(train, taught, tmp_path):
    said = train()
    assert said.code == 0, said.err
    assert "In 2 games with a model and a pool that it was not trained with, it gains" in said.flat
    assert f"Policy card: {tmp_path / 'card'}\n" in said.out
    assert PolicyCard.load(tmp_path / "card").hash == PolicyCard.load(taught.card).hash  # the same again is the same


def test_another_number_is_another_policy(train, taught, tmp_path):
    train("--number", 1)
    other = PolicyCard.load(tmp_path / "card")
    assert other.training["number"] == 1
    assert other.hash != PolicyCard.load(taught.card).hash


def test_only_the_partitions_of_the_policy_that_is_trained_are_looked_at(train, monkeypatch):
    looked = []

    def check(*given):
        looked.append(given[2:])
        raise QueristError("enough", "stop here")

    monkeypatch.setattr(command, "check", check)
    assert train("--number", 4).code == 2
    assert looked == [("ralis/sound", 4)]


@pytest.mark.parametrize("control", ["untrained", "shuffled"])
def test_controls_are_trained_like_the_policy_they_control(train, taught, tmp_path, control):
    said = train("--strategy", f"ralis/{control}")
    assert said.code == 0, said.err
    card, policy = PolicyCard.load(tmp_path / "card"), PolicyCard.load(taught.card)
    assert (card.strategy, card.profile) == (f"ralis/{control}", "sound")
    assert (card.settings, card.schema) == (policy.settings, policy.schema)
    assert len(card.curve) == {"untrained": 1, "shuffled": 3}[control]
    assert f"ralis/{control}: {'1 game' if control == 'untrained' else '3 games'} played" in said.out


def test_a_model_without_a_head_is_trained_on_itself(train, tmp_path):
    whole = ("--set", "problem.model.path=slow.segmentation.TinyNet")
    said = train(*whole)
    assert said.code == 2
    assert "SegmentationTask has no cheap stand-in" in said.err
    assert "train.rehearsal=false" in said.err
    said = train(*whole, "--set", "train.rehearsal=false")
    assert said.code == 2
    assert "reward=metric" in said.err
    again = ("--set", "train.rehearsal=false", "--set", "train.settings.ralis/sound.reward=metric")
    assert train(*whole, *again, out=tmp_path / "by metric").code == 0
    assert PolicyCard.load(tmp_path / "by metric").training["training"]["rehearsal"] is False


def test_a_card_is_never_overwritten(train, taught):
    before = (taught.card / "policy.safetensors").stat().st_mtime_ns
    said = train(out=taught.card)
    assert said.code == 2
    assert f"{taught.card} holds a policy card already" in said.err
    assert (taught.card / "policy.safetensors").stat().st_mtime_ns == before


def test_a_training_that_was_stopped_leaves_no_card_and_is_begun_anew(train, taught, tmp_path, monkeypatch):
    def stop(row):
        if row["episode"] == 2:
            raise KeyboardInterrupt
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(command, "gain", stop)
        assert train().code == 130
    assert not list((tmp_path / "card").iterdir())
    assert train().code == 0
    assert PolicyCard.load(tmp_path / "card").hash == PolicyCard.load(taught.card).hash


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategy", "entropy/global"], "'entropy/global' is not a learned strategy"),
        (["--strategy", "ralis"], "'ralis' does not say which ralis"),
        (["--strategy", "ralis/best"], "ralis/sound, ralis/faithful, ralis/untrained, ralis/shuffled"),
        (["--number", "-1"], "--number -1"),
        (["--set", "train.settings={ralis/sound: {epsiodes: 3}}"], "ralis has no setting 'epsiodes'"),
        (["--set", "train.settings={ralis/sound: {episodes: many}}"], "episodes is a whole number, not 'many'"),
        (["--set", "train.settings={ralis/sound: {exploration: wild}}"], "exploration is one of uniform, coherent"),
        (["--set", "train.settings={ralis/sound: [3]}"], "train.settings"),
        (["--set", "train.settings={ralis/sond: {episodes: 3}}"], "'ralis/sond' is nothing that has settings"),
        (["--set", "train.settings={ralis/untrained: {episodes: 3}}"], "what is trained: ralis/sound, ralis/faithful"),
        (["--set", "train.policies=0"], "train at least one policy"),
        (["--set", "train.update=null"], "training: "),
        (["--set", "train.epochs=3"], "'epochs'"),
        (["--set", "problem.start=1"], "here these are 1 and 2 images"),
        (
            ["--set", "train.settings={ralis/sound: {budget: 13}}"],
            "games of 13 questions, but their pool",
        ),
        (["--strategy", "ralis/faithful", "--set", "problem.state=0"], "the class-aware ralis needs a state set"),
        (["--data", "/no/such/folder"], "/no/such/folder: there is no such folder"),
    ],
)
def test_what_the_user_can_put_right_is_said_with_exit_code_2(train, tmp_path, arguments, words):
    said = train(*arguments)
    assert said.code == 2, said.flat
    assert said.err.startswith("querist train: ")
    assert words in said.err
    assert "fix: " in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "card" / "card.json").exists()


def test_a_folder_that_cannot_be_made_is_known_before_the_games(train, tmp_path):
    (tmp_path / "file").write_text("in the way")
    said = train(out=tmp_path / "file" / "card")
    assert said.code == 2
    assert f"{tmp_path / 'file' / 'card'}: cannot be made" in said.err
    assert "policy 0" not in said.out
