import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.acquisition.random import Random
from querist.core.featuriser import FieldFeaturiser
from querist.core.policy import Selection
from querist.core.step import open_step
from querist.errors import QueristError
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.featuriser import PairGraph
from querist.pairs.settings import PairSettings
from querist.pairs.space import PairSpace
from toy_pairs import Shy, ToyPairs, asked, first, pair_game, play, whole_pool

SMALL = PairSettings(neighbours=4, mutual=2, per_anchor=3, shells=2)


def candidates(settings=SMALL):
    return AnchorNeighbours(PairSpace(settings))


def at_random(seen, k, stream):
    return Random().select(seen, k, stream)


def anchors_of(outcomes):
    """Anchors in the order of their visits, and how long each was."""
    found = []
    for context, _ in asked(outcomes):
        if found and found[-1][0] == context:
            found[-1][1] += 1
        else:
            found.append([context, 1])
    return found


def test_every_image_is_browsed_once_before_any_is_browsed_again(tmp_path):
    game = pair_game(tmp_path, ToyPairs(), candidates(), PairGraph())
    visits = anchors_of(play(game, first, steps=24 * 3 + 9))
    names = [game.pool.source_name(source) for source in game.candidates.space.anchors(game)]
    assert [name for name, _ in visits[:24]] == names
    assert [name for name, _ in visits[24:27]] == names[:3]
    assert max(length for _, length in visits) == 3


def test_a_group_is_the_neighbours_in_their_order_with_asked_pairs_masked_out(tmp_path):
    task = ToyPairs()
    game = pair_game(tmp_path, task, candidates(), PairGraph())
    space = game.candidates.space
    offered = game.candidates.build(game, 0)
    anchor = int(space.anchors(game)[0])
    near = space.neighbourhoods(game)
    nodes = near.sources[near.nearest[near.row(anchor), :4]]
    assert offered.units.tolist() == [game.pool.pair(np.full(4, anchor), nodes).tolist()]
    assert offered.mask.all()
    assert offered.context == (game.pool.source_name(anchor),)
    play(game, lambda seen, k, stream: Selection(np.array([[2]])), steps=1)
    later = game.candidates.build(game, 1)
    assert later.mask.tolist() == [[True, True, False, True]]
    assert later.units[0, [0, 1, 3]].tolist() == offered.units[0, [0, 1, 3]].tolist()
    assert later.units[0, 2] == -1
    assert later.context == offered.context


def test_a_pair_asked_about_under_one_anchor_is_masked_under_the_other(tmp_path):
    """Four images, all of them neighbours: six pairs, though there are twelve questions to be put."""
    task = ToyPairs(people=2, each=2)
    game = pair_game(tmp_path, task, candidates(PairSettings(3, 2, 3, 1)), PairGraph())
    outcomes = play(game, first)
    assert [length for _, length in anchors_of(outcomes)] == [3, 2, 1]
    assert len({unit for _, unit in asked(outcomes)}) == 6
    assert not game.candidates.build(game, 6).mask.any()
    assert game.candidates.build(game, 6).context is None


def test_a_question_nobody_could_answer_counts_and_is_not_offered_again(tmp_path):
    task = ToyPairs()
    game = pair_game(tmp_path, task, candidates(), PairGraph(), oracle=Shy(task))
    outcomes = play(game, first, steps=30)
    assert sum(outcome.answers[0] is None for outcome in outcomes) == 10
    assert len({unit for _, unit in asked(outcomes)}) == 30
    assert [length for _, length in anchors_of(outcomes)] == [3] * 10


def test_only_images_of_the_pool_are_anchors_and_neighbours(tmp_path):
    task = ToyPairs()
    game = pair_game(tmp_path, task, candidates(), PairGraph(), split=whole_pool(task, range(0, 24, 3)))
    units = np.array([unit for _, unit in asked(play(game, at_random))])
    assert (game.pool.sources(units) % 3 != 0).all()
    assert len(units) > 50


@settings(max_examples=8)
@given(
    people=st.integers(1, 4),
    each=st.integers(2, 4),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3)),
    every=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_games_end_when_nothing_is_left_and_never_ask_twice(tmp_path_factory, people, each, shape, every, seed):
    """Also when the model changes in the middle of visits; the ledger would refuse a repeat."""
    task = ToyPairs(people, each, seed)
    neighbours, per_anchor, shells = shape
    offers = candidates(PairSettings(neighbours, 2, per_anchor, shells))
    game = pair_game(tmp_path_factory.mktemp("g"), task, offers, PairGraph(), seed=seed, update=1, every=every)
    outcomes = play(game, at_random)
    units = np.array([unit for _, unit in asked(outcomes)])
    assert len(set(units.tolist())) == len(units)
    near = offers.space.neighbourhoods(game)
    for row, source in enumerate(near.sources):  # nobody has a neighbour left that was not asked about
        around = near.sources[near.nearest[row]]
        assert game.view.was_asked(game.pool.pair(np.full(len(around), source), around)).all()
    for context, unit in asked(outcomes):
        assert game.pool.source(context) in game.pool.sources(np.array([unit]))[0]


