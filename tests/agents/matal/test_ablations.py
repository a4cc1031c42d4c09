"""The names under which the paper's ablations stand beside ``matal/sound``."""

from itertools import combinations

import numpy as np
import pytest

from querist.agents.matal.agent import AGENT
from querist.agents.matal.partition import partitioned
from querist.recipes.strategy_names import parse
from toy_poses import poses_stage

SEEN = [f"without={name}" for name in ("global_gap", "part_gaps", "appearance_gap", "spent", "novelty", "familiarity")]
"""Table 1 and our own; its rows without appearances or densities are ``matal/sound`` itself."""
MORE = ["appearance=seen", "density=seen"]
TEAMS = ["team=single", "team=top", "team=no_context,parameters=own,offer=all", "parameters=own,offer=all"]
"""Fig. 3 e-f."""
VARIANTS = ["", *MORE, *SEEN, *TEAMS, "team=no_context"]
SMALL = {"episodes": 2, "steps": 2, "frequencies": 8, "landmarks": 8, "bins": 3, "check_games": 0, "warm_up": 1,
         "batch": 2, "first_width": 4, "second_width": 3, "meta": "none", "epsilon_first": 0.05}  # fmt: skip


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    found = {}
    for variant in VARIANTS:
        learned = parse(f"matal/sound+{variant}" if variant else "matal/sound")
        assert learned is not None
        stage = poses_stage(tmp_path_factory.mktemp("games"), partitioned, scenes=1)
        found[variant] = AGENT.train(learned.profile, SMALL | dict(learned.changes), stage, 1)
    return found


def fields(card):
    return {f.name for f in (*card.schema.candidates, *card.schema.state)}


def same(a, b):
    """Whether two cards choose alike: what they see and their weights, whatever their settings say."""
    return (
        a.schema.hash() == b.schema.hash()
        and a.tensors.keys() == b.tensors.keys()
        and all(np.array_equal(a.tensors[name], b.tensors[name]) for name in a.tensors)
    )


def test_what_a_team_sees_is_ablated_one_field_at_a_time(cards):
    for variant in SEEN:
        assert fields(cards[variant]) == fields(cards[""]) - {variant.removeprefix("without=")}
    for variant in MORE:
        assert fields(cards[variant]) - fields(cards[""]) == {variant.removesuffix("=seen")}
        assert fields(cards[""]) < fields(cards[variant])
    assert all(cards[variant].schema.hash() == cards[""].schema.hash() for variant in TEAMS)


def test_no_two_ablations_are_the_same_policy(cards):
    assert [pair for pair in combinations(VARIANTS, 2) if same(cards[pair[0]], cards[pair[1]])] == []


def test_one_agent_has_nothing_to_share(cards, tmp_path):
    """So that the four teams of the figure stand in one line: agents of their own, who choose from all images."""
    for team in ("single", "top"):
        changes = SMALL | {"team": team, "parameters": "own", "offer": "all"}
        stage = poses_stage(tmp_path / team, partitioned, scenes=1)
        assert same(AGENT.train("sound", changes, stage, 1), cards[f"team={team}"])
