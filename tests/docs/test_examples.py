"""The examples of the documentation are run as they stand."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from querist.acquisition.registry import pair_names

DOCS = Path(__file__).parents[2] / "docs"
OWN = "own-model.md"


def section(page: str, heading: str) -> str:
    """What stands below a heading of the second level."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def blocks(text: str, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


@pytest.fixture
def play(tmp_path, monkeypatch, capsys) -> Callable[[str], list[list[str]]]:
    """Runs the examples of a section one after another, the later ones with what the earlier ones made.

    Gives the lines that each of them printed.
    """
    monkeypatch.chdir(tmp_path)

    def run(heading: str) -> list[list[str]]:
        space: dict[str, object] = {"__name__": "example"}
        printed = []
        for block in blocks(section(OWN, heading)):
            exec(compile(block, OWN, "exec"), space)
            printed.append(capsys.readouterr().out.splitlines())
        return printed

    return run


def measured(lines: list[str]) -> list[float]:
    """What was measured at the marks."""
    return [float(v) for line in lines if line.startswith("mark") for v in re.findall(r"'test': ([\d.]+)", line)]


KINDS = ["start", *["step"] * 2, "mark", *["step"] * 2, "mark", "done"]


def test_a_segmentation_network(play):
    (printed,) = play("Regions of images")
    assert [line.split()[0] for line in printed] == KINDS
    assert len(measured(printed)) == 2
    assert measured(printed)[-1] > 60  # two classes told apart clearly: guessing gives 33


def test_pose_networks(play):
    """A joint at the image's middle would be right in every twentieth case."""
    maps, coordinates, network = play("Poses")
    for printed in (maps, coordinates):
        assert [line.split()[0] for line in printed] == KINDS
    assert measured(maps)[-1] > 80
    assert measured(coordinates)[-1] > 40
    assert [line.split()[0] for line in network] == ["core_set", "egl++"]
    assert all(float(value) > 60 for line in network for value in re.findall(r"\d+\.\d+", line))


def test_a_network_of_people(play):
    (printed,) = play("Pairs of people")
    assert [line.split()[0] for line in printed] == ["start", *["step"] * 10, "mark", *["step"] * 10, "mark", "done"]
    assert measured(printed)[-1] > 60


def test_strategies_about_pairs_are_told():
    told = re.findall(r"`([\w+]+)`", section(OWN, "Pairs of people").split("plain module:")[1])
    assert told == pair_names()


@pytest.mark.parametrize("heading", ["Regions of images", "Poses", "Pairs of people"])
def test_examples_are_short(heading):
    own = blocks(section(OWN, heading))[0]
    own = own[own.index("torch.manual_seed") :]
    assert sum(bool(line.strip()) for line in own.splitlines()) <= 30
