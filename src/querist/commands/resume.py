"""``querist resume``: go on with a run."""

from collections.abc import Sequence
from pathlib import Path

from querist.annotate.place import Said
from querist.commands import label
from querist.commands.run import POLICY, play
from querist.commands.show import reading
from querist.core.card import PolicyCard
from querist.core.ledger import Ledger
from querist.errors import QueristError
from querist.recipes.build import deployment, prepare, set_up
from querist.recipes.recipe import parse_recipe


def main(
    run: str,
    data: str | None = None,
    host: str | None = None,
    port: int | None = None,
    names: Sequence[str] | None = None,
    people: int | None = None,
) -> Path:
    """Take up a run where it was stopped, with the recipe, strategy and seed it began with.

    Args:
        run: its folder.
        data: where the data are now; default: where they were.
        host: where the page is for the people who answer, as are ``port``, ``names`` and ``people``; default: where it
            was.

    Raises:
        QueristError: there is no run, its data are gone or have changed, or nobody answers and yet a place was said.
    """
    folder, said = Path(run), Said(host, port, names, people)
    ledger = Ledger.read(folder / "ledger.sqlite")
    about = ledger.about
    ledger.close()
    if about.get("answers") == "people":
        return label.go_on(folder, data, said)
    if said:
        raise QueristError(f"{folder} answers itself: there is no page", "leave --host, --port, --names, --people away")
    if "recipe_text" not in about:
        raise QueristError(f"{folder} was not begun by 'querist run'", "go on with it from Python")
    loaded = parse_recipe(about["recipe"], about["recipe_text"])
    found = Path(data or about.get("data", "the folder of the data"))
    if not found.is_dir():
        raise QueristError(f"{found}: the run's data are not there any more", f"querist resume {run} --data NEW_FOLDER")
    label.elsewhere(about, prepare(loaded), loaded.recipe.threads)
    seed = int(about["seed"])
    with reading() as told:
        setup = set_up(loaded, found, seed, told=told)
    card = PolicyCard.load(folder / POLICY) if "policy" in about else None
    with deployment(loaded, setup, about["strategy"], seed, folder, card=card) as again:
        play(again, setup, loaded)
    return folder
