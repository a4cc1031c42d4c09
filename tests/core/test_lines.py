"""Lines of questions by hand: steps are numbered as they are asked and take effect as they are answered."""

import weakref

import numpy as np
import pytest

from querist.core.candidates import GlobalPool
from querist.core.last_step import LastStep
from querist.core.ledger import Ledger
from querist.core.lines import Lines
from querist.core.oracle import Oracle
from querist.core.step import Game
from querist.errors import QueristError
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.featuriser import PairGraph
from querist.pairs.settings import PairSettings
from querist.pairs.space import PairSpace
from toy_pairs import ToyPairs, close_quietly, first, whole_pool

YES, NO = np.array(True), np.array(False)


class Hand(Oracle):
    """Says what it was told to say."""

    def __init__(self):
        self.first, self.later = [], []

    def submit(self, questions):
        self.open = [q.id for q in questions]

    def collect(self):
        while self.first:
            yield self.first.pop(0)

    def corrections(self):
        while self.later:
            yield self.later.pop(0)


class Summing:
    """Learns (question, answer); the same again after it was put back."""

    def __init__(self):
        self.heard = []

    def snapshot(self):
        return {"heard": np.array(self.heard, dtype=object)}

    def restore(self, snapshot):
        self.heard = list(snapshot["heard"])

    def learn(self, game, outcome, rng):
        answer = outcome.answers[0]
        self.heard.append(f"{outcome.questions[0].id}{'?' if answer is None else '=' if answer else '/'}")
        return {}


@pytest.fixture
def start(tmp_path):
    def make(turn=0, budget=100, candidates=None, task=None):
        task = task or ToyPairs()
        split, path = whole_pool(task), tmp_path / "ledger.sqlite"
        if path.exists():
            ledger = Ledger.open(path)
        else:
            ledger = Ledger.create(path, {})
            ledger.start_game(task.pool, split, budget)
        space = PairSpace(PairSettings(neighbours=4, mutual=2, per_anchor=3, shells=2))
        game = Game(
            ledger, 1, 0, 3, task.pool, split, task, Hand(), candidates or AnchorNeighbours(space), PairGraph(), 1,
            0, np.zeros(0, dtype=np.int64), next_step=turn, stands=True,
        )  # fmt: skip
        weakref.finalize(game, close_quietly, ledger)
        policy = Summing()
        last = LastStep(policy, game.featuriser)
        lines = Lines(game, last, lambda game, step, seen, k: first(seen, k, None))

        def play():
            """Steps that are over now, by the numbers of their questions."""
            over = []
            while (outcome := lines.play()) is not None and outcome.questions:
                policy.learn(game, outcome, None)
                last.settled(outcome, False, {})
                over.append(outcome.questions[0].id)
            return over

        return game, lines, policy, play

    return make


def test_one_line_is_one_question_after_another(start):
    game, lines, policy, play = start()
    for number in range(1, 6):
        assert play() == [number - 1] * (number > 1)
        assert [q.id for q in lines.questions] == [number]
        game.oracle.first.append((number, YES))
    assert play() == [5]
    assert policy.heard == ["1=", "2=", "3=", "4=", "5="]
    assert game.ledger.goes_on_from(1) == {}  # as in a run without people


def test_answers_take_effect_in_the_order_of_the_ledger(start):
    game, lines, policy, play = start()
    play()
    assert lines.begin()
    assert lines.begin()
    assert [q.id for q in lines.questions] == [1, 2, 3]
    assert len({q.context for q in lines.questions}) == 3
    game.oracle.first = [(3, NO), (1, YES)]
    assert play() == [3, 1]
    assert policy.heard == ["3/", "1="]
    assert [q.id for q in lines.questions] == [2, 4, 5]
    assert game.ledger.goes_on_from(1) == {1: -1, 2: -1, 3: 0, 4: 2}
    one = next(q for q in game.ledger.questions(1, game.pool) if q.id == 1)
    assert lines.after(one).id == 4
    assert lines.after(lines.questions[0]) is None


