import numpy as np
import pytest

from querist.acquisition.nearest_first import NearestFirst
from querist.core.observation import Groups, Observation, Schema
from querist.core.step import offer
from querist.errors import QueristError
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.featuriser import PairGraph
from querist.pairs.settings import PairSettings
from querist.pairs.space import PairSpace
from querist.pairs.strategy import PairAcquisition
from toy import ToyTask
from toy_pairs import ToyPairs, first, pair_game, play, whole_pool

RNG = np.random.default_rng(0)


class Farthest(PairAcquisition):
    def score_neighbours(self, graph, rng):
        return graph.distances[0, 1:]


def test_the_hook_scores_neighbours_and_asked_ones_stay_out(tmp_path):
    task = ToyPairs()
    split = whole_pool(task, outside=range(5, 24))  # four neighbours in six places
    game = pair_game(tmp_path, task, AnchorNeighbours(PairSpace(PairSettings(6, 2, 4, 1))), PairGraph(), split)
    outcomes = play(game, Farthest().select, steps=4)
    assert [int(o.selection.indices[0, 0]) for o in outcomes] == [3, 2, 1, 0]
    assert outcomes[0].questions[0].score == pytest.approx(outcomes[0].observation.graph.distances[0, 4])
    assert Farthest().own_featuriser(task).schema.hash() == game.featuriser.schema.hash()


def test_a_task_must_embed_images():
    NearestFirst().check(ToyPairs())
    with pytest.raises(QueristError, match="EmbedsSources"):
        NearestFirst().check(ToyTask())


def test_it_needs_a_graph(tmp_path):
    groups = Groups(np.array([[3]]), np.array([[True]]), ("p",))
    bare = Observation(groups, np.zeros((1, 1, 0), dtype=np.float32), Schema(()), np.zeros((1, 1, 2), dtype=np.int64))
    with pytest.raises(QueristError, match="NearestFirst needs the graph"):
        NearestFirst().select(bare, 1, RNG)


def test_nobody_offered_is_nobody_chosen(tmp_path):
    candidates = AnchorNeighbours(PairSpace(PairSettings(3, 2, 3, 1)))
    game = pair_game(tmp_path, ToyPairs(people=2, each=2), candidates, PairGraph())
    seen = offer(game, len(play(game, first)))
    assert NearestFirst().select(seen, 1, RNG).indices.tolist() == [[-1]]
