"""From a recipe, a strategy and a seed to a deployment that is ready to play."""

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from querist.acquisition.registry import Strategy, check_name, strategy
from querist.core.card import PolicyCard
from querist.core.loop import Deployment
from querist.core.oracle import Oracle, SimulatedOracle
from querist.core.plan import Parts, Plan
from querist.core.problem import Progress, Setup
from querist.core.update import Updates
from querist.errors import QueristError
from querist.recipes import learned
from querist.recipes.contents import same_data
from querist.recipes.recipe import LoadedRecipe, Recipe
from querist.recipes.strategy_names import parse


def find_data(loaded: LoadedRecipe, given: str | None, told: Progress | None = None) -> Path:
    """The data folder: what was given, the recipe's folder below ``QUERIST_DATA``, or what is drawn for the recipe.

    Args:
        loaded: the recipe; ``given`` by the user.
        told: how far the drawing is.

    Raises:
        QueristError: none of them is there.
    """
    if given is not None:
        path = Path(given)
        if not path.is_dir():
            raise QueristError(f"--data {path}: there is no such folder", "name the folder that holds the data set")
        return path
    root = os.environ.get("QUERIST_DATA")
    if root and loaded.recipe.data and (Path(root) / loaded.recipe.data).is_dir():
        return Path(root) / loaded.recipe.data
    drawing = loaded.recipe.draw
    if drawing is not None:
        return drawing.kept(None if told is None else partial(told, f"drawing {drawing.what}"))
    raise QueristError(
        f"recipe {loaded.name} needs data", "give --data DIR, or set QUERIST_DATA to the folder above it"
    )


def environment(device: str, threads: int) -> dict[str, str | int]:
    """What a result depends on besides its recipe: versions, device, threads."""
    found: dict[str, str | int] = {"python": platform.python_version(), "platform": platform.platform(terse=True)}
    for package in ("querist", "torch", "torchvision", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    commit = _commit()
    return found | ({"commit": commit} if commit else {}) | {"device": device, "threads": threads}


def _commit() -> str | None:
    """The commit of the checkout that runs, with a mark where files were changed; None for an installed package."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return None
    try:
        words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout.strip() or None  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None


def prepare(loaded: LoadedRecipe) -> str:
    """Set threads and determinism for this process; returns the device that is used."""
    from querist.nn.runtime import deterministic, resolve_device

    deterministic(loaded.recipe.threads)
    return str(resolve_device(loaded.recipe.device))


def set_up(loaded: LoadedRecipe, data: Path, seed: int, labelled: bool = True, told: Progress | None = None) -> Setup:
    """The pool, task and split of a seed."""
    setup = loaded.recipe.problem.build(data, seed, loaded.recipe.device, labelled, told)
    setup.split.check(setup.pool)
    return setup


def plan(loaded: LoadedRecipe, seed: int, keep_given: bool = True, update_lag: int | None = None) -> Plan:
    """The numbers of a deployment on one seed; ``update_lag`` may differ from the recipe's."""
    recipe, steps = loaded.recipe, loaded.recipe.steps
    return Plan(
        seed,
        recipe.batch,
        recipe.budgets,
        steps.start,
        steps.update,
        steps.final,
        recipe.update_every,
        keep_given and recipe.keep_given,
        recipe.close_every,
        recipe.update_lag if update_lag is None else update_lag,
    )


def check_strategy(loaded: LoadedRecipe, name: str) -> None:
    """What can be said of a strategy without a card before any data are read.

    Raises:
        QueristError: there is none of that name, or it is learned; then its settings are looked at first.
    """
    check_name_and_settings(loaded, name)
    if parse(name) is not None:
        raise _untrained(loaded.recipe, name)


def check_name_and_settings(loaded: LoadedRecipe, name: str) -> None:
    """What can be said of a strategy, learned or not, before any data are read.

    Raises:
        QueristError: there is none of that name, or it is learned and has no such settings.
    """
    if parse(name) is None:
        check_name(name)
    else:
        learned.episodes(loaded, name)


def _untrained(recipe: Recipe, name: str) -> QueristError:
    comes = recipe.problem.default_policy is not None and name == recipe.problem.default_learned
    come = "; 'default' is the one that comes along" if comes else ""
    return QueristError(
        f"{name} is learned: it needs a policy", f"train one with 'querist train' and give it with --policy{come}"
    )


def named_strategy(recipe: Recipe, setup: Setup, name: str, card: PolicyCard | None = None) -> Strategy:
    """A strategy for a task: a classical one by its name, a learned one by its card.

    Raises:
        QueristError: a learned one without a card, a card under another name, or what the strategy itself refuses.
    """
    taught = parse(name)
    if card is None and taught is None:
        return strategy(name, setup.task, recipe.groups, recipe.pairs)
    if card is None:
        raise _untrained(recipe, name)
    if card.strategy != name:
        raise QueristError(f"the policy card is of {card.strategy}, not of {name}", "name the strategy of the card")
    return learned.from_card(learned.suited(card, recipe), setup, recipe.groups, recipe.train)


@dataclass(frozen=True, eq=False)
class People:
    """What is different where people answer.

    Args:
        oracle: stands between them and the run.
        updates: where the model learns meanwhile.
    """

    oracle: Oracle
    updates: Updates


def deployment(
    loaded: LoadedRecipe,
    setup: Setup,
    name: str,
    seed: int,
    folder: Path,
    about: Mapping[str, str] | None = None,
    initial: Path | None = None,
    card: PolicyCard | None = None,
    people: People | None = None,
) -> Deployment:
    """A deployment, new or taken up again; with the simulated oracle, unless people answer.

    Args:
        loaded: the recipe; ``setup`` its parts on the seed.
        name: the strategy.
        folder: where the run lives.
        about: further things for the ledger to remember.
        initial: where the initial weights are shared between runs of one recipe and seed.
        card: the policy of a learned strategy.
        people: answer; then every answer survives a power cut, and updates take effect a window later.

    Raises:
        QueristError: the data are not those that the run began with; the strategy does not fit the task; or what
            :class:`~querist.core.loop.Deployment` finds wrong.
    """
    chosen = named_strategy(loaded.recipe, setup, name, card)
    parts = Parts(
        setup.pool,
        setup.split,
        setup.task,
        chosen.policy,
        chosen.candidates,
        chosen.featuriser,
        SimulatedOracle(setup.task) if people is None else people.oracle,
        setup.labels_per_source,
    )
    same_data(folder, setup)
    facts = {**_facts(loaded, setup, name, seed, card), **(about or {})}
    if people is None:
        return Deployment(folder, parts, plan(loaded, seed, chosen.policy.keep_given), facts, initial=initial)
    numbers = plan(loaded, seed, chosen.policy.keep_given, update_lag=1)
    return Deployment(folder, parts, numbers, facts, durable=True, people=True, updates=people.updates)


def _facts(loaded: LoadedRecipe, setup: Setup, name: str, seed: int, card: PolicyCard | None) -> dict[str, str]:
    """What a ledger remembers of every run."""
    return {
        "recipe": loaded.name,
        "recipe_hash": loaded.hash,
        "recipe_text": loaded.text,
        "data_hash": setup.data_hash,
        "strategy": name,
        "seed": str(seed),
    } | ({"policy": card.hash} if card else {})