def test_after_an_update_the_neighbours_are_those_of_the_new_model(tmp_path):
    task = ToyPairs()
    game = pair_game(tmp_path, task, candidates(), PairGraph(), update=1, every=2)
    outcomes = play(game, first, steps=3)
    one, two, three = (outcome.observation for outcome in outcomes)
    assert len({context for context, _ in asked(outcomes)}) == 1  # the visit goes on
    assert (one.graph.version, two.graph.version, three.graph.version) == (0, 0, 1)
    anchor = game.pool.source(three.groups.context[0])
    near = PairSpace(SMALL).neighbourhoods(game)
    assert three.graph.nodes.tolist() == near.sources[near.nearest[near.row(anchor), :4]].tolist()
    assert three.graph.turn == 2


def test_strategies_that_know_nothing_of_graphs_play_on_the_same_candidates(tmp_path):
    task = ToyPairs()
    game = pair_game(tmp_path, task, candidates(), FieldFeaturiser(task, ()))
    outcomes = play(game, at_random, steps=12)
    assert [length for _, length in anchors_of(outcomes)] == [3, 3, 3, 3]


def test_one_question_a_step():
    assert candidates().per_group(1) == 1
    with pytest.raises(QueristError, match="a batch of 4 pairs"):
        candidates().per_group(4)


def ask_on(game, step, line, elsewhere=()):
    """The nearest neighbour that is offered on a line, asked and not answered."""
    game.view.last_question, game.view.elsewhere = line, list(elsewhere)
    (question,) = open_step(game, step, lambda seen, k: first(seen, k, None)).questions
    return question


def answered(game, question):
    """As if it had been answered now."""
    game.ledger.answer(question.id, None)
    game.view.note_asked(question)
    game.view.refresh()
    return question


def test_lines_have_an_anchor_each_and_go_on_after_the_newest(tmp_path):
    game = pair_game(tmp_path, ToyPairs(), candidates(), PairGraph())
    names = [game.pool.source_name(source) for source in game.candidates.space.anchors(game)]
    mine = ask_on(game, 0, None)
    other = ask_on(game, 1, None, [mine])
    assert [mine.context, other.context] == names[:2]
    found = [mine.context]
    for step in range(2, 7):  # two more of this anchor, then of the next that nobody has, while the other waits
        mine = ask_on(game, step, answered(game, mine), [other])
        found.append(mine.context)
    assert found == [names[0]] * 3 + [names[2]] * 3
    other = ask_on(game, 7, answered(game, other), [mine])
    assert other.context == names[1]
    mine = ask_on(game, 8, answered(game, mine), [other])
    assert mine.context == names[3]
    fresh = PairSpace(SMALL)
    assert [q.step for q in fresh.visit(game, other)] == [1, 7]
    assert [q.step for q in fresh.visit(game, mine)] == [8]
    assert game.ledger.goes_on_from(1) == {1: -1, 2: 0, 3: 2, 4: 3, 5: 4, 6: 5, 7: 1, 8: 6}


def test_a_visit_is_that_of_one_line_even_where_two_are_about_one_anchor(tmp_path):
    game = pair_game(tmp_path, ToyPairs(), candidates(), PairGraph())
    one = answered(game, ask_on(game, 0, None))
    other = ask_on(game, 1, None)  # begun as if nobody knew of the first
    assert other.context == one.context
    for space in (game.candidates.space, PairSpace(SMALL)):
        assert [q.step for q in space.visit(game, one)] == [0]
        assert [q.step for q in space.visit(game, other)] == [1]


def test_a_pair_that_waits_on_another_line_is_not_offered(tmp_path):
    task = ToyPairs(people=1)  # four images: every anchor has the other three
    game = pair_game(tmp_path, task, candidates(), PairGraph())
    waiting = [ask_on(game, 0, None)]
    for step in (1, 2, 3):
        waiting.append(ask_on(game, step, None, waiting))
    assert len({q.unit for q in waiting}) == 4
    assert len({q.context for q in waiting}) == 4
    game.view.last_question, game.view.elsewhere = None, waiting
    assert not game.candidates.build(game, 4).mask.any()  # nobody is left to ask about
    again = game.candidates.again(game, 0, waiting[:1])
    assert waiting[0].unit not in again.units
    game.view.elsewhere = []
    assert waiting[0].unit in game.candidates.again(game, 0, waiting[:1]).units
