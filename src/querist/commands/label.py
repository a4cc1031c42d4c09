"""``querist label``: people answer the questions on a local page, while the agent learns."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from querist.annotate.no_page import check_page
from querist.annotate.place import Place, Said, keep_place, kept_place
from querist.commands.run import POLICY
from querist.commands.show import console, reading, say
from querist.core.card import PolicyCard
from querist.core.ledger import Ledger
from querist.core.loop import Deployment, Event
from querist.core.problem import Setup
from querist.core.snapshots import make_folder, write_atomically
from querist.errors import QueristError
from querist.recipes import learned
from querist.recipes.build import People, deployment, environment, find_data, prepare, set_up
from querist.recipes.recipe import LoadedRecipe, load_recipe, parse_recipe

if TYPE_CHECKING:
    from querist.annotate.serve import Address

SECRET = "page.secret"  # noqa: S105 - the name of a file
"""In a run's folder: signs the cookies of those who answer, so that a page that is open survives a restart."""
CHECKPOINT = "checkpoint.safetensors"
"""In a run's folder: a copy of what the network began with, for a run that is killed before its first snapshot."""
STRATEGY = "dral/sound"
_FAREWELL = 3.0  # seconds that the page still answers when all is done, so that it can say so


def main(
    recipe: str,
    data: str | None = None,
    out: str | None = None,
    strategy: str | None = None,
    policy: str | None = None,
    checkpoint: str | None = None,
    answers_from: str | None = None,
    seed: int | None = None,
    host: str | None = None,
    port: int | None = None,
    names: Sequence[str] | None = None,
    people: int | None = None,
    set: list[str] | None = None,
) -> Path:
    """Ask people, until the budget is spent or Ctrl-C; the same command goes on with what there is.

    Returns:
        The run's folder.
    """
    loaded = load_recipe(recipe, set or [])
    check_page(loaded.recipe.problem)
    folder, said = Path(out or f"runs/{loaded.name}-label"), Said(host, port, names, people)
    if (folder / "ledger.sqlite").exists():
        _check_same(folder, loaded, strategy, policy, checkpoint, answers_from, seed)
        return go_on(folder, data, said)
    found, place, seed = find_data(loaded, data), said.over(Place()), seed or 0
    with _address(place) as address:
        device = _prepare(loaded)
        with reading() as told:
            setup = set_up(loaded, found, seed, labelled=False, told=told)
        facts = {"answers": "people", "data": str(found.absolute())}
        facts["environment"] = json.dumps(environment(device, loaded.recipe.threads))
        if checkpoint is not None:
            setup.task.load(Path(checkpoint))
            facts["checkpoint"] = _keep_checkpoint(folder, checkpoint)
        if answers_from is not None:
            facts["answers_from"] = _keep_earlier(folder, answers_from, setup)
        name, card = _chosen(loaded, setup, strategy, policy)
        if card is not None:
            card.save(folder / POLICY)
        _sit(loaded, setup, name, seed, folder, found, address, place, card, facts)
    return folder


def go_on(folder: Path, data: str | None = None, said: Said | None = None) -> Path:
    """Take up a run that people answer, with the recipe, strategy and seed it began with, where its page was."""
    about, started = _about(folder)
    loaded = parse_recipe(about["recipe"], about["recipe_text"])
    found = Path(data or about["data"])
    if not found.is_dir():
        raise QueristError(f"{found}: the run's data are not there any more", "name their folder with --data")
    seed, place = int(about["seed"]), (said or Said()).over(kept_place(folder))
    with _address(place) as address:
        elsewhere(about, _prepare(loaded), loaded.recipe.threads)
        with reading() as told:
            setup = set_up(loaded, found, seed, labelled=False, told=told)
        if "checkpoint" in about and not started:
            _load_checkpoint(folder, about["checkpoint"], setup)
        card = PolicyCard.load(folder / POLICY) if "policy" in about else None
        facts = {"answers_from": about["answers_from"]} if "answers_from" in about else {}
        _sit(loaded, setup, about["strategy"], seed, folder, found, address, place, card, facts)
    return folder


def elsewhere(about: Mapping[str, str], device: str, threads: int) -> None:
    """Say so if a run began with other versions or on another device."""
    now, then = environment(device, threads), json.loads(about.get("environment", "{}"))
    changed = [f"{key} {then[key]} -> {now.get(key)}" for key in then if then[key] != now.get(key)]
    if changed:
        say(f"The run began elsewhere ({'; '.join(changed)}): it may not end bit by bit the same.", "yellow")


def _prepare(loaded: LoadedRecipe) -> str:
    device = prepare(loaded)
    if loaded.recipe.device == "auto" and device == "cpu":
        say("There is no CUDA GPU here: the network learns on the CPU.")
    return device


