import numpy as np

from querist.acquisition.nearest_first import NearestFirst
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.settings import PairSettings
from querist.pairs.space import PairSpace
from toy_pairs import ToyPairs, pair_game, play


def test_the_ranking_list_from_its_top(tmp_path):
    task, policy = ToyPairs(), NearestFirst()
    candidates = AnchorNeighbours(PairSpace(PairSettings(6, 3, 4, 1)))
    game = pair_game(tmp_path, task, candidates, policy.own_featuriser(task))
    for outcome in play(game, policy.select, steps=20):
        free = np.flatnonzero(outcome.observation.groups.mask[0])
        place = int(outcome.selection.indices[0, 0])
        assert place == free[0]
        graph = outcome.observation.graph
        assert graph.distances[0, place + 1] == graph.distances[0, free + 1].min()
