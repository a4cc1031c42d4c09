import numpy as np
import pytest

from querist.acquisition.random import Random
from querist.acquisition.strengthened_random_pairs import StrengthenedRandomPairs
from querist.core.step import offer
from querist.errors import QueristError
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.likeness import match_probability
from querist.pairs.settings import PairSettings
from querist.pairs.space import PairSpace
from toy import ToyTask
from toy_pairs import ToyPairs, pair_game, play


def new_game(folder, people=30, each=3, settings=None):
    task = ToyPairs(people, each, noise=0.2, width=8)
    candidates = AnchorNeighbours(PairSpace(settings or PairSettings(20, 10, 5, 1)))
    return pair_game(folder, task, candidates, StrengthenedRandomPairs().own_featuriser(task))


def test_chances_go_by_the_probability_of_the_class(tmp_path):
    """Nobody was asked about yet: each class is drawn half of the time, then its candidates in proportion."""
    game = new_game(tmp_path)
    seen = offer(game, 0)
    match = match_probability(seen.graph.similarity)
    expected = match / match.sum() / 2 + (1 - match) / (1 - match).sum() / 2
    rounds, counts = 3000, np.zeros(20)
    for seed in range(rounds):
        counts[StrengthenedRandomPairs().select(seen, 1, np.random.default_rng(seed)).indices[0, 0]] += 1
    deviations = np.sqrt(rounds * expected * (1 - expected))
    assert (np.abs(counts - rounds * expected) < 5 * deviations).all()


def test_it_finds_more_matches_than_plain_random(tmp_path):
    found = {}
    for policy in (StrengthenedRandomPairs(), Random()):
        folder = tmp_path / type(policy).__name__
        folder.mkdir()
        outcomes = play(new_game(folder), policy.select, steps=150)
        found[type(policy)] = np.mean([bool(o.answers[0]) for o in outcomes])
    assert found[StrengthenedRandomPairs] > 1.5 * found[Random]


def test_images_with_the_fewest_questions_come_first(tmp_path):
    for outcome in play(new_game(tmp_path), StrengthenedRandomPairs().select, steps=60):
        seen = outcome.observation
        counts = seen.asked[seen.graph.nodes]
        assert counts[outcome.selection.indices[0, 0]] == counts[seen.groups.mask[0]].min()


def test_it_needs_vectors_and_a_graph(tmp_path):
    with pytest.raises(QueristError, match="EmbedsSources"):
        StrengthenedRandomPairs().check(ToyTask())
