"""Cells: one strategy on one seed, the unit of evidence. A pure function that ends in one small JSON file."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.compare.evidence import FULL, START
from querist.compare.memory import peak_mb, reset_peak
from querist.core import rng
from querist.core.answers import Labels
from querist.core.capabilities import CountsAnswers, KnowsTruth
from querist.core.card import PolicyCard
from querist.core.ledger import Ledger, Question
from querist.core.loop import Deployment, Event
from querist.core.pool import ColumnarPool
from querist.core.problem import Setup
from querist.core.snapshots import read_arrays, write_atomically
from querist.core.split import Role
from querist.errors import QueristError
from querist.recipes.build import deployment, environment, prepare, set_up
from querist.recipes.learned import trained_here
from querist.recipes.recipe import LoadedRecipe
from querist.recipes.strategy_names import parse

_LISTED = 4000
"""Cells with more questions keep a hash of each step's units instead of their names: the files go into repositories."""


@dataclass(frozen=True)
class Cell:
    """Which strategy on which seed; ``policy`` counts independently trained policies of a learned one."""

    strategy: str
    seed: int
    policy: int = 0

    @property
    def file_name(self) -> str:
        """Of its JSON."""
        return f"{self.strategy.replace('/', '__')}--p{self.policy}--s{self.seed}.json"

    @property
    def label(self) -> str:
        """For people."""
        which = f", policy {self.policy}" if parse(self.strategy) else ""
        return f"{self.strategy}{which}, seed {self.seed}"


def card_folder(out: Path, strategy: str, policy: int) -> Path:
    """Where a comparison keeps the card of a learned strategy's policy."""
    return out / "policies" / f"{strategy.replace('/', '__')}--p{policy}"


@dataclass(frozen=True)
class Lesson:
    """Which policy of which learned strategy is trained."""

    strategy: str
    policy: int

    @property
    def label(self) -> str:
        """For people."""
        return f"training {self.strategy}, policy {self.policy}"

    def folder(self, out: Path) -> Path:
        """Of its card, in a comparison's folder."""
        return card_folder(out, self.strategy, self.policy)


def refuse_leak(card: PolicyCard, setup: Setup, seed: int, where: str | Path) -> None:
    """A policy must not have met labels of the pool that it is played on.

    One that was trained on other data, which their hash tells, has not; one of the same data must be of the same split.

    Args:
        card: the policy; ``where`` it lies, for people.
        setup: what it would be played on, with ``seed``.

    Raises:
        QueristError: it was trained on these data in another split; or the card does not say on what.
    """
    data, labels = card.training.get("data_hash"), card.training.get("labels")
    counted = isinstance(labels, Mapping) and all(isinstance(n, int) for n in labels.values())
    if not isinstance(data, str) or not counted:
        raise QueristError(
            f"{where} does not say on which data, and how many labels, it was trained: it may have met labels of this "
            "pool",
            "compare cards that 'querist train' or 'querist compare' wrote",
        )
    if data == setup.data_hash and not trained_here(card, setup):
        raise QueristError(
            f"{where} was trained on these data in another split than that of seed {seed}: it may have met labels of "
            "its pool",
            "train a policy on this split, or play the card on other data; one split for all seeds is "
            "problem.split_seed",
        )


def labels_elsewhere(card: PolicyCard, setup: Setup) -> int:
    """The labels that training a policy cost besides those that every strategy is given: all, if on other data."""
    return 0 if card.training["data_hash"] == setup.data_hash else sum(card.training["labels"].values())


Watcher = Callable[[Cell, Event], None]


def play_cell(loaded: LoadedRecipe, cell: Cell, data: Path, out: Path, watch: Watcher | None = None) -> Path:
    """Play a cell and write its JSON under ``out/cells``. Killed half-way, it goes on where it was.

    Args:
        loaded: the recipe.
        data: the data folder.
        out: the comparison's folder; what is under way lies in ``out/.work``, policies in ``out/policies``.
        watch: told what happens.

    Returns:
        The JSON's path.
    """
    device = prepare(loaded)
    reset_peak()
    began = time.perf_counter()
    work = out / ".work"
    setup = set_up(loaded, data, cell.seed)
    shared = work / f"start-{loaded.hash}-{setup.data_hash}-s{cell.seed}.safetensors"
    folder = work / f"{loaded.hash}-{cell.file_name.removesuffix('.json')}"
    name = "random" if cell.strategy in (START, FULL) else cell.strategy
    card = PolicyCard.load(card_folder(out, name, cell.policy)) if parse(name) else None
    if card is not None:
        refuse_leak(card, setup, cell.seed, card_folder(out, name, cell.policy))
    with deployment(loaded, setup, name, cell.seed, folder, initial=shared, card=card) as run:
        if cell.strategy in (START, FULL):
            measured = _reference(loaded, cell, setup, run, shared)
        else:
            for event in run.play():
                if watch is not None:
                    watch(cell, event)
            measured = _measured(setup, run.ledger)
        accounts = run.ledger.given(1)
    if card is not None and (elsewhere := labels_elsewhere(card, setup)):
        accounts["policy"] = elsewhere
    seconds = max(measured.pop("seconds_played", 0.0), time.perf_counter() - began)
    document = _header(loaded, cell, setup) | measured | ({"policy_hash": card.hash} if card else {})
    document |= {
        "accounts": accounts,
        "seconds": seconds,
        "peak_mb": peak_mb(),
        "environment": environment(device, loaded.recipe.threads),
    }
    path = out / "cells" / cell.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    shutil.rmtree(folder, ignore_errors=True)
    return path


