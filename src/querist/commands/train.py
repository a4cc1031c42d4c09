"""``querist train``: a policy, trained on a recipe's starting set, as a card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from querist.commands.show import bars, gain, reading, say
from querist.core.card import PolicyCard
from querist.core.problem import Setup
from querist.core.snapshots import make_folder
from querist.errors import QueristError
from querist.recipes.build import find_data, prepare, set_up
from querist.recipes.learned import check, episodes, train
from querist.recipes.recipe import LoadedRecipe, load_recipe
from querist.report.wording import plural


def main(
    recipe: str,
    data: str | None = None,
    out: str | None = None,
    strategy: str | None = None,
    number: int = 0,
    set: Sequence[str] | None = None,
) -> Path:
    """Train a policy and write its card.

    Args:
        recipe: whose starting set it is trained on, with the split of its first seed.
        data: the data folder.
        out: the card's folder.
        strategy: what is trained; None: what the problem is for.
        number: which of several policies.
        set: changes of the recipe.

    Returns:
        The card's folder.
    """
    if number < 0:
        raise QueristError(f"--number {number}: policies are counted from 0", "give 0 or more")
    loaded = load_recipe(recipe, set or [])
    strategy = strategy or loaded.recipe.problem.default_learned
    if strategy is None:
        kind = type(loaded.recipe.problem).__name__
        raise QueristError(f"nothing says what to train for a {kind}", "name it: --strategy AGENT/PROFILE")
    folder = Path(out or f"policies/{loaded.name}-{strategy.replace('/', '-')}-{number}")
    if (folder / "card.json").exists():
        raise QueristError(f"{folder} holds a policy card already", "choose another --out")
    episodes(loaded, strategy)  # before anything is read: is it a learned one, and are its settings right?
    with reading() as told:
        found = find_data(loaded, data, told)
    prepare(loaded)
    with reading() as told:
        setup = set_up(loaded, found, loaded.recipe.seeds[0], told=told)
    check(loaded, setup, strategy, number)
    make_folder(folder)  # if it cannot be written, this is the time to know
    card = with_a_bar(loaded, setup, strategy, number)
    card.save(folder)
    say(_verdict(card))
    say(f"Policy card: {folder}")
    return folder


def with_a_bar(loaded: LoadedRecipe, setup: Setup, strategy: str, number: int) -> PolicyCard:
    """Train, and show how far it is."""
    with bars() as progress:
        bar = progress.add_task(f"{strategy}, policy {number}", total=episodes(loaded, strategy), note="first model")

        def watch(row: Mapping[str, Any]) -> None:
            progress.update(bar, completed=row["episode"], note=gain(row))

        return train(loaded, setup, strategy, number, watch)


def _verdict(card: PolicyCard) -> str:
    check = card.check
    if not check:
        return f"{card.strategy}: {plural(len(card.curve), 'game')} played"
    mean = {name: sum(check[name]) / len(check[name]) for name in ("policy", "random")}
    error = f" ± {check['standard_error']:.2f}" if check["standard_error"] is not None else ""
    return (
        f"In {plural(len(check['policy']), 'game')} with a model and a pool that it was not trained with, it gains "
        f"{mean['policy']:+.2f}, chance {mean['random']:+.2f}: a difference of {check['difference']:+.2f}{error}. "
        f"Whether it learned anything is for 'querist compare' to say."
    )
