import numpy as np
import pytest

from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.featuriser import PairGraph
from querist.pairs.settings import PairSettings
from querist.pairs.space import PairSpace
from toy_pairs import ToyPairs, asked, first, pair_game, play, whole_pool

SMALL = PairSettings(neighbours=4, mutual=2, per_anchor=3, shells=2)


def a_game(folder, settings=SMALL, **rest):
    task = rest.pop("task", None) or ToyPairs()
    return pair_game(folder, task, AnchorNeighbours(PairSpace(settings)), PairGraph(), **rest)


def test_anchors_are_the_pool_in_an_order_of_seed_and_episode(tmp_path):
    task, space, orders = ToyPairs(), PairSpace(SMALL), []
    for number, (seed, episode) in enumerate([(1, 0), (1, 0), (2, 0), (1, 1)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        game = a_game(folder, task=task, seed=seed, split=whole_pool(task, outside=[2, 3]))
        game.episode = episode
        orders.append(space.anchors(game).tolist())
    assert all(sorted(order) == [0, 1, *range(4, 24)] for order in orders)
    assert orders[0] == orders[1]
    assert orders[0] not in orders[2:]
    assert orders[2] != orders[3]


def test_images_keep_their_place_among_the_others(tmp_path):
    """Order by hashed keys: a pool without some images is browsed as the whole one is, but for them."""
    task, found = ToyPairs(), []
    for name, outside in (("whole", []), ("part", [2, 9])):
        (tmp_path / name).mkdir()
        game = a_game(tmp_path / name, task=task, split=whole_pool(task, outside))
        found.append(PairSpace(SMALL).anchors(game).tolist())
    assert [source for source in found[0] if source not in (2, 9)] == found[1]


def test_a_visit_is_what_was_asked_since_the_anchor_changed(tmp_path):
    game = a_game(tmp_path)
    space = game.candidates.space
    assert space.visit(game) == []
    visits = []

    def note(game, outcome, stream):
        visits.append([q.id for q in space.visit(game)])
        fresh = PairSpace(SMALL)  # reads it all from the ledger
        assert [q.id for q in fresh.visit(game)] == visits[-1]

    play(game, first, steps=8, learn=note)
    assert visits == [[1], [1, 2], [1, 2, 3], [4], [4, 5], [4, 5, 6], [7], [7, 8]]


def test_a_cache_that_missed_questions_reads_them(tmp_path):
    game = a_game(tmp_path)
    late = PairSpace(SMALL)
    play(game, first, steps=1)
    assert [q.id for q in late.visit(game)] == [1]
    play(game, first, steps=3, first=1)
    assert [q.id for q in late.visit(game)] == [1, 2, 3]
    play(game, first, steps=5, first=3)
    assert [q.id for q in late.visit(game)] == [4, 5]


def test_the_next_shell_is_offered_when_all_of_one_was_asked_about(tmp_path):
    game = a_game(tmp_path, PairSettings(neighbours=4, mutual=2, per_anchor=100, shells=2))
    space = game.candidates.space
    outcomes = play(game, first, steps=8)
    (anchor,) = {context for context, _ in asked(outcomes)}
    source = game.pool.source(anchor)
    near = space.neighbourhoods(game)
    order = near.sources[near.nearest[near.row(source)]]
    assert len(order) == 8
    units = game.pool.pair(np.full(8, source), order)
    assert [unit for _, unit in asked(outcomes)] == units.tolist()  # nearest first, then the second shell
    for number, outcome in enumerate(outcomes):
        shell = slice(0, 4) if number < 4 else slice(4, 8)
        assert outcome.observation.graph.nodes.tolist() == order[shell].tolist()
    last = space.offered(game, source)  # nothing is left: the last shell, all asked about
    assert last.nodes.tolist() == order[4:].tolist()
    assert last.asked.all()


@pytest.mark.parametrize(("neighbours", "shells", "sizes"), [(4, 2, [4, 3]), (3, 3, [3, 3, 1]), (30, 2, [7])])
def test_the_last_shell_is_as_large_as_what_is_left(tmp_path, neighbours, shells, sizes):
    settings = PairSettings(neighbours, 2, 100, shells)
    game = a_game(tmp_path, settings, task=ToyPairs(people=2))
    source, found = 5, []
    space = game.candidates.space
    while not (offered := space.offered(game, source)).asked.all():
        found.append(len(offered.units))
        step = len(found) - 1
        for unit in offered.units:
            game.view._asked.add(int(unit))
        assert step < 9
    assert found == sizes