def test_a_line_does_not_take_the_anchor_of_one_that_is_about_to_go_on(start):
    game, lines, _, play = start()
    names = [game.pool.source_name(source) for source in game.candidates.space.anchors(game)]
    play()
    lines.begin()
    for number in (1, 3, 4, 2, 6, 5):  # the first line is over with its anchor, the second will soon be
        game.oracle.first.append((number, YES))
        play()
    assert [(q.id, q.context) for q in lines.questions] == [(7, names[1]), (8, names[2])]
    game.oracle.first = [(7, YES), (8, YES)]
    assert play() == [7, 8]
    assert [q.context for q in lines.questions] == [names[3], names[2]]


def test_where_only_one_line_finds_something_the_others_do_not_end_the_run(start):
    """Four images, all of them neighbours: six pairs, of which two are asked about at a time."""
    game, lines, policy, play = start(task=ToyPairs(people=1))
    play()
    lines.begin()
    while lines.questions:
        game.oracle.first = [(q.id, YES) for q in lines.questions]
        play()
    assert len(policy.heard) == 6


def test_taken_up_in_the_middle_it_is_the_same(start):
    game, lines, policy, play = start()
    play()
    lines.begin()
    for number, answer in ((2, NO), (1, YES), (4, None), (3, NO), (5, YES)):
        game.oracle.first.append((number, answer))
        play()
    waiting = [(q.id, q.unit, q.context) for q in lines.questions]
    for turn in range(6):
        again, lines, later, play = start(turn)
        assert play() == [2, 1, 4, 3, 5][turn:]
        assert later.heard == policy.heard[turn:]
        assert [(q.id, q.unit, q.context) for q in lines.questions] == waiting
        assert again.view.labels().units.tolist() == game.view.labels().units.tolist()


def test_the_last_answer_is_unlearned_and_an_earlier_one_is_not(start):
    game, lines, policy, play = start()
    play()
    lines.begin()
    game.oracle.first = [(1, YES)]
    play()
    game.oracle.later = [(1, NO, 1)]
    play()
    assert policy.heard == ["1/"]
    game.oracle.first = [(2, YES)]
    play()
    game.oracle.later = [(1, YES, 2)]
    play()
    assert policy.heard == ["1/", "2="]
    assert [bool(answer) for answer in game.view.labels().answers] == [True, True]
    _, _, later, play = start()
    play()
    assert later.heard == policy.heard


def test_what_others_wait_for_is_paid(start):
    game, lines, _, play = start(budget=3)
    play()
    assert lines.begin()
    assert lines.begin()
    assert not lines.begin()
    game.oracle.first = [(2, YES)]
    assert play() == [2]
    assert [q.id for q in lines.questions] == [1, 3]
    game.oracle.first = [(1, YES), (3, YES)]
    assert lines.play().questions[0].id == 1
    assert game.view.spent == 2
    assert lines.play().questions[0].id == 3
    assert game.view.spent == 3


def test_the_end_is_when_no_line_has_anything_left(start):
    game, lines, _, _ = start(task=ToyPairs(people=1))  # four images, six pairs
    over = []
    while True:
        outcome = lines.play()
        if outcome is None:
            lines.begin()
            game.oracle.first = [(q.id, NO) for q in lines.questions]
        elif outcome.questions:
            over.append(outcome.questions[0].unit)
        else:
            break
    assert len(set(over)) == len(over) == 6


def test_groups_that_have_no_lines_are_answered_one_after_another(start):
    game, lines, _, _ = start()
    game.candidates = GlobalPool()
    assert not lines.begin()


def test_another_offer_than_the_one_that_was_chosen_from_is_an_error(start):
    game, _, _, play = start()
    play()
    game.oracle.first = [(1, YES)]
    play()
    game, _, _, play = start()
    game.candidates.space = PairSpace(PairSettings(neighbours=3, mutual=2, per_anchor=3, shells=2))
    with pytest.raises(QueristError, match="step 0 was chosen from others"):
        play()
