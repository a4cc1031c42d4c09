"""Learned strategies: which agent plays a card, and how a recipe trains one."""

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.acquisition.registry import GroupForm, Strategy
from querist.core import rng
from querist.core.answers import Labels
from querist.core.capabilities import Rehearses, RehearsesStill
from querist.core.card import CARD, PolicyCard
from querist.core.problem import Problem, Setup
from querist.core.split import Role
from querist.core.task import Task
from querist.core.trials import on_trial
from querist.errors import QueristError
from querist.recipes.strategy_names import AGENTS, Learned, names, parse
from querist.recipes.training import Training

if TYPE_CHECKING:  # games need gymnasium, which --help does without
    from querist.core.agent import Again, Agent, Games, Watcher
    from querist.core.rehearsal import Scene
    from querist.recipes.recipe import LoadedRecipe, Recipe


def agent(name: str) -> "Agent":
    """The agent of a name."""
    from importlib import import_module

    if name not in AGENTS:
        raise QueristError(f"there is no agent {name!r}", f"agents: {', '.join(AGENTS)}")
    return import_module(AGENTS[name]).AGENT


def find_card(name: str, problem: Problem) -> PolicyCard:
    """The card in a folder; ``default`` is the one that comes with the package for a kind of problem.

    Raises:
        QueristError: it is not a card, or none comes along.
    """
    if name != "default":
        return PolicyCard.load(Path(name))
    folder = Path(str(files("querist.policies").joinpath(problem.default_policy or "none")))
    if not (folder / CARD).exists():
        raise QueristError(
            f"querist comes without a policy for a {type(problem).__name__}", "train one with 'querist train'"
        )
    return PolicyCard.load(folder)


def chosen(strategy: str | None, policy: str | None, problem: Problem) -> tuple[str, PolicyCard | None]:
    """The strategy that a user means by ``--strategy`` and ``--policy``, and its card.

    Args:
        strategy: its name; ``policy`` the card's folder, or ``default``.
        problem: the recipe's.

    Raises:
        QueristError: the card is of another strategy, or is none.
    """
    if policy is None:
        return strategy or problem.default_strategy, None
    card = find_card(policy, problem)
    if strategy not in (None, card.strategy):
        raise QueristError(
            f"--strategy {strategy}, but the policy is of {card.strategy}", "leave --strategy away, or --policy"
        )
    return card.strategy, card


def suited(card: PolicyCard, recipe: "Recipe") -> PolicyCard:
    """A card with what a recipe says of how pairs are offered, to every strategy alike, wherever it was trained.

    A network that is tied to a number of neighbours refuses another one, when it is made a strategy.
    """
    shared = agent(card.agent).offered(asdict(recipe.pairs))
    wanted = _changes(recipe, _learned(card.strategy)) if shared else {}
    return replace(card, settings={**card.settings, **{key: wanted[key] for key in shared}})


def from_card(card: PolicyCard, setup: Setup, groups: GroupForm, training: Training | None = None) -> Strategy:
    """A card as a strategy for a task.

    Args:
        card: the policy; ``setup`` its task, which has learned nothing yet; ``groups`` the shape of the group form.
        training: how policies are trained, for one that is trained again while it is deployed; None: it is not.

    Raises:
        QueristError: the task's observation is not the one that the policy was trained on; both schemas are named.
    """
    policy = agent(card.agent).policy(card, None if training is None else _again(setup, training))
    policy.check(setup.task, setup.split)
    candidates, eyes = policy.own_candidates(card.profile, groups.count), policy.own_featuriser(setup.task)
    assert candidates is not None
    assert eyes is not None
    return Strategy(card.strategy, policy, candidates, eyes)


def _again(setup: Setup, training: Training) -> "Again":
    from querist.core.agent import Again

    untouched, numbers = setup.task.snapshot(), (training.halves, training.start, training.first, training.update)
    return Again(untouched, *numbers, training.rehearsal)


def trained_here(card: PolicyCard, setup: Setup) -> bool:
    """Whether a policy was trained on these very data and this very split: then it met no label of this pool."""
    about = card.training
    return about.get("data_hash") == setup.data_hash and about.get("split") == setup.split.digest()


def episodes(loaded: "LoadedRecipe", strategy: str) -> int:
    """How many games the training of a strategy plays.

    Raises:
        QueristError: not a learned strategy, or the recipe gives it settings that it does not have.
    """
    what = _learned(strategy)
    return agent(what.agent).episodes(what.profile, _changes(loaded.recipe, what), what.control)


def check(loaded: "LoadedRecipe", setup: Setup, strategy: str, number: int | None = None) -> None:
    """What can be said before hours are spent: can this strategy be trained here?

    Args:
        loaded: the recipe; ``setup`` its parts.
        strategy: its name.
        number: which policy is to be trained; None: all of the recipe's.

    Raises:
        QueristError: it is not learned, its settings are wrong, or data or model will not do.
    """
    from querist.core.rehearsal import check_games

    what, recipe = _learned(strategy), loaded.recipe
    chosen, changes = agent(what.agent), _changes(loaded.recipe, what)
    games = episodes(loaded, strategy)
    chosen.check_task(setup.task, setup.split, what.profile, changes, recipe.train.rehearsal)
    chosen.check(setup.pool, setup.split, recipe.batch, recipe.groups.count, games)
    if games:
        questions, setting = chosen.questions(what.profile, changes, recipe.batch)
        numbers = range(recipe.train.of(strategy)) if number is None else [number]
        scenes = [
            chosen.scene(what.profile, changes, setup.split, setup.pool, n, turn)
            for n in numbers
            for turn in range(recipe.train.halves + 1)
        ]
        check_games(questions, setup.pool, scenes, f"train.settings.{what.agent}/{what.profile}.{setting}")
    games = _games(loaded, strategy)
    kind = {"still": RehearsesStill, "learning": Rehearses, "final": Task}[games]
    stands_in = setup.task.can(kind) and isinstance(setup.task, kind)
    if chosen.paid_by == "metric" and (recipe.train.rehearsal or games == "still") and not stands_in:
        slower = "; or set train.rehearsal=false: slower, and every model can be paid by its metric"
        raise QueristError(
            f"{type(setup.task).__name__} has no cheap stand-in to train policies in",
            "give a model that splits at its head" + ("" if games == "still" else slower),
        )


