"""Recipes: one readable YAML file for each experiment, checked key by key, changed from the command line."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from querist.acquisition.registry import GroupForm
from querist.core.problem import Problem
from querist.demo.drawing import Drawing
from querist.errors import QueristError
from querist.pairs.settings import PairSettings
from querist.recipes.training import Training

DEFAULTS = 1
"""Raised when a default value, or what a number does, changes the results of recipes that do not name it."""

_NO_MATTER = ("strategies", "seeds", "data", "draw", "train", "close_every")
"""What the numbers of a cell do not depend on, or what the cell names itself."""


@dataclass(frozen=True)
class Steps:
    """How long each training is, in optimiser steps.

    Args:
        start: before the first question, on the starting set.
        update: after each step's answers.
        final: for a budget's number, from the weights before the first question.
        full: for the full-supervision reference, on every label of the pool.
    """

    start: int = 250
    update: int = 2
    final: int = 300
    full: int = 600


@dataclass(frozen=True)
class Recipe:
    """One experiment.

    Args:
        problem: what is labelled for which model: a class path with its arguments.
        budgets: at which a final training is measured, in labels; the last is what is spent.
        batch: questions per step.
        groups: the candidate pools of strategies in group form.
        pairs: how questions about pairs are offered, to every strategy alike; other tasks have no use for it.
        steps: how long each training is.
        update_every: update the model after every so many steps.
        close_every: write a snapshot after every so many steps; those between are played again on resuming. Not part of
            the hash: no result depends on it.
        update_lag: 1: an update takes effect one window of ``update_every`` steps later than it could, as it must where
            people answer while the model learns ('querist label' always plays so).
        strategies: what ``compare`` plays; none: what the problem says (``Problem.default_strategies``).
        seeds: on which seeds.
        threads: of each process; part of the recipe because results depend on it in the last bits.
        device: ``auto``, ``cpu`` or ``cuda``.
        keep_given: whether the trainings after the start learn from the starting set too, whoever asks. The paper of
            RALIS drops it for all strategies; a policy that was trained without it drops it anyway.
        train: how policies of learned strategies are trained. It is not part of the hash: the cells of learned
            strategies name the very policy that played them.
        data: the folder's name below ``QUERIST_DATA``, for when ``--data`` is not given.
        draw: what is drawn where neither is there. Cells name their data, so it is not part of the hash.
    """

    problem: Problem
    budgets: tuple[int, ...]
    batch: int = 24
    groups: GroupForm = field(default_factory=GroupForm)
    pairs: PairSettings = field(default_factory=PairSettings)
    steps: Steps = field(default_factory=Steps)
    update_every: int = 1
    close_every: int = 1
    update_lag: int = 0
    strategies: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    threads: int = 1
    device: str = "auto"
    keep_given: bool = True
    train: Training = field(default_factory=Training)
    data: str | None = None
    draw: Drawing | None = None

    def __post_init__(self) -> None:
        """Before anything runs: what a type cannot say (and null, which is of every type to the parser)."""
        object.__setattr__(self, "strategies", self.strategies or self.problem.default_strategies)
        budgets = self.budgets or (0,)
        rules = {
            "budgets must be positive and rise": list(budgets) == sorted({n for n in budgets if n > 0}),
            "batch must be at least 1": (self.batch or 0) >= 1,
            "update_every must be at least 1": (self.update_every or 0) >= 1,
            "close_every must be at least 1": (self.close_every or 0) >= 1,
            "update_lag must be 0 or 1": self.update_lag in (0, 1),
            "threads must be at least 1": (self.threads or 0) >= 1,
            "steps must not be negative": all(n is not None and n >= 0 for n in vars(self.steps).values()),
            "train must say how policies are trained": isinstance(self.train, Training),
            "seeds must be one or more, each once": 0 < len(self.seeds or ()) == len(set(self.seeds)),
            "strategies must be named, each once": len(self.strategies) == len(set(self.strategies)),
        }
        for rule, kept in rules.items():
            if not kept:
                raise QueristError(f"the recipe breaks a rule: {rule}", "compare with the shipped recipes")


@dataclass(frozen=True, eq=False)
class LoadedRecipe:
    """A recipe as it was read.

    Args:
        name: the file's stem.
        recipe: ready to use.
        config: the same as plain values, with all defaults: what is kept in runs and results.
        text: ``config`` as YAML.
        chosen: the values that differ from the defaults. The hash is over these, so that a new option does not make
            all evidence stale; a default that changes raises :data:`DEFAULTS`.
    """

    name: str
    recipe: Recipe
    config: Mapping[str, Any]
    text: str
    chosen: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over everything that a cell's numbers depend on, but strategy and seed."""
        kept = {key: value for key, value in self.chosen.items() if key not in _NO_MATTER}
        return hashlib.sha256(json.dumps([DEFAULTS, kept], sort_keys=True).encode()).hexdigest()[:16]


