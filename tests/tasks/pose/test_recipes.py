import numpy as np
import pytest
import torch

from querist.recipes.recipe import load_recipe
from querist.tasks.pose.description import PoseDescriber, Shapes
from querist.tasks.pose.objectives import ON_MAPS
from querist.tasks.pose.problem import PoseProblem
from querist.tasks.pose.skeletons import HAND21, ICVL16, LSP, MPII, NYU14

SKELETONS = {
    "lsp-small": LSP, "hand-small": HAND21, "demo-pose": MPII, "mpii": MPII, "nyu": NYU14, "icvl": ICVL16,
    "bighand": HAND21,
}  # fmt: skip


@pytest.mark.parametrize("name", SKELETONS)
def test_the_model_of_a_shipped_recipe_fits_its_data_and_its_objective(name):
    problem = load_recipe(name, ["problem.model.arguments.weights=null"] if name == "lsp-small" else []).recipe.problem
    assert isinstance(problem, PoseProblem)
    joints, is_depth = len(SKELETONS[name]), problem.measure == "mm"
    model = problem.model.build(joints, 0)
    image = torch.zeros(1, 1 if is_depth else 3, problem.size, problem.size)
    found = PoseDescriber(model, image, Shapes(joints, 3 if is_depth else 2), "peak", 1)
    assert found.gives_maps == (problem.objective in ON_MAPS)
    assert {"pose", "appearance"} <= found.fields(model).keys()
    assert is_depth == (np.prod(found.fields(model)["pose"].shape) == 3 * joints)


@pytest.mark.parametrize("name", ["nyu", "icvl", "bighand", "hand-small"])
def test_appearances_of_hands_are_the_papers(name):
    problem = load_recipe(name).recipe.problem
    assert isinstance(problem, PoseProblem)
    assert problem.model.build(21, 0).appearance_width == 128
