"""a = b, b = c, but a is not c: found while people answer, shown side by side, set right by one of them."""

from dataclasses import replace

import numpy as np

from annotate.people_run import BROWSER, PLAN, SECRET, Person, opened
from querist.annotate.conflicts import PairConflicts
from querist.annotate.pair_cards import PairCards
from tiny_people import tiny_task

YES, NO = np.array(True), np.array(False)


def watched():
    task = tiny_task()
    found = PairConflicts(PairCards(task, SECRET))
    numbers = {}

    def say(one, other, answer):
        ends = tuple(sorted((one, other)))
        unit = int(task.pool.pair(np.array([ends[0]]), np.array([ends[1]]))[0])
        found.note(unit, numbers.setdefault(ends, len(numbers) + 1), answer)

    return found, say


def words(conflict):
    letters = [picture.caption.split(",")[0] for picture in conflict.pictures]
    return [
        (said.question, said.revision, "".join(letters[i] for i in said.about), said.label) for said in conflict.answers
    ]


def test_the_chain_and_the_answer_that_differs():
    found, say = watched()
    say(5, 2, YES)
    say(7, 5, YES)
    assert found.find() == ([], [])
    say(2, 7, NO)
    (conflict,), behind = found.find()
    assert words(conflict) == [(1, 0, "AB", "Same"), (2, 0, "BC", "Same"), (3, 0, "AC", "Different")]
    assert [said.tone for said in conflict.answers] == ["yes", "yes", "no"]
    assert behind == [1, 2, 3]
    assert len({picture.name for picture in conflict.pictures}) == 3
    assert all("camera" in picture.alt for picture in conflict.pictures)


def test_it_is_over_once_one_of_them_is_corrected():
    for pair, answer in (((5, 2), NO), ((7, 5), None), ((2, 7), YES)):
        found, say = watched()
        say(5, 2, YES)
        say(7, 5, YES)
        say(2, 7, NO)
        say(*pair, answer)
        assert found.find() == ([], [])
        say(*pair, {(5, 2): YES, (7, 5): YES, (2, 7): NO}[pair])  # and back again
        (conflict,), _ = found.find()
        assert {question: revision for question, revision, _, _ in words(conflict)}[
            {(5, 2): 1, (7, 5): 2, (2, 7): 3}[pair]
        ] == 2


def test_short_chains_first_and_no_more_than_can_be_looked_at():
    found, say = watched()
    for image in range(8):
        say(image, image + 1, YES)
    say(0, 3, NO)
    say(0, 8, NO)  # nine pictures side by side are too many
    say(4, 6, NO)
    conflicts, _ = found.find()
    assert [len(conflict.pictures) for conflict in conflicts] == [3, 4]


def test_on_the_desk_it_can_be_looked_at_and_answered_again(tmp_path):
    """Everybody is the same, until the third of three: whoever answers sees it, and corrects it."""
    plan = replace(PLAN, marks=(24,), close_every=8, update_every=8)
    seen = {}

    def say(asked):
        conflicts = desk.conflicts()
        if conflicts and "told" not in seen:
            seen["told"] = conflict = conflicts[0]
            wrong = conflict.answers[-1]
            assert wrong.label == "Different"
            assert all(desk.picture(wrong.question, conflict.pictures[i].name).data for i in wrong.about)
            again = desk.undo(BROWSER, wrong.question, wrong.revision)
            assert (again.id, again.revision) == (wrong.question, wrong.revision + 1)
            assert desk.next(BROWSER) == again
            desk.answer(BROWSER, again.id, again.revision, "same")
            seen["now"] = desk.next(BROWSER) and desk.conflicts()
            assert desk.undo("somebody", wrong.question, wrong.revision) is None  # it was corrected meanwhile
        ends = tuple(sorted(picture.name for picture in asked.pictures))
        known.append(ends)
        linked = any({ends[0], third} in map(set, known) and {ends[1], third} in map(set, known) for third in names())
        return "different" if linked and "told" not in seen else "same"

    known = []

    def names():
        return {name for pair in known for name in pair}

    with opened(tmp_path, plan=plan) as (run, desk, oracle, sitting):
        person = Person(desk, oracle, say, 24)
        person.start()
        list(sitting.play())
        person.join(20)
        if person.error:
            raise person.error
        assert "told" in seen
        assert all(conflict.answers[-1] != seen["told"].answers[-1] for conflict in seen["now"])
        assert run.ledger.counts(1)["answers"] == 24
