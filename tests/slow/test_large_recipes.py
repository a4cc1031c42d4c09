"""The recipes that need a GPU and data that are not shipped play whole: their readers, models, teams and rivals.

Nothing is learned here that is worth a number: images are tens instead of tens of thousands, and steps too.
"""

import json
import os

import numpy as np
import pytest

from querist.recipes.recipe import load_recipe
from slow.harness import finish, start
from slow.large_pose_data import WRITERS

pytestmark = pytest.mark.slow

START, BATCH, BUDGETS = 32, 4, (8, 16)
TEAM = {
    "episodes": 2, "steps": 2, "warm_up": 1, "meta_episodes": 2, "check_games": 1, "frequencies": 16, "landmarks": 8,
    "first_width": 8, "second_width": 4, "replay": 50,
}  # fmt: skip
LESS = {
    "device": "cpu", "threads": 1, "budgets": list(BUDGETS), "batch": BATCH, "problem.start": START,
    "steps": {"start": 6, "update": 1, "final": 6, "full": 6}, "problem.passes": 2, "problem.inference_batch": 16,
    "train.policies": 1, "train.halves": 2, "train.start": 4, "train.first": 4, "train.update": 1,
}  # fmt: skip
SMALLER = {"mpii": {"problem.size": 64, "problem.model.arguments.width": 8}, "bighand": {"problem.test": 12}}


def settings(name):
    changed = LESS | SMALLER.get(name, {}) | {f"problem.schedule.{k}.batch": 8 for k in ("start", "step", "final")}
    for profile in ("sound", "faithful"):
        changed |= {f"train.settings.matal/{profile}.{key}": value for key, value in TEAM.items()}
    return [word for key, value in changed.items() for word in ("--set", f"{key}={json.dumps(value)}")]


@pytest.mark.skipif(bool(os.environ.get("QUERIST_SLOW_SAMPLE")), reason="minutes: in the whole slow tier only")
@pytest.mark.parametrize("name", WRITERS)
def test_a_large_recipe_plays_with_every_strategy_that_it_names(name, tmp_path):
    WRITERS[name](tmp_path / "data", 60, 12, np.random.default_rng(0))
    out = tmp_path / "out"
    where = ["--data", str(tmp_path / "data"), "--out", str(out), "--seeds", "0", "--pictures", "false"]
    environment = {"QUERIST_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    finish(start(["-m", "querist.cli", "compare", name, *where, *settings(name)], env=environment), limit=1200)
    found = [json.loads(path.read_text()) for path in (out / "cells").glob("[!_]*.json")]
    wanted = {strategy.split("/global")[0] for strategy in load_recipe(name).recipe.strategies}
    assert {cell["strategy"].split("/global")[0] for cell in found} == wanted
    for cell in found:
        assert [point["labels"] for point in cell["points"]] == list(BUDGETS)
        assert np.isfinite([point["test"] for point in cell["points"]]).all()
        assert cell["ledger"]["spent"] == BUDGETS[-1]
    assert (out / "report.html").exists()
