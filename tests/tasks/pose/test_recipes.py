import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.acquisition.registry import strategy
from querist.agents.matal.config import settings
from querist.errors import QueristError
from querist.recipes.recipe import load_recipe
from querist.tasks.pose.camera import Camera
from querist.tasks.pose.data import PoseData
from querist.tasks.pose.description import PoseDescriber, Shapes
from querist.tasks.pose.layouts import READERS
from querist.tasks.pose.measures import Metric
from querist.tasks.pose.objectives import ON_MAPS, WITH_DOUBT
from querist.tasks.pose.problem import PoseProblem
from querist.tasks.pose.skeletons import HAND21, ICVL16, LSP, MPII
from querist.tasks.pose.task import PoseTask

SKELETONS = {
    "lsp-small": LSP, "hand-small": HAND21, "demo-pose": MPII, "mpii": MPII, "nyu": HAND21, "icvl": ICVL16,
    "bighand": HAND21,
}  # fmt: skip
LARGE = ("mpii", "nyu", "icvl", "bighand")
LESS = {
    "lsp-small": ["problem.model.arguments.weights=null"],
    "mpii": ["problem.size=64", "problem.model.arguments.width=8"],
}
"""Without pretrained weights, and in a size for tests; what a strategy needs does not depend on it."""

RIVALS = ("core_set", "multi_peak_entropy", "mcd_cke", "uncertain_gcn", "core_gcn", "learning_loss", "learning_loss++",
          "egl++")  # fmt: skip
"""The baselines of ALGORITHMS 2.6."""
FAMILY = {"random", "strengthened_random", "matal/sound", "matal/untrained", "matal/shuffled"}
"""What the verdict needs: the policy, what it must beat, and its controls."""


@functools.cache
def recipe_of(name, small=False):
    return load_recipe(name, LESS.get(name, ()) if small else ()).recipe


def problem_of(name, small=False):
    found = recipe_of(name, small).problem
    assert isinstance(found, PoseProblem)
    return found


def task_of(name):
    """The recipe's model on two blank images."""
    problem, skeleton = problem_of(name, small=True), SKELETONS[name]
    is_depth, n, size = problem.measure == "mm", 2, problem.size
    axes, (channels, kind) = (3, (1, np.uint16)) if is_depth else (2, (3, np.uint8))
    data = PoseData(
        ("a", "b"), (np.zeros((n, size, size, channels), kind),), np.zeros((n, len(skeleton), axes), np.float32),
        np.ones((n, len(skeleton)), bool), skeleton, np.ones((n, axes)), np.zeros((n, axes)), np.array(["train"] * n),
        camera=Camera(100.0, 100.0, 50.0, 50.0) if is_depth else None,
    )  # fmt: skip
    model = problem.model.build(len(skeleton), 0)
    return PoseTask(data, model, Metric(problem.measure), problem.objective, device="cpu", passes=1)


def offers(task, name):
    try:
        strategy(name, task)
    except QueristError:
        return False
    return True


@pytest.mark.parametrize("name", SKELETONS)
def test_the_model_of_a_shipped_recipe_fits_its_data_and_its_objective(name):
    problem = problem_of(name, small=name == "lsp-small")
    joints, is_depth = len(SKELETONS[name]), problem.measure == "mm"
    model = problem.model.build(joints, 0)
    image = torch.zeros(1, 1 if is_depth else 3, problem.size, problem.size)
    found = PoseDescriber(model, image, Shapes(joints, 3 if is_depth else 2), "peak", 1)
    assert found.gives_maps == (problem.objective in ON_MAPS)
    assert {"pose", "appearance"} <= found.fields(model).keys()
    assert is_depth == (np.prod(found.fields(model)["pose"].shape) == 3 * joints)


@pytest.mark.parametrize("name", [*LARGE, "hand-small", "lsp-small"])
def test_a_recipe_lists_what_decides_and_every_rival_that_its_model_allows(name):
    listed, task = recipe_of(name).strategies, task_of(name)
    allowed = {rival for rival in RIVALS if offers(task, rival)}
    assert set(listed) >= FAMILY
    assert {name.split("/")[0] for name in listed} & set(RIVALS) == allowed
    assert len(allowed) == (7 if problem_of(name).measure == "mm" else 8)
    assert all(offers(task, rival) for rival in listed if not rival.startswith("matal/"))


@pytest.mark.parametrize("name", ["nyu", "icvl", "bighand", "hand-small"])
def test_appearances_of_hands_are_the_papers(name):
    assert problem_of(name).model.build(21, 0).appearance_width == 128


@pytest.mark.parametrize(("name", "layout", "numbers"), [("nyu", "nyu21", 275), ("bighand", "bighand", 275),
                                                          ("icvl", "icvl", 165)])  # fmt: skip
def test_hands_have_the_papers_joints_where_the_data_have_them(name, layout, numbers):
    """ALGORITHMS 2.1 and 2.2: 21 joints, 275 numbers; ICVL's files have 16."""
    bones = SKELETONS[name].part_bones
    sizes = (len(SKELETONS[name].bones), *map(len, bones))
    assert sum(m * (m + 1) // 2 for m in sizes) == numbers
    assert problem_of(name).layout == layout
    assert layout in READERS


@pytest.mark.parametrize("name", LARGE)
def test_no_team_of_a_large_recipe_is_quadratic_in_the_pool(name):
    chosen = recipe_of(name).train.settings
    for profile in ("sound", "faithful"):
        numbers = settings(profile, chosen.get(f"matal/{profile}"))
        assert numbers.gap == "random_features"
        assert numbers.candidates == 10_000
    changed = settings("faithful", chosen["matal/faithful"])
    assert replace(changed, gap="exact", candidates=0) == settings("faithful")  # nothing else is another


@pytest.mark.parametrize("name", ["nyu", "icvl", "bighand"])
def test_large_hands_are_learned_as_the_bayesian_baseline(name):
    problem = problem_of(name)
    assert problem.objective == WITH_DOUBT
    assert (problem.model.arguments["doubt"], problem.model.arguments["dropout"], problem.passes) == (True, 0.3, 70)
