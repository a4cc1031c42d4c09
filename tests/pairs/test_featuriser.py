from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from querist.acquisition.random import Random
from querist.core.candidates import GlobalPool
from querist.core.step import offer
from querist.errors import QueristError
from querist.kernels.reciprocal import similarity_graph, squared_distances
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.featuriser import PairGraph
from querist.pairs.graph import Status
from querist.pairs.settings import PairSettings
from querist.pairs.space import PairSpace
from toy_pairs import Shy, ToyPairs, asked, first, pair_game, play, whole_pool

SMALL = PairSettings(neighbours=5, mutual=3, per_anchor=4, shells=2)
TINY = PairSettings(neighbours=3, mutual=2, per_anchor=3, shells=1)
"""All neighbours of four images."""


def new_game(folder, task=None, settings=SMALL, form="nodes", **rest):
    eyes = PairGraph(form, settings.neighbours)
    return pair_game(folder, task or ToyPairs(), AnchorNeighbours(PairSpace(settings)), eyes, **rest)


def at_random(seen, k, stream):
    return Random().select(seen, k, stream)


def same_graph(one, other):
    names = ("nodes", "vectors", "distances", "stranger", "start", "graph", "status", "about", "other_camera")
    assert (one.asked, one.turn, one.typical) == (other.asked, other.turn, other.typical)
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def test_the_first_graph_is_that_of_the_whitened_neighbours(tmp_path):
    task = ToyPairs()
    game = new_game(tmp_path, task)
    seen = offer(game, 0)
    near = game.candidates.space.neighbourhoods(game)
    anchor = game.pool.source(seen.groups.context[0])
    rows = [near.row(anchor), *near.nearest[near.row(anchor), :5]]
    graph = seen.graph
    assert graph.nodes.tolist() == near.sources[rows[1:]].tolist()
    np.testing.assert_array_equal(graph.distances, squared_distances(near.whitened[rows]))
    np.testing.assert_array_equal(graph.graph, similarity_graph(graph.distances, 3))
    np.testing.assert_array_equal(graph.vectors, task.vectors[near.sources[rows]].astype(np.float32))
    assert (np.diff(graph.distances[0]) >= 0).all()  # node i is the i-th neighbour
    assert (graph.typical, graph.limit, graph.mutual, graph.width) == (near.typical, 4, 3, 5)
    assert seen.sources[0].tolist() == [[node, anchor] for node in graph.nodes]
    assert game.pool.pair(*seen.sources[0].T).tolist() == seen.groups.units[0].tolist()


def test_answers_act_on_the_next_observation(tmp_path):
    """What an observation shows next is what the graph makes of the answer; both images count one question more."""
    game = new_game(tmp_path)
    outcomes = play(game, at_random, steps=12)
    for one, two in pairwise(outcomes):
        place = int(one.selection.indices[0, 0])
        after = one.observation.graph.after(place, bool(one.answers[0]))
        if one.observation.groups.context == two.observation.groups.context:
            about = after.about.copy()
            about[place] += 1
            np.testing.assert_array_equal(two.observation.graph.about, about)
            np.testing.assert_array_equal(two.observation.graph.graph, after.graph)
            assert two.observation.graph.turn == after.turn == one.observation.graph.turn + 1
            assert not two.observation.groups.mask[0, place]
            assert not two.observation.candidates[0, place].any()
        else:
            assert after.turn == 4
            assert two.observation.graph.turn == 0


