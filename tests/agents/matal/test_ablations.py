"""The names under which the paper's ablations stand beside ``matal/sound``."""

from itertools import combinations

import numpy as np
import pytest
import torch

from querist.agents.matal.agent import AGENT
from querist.agents.matal.config import kept, settings
from querist.agents.matal.partition import partitioned
from querist.agents.matal.team import build_team, choose
from querist.errors import QueristError
from querist.recipes.strategy_names import parse
from toy_poses import poses_stage

SEEN = [f"without={name}" for name in ("novelty", "familiarity")]
"""Of Table 1 and our own; its rows without appearances or densities are ``matal/sound`` itself."""
LAYERS = "network=layers"
STATE = [f"{LAYERS},without={name}" for name in ("global_gap", "part_gaps", "appearance_gap", "spent")]
"""The rows of Table 1 about the state, which moves no choice of a line."""
MORE = ["appearance=seen", "density=seen"]
TEAMS = ["team=single", "team=top", "team=no_context,parameters=own,offer=all", "parameters=own,offer=all"]
"""Fig. 3 e-f."""
VARIANTS = ["", *MORE, *SEEN, LAYERS, *STATE, *TEAMS, "team=no_context"]
SMALL = {"episodes": 2, "steps": 2, "frequencies": 8, "landmarks": 8, "bins": 3, "check_games": 0, "warm_up": 1,
         "batch": 2, "first_width": 4, "second_width": 3, "meta": "none", "epsilon_first": 0.05, "hand": 4}  # fmt: skip


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
    for variant in STATE:
        assert fields(cards[variant]) == fields(cards[LAYERS]) - {variant.split("=")[-1]}
    for variant in MORE:
        assert fields(cards[variant]) - fields(cards[""]) == {variant.removesuffix("=seen")}
        assert fields(cards[""]) < fields(cards[variant])
    assert all(cards[variant].schema.hash() == cards[""].schema.hash() for variant in TEAMS)


def where(schema_fields, name):
    """The columns of a field among those of all."""
    sizes = [f.size for f in schema_fields]
    at = [f.name for f in schema_fields].index(name)
    return slice(sum(sizes[:at]), sum(sizes[: at + 1]))


def chosen(card, state, candidates):
    """What a team of this kind takes of numbers that are standardised already, whatever it may have learned."""
    numbers = kept(card.settings)
    team = build_team(card.schema, numbers, 3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in team.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator))
    team.set_standardiser(
        torch.randn(99, len(state), generator=generator), torch.randn(99, candidates.shape[1], generator=generator)
    )
    state, candidates = state.astype(np.float32), candidates.astype(np.float32)
    return choose(team, numbers, state, candidates, 3, rng=np.random.default_rng(0)).places.tolist()


@pytest.mark.parametrize("variant", [*SEEN, *MORE, *STATE])
def test_what_an_ablation_leaves_out_can_change_choices(cards, variant):
    """Otherwise the two could differ by the chance of their trainings alone."""
    whole = cards[variant] if variant in MORE else cards[LAYERS if variant in STATE else ""]
    name = variant.removesuffix("=seen").split("=")[-1]
    rng = np.random.default_rng(1)
    state = rng.normal(size=sum(f.size for f in whole.schema.state))
    candidates = rng.normal(size=(12, whole.schema.width))
    first, others = chosen(whole, state, candidates), []
    of_state = name in {f.name for f in whole.schema.state}
    for _ in range(50):
        changed = (state if of_state else candidates).copy()
        changed[..., where(whole.schema.state if of_state else whole.schema.candidates, name)] += rng.normal(0, 3)
        others.append(chosen(whole, *((changed, candidates) if of_state else (state, changed))))
    assert any(other != first for other in others)


def test_the_state_changes_no_choice_of_a_line(cards):
    for variant in STATE:
        with pytest.raises(QueristError, match="changes no choice of a line"):
            settings("sound", {"without": variant.split("=")[-1]})
    rng = np.random.default_rng(1)
    state = rng.normal(size=(9, sum(f.size for f in cards[""].schema.state)))
    candidates = rng.normal(size=(12, cards[""].schema.width))
    assert len({tuple(chosen(cards[""], row, candidates)) for row in state}) == 1


def test_no_two_ablations_are_the_same_policy(cards):
    assert [pair for pair in combinations(VARIANTS, 2) if same(cards[pair[0]], cards[pair[1]])] == []


def test_one_agent_has_nothing_to_share(cards, tmp_path):
    """So that the four teams of the figure stand in one line: agents of their own, who choose from all images."""
    for team in ("single", "top"):
        changes = SMALL | {"team": team, "parameters": "own", "offer": "all"}
        stage = poses_stage(tmp_path / team, partitioned, scenes=1)
        assert same(AGENT.train("sound", changes, stage, 1), cards[f"team={team}"])
