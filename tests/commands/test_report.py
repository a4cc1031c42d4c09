import json
import shutil

import pytest


@pytest.fixture
def folder(compared, tmp_path):
    """A copy of a comparison without what is made from its cells."""
    shutil.copytree(compared / "cells", tmp_path / "out" / "cells")
    shutil.copy(compared / "recipe.yaml", tmp_path / "out")
    return tmp_path / "out"


def test_summary_and_page_are_made_anew_from_the_cells(querist, compared, folder):
    said = querist("report", folder)
    assert said.code == 0, said.err
    assert f"Report: {folder / 'report.html'}\n" in said.out
    assert json.loads((folder / "summary.json").read_text()) == json.loads((compared / "summary.json").read_text())
    page = (folder / "report.html").read_text()
    assert "entropy/global" in page
    assert "data:image/jpeg" not in page


def test_with_the_data_the_page_shows_what_was_chosen(querist, played, folder):
    assert querist("report", folder, "--data", played.data).code == 0
    assert "data:image/jpeg" in (folder / "report.html").read_text()


def test_pictures_need_the_recipe(querist, played, folder):
    (folder / "recipe.yaml").unlink()
    assert querist("report", folder).code == 0
    said = querist("report", folder, "--data", played.data)
    assert said.code == 2
    assert f"{folder / 'recipe.yaml'} is not there" in said.err


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_cells(querist, tmp_path, made):
    if made:
        (tmp_path / "out" / "cells").mkdir(parents=True)
    said = querist("report", tmp_path / "out")
    assert said.code == 2
    assert f"{tmp_path / 'out' / 'cells'}: no cells" in said.err


def test_a_cell_of_another_recipe_is_named(querist, folder):
    path = folder / "cells" / "random--p0--s1.json"
    cell = json.loads(path.read_text())
    path.write_text(json.dumps(cell | {"recipe_hash": "f" * 16}))
    said = querist("report", folder)
    assert said.code == 2
    assert f"{path}: recipe_hash is {'f' * 16}" in said.err


def test_a_recipe_that_is_not_one_is_named(querist, played, folder):
    (folder / "recipe.yaml").write_text("{half a")
    said = querist("report", folder)
    assert said.code == 2
    assert "recipe.yaml" in said.err
