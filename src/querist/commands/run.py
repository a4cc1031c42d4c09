"""``querist run`` and the part of it that ``resume`` shares."""

import json
from pathlib import Path

from querist.commands.show import bars, reading, say, say_of, words
from querist.core.card import PolicyCard
from querist.core.loop import Deployment
from querist.core.problem import Setup
from querist.errors import QueristError
from querist.recipes.build import check_strategy, deployment, environment, find_data, prepare, set_up
from querist.recipes.learned import chosen, trained_here
from querist.recipes.recipe import LoadedRecipe, load_recipe

POLICY = "policy"
"""In a run's folder: the card of the policy that plays it."""


def main(
    recipe: str,
    data: str | None = None,
    out: str | None = None,
    strategy: str | None = None,
    policy: str | None = None,
    seed: int = 0,
    set: list[str] | None = None,
) -> Path:
    """Play one deployment with the simulated oracle.

    Returns:
        The run's folder.
    """
    loaded = load_recipe(recipe, set or [])
    name, card = chosen(strategy, policy, loaded.recipe.problem)
    if card is None:
        check_strategy(loaded, name)
    say_of(card)
    folder = Path(out or f"runs/{loaded.name}-{name.replace('/', '-')}-{seed}")
    if (folder / "ledger.sqlite").exists():
        raise QueristError(
            f"{folder} holds a run already", f"'querist resume {folder}' goes on; or choose another --out"
        )
    with reading() as told:
        found = find_data(loaded, data, told)
    device = prepare(loaded)
    with reading() as told:
        setup = set_up(loaded, found, seed, told=told)
    facts = {"data": str(found.absolute()), "environment": json.dumps(environment(device, loaded.recipe.threads))}
    if card is not None:
        _warn_of_another_split(card, setup)
        card.save(folder / POLICY)  # so that the run can be resumed wherever the card goes
    with deployment(loaded, setup, name, seed, folder, facts, card=card) as run:
        play(run, setup, loaded)
    return folder


def _warn_of_another_split(card: PolicyCard, setup: Setup) -> None:
    if card.training.get("data_hash") == setup.data_hash and not trained_here(card, setup):
        say(
            "The policy was trained on another split of these data: it may have met labels of this pool. "
            "With problem.split_seed in the recipe all seeds share one split.",
            "yellow",
        )


def play(run: Deployment, setup: Setup, loaded: LoadedRecipe) -> None:
    """Play a deployment to its end, with a bar, and say what was measured."""
    budget = loaded.recipe.budgets[-1]
    problem = loaded.recipe.problem
    with bars() as progress:
        bar = progress.add_task("labels bought", total=budget, note="learning the starting set")
        for event in run.play():
            note = f"loss {event.details['loss']:.3f}" if "loss" in event.details else ""
            progress.update(bar, completed=event.spent, note=note)
            if event.kind == "mark":
                progress.console.print(f"  {event.spent} labels: {problem.metric} {words(event)} {problem.unit}")
                for name, parts in event.details["undetermined"].items():
                    if parts:
                        progress.console.print(f"    left out, the {name} set has none: {', '.join(parts)}")
                for name, count in event.details["left_out"].items():
                    progress.console.print(f"    left out, the {name} set has nothing to measure them by: {count}")
            if event.kind == "waiting":
                progress.console.print("Waiting for answers; 'querist resume' goes on once they are there.")
    say(f"Run: {run.folder}")
