"""A recipe of regions in which a policy is trained within seconds, and its parts."""

from querist.recipes.recipe import parse_recipe

RECIPE = """
problem:
  class_path: querist.tasks.segmentation.problem.RegionProblem
  init_args:
    {image: [24, 32], region: [8, 10], layout: folder, start: 4, state: 1, model: {path: tiny.SplitNet}, split_seed: 0,
     schedule: {start: {batch: 4}, step: {batch: 4, crop: [12, 16]}, final: {batch: 4}}}
budgets: [3]
batch: 3
groups: {count: 3, size: 4}
steps: {start: 3, update: 1, final: 2, full: 3}
train:
  {start: 2, first: 2, update: 1,
   settings: {ralis/sound: {episodes: 2, warm_up: 1, budget: 6, pool_train: 2, batch: 3, check_games: 1}}}
device: cpu
"""
LOADED = parse_recipe("tiny", RECIPE)
ABOUT = LOADED.recipe.problem
