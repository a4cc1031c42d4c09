"""``querist select``: the next batch to label, for the user's own checkpoint."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.acquisition.registry import Strategy
from querist.annotate.batch_files import write_batch
from querist.annotate.labelled import Labelled, find_labelled, named_units, one_with_labels
from querist.commands.show import reading, say, say_of
from querist.core.capabilities import KnowsTruth, LocatesUnits
from querist.core.ledger import Ledger, Question
from querist.core.observation import Observation
from querist.core.oracle import SilentOracle
from querist.core.policy import Selection
from querist.core.problem import Setup
from querist.core.questions import Asking
from querist.core.split import Role, Split
from querist.core.step import Game, offer
from querist.errors import QueristError, UnlabelledError
from querist.recipes.build import check_strategy, find_data, named_strategy, prepare, set_up
from querist.recipes.learned import chosen as who
from querist.recipes.recipe import load_recipe


def main(
    recipe: str,
    data: str | None = None,
    checkpoint: str | None = None,
    strategy: str | None = None,
    policy: str | None = None,
    count: int | None = None,
    labelled: Sequence[str] = (),
    exclude: Sequence[str] = (),
    out: str = "batch",
    seed: int = 0,
    set: Sequence[str] | None = None,
) -> Path:
    """Select the next batch and write it as JSON and CSV (unit, image, box, score), best first.

    Returns:
        The JSON's path.
    """
    if count is not None and count < 1:
        raise QueristError(f"--count {count}: nothing to select", "ask for one unit or more")
    loaded = load_recipe(recipe, set or [])
    name, card = who(strategy, policy, loaded.recipe.problem)
    if card is None:
        check_strategy(loaded, name)
    say_of(card)
    found = find_data(loaded, data)
    prepare(loaded)
    with reading() as told:
        setup = set_up(loaded, found, seed, labelled=False, told=told)
    known, left_out = find_labelled(labelled, setup), named_units(exclude, setup.pool, "--exclude")
    if not labelled:
        _say_of_labels(setup)
    setup = dataclasses.replace(setup, split=_begun(setup.split, known))
    if checkpoint is not None:
        setup.task.load(Path(checkpoint))
    shape = dataclasses.replace(loaded.recipe.groups, count=count or loaded.recipe.batch)
    chosen = named_strategy(dataclasses.replace(loaded.recipe, groups=shape), setup, name, card)
    _check_needs(chosen, trained=checkpoint is not None, learned=card is not None)
    with tempfile.TemporaryDirectory() as folder:
        game = _game(setup, chosen, shape.count, seed, Path(folder), known, loaded.recipe.budgets[-1])
        _leave_out(game, left_out)
        seen, selection = _choose(game, chosen, shape.count, known, len(known.units) + len(left_out))
        game.ledger.close()
    rows = _rows(setup, seen, selection)
    about = {"recipe": loaded.name, "strategy": name, "seed": seed} | ({"policy": card.hash} if card else {})
    path = write_batch(rows, Path(out), about)
    if len(rows) < shape.count:
        _say_of_fewer(len(rows), shape.count, name, chosen.candidates.per_group(shape.count) * len(seen.groups.units))
    say(f"{len(rows)} units in {path} and {path.with_suffix('.csv')}")
    return path


def _say_of_fewer(found: int, count: int, name: str, most: int) -> None:
    """Why a batch is smaller than it was to be: the strategy takes ``most`` at a time, or nothing is left."""
    why = f"{name} asks for {most} at a time" if found == most else "no more are left"
    say(f"Only {found} of {count} units could be found: {why}.", "yellow")


def _say_of_labels(setup: Setup) -> None:
    """Where nobody said what is labelled: that it is offered, too."""
    one = one_with_labels(setup)
    if one is not None:
        say(
            f"The data folder holds labels ({one} has some), and what is labelled is offered like everything else: "
            "'--labelled known' leaves it out, and tells the strategy of it.",
            "yellow",
        )


def _check_needs(chosen: Strategy, trained: bool, learned: bool) -> None:
    """Whether a strategy, learned or not, can choose here: without answers, and with a model only if one was given."""
    if KnowsTruth in chosen.policy.needs:
        raise QueristError(
            f"{chosen.name} looks at the answers, and nobody has given them", "it is a ceiling for studies"
        )
    if not trained and (learned or chosen.policy.fields or chosen.policy.needs):
        raise QueristError(
            f"{chosen.name} goes by what a model predicts, and there is no model",
            "give --checkpoint MODEL.safetensors (any model: --set problem.model.path=...), or use --strategy random",
        )


def _begun(split: Split, known: Labelled) -> Split:
    """The roles once it is known what is labelled from the start."""
    roles = split.roles.copy()
    roles[known.given] = Role.START
    return Split(roles)


def _game(setup: Setup, chosen: Strategy, count: int, seed: int, folder: Path, known: Labelled, budget: int) -> Game:
    """A game that is never charged: what is labelled stands in its ledger, and nothing more is asked, only chosen.

    Args:
        setup: with the roles of what is labelled; ``chosen`` who chooses ``count`` units.
        seed: of the candidates; ``folder`` for the ledger.
        known: what is labelled.
        budget: of which the batches so far took their share; more where they have spent it already.
    """
    pool, units = setup.pool, known.units
    ledger = Ledger.create(folder / "ledger.sqlite", {})
    paid = int(pool.costs(units).sum())
    given = {"start": (known.given, setup.labels_per_source)}
    number = ledger.start_game(pool, setup.split, max(budget, paid + count), given=given)
    if len(units):
        asked = ledger.ask(number, 0, pool, [Asking(int(unit)) for unit in units], {})
        for question, answer in zip(asked, known.answers, strict=True):
            ledger.answer(question.id, answer)
    return Game(
        ledger,
        number,
        0,
        seed,
        pool,
        setup.split,
        setup.task,
        SilentOracle(),
        chosen.candidates,
        chosen.featuriser,
        count,
        0,
        known.given,
    )


def _leave_out(game: Game, units: np.ndarray) -> None:
    """Offer none of these; they cost nothing, and nothing goes on from them, for a batch does not tell its anchors."""
    last = game.view.last_question
    for number, unit in enumerate(units[~game.view.was_asked(units)]):
        game.view.note_asked(Question(-1 - number, int(unit), -1, number, 0))
    game.view.last_question = last
    if game.view.exhausted:
        raise QueristError(
            "every unit of the data is labelled or left out",
            "there is nothing left to label; of a folder with a table of joints, images that it does not list are left "
            "out: give each of them a row without joints",
        )


def _choose(game: Game, chosen: Strategy, count: int, known: Labelled, step: int) -> tuple[Observation, Selection]:
    """Select; the step grows with what is gone, so that every batch draws its candidates from other sources."""
    try:
        seen = offer(game, step)
    except UnlabelledError as error:
        if len(known):
            raise
        fix = f"{error.fix}; what the data folder holds labels of counts once it is named with --labelled"
        raise QueristError(error.what, fix) from error
    return seen, chosen.policy.select(seen, chosen.candidates.per_group(count), game.stream("policy", step))


def _rows(setup: Setup, seen: Observation, selection: Selection) -> list[dict[str, Any]]:
    """One row per unit, best first."""
    task = setup.task
    picked = [(g, j, i) for g, row in enumerate(selection.indices) for j, i in enumerate(row) if i >= 0]
    units = np.array([seen.groups.units[g, i] for g, _, i in picked], dtype=np.int64)
    places = task.locate(units) if isinstance(task, LocatesUnits) else [{} for _ in units]
    rows = []
    for (g, j, _), unit, place in zip(picked, units, places, strict=True):
        score = None if selection.scores is None else round(float(selection.scores[g, j]), 6)
        rows.append({"unit": setup.pool.name(int(unit)), **place, "score": score})
    return sorted(rows, key=lambda row: -(row["score"] or 0.0))