def train(
    loaded: "LoadedRecipe", setup: Setup, strategy: str, number: int, watch: "Watcher | None" = None
) -> PolicyCard:
    """Train a policy on the starting set of a recipe (ALGORITHMS 1.1: D_T).

    Half of the starting images train the real model, the other half are the pool of the games; in several ways. What
    the labels cost is in the starting set and the reward set already.

    Args:
        loaded: the recipe; ``setup`` its parts, whose task is trained here and restored.
        strategy: such as ``ralis/sound`` or ``ralis/shuffled``.
        number: which of the recipe's policies, not negative; the seed of its halves, weights and games.
        watch: told the row of the learning curve after each episode.

    Raises:
        QueristError: not a learned strategy, or the task cannot feed it.
    """
    from querist.core.rehearsal import Stage

    began = time.perf_counter()
    check(loaded, setup, strategy, number)
    what, training, task = _learned(strategy), loaded.recipe.train, setup.task
    untouched = task.snapshot()
    plays = episodes(loaded, strategy) > 0 or agent(what.agent).paid_by == "metric"  # which looks at its scenes anyway
    turns = training.halves + 1 if plays else 0
    scenes = [_scene(loaded, setup, strategy, untouched, number, turn) for turn in range(turns)]
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(
            Path(folder),
            setup.pool,
            setup.split,
            tuple(scenes[:-1]),
            setup.labels_per_source,
            loaded.recipe.batch,
            training.update,
            scenes[-1] if scenes else None,
            loaded.recipe.keep_given,
        )
        changes = _changes(loaded.recipe, what)
        card = agent(what.agent).train(what.profile, changes, stage, number, what.control, watch)
    task.restore(untouched)
    about = _about(loaded, setup, number) | {"seconds": round(time.perf_counter() - began, 1)}
    return replace(card, training=about, variant=what.variant)


def _scene(
    loaded: "LoadedRecipe",
    setup: Setup,
    strategy: str,
    untouched: Mapping[str, np.ndarray],
    number: int,
    turn: int,
) -> "Scene":
    """One way to divide the starting set, with a model trained on what begins the games from the untouched weights."""
    from querist.core.rehearsal import Scene

    training, task, what = loaded.recipe.train, setup.task, _learned(strategy)
    chosen = agent(what.agent)
    inner = chosen.scene(what.profile, _changes(loaded.recipe, what), setup.split, setup.pool, number, turn)
    given = inner.sources(Role.START)
    labels = Labels(given[:0], (), given)
    stream = rng.generator(number, "rehearsal", turn)
    task.restore(untouched)
    task.fit(labels, new=labels, steps=training.start, phase="start", rng=stream)
    games = _games(loaded, strategy)
    if games == "final":
        return Scene(inner, on_trial(task), task.snapshot())
    wanted = np.concatenate([inner.sources(r) for r in (Role.START, Role.POOL, Role.STATE, Role.REWARD)])
    if games == "still":
        assert isinstance(task, RehearsesStill)
        stand_in = task.still_rehearsal(wanted)
        return Scene(inner, stand_in, stand_in.snapshot())
    if not training.rehearsal or chosen.paid_by == "answers":
        return Scene(inner, task, task.snapshot())
    assert isinstance(task, Rehearses)
    stand_in = task.rehearsal(wanted)
    stand_in.fit(labels, new=labels, steps=training.first, phase="start", rng=stream)
    return Scene(inner, stand_in, stand_in.snapshot())


def _games(loaded: "LoadedRecipe", strategy: str) -> "Games":
    what = _learned(strategy)
    return agent(what.agent).games(what.profile, _changes(loaded.recipe, what))


def _learned(strategy: str) -> Learned:
    what = parse(strategy)
    if what is None:
        raise QueristError(f"{strategy!r} is not a learned strategy", f"learned ones: {', '.join(names())}")
    return what


def _changes(recipe: "Recipe", what: Learned) -> Mapping[str, Any]:
    own = (recipe.train.settings or {}).get(f"{what.agent}/{what.profile}") or {}
    return {**agent(what.agent).offered(asdict(recipe.pairs)), **own, **what.changes}


def _about(loaded: "LoadedRecipe", setup: Setup, number: int) -> dict[str, Any]:
    from querist.nn.runtime import resolve_device
    from querist.recipes.build import environment

    each, split = setup.labels_per_source, setup.split
    labels = {"start": len(split.sources(Role.START)) * each, "reward": len(split.sources(Role.REWARD)) * each}
    return {
        "recipe": loaded.name,
        "recipe_hash": loaded.hash,
        "data_hash": setup.data_hash,
        "number": number,
        "split": split.digest(),
        "labels": labels,
        "training": json.loads(json.dumps(loaded.config.get("train"))),
        "environment": environment(str(resolve_device(loaded.recipe.device)), loaded.recipe.threads),
    }
