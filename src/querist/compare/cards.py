"""Cards that a comparison plays instead of training policies, and what is checked of every card before it plays."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from querist.compare.cells import Lesson, refuse_leak
from querist.compare.comparisons import learned
from querist.compare.learning import whether_it_learned
from querist.core.card import CARD, PolicyCard
from querist.core.problem import Problem, Setup
from querist.errors import QueristError
from querist.recipes.build import named_strategy
from querist.recipes.learned import agent, find_card
from querist.recipes.recipe import LoadedRecipe


@dataclass(frozen=True, eq=False)
class Given:
    """A card that is played instead of one that the comparison trains.

    Args:
        lesson: which policy of which strategy it is here; the training of that one is left out.
        name: what the user calls it: the card's folder, or ``default``.
        card: what lay there.
    """

    lesson: Lesson
    name: str
    card: PolicyCard


def given_cards(names: Iterable[str], problem: Problem) -> tuple[Given, ...]:
    """The cards that a user names; those of one strategy are its policies 0, 1, ... in their order.

    Args:
        names: folders of cards, or ``default`` for the one that comes with the package.
        problem: the recipe's.

    Raises:
        QueristError: one is no card or of no agent, or two are the same policy.
    """
    given: list[Given] = []
    before: Counter[str] = Counter()
    for name in names:
        card = find_card(name, problem)
        agent(card.agent)  # a name that is no agent's would pass for a classical strategy
        for other in given:
            if _same(other.card, card):
                raise QueristError(
                    f"--policy {name} is the same policy as --policy {other.name}: it would count as two",
                    "give every policy once",
                )
        given.append(Given(Lesson(card.strategy, before[card.strategy]), name, card))
        before[card.strategy] += 1
    return tuple(given)


def check_cards(
    loaded: LoadedRecipe, setups: Mapping[int, Setup], out: Path, wanted: Iterable[Lesson], given: Sequence[Given]
) -> dict[str, PolicyCard]:
    """Before hours are spent: can every policy that is there, or is given, be played?

    Args:
        loaded: the recipe; ``setups`` its parts on the first seed and on as many others as have splits of their own.
        out: the comparison's folder.
        wanted: which policies the comparison plays; those that are still to be trained are passed over.
        given: cards of the user.

    Returns:
        The policies' cards, by where they lie.

    Raises:
        QueristError: a card is damaged, of another strategy or another schema than the task gives, or may have met
            labels of a pool that it would play on; or the folder holds another policy than the one that is given.
    """
    cards: dict[str, PolicyCard] = {}
    own = {one.lesson: one for one in given}
    for lesson in wanted:
        folder, one = lesson.folder(out), own.get(lesson)
        there = PolicyCard.load(folder) if (folder / CARD).exists() else None
        if there is not None and one is not None and not _same(there, one.card):
            raise QueristError(
                f"{folder} holds another policy than --policy {one.name}; nothing was overwritten",
                "choose another --out, or give the cards of a strategy in the order of the policies that are there",
            )
        if there is not None:
            cards[str(folder)] = there
        elif one is not None:
            cards[f"--policy {one.name}"] = one.card
        else:
            continue
        _check(loaded, setups, lesson, *list(cards.items())[-1])
    return cards


def keep(given: Iterable[Given], out: Path) -> None:
    """Copy the cards to where cells look for them; one that is there is left as it is."""
    for one in given:
        if not (one.lesson.folder(out) / CARD).exists():
            one.card.save(one.lesson.folder(out))


def tell(out: Path, summary: Mapping[str, Any]) -> None:
    """Write into the cards of a comparison what it says of their strategies: cards travel, comparisons stay.

    Args:
        out: the comparison's folder, where the cards of the policies that it trained or was given lie.
        summary: of its cells.
    """
    for name, found in summary["strategies"].items():
        if not learned(name):
            continue
        said = {"recipe": summary["recipe"], "seeds": len(found["aubc"]), "said": whether_it_learned(name, summary)}
        for number in range(found.get("policies") or 0):
            folder = Lesson(name, number).folder(out)
            card = PolicyCard.load(folder) if (folder / CARD).exists() else None
            if card is not None and card.compared != said:
                replace(card, compared=said).save_words(folder)


def _check(loaded: LoadedRecipe, setups: Mapping[int, Setup], lesson: Lesson, where: str, card: PolicyCard) -> None:
    setup = next(iter(setups.values()))
    try:
        found = named_strategy(loaded.recipe, setup, lesson.strategy, card)
        found.candidates.per_group(loaded.recipe.batch)
    except QueristError as error:
        raise QueristError(f"{where}: {error.what}", error.fix) from error
    for seed, each in setups.items():
        refuse_leak(card, each, seed, where)


def _same(a: PolicyCard, b: PolicyCard) -> bool:
    return (a.strategy, a.hash) == (b.strategy, b.hash)
