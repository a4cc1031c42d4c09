"""``querist run`` and the part of it that ``resume`` shares."""

import json
from pathlib import Path

from querist.commands.show import bars, reading, say, words
from querist.core.loop import Deployment
from querist.core.problem import Setup
from querist.errors import QueristError
from querist.recipes.build import deployment, environment, find_data, prepare, set_up
from querist.recipes.recipe import LoadedRecipe, load_recipe


def main(
    recipe: str,
    data: str | None = None,
    out: str | None = None,
    strategy: str = "entropy/global",
    seed: int = 0,
    set: list[str] | None = None,
) -> Path:
    """Play one deployment with the simulated oracle.

    Returns:
        The run's folder.
    """
    loaded = load_recipe(recipe, set or [])
    folder = Path(out or f"runs/{loaded.name}-{strategy.replace('/', '-')}-{seed}")
    if (folder / "ledger.sqlite").exists():
        raise QueristError(
            f"{folder} holds a run already", f"'querist resume {folder}' goes on; or choose another --out"
        )
    found = find_data(loaded, data)
    device = prepare(loaded)
    with reading() as told:
        setup = set_up(loaded, found, seed, told=told)
    facts = {"data": str(found.absolute()), "environment": json.dumps(environment(device, loaded.recipe.threads))}
    with deployment(loaded, setup, strategy, seed, folder, facts) as run:
        play(run, setup, loaded)
    return folder


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
            if event.kind == "waiting":
                progress.console.print("Waiting for answers; 'querist resume' goes on once they are there.")
    say(f"Run: {run.folder}")