@pytest.mark.parametrize("form", ["nodes", "matrix"])
def test_what_is_seen_depends_on_ledger_and_model_alone(tmp_path, form):
    """Eyes and candidates without any past see the same at every step; answers in the dark and updates included."""
    task = ToyPairs()
    game = new_game(tmp_path, task, form=form, oracle=Shy(task), update=1, every=7)
    kept = []

    def note(game, outcome, stream):
        kept.append(outcome.observation)
        if outcome.step % 3:
            return
        again = new_game(tmp_path, task, form=form, next_step=outcome.step + 1)
        now, then = offer(game, outcome.step + 1), offer(again, outcome.step + 1)
        assert now.groups.digest() == then.groups.digest()
        for name in ("candidates", "state", "sources", "asked"):
            np.testing.assert_array_equal(getattr(now, name), getattr(then, name), name)
        if now.graph is not None:
            same_graph(now.graph, then.graph)

    outcomes = play(game, at_random, learn=note)
    assert len(outcomes) > 80  # to the end, where everything was gone round more than once
    assert {o.observation.graph.version for o in outcomes} == set(range((len(outcomes) - 1) // 7 + 1))


def test_what_was_known_before_a_visit_acts_first_and_nearest_first(tmp_path):
    """Four images: the last anchor meets two neighbours who, as anchors, were asked about it."""
    task = ToyPairs(people=2, each=2)
    game = new_game(tmp_path, task, TINY)
    outcomes = play(game, at_random)
    third = outcomes[-1].observation.graph
    start = unasked(third)
    known = [place for place in range(3) if not third.free[place]]
    assert len(known) == 2
    truth = [bool(task.truth(game.pool.pair(*ends))[0]) for ends in ends_of(outcomes[-1])]
    for place in known:
        start = start.after(place, truth[place])
    assert third.asked == tuple(known)
    np.testing.assert_array_equal(third.graph, start.graph)
    np.testing.assert_array_equal(third.status, start.status)
    assert third.turn == 0  # nothing was asked in this visit


def unasked(graph):
    """The same graph before any answer."""
    none = np.full(len(graph), Status.UNASKED, dtype=np.int8)
    return replace(graph, graph=graph.start, status=none, asked=(), turn=0)


def ends_of(outcome):
    return [np.array(ends)[:, None] for ends in outcome.observation.sources[0]]


def test_an_update_within_a_visit_makes_a_new_graph_with_the_old_answers(tmp_path):
    task = ToyPairs()
    game = new_game(tmp_path, task, PairSettings(12, 6, 8, 1), update=1, every=3)
    outcomes = play(game, at_random, steps=6)
    old, new = outcomes[2].observation.graph, outcomes[3].observation.graph
    assert old.nodes.tolist() != new.nodes.tolist()
    assert (old.version, new.version, new.turn) == (0, 1, 3)
    units = [unit for _, unit in asked(outcomes[:3])]
    anchor = game.pool.source(outcomes[3].observation.groups.context[0])
    offered = game.pool.pair(np.full(12, anchor), new.nodes).tolist()
    places = [offered.index(unit) for unit in units if unit in offered]
    assert places  # who is still a neighbour, in the order of the questions
    assert new.asked == tuple(places)
    expected = unasked(new)
    for place in places:
        expected = expected.after(place, bool(task.truth(np.array([offered[place]]))[0]))
    np.testing.assert_array_equal(new.graph, expected.graph)


def test_the_last_anchor_with_somebody_left_is_visited_again_and_again(tmp_path):
    """One image lies apart and is nobody's neighbour, so that its questions are the last. Each is a visit's first."""
    task = ToyPairs(people=7, each=1, vectors=[[0.0], [9.0], [9.1], [9.2], [9.3], [9.4], [9.5]])
    game = new_game(tmp_path, task, PairSettings(5, 2, 1, 1))
    outcomes = play(game, first)
    assert len(outcomes) == 15 + 5
    assert [context for context, _ in asked(outcomes)][-2:] == ["p0i0"] * 2
    assert [outcome.observation.graph.turn for outcome in outcomes] == [0] * 20


def test_nobody_could_tell_masks_and_teaches_nothing(tmp_path):
    task = ToyPairs()
    game = new_game(tmp_path, task, oracle=Shy(task))
    outcomes = play(game, first, steps=4)
    third, fourth = outcomes[2], outcomes[3].observation.graph
    assert third.answers == [None]
    np.testing.assert_array_equal(fourth.graph, third.observation.graph.graph)
    assert fourth.status[third.selection.indices[0, 0]] == Status.UNTOLD


def test_strangers_lie_beyond_all_shells(tmp_path):
    """Of each anchor it is one image that is none of its neighbours, though neighbours are a quarter of the pool."""
    game = new_game(tmp_path, settings=PairSettings(3, 2, 1, 2))
    near = game.candidates.space.neighbourhoods(game)
    vectors, strangers = near.whitened.astype(np.float64), set()
    for outcome in play(game, first, steps=24):
        graph = outcome.observation.graph
        row = near.row(game.pool.source(outcome.observation.groups.context[0]))
        rows = [near.row(node) for node in graph.nodes]
        (found,) = [
            r for r in range(24) if np.allclose(np.square(vectors[rows] - vectors[r]).sum(axis=1), graph.stranger)
        ]
        assert found != row
        assert found not in near.nearest[row]
        strangers.add(found)
    assert len(strangers) > 8


def test_where_everybody_is_a_neighbour_the_farthest_stands_in(tmp_path):
    game = new_game(tmp_path, ToyPairs(people=2, each=2), TINY)
    graph = offer(game, 0).graph
    np.testing.assert_allclose(graph.stranger, graph.distances[1:, 3])


def test_cameras_are_told_where_the_task_knows_them(tmp_path):
    cameras = np.arange(24) % 3
    game = new_game(tmp_path, ToyPairs(cameras=cameras))
    seen = offer(game, 0)
    anchor = game.pool.source(seen.groups.context[0])
    expected = cameras[seen.graph.nodes] != cameras[anchor]
    np.testing.assert_array_equal(seen.field("other_camera")[0], expected)
    assert 0 < expected.sum() < 5
    (tmp_path / "unknown").mkdir()
    assert not offer(new_game(tmp_path / "unknown"), 0).field("other_camera").any()


def test_a_small_pool_leaves_places_empty(tmp_path):
    task = ToyPairs()
    game = new_game(tmp_path, task, split=whole_pool(task, outside=range(4, 24)))
    seen = offer(game, 0)
    assert seen.groups.mask.tolist() == [[True, True, True, False, False]]
    assert not seen.candidates[0, 3:].any()
    assert len(seen.graph) == 3


@pytest.mark.parametrize("form", ["nodes", "matrix"])
def test_nobody_is_left(tmp_path, form):
    game = new_game(tmp_path, ToyPairs(people=2, each=2), TINY, form)
    steps = len(play(game, first))
    seen = offer(game, steps)
    assert seen.graph is None
    assert not seen.groups.mask.any()
    assert seen.candidates.shape == (1, 3, seen.schema.width)
    assert len(seen.state) == sum(f.size for f in seen.schema.state)


def test_vectors_are_made_once_a_version(tmp_path):
    task = ToyPairs()
    game = new_game(tmp_path, task, update=1, every=4)
    play(game, at_random, steps=16)
    assert task.embedded == 4


def test_other_candidates_are_refused(tmp_path):
    game = pair_game(tmp_path, ToyPairs(), GlobalPool(), PairGraph())
    seen = AnchorNeighbours(PairSpace(SMALL)).build(game, 0)
    with pytest.raises(QueristError, match="GlobalPool"):
        game.featuriser.observe(game, seen, 0)