def shipped() -> list[str]:
    """The names of the recipes in the package."""
    folder = files("querist.recipes")
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read a recipe.

    Args:
        name: of a shipped one, or the path of a YAML file.
        overrides: ``key.path=value`` each, as in ``problem.start=50``.

    Raises:
        QueristError: no such recipe, a wrong key, or a value of the wrong type.
    """
    path = Path(name)
    if name in shipped():
        text, stem = files("querist.recipes").joinpath(f"{name}.yaml").read_text(encoding="utf-8"), name
    elif path.suffix in {".yaml", ".yml"} and path.is_file():
        text, stem = path.read_text(encoding="utf-8"), path.stem
    else:
        raise QueristError(
            f"there is no recipe {name!r}", f"shipped: {', '.join(shipped())}; or name a .yaml file of your own"
        )
    return parse_recipe(stem, text, overrides)


def parse_recipe(name: str, text: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """A recipe from its YAML text; see :func:`load_recipe`."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False, prog=name)
    parser.add_class_arguments(Recipe, fail_untyped=False)
    try:
        raw = yaml.safe_load(text)
        if not isinstance(raw, dict):
            raise QueristError(f"recipe {name}: not a mapping of keys to values", "see the shipped recipes")
        for override in overrides:
            _override(raw, override)
        for key in ("steps", "groups", "pairs", "train"):
            if not isinstance(raw.get(key, {}), dict):
                raise ValueError(f"{key} must be a mapping of keys to values, not {raw[key]!r}")
        merged = parser.parse_object(raw)
        config = yaml.safe_load(parser.dump(merged, skip_unset=False))
        chosen = yaml.safe_load(parser.dump(merged, skip_unset=False, skip_default=True))
        recipe = Recipe(**vars(parser.instantiate(merged)))
    except (ArgumentError, yaml.YAMLError, ImportError, ValueError, TypeError) as error:
        words = " ".join(str(error).split())
        raise QueristError(f"recipe {name}: {words}", "compare with the shipped recipes and docs/recipes.md") from error
    return LoadedRecipe(name, recipe, config, yaml.safe_dump(config, sort_keys=False), chosen)


def _override(raw: dict[str, Any], override: str) -> None:
    """Set ``key.path=value``; whether there is such a key is for the parser to say."""
    path, equals, value = override.partition("=")
    if not equals or not path:
        raise QueristError(f"--set {override}: not of the form key=value", "such as --set problem.start=50")
    keys = path.removeprefix("--").split(".")
    if keys[0] == "problem" and keys[1:2] not in (["class_path"], ["init_args"]):
        keys.insert(1, "init_args")  # so that nobody has to spell it out
    for key in keys[:-1]:
        if not isinstance(raw.setdefault(key, {}), dict):
            raise QueristError(f"--set {override}: {key} holds a single value", "compare with the shipped recipes")
        raw = raw[key]
    raw[keys[-1]] = yaml.safe_load(value)
