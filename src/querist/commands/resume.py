"""``querist resume``: go on with a run."""

import json
from pathlib import Path

from querist.commands import label
from querist.commands.run import POLICY, play
from querist.commands.show import console, reading
from querist.core.card import PolicyCard
from querist.core.ledger import Ledger
from querist.errors import QueristError
from querist.recipes.build import deployment, environment, prepare, set_up
from querist.recipes.recipe import parse_recipe


def main(run: str, data: str | None = None) -> Path:
    """Take up a run where it was stopped, with the recipe, strategy and seed it began with.

    Args:
        run: its folder.
        data: where the data are now; default: where they were.
    """
    folder = Path(run)
    ledger = Ledger.read(folder / "ledger.sqlite")
    about = ledger.about
    ledger.close()
    if about.get("answers") == "people":
        return label.go_on(folder, data)
    if "recipe_text" not in about:
        raise QueristError(f"{folder} was not begun by 'querist run'", "go on with it from Python")
    loaded = parse_recipe(about["recipe"], about["recipe_text"])
    found = Path(data or about.get("data", "the folder of the data"))
    if not found.is_dir():
        raise QueristError(f"{found}: the run's data are not there any more", f"querist resume {run} --data NEW_FOLDER")
    device = prepare(loaded)
    now, then = environment(device, loaded.recipe.threads), json.loads(about.get("environment", "{}"))
    changed = [f"{key} {then[key]} -> {now.get(key)}" for key in then if then[key] != now.get(key)]
    if changed:
        console.print(f"[yellow]The run began elsewhere ({'; '.join(changed)}): it may not end bit by bit the same.")
    seed = int(about["seed"])
    with reading() as told:
        setup = set_up(loaded, found, seed, told=told)
    card = PolicyCard.load(folder / POLICY) if "policy" in about else None
    with deployment(loaded, setup, about["strategy"], seed, folder, card=card) as again:
        play(again, setup, loaded)
    return folder
