"""``querist label``: people answer the questions on a local page, while the agent learns."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from querist.commands.run import POLICY
from querist.commands.show import console, reading, say
from querist.core.card import PolicyCard
from querist.core.ledger import Ledger
from querist.core.loop import Deployment, Event
from querist.core.problem import Setup
from querist.core.snapshots import make_folder
from querist.errors import QueristError
from querist.recipes import learned
from querist.recipes.build import People, deployment, environment, find_data, prepare, set_up
from querist.recipes.recipe import LoadedRecipe, load_recipe, parse_recipe

if TYPE_CHECKING:
    from querist.annotate.serve import Address

SECRET = "page.secret"  # noqa: S105 - the name of a file
"""In a run's folder: signs the cookies of those who answer, so that a page that is open survives a restart."""
STRATEGY = "dral/sound"
_FAREWELL = 3.0  # seconds that the page still answers when all is done, so that it can say so


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the page is served, see :class:`querist.annotate.serve.Address`, and to how many people at once."""

    host: str = "127.0.0.1"
    port: int = 8765
    names: Sequence[str] = ()
    people: int = 8

    def __post_init__(self) -> None:
        if self.people < 1:
            raise QueristError(f"nobody can answer with --people {self.people}", "let at least 1 do so")


def main(
    recipe: str,
    data: str | None = None,
    out: str | None = None,
    strategy: str | None = None,
    policy: str | None = None,
    checkpoint: str | None = None,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 8765,
    names: Sequence[str] = (),
    people: int = 8,
    set: list[str] | None = None,
) -> Path:
    """Ask people, until the budget is spent or Ctrl-C; the same command goes on with what there is.

    Returns:
        The run's folder.
    """
    loaded = load_recipe(recipe, set or [])
    folder, place = Path(out or f"runs/{loaded.name}-label"), Place(host, port, names, people)
    if (folder / "ledger.sqlite").exists():
        _check_same(folder, loaded, strategy, policy, checkpoint)
        return go_on(folder, data, place)
    found = find_data(loaded, data)
    with _address(place) as address:
        device = prepare(loaded)
        with reading() as told:
            setup = set_up(loaded, found, seed, labelled=False, told=told)
        facts = {"answers": "people", "data": str(found.absolute())}
        facts["environment"] = json.dumps(environment(device, loaded.recipe.threads))
        if checkpoint is not None:
            setup.task.load(Path(checkpoint))
            facts["checkpoint"] = _digest(checkpoint)
        name, card = _chosen(loaded, setup, strategy, policy)
        if card is not None:
            card.save(folder / POLICY)
        _sit(loaded, setup, name, seed, folder, found, address, place.people, card, facts)
    return folder


def go_on(folder: Path, data: str | None = None, place: Place | None = None) -> Path:
    """Take up a run that people answer, with the recipe, strategy and seed it began with."""
    about = _about(folder)
    loaded = parse_recipe(about["recipe"], about["recipe_text"])
    found = Path(data or about["data"])
    if not found.is_dir():
        raise QueristError(f"{found}: the run's data are not there any more", "name their folder with --data")
    seed, place = int(about["seed"]), place or Place()
    with _address(place) as address:
        prepare(loaded)
        with reading() as told:
            setup = set_up(loaded, found, seed, labelled=False, told=told)
        card = PolicyCard.load(folder / POLICY) if "policy" in about else None
        _sit(loaded, setup, about["strategy"], seed, folder, found, address, place.people, card)
    return folder


def _about(folder: Path) -> dict[str, str]:
    ledger = Ledger.read(folder / "ledger.sqlite")
    about = ledger.about
    ledger.close()
    if about.get("answers") != "people":
        raise QueristError(f"{folder} holds a run that answers itself", "go on with 'querist resume', or choose --out")
    return about


def _check_same(
    folder: Path, loaded: LoadedRecipe, strategy: str | None, policy: str | None, checkpoint: str | None
) -> None:
    """A command that says something else than the run began with would be ignored in silence."""
    about = _about(folder)
    said = {"recipe_hash": loaded.hash}
    if strategy is not None:
        said["strategy"] = strategy
    if policy is not None:
        said["policy"] = learned.find_card(policy).hash
    if checkpoint is not None:
        said["checkpoint"] = _digest(checkpoint)
    for key, value in said.items():
        if about.get(key) != value:
            raise QueristError(
                f"{folder} holds a run with {key.replace('_', ' ')} {about.get(key)}, not {value}",
                f"'querist resume {folder}' goes on with it; or choose another --out",
            )


def _digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]


def _chosen(
    loaded: LoadedRecipe, setup: Setup, strategy: str | None, policy: str | None
) -> tuple[str, PolicyCard | None]:
    """The strategy and its card; an agent that answers alone can teach begins without having been trained."""
    if policy is not None:
        return learned.chosen(strategy, policy)
    name = strategy or STRATEGY
    what = learned.parse(name)
    if what is None:
        return name, None
    if learned.agent(what.agent).paid_by != "answers":
        raise QueristError(
            f"{name} is learned before it is used, and there is no policy", "train one and give it with --policy"
        )
    # There is no labelled source to rehearse on: it begins with nothing and learns from every answer.
    taught = f"{what.agent}/{what.profile}"
    training = loaded.recipe.train
    own = {**training.settings.get(taught, {}), "episodes": 0, "check_games": 0}
    training = dataclasses.replace(training, settings={**training.settings, taught: own})
    untaught = dataclasses.replace(loaded, recipe=dataclasses.replace(loaded.recipe, train=training))
    return name, learned.train(untaught, setup, name, 0)


@contextmanager
def _address(place: Place) -> Iterator["Address"]:
    """Taken before anything is read; what serves the page is an extra, and a port may be somebody else's."""
    try:
        from querist.annotate.serve import Address
    except ModuleNotFoundError as error:
        raise QueristError(f"the answer page needs {error.name}", 'pip install "querist[web]"') from error
    with closing(Address(place.host, place.port, place.names)) as address:
        yield address