def _header(loaded: LoadedRecipe, cell: Cell, setup: Setup) -> dict[str, Any]:
    problem = loaded.recipe.problem
    profile = cell.strategy.partition("/")[2] if parse(cell.strategy) else None
    return {
        "format": 1,
        "recipe": loaded.name,
        "recipe_hash": loaded.hash,
        "data_hash": setup.data_hash,
        "task": type(problem).__name__.removesuffix("Problem").lower(),
        "strategy": cell.strategy,
        "profile": profile,
        "policy": cell.policy,
        "seed": cell.seed,
        "metric": {"name": problem.metric, "unit": problem.unit, "larger_is_better": True},
        "parts": list(setup.task.parts),
        "budgets": list(loaded.recipe.budgets),
    }


def _measured(setup: Setup, ledger: Ledger) -> dict[str, Any]:
    """Everything of a played cell, read from its ledger alone."""
    game = ledger.game()
    assert game is not None
    points: dict[int, dict[str, Any]] = {}
    bought = []
    for row in ledger.evaluations(game["id"]):
        point = points.setdefault(row["labels"], {"labels": row["labels"]})
        if row["model"] == "end":
            continue
        if row["part"] == "account":
            bought.append({"labels": row["labels"], "amounts": row["details"]["bought"]})
        else:
            point[row["part"]] = row["value"]
            if row["part"] == "test":
                point["parts"] = row["details"]["parts"]
    logs = {step: details for step, _, details in ledger.closings(game["id"])}
    questions = ledger.questions(game["id"], setup.pool)
    steps = _steps(setup, questions, logs)
    # What earlier processes of a killed cell took counts too.
    played = sum(log.get("seconds_step", log.get("seconds", 0.0)) for log in logs.values())
    played += sum(row["details"].get("seconds", 0.0) for row in ledger.evaluations(game["id"]))
    answers = sum(1 for _ in ledger.answers(game["id"]))
    return {
        "points": list(points.values()),
        "bought": bought,
        "bought_unit": setup.task.amount_unit if isinstance(setup.task, CountsAnswers) else "labels",
        "steps": steps,
        "ledger": {
            "questions": len(questions),
            "answers": answers,
            "spent": int(game["spent"]),
            "budget": int(game["budget"]),
            "repeats": len(questions) - len({q.unit for q in questions}),
        },
        "seconds_played": played,
        "seconds_select": sum(s["seconds_select"] for s in steps) / len({q.step for q in questions}) if steps else None,
    }


def _steps(setup: Setup, questions: list[Question], logs: Mapping[int, Mapping[str, float]]) -> list[dict[str, Any]]:
    """What each closed step bought, with what the steps before it bought that were closed with it."""
    steps, spent, before = [], 0, -1
    for step in sorted(s for s in logs if s >= 0):
        mine = [q for q in questions if before < q.step <= step]
        before = step
        spent += sum(q.cost for q in mine)
        found: dict[str, Any] = {"step": step, "labels": spent}
        if len(questions) <= _LISTED:
            found["units"] = [setup.pool.name(q.unit) for q in mine]
            found["scores"] = [None if q.score is None else round(q.score, 6) for q in mine]
        else:
            names = "\n".join(setup.pool.name(q.unit) for q in mine)
            found["units_sha256"] = hashlib.sha256(names.encode()).hexdigest()
        found |= {name: round(logs[step][name], 4) for name in ("seconds_select", "seconds_step")}
        steps.append(found)
    return steps


def _reference(loaded: LoadedRecipe, cell: Cell, setup: Setup, run: Deployment, shared: Path) -> dict[str, Any]:
    """A final training on what was given alone, or on every label of the pool; both from where all begin.

    As in deployments, what was given counts for nothing after the start where the recipe says so: then the model that
    everybody begins with stands for what was given.
    """
    run.start()
    task, split, steps = setup.task, setup.split, loaded.recipe.steps
    assert isinstance(task, KnowsTruth)
    units, given = np.zeros(0, dtype=np.int64), split.sources(Role.START)[: None if loaded.recipe.keep_given else 0]
    bought = split.sources(Role.POOL) if cell.strategy == FULL else units
    if isinstance(setup.pool, ColumnarPool):
        bought = units = setup.pool.units_of(bought)
    else:  # all pairs are too many to ask: every image is labelled as the given ones are
        given = np.union1d(given, bought)
    labels = Labels(units, tuple(task.truth(units)), given)
    length, stream = (steps.full, "full") if cell.strategy == FULL else (steps.final, "final")
    task.restore({k[5:]: v for k, v in read_arrays(shared).items() if k.startswith("task/")})
    if len(units) or len(given):
        task.fit(labels, new=labels, steps=length, phase="final", rng=rng.generator(cell.seed, stream))
    point: dict[str, Any] = {"labels": len(bought)}
    for name, role in (("test", Role.TEST), ("reward", Role.REWARD)):
        if len(split.sources(role)):
            found = task.evaluate(split.sources(role))
            point |= {name: found.value} | ({"parts": found.part_values} if name == "test" else {})
    return {"points": [point], "bought": [], "steps": [], "ledger": None, "seconds_select": None}
