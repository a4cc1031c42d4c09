import json
import shutil

import pytest
import yaml

from slow.segmentation import change_pixel


@pytest.fixture
def compare(querist, played, compared, monkeypatch):
    """``querist compare`` with the recipe and the data filled in, into the same folder if not told otherwise."""
    monkeypatch.setenv("QUERIST_CACHE", str(compared.parent / "cache"))

    def run(*arguments, recipe=played.recipe, data=played.data, out=compared):
        return querist("compare", recipe, "--data", data, "--out", out, "--workers", "1", *arguments)

    return run


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}


def test_every_strategy_has_a_cell_on_every_seed_and_so_have_the_references(compared):
    names = {
        f"{name}--p0--s{seed}.json" for name in ("_start", "_full", "random", "entropy__global") for seed in (0, 1)
    }
    assert set(times(compared)) == names
    summary = json.loads((compared / "summary.json").read_text())
    assert summary["budgets"] == [4, 10]
    assert set(summary["strategies"]) == {"random", "entropy/global"}
    assert set(summary["strategies"]["random"]["aubc"]) == {"0", "1"}
    assert yaml.safe_load((compared / "recipe.yaml").read_text())["batch"] == 2
    page = (compared / "report.html").read_text()
    assert "entropy/global" in page
    assert "data:image/jpeg" in page  # what was chosen


def test_cells_are_paired_by_seed(compared):
    """Both strategies start from the same weights: so does the reference before any question."""
    cells = {path.name: json.loads(path.read_text()) for path in (compared / "cells").glob("*.json")}
    for seed in (0, 1):
        accounts = {cells[f"{name}--p0--s{seed}.json"]["accounts"]["start"] for name in ("random", "entropy__global")}
        assert accounts == {12}
        assert cells[f"random--p0--s{seed}.json"]["ledger"]["repeats"] == 0


def test_the_second_time_nothing_is_played(compare, compared):
    before = times(compared)
    said = compare()
    assert said.code == 0
    assert "to play" not in said.out
    assert f"Report: {compared / 'report.html'}\n" in said.out
    assert times(compared) == before


def test_only_what_is_missing_is_played(compare, compared):
    before = times(compared)
    (compared / "cells" / "random--p0--s1.json").unlink()
    said = compare()
    assert "8 cells, 1 to play" in said.flat
    after = times(compared)
    assert {name for name in after if after[name] != before[name]} == {"random--p0--s1.json"}


def test_a_changed_recipe_is_refused_before_anything_is_played(compare, compared):
    before = times(compared)
    said = compare("--set", "steps.final=7")
    assert said.code == 2
    assert "the recipe has changed" in said.err
    assert str(compared / "cells" / "_full--p0--s0.json") in said.err
    assert "choose another --out" in said.err
    assert times(compared) == before


def test_more_seeds_are_no_other_recipe(compare, compared, tmp_path):
    shutil.copytree(compared, tmp_path / "more")
    said = compare(*("--seeds", "0", "1", "2", "--strategies", "random", "--pictures", "false"), out=tmp_path / "more")
    assert said.code == 0, said.err
    assert "9 cells, 3 to play" in said.flat
    assert set(times(tmp_path / "more")) - set(times(compared)) == {
        f"{name}--p0--s2.json" for name in ("_start", "_full", "random")
    }


def test_changed_data_are_refused_before_anything_is_played(compare, compared, tiny):
    before = times(compared)
    change_pixel(tiny.data / "masks" / "test" / "drive0000_00.png")
    said = compare(data=tiny.data)
    assert said.code == 2
    assert "the data has changed" in said.err
    assert "choose another --out" in said.err
    assert times(compared) == before


def test_a_broken_cell_is_named(compare, compared):
    path = compared / "cells" / "entropy__global--p0--s0.json"
    whole = path.read_text()
    path.write_text(whole[:100])
    try:
        said = compare()
        assert said.code == 2
        assert f"{path} is not a cell" in said.err
        assert "remove the file" in said.err
    finally:
        path.write_text(whole)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategies", "guess"], "there is no strategy 'guess'"),
        (["--seeds"], "seeds"),
        (["--workers", "0"], "workers"),
    ],
)
def test_what_cannot_be_played_is_said_at_once(compare, tmp_path, arguments, words):
    said = compare(*arguments, out=tmp_path / "out")
    assert said.code == 2
    assert words in said.err
    assert not (tmp_path / "out" / "cells").exists()