def _about(folder: Path) -> tuple[dict[str, str], bool]:
    """What a run that people answer began with, and whether its first snapshot was written."""
    with closing(Ledger.read(folder / "ledger.sqlite")) as ledger:
        about, game = ledger.about, ledger.game()
        started = game is not None and bool(ledger.closings(game["id"]))
    if about.get("answers") != "people":
        raise QueristError(f"{folder} holds a run that answers itself", "go on with 'querist resume', or choose --out")
    return about, started


def _check_same(
    folder: Path,
    loaded: LoadedRecipe,
    strategy: str | None,
    policy: str | None,
    checkpoint: str | None,
    answers_from: str | None,
    seed: int | None,
) -> None:
    """A command that says something else than the run began with would be ignored in silence."""
    about, _ = _about(folder)
    said = {
        "recipe_hash": loaded.hash,
        "strategy": strategy,
        "policy": None if policy is None else learned.find_card(policy, loaded.recipe.problem).hash,
        "checkpoint": None if checkpoint is None else _digest(_read(checkpoint)),
        "answers_from": None if answers_from is None else str(Path(answers_from).absolute()),
        "seed": None if seed is None else str(seed),
    }
    for key, value in said.items():
        if value is not None and about.get(key) != value:
            raise QueristError(
                f"{folder} holds a run with {key.replace('_', ' ')} {about.get(key)}, not {value}",
                f"'querist resume {folder}' goes on with it; or choose another --out",
            )


def _read(checkpoint: str) -> bytes:
    try:
        return Path(checkpoint).read_bytes()
    except OSError as error:
        raise QueristError(
            f"--checkpoint {checkpoint}: cannot be read ({error.strerror})", "name the model's .safetensors file"
        ) from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _keep_checkpoint(folder: Path, checkpoint: str) -> str:
    """Copy it into the run; its digest, for the ledger to remember."""
    content = _read(checkpoint)
    write_atomically(folder / CHECKPOINT, content)
    return _digest(content)


def _load_checkpoint(folder: Path, digest: str, setup: Setup) -> None:
    """What the network began with, for a run of which nothing else is kept yet."""
    file = folder / CHECKPOINT
    if not file.is_file() or _digest(_read(str(file))) != digest:
        raise QueristError(
            f"{file} is not the checkpoint that the run began with (digest {digest}), and there is no snapshot yet",
            "nothing was asked so far: begin again in another --out",
        )
    setup.task.load(file)


def _keep_earlier(folder: Path, run: str, setup: Setup) -> str:
    """Copy the answers of an earlier run; its path, for the ledger to remember."""
    from querist.annotate.earlier import answers_of, keep_answers

    known = answers_of(Path(run), setup)
    keep_answers(folder, known)
    say(f"{len(known)} questions were answered in {run}: nobody is asked them again.")
    return str(Path(run).absolute())


def _chosen(
    loaded: LoadedRecipe, setup: Setup, strategy: str | None, policy: str | None
) -> tuple[str, PolicyCard | None]:
    """The strategy and its card: the one that comes along, unless the user has a wish.

    An agent that answers alone can teach may begin without having been trained.
    """
    if strategy is None and policy is None and loaded.recipe.problem.default_policy is not None:
        policy = "default"
    if policy is not None:
        return learned.chosen(strategy, policy, loaded.recipe.problem)
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
    place: Place,
    card: PolicyCard | None,
    facts: Mapping[str, str],
) -> None:
    """Serve the page and play."""
    from querist.annotate.background import Background
    from querist.annotate.conflicts import PairConflicts
    from querist.annotate.earlier import EarlierAnswers, kept_answers
    from querist.annotate.gate import kept_secret
    from querist.annotate.oracle import PeopleOracle
    from querist.annotate.pair_cards import VALUES, PairCards
    from querist.annotate.run_desk import RunDesk
    from querist.annotate.serve import Server
    from querist.annotate.sitting import Sitting

    make_folder(folder)
    secret, oracle = kept_secret(folder / SECRET), PeopleOracle()
    cards = PairCards(setup.task, secret)
    desk = RunDesk(oracle, VALUES, cards.draw, "pairs", people=place.people)
    server = Server(desk, address, secret=secret, title=loaded.name, told=_invite)
    background = Background(lambda: set_up(loaded, data, seed, labelled=False).task, loaded.recipe.threads)
    earlier = EarlierAnswers(kept_answers(folder), setup.pool, oracle) if "answers_from" in facts else oracle
    # Browsers are answered in a thread of their own; interruptions come to this one, which owns the run.
    with (
        deployment(loaded, setup, name, seed, folder, facts, card=card, people=People(earlier, background)) as run,
        ThreadPoolExecutor(1, "page") as threads,
    ):
        keep_place(folder, place)  # only now it is sure that nobody else plays here
        page = threads.submit(server.run)
        page.add_done_callback(lambda _: oracle.close())
        try:
            _tell(run, Sitting(run, oracle, desk, cards.card, PairConflicts(cards)).play())
            wait([page], _FAREWELL)
        except QueristError:
            say(f"All answers are kept. Should the recipe be wrong: another one, --answers-from {folder} --out NEW.")
            raise
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