def _sit(
    loaded: LoadedRecipe,
    setup: Setup,
    name: str,
    seed: int,
    folder: Path,
    data: Path,
    address: "Address",
    people: int,
    card: PolicyCard | None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Serve the page and play."""
    from querist.annotate.background import Background
    from querist.annotate.conflicts import PairConflicts
    from querist.annotate.gate import kept_secret
    from querist.annotate.oracle import PeopleOracle
    from querist.annotate.pair_cards import VALUES, PairCards
    from querist.annotate.run_desk import RunDesk
    from querist.annotate.serve import Server
    from querist.annotate.sitting import Sitting

    make_folder(folder)
    secret, oracle = kept_secret(folder / SECRET), PeopleOracle()
    cards = PairCards(setup.task, secret)
    desk = RunDesk(oracle, VALUES, cards.draw, "pairs", people=people)
    server = Server(desk, address, secret=secret, title=loaded.name, told=_invite)
    background = Background(lambda: set_up(loaded, data, seed, labelled=False).task, loaded.recipe.threads)
    # Browsers are answered in a thread of their own; interruptions come to this one, which owns the run.
    with (
        deployment(loaded, setup, name, seed, folder, facts, card=card, people=People(oracle, background)) as run,
        ThreadPoolExecutor(1, "page") as threads,
    ):
        page = threads.submit(server.run)
        page.add_done_callback(lambda _: oracle.close())
        try:
            _tell(run, Sitting(run, oracle, desk, cards.card, PairConflicts(cards)).play())
            wait([page], _FAREWELL)
        finally:
            oracle.close()
            server.stop()
        page.result()


def _invite(link: str) -> None:
    say(f"Open in a browser (once): {link}", "bold")


def _tell(run: Deployment, events: Iterator[Event]) -> None:
    """Say what happens, as it does."""
    say(f"Answer on the page; Ctrl-C stops, and 'querist resume {run.folder}' goes on. Nothing is lost.")
    for event in events:
        if event.kind == "mark":
            say(f"  {event.spent} pairs: the network trained on them is in {run.folder / 'models'}")
        elif event.details.get("contradictions"):
            count = int(event.details["contradictions"])
            say(f"  {count} answers contradict others; 'querist status {run.folder}' names some", "yellow")
        elif event.kind == "done":
            console.print(f"  All {event.spent} questions are answered. Thank you!")
    say(f"Run: {run.folder}")
