from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.agents.matal.config import SOUND
from querist.agents.matal.network import LayersQ, LineQ
from querist.agents.matal.team import build_team, choose, contexts
from querist.core.observation import Field, Schema
from querist.errors import QueristError
from querist.kernels.dealing import Shown, at_random
from querist.nn.runtime import seeded

S, F = 3, 5


def a_team(agents=3, seed=0, set_standardiser=True):
    with seeded(seed):
        team = LayersQ(agents, S, F, 7, 6)
        with torch.no_grad():  # biases drawn for small fans are small too; make everything matter
            for weights in team.parameters():
                weights.copy_(torch.randn_like(weights))
        if set_standardiser:
            team.set_standardiser(torch.randn(20, S) + 1, 2 * torch.randn(20, F))
    return team


def candidates(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, F)).astype(np.float32)


def state(seed=0):
    return np.random.default_rng(seed + 50).normal(size=S).astype(np.float32)


def plain(team, m, s, a, h):
    """q_m as printed: W over [a; h] in one piece, then three layers over [z, a, s]; a and h standardised."""
    s = team.state_standardiser(torch.from_numpy(s))
    W = torch.cat([team.mix_candidate[m], team.mix_context[m]], dim=1)
    z = torch.relu(W @ torch.cat([a, h]) + team.mix_bias[m, 0])
    first = torch.cat([team.first_mixed[m], team.first_candidate[m], team.first_state[m]], dim=1)
    x = torch.relu(first @ torch.cat([z, a, s]) + team.first_bias[m, 0])
    x = torch.relu(team.second[m] @ x + team.second_bias[m, 0])
    return float(team.last[m] @ x + team.last_bias[m, 0])


@torch.no_grad()
def straightforward(team, kind, s, rows, k):
    """Agent after agent, candidate after candidate."""
    A = team.candidate_standardiser(torch.from_numpy(rows))
    taken, seen = [], []
    for m in range(k):
        h = torch.stack([A[i] for i in taken]).mean(dim=0) if taken and kind == "context" else torch.zeros(F)
        agent = m if team.agents > 1 else 0
        values = [plain(team, agent, s, A[i], h) if i not in taken else -np.inf for i in range(len(A))]
        taken.append(int(np.argmax(values)))
        seen.append(max(values))
    return taken, seen


@pytest.mark.parametrize("kind", ["context", "no_context"])
@pytest.mark.parametrize("seed", range(3))
def test_choosing_equals_the_printed_rule(kind, seed):
    team, rows = a_team(4, seed), candidates(9, seed)
    found = choose(team, replace(SOUND, team=kind), state(), rows, 4)
    taken, values = straightforward(team, kind, state(), rows, 4)
    assert found.places.tolist() == taken
    np.testing.assert_allclose(found.values, values, rtol=1e-4, atol=1e-4)


def a_line(agents=2):
    """Agent 0: a_0 + 3 h_0 a_0 + s_1; agent 1: 2 a_1 - 5 h_1 a_1 + 1."""
    team = LineQ(agents, 2, 2)
    with torch.no_grad():
        team.slope.copy_(torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]]))
        team.slope_context.copy_(torch.tensor([[[3.0, 0.0]], [[0.0, -5.0]]]))
        team.state.copy_(torch.tensor([[[0.0, 1.0]], [[0.0, 0.0]]]))
        team.last_bias.copy_(torch.tensor([[[0.0]], [[1.0]]]))
    ones = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    team.set_standardiser(ones, ones)
    return team


@torch.no_grad()
def test_a_line_by_hand():
    team, state = a_line(), torch.tensor([7.0, 4.0])
    rows, context = torch.tensor([[2.0, 1.0], [-1.0, 3.0]]), torch.tensor([0.5, 1.0])
    assert team.scorer(state)(0, rows, context).tolist() == [2 + 3 + 4, -1 - 1.5 + 4]
    assert team.scorer(state)(1, rows, context).tolist() == [2 - 5 + 1, 6 - 15 + 1]
    each = team(state[None], rows[:, None], torch.stack([torch.zeros(2), context])[:, None])  # one image for each agent
    assert each.tolist() == [[2 + 4], [6 - 15 + 1]]


def test_the_top_of_one_agent():
    team, rows = a_team(1), candidates(9)
    found = choose(team, replace(SOUND, team="top"), state(), rows, 4)
    assert found.places.tolist() == straightforward(team, "top", state(), rows, 4)[0]
    assert (np.diff(found.values) <= 0).all()


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 6))
def test_the_top_is_of_all_candidates_whatever_is_dealt(seed, n, k):
    team, rows = a_team(1), candidates(n, seed)
    top = replace(SOUND, team="top", offer="dealt")
    found = choose(team, top, state(), rows, k, rng=np.random.default_rng(seed))
    A = team.candidate_standardiser(torch.from_numpy(rows))
    with torch.no_grad():
        values = np.array([plain(team, 0, state(), a, torch.zeros(F)) for a in A])
    np.testing.assert_allclose(found.values, np.sort(values)[::-1][:k], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(values[found.places], found.values, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_values_of_a_batch_are_those_of_single_steps():
    team, rows = a_team(3), torch.randn(3, 4, F)
    states = torch.randn(4, S)
    known = contexts(rows, SOUND)
    found = team(states, rows, known)
    assert found.shape == (3, 4)
    for m in range(3):
        for b in range(4):
            expected = plain(team, m, states[b].numpy(), rows[m, b], known[m, b])
            assert float(found[m, b]) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_contexts_are_means_of_what_went_before():
    """ALGORITHMS 10: h^1 = 0 and h^3 = mean of two actions."""
    actions = torch.randn(4, 2, F)
    found = contexts(actions, SOUND)
    assert not found[0].any()
    torch.testing.assert_close(found[1], actions[0])
    torch.testing.assert_close(found[2], (actions[0] + actions[1]) / 2)
    torch.testing.assert_close(found[3], actions[:3].mean(dim=0))
    assert not contexts(actions, replace(SOUND, team="no_context")).any()


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 8), st.integers(1, 6))
def test_no_image_is_taken_twice(seed, n, k):
    """Not even among doubles, whose values are equal."""
    rows = np.repeat(candidates(max(1, n), seed), 2, axis=0)[: 2 * n]
    taken = choose(a_team(6, 1), SOUND, state(), rows, k).places
    assert len(taken) == min(k, 2 * n)
    assert len(set(taken.tolist())) == len(taken)


def test_a_drawn_image_is_part_of_what_later_agents_know():
    team, rows = a_team(3), candidates(6)
    asked = []

    def draw(m, free):
        asked.append(free.tolist())
        return 5 if m == 0 else None

    found = choose(team, SOUND, state(), rows, 3, draw)
    A = team.candidate_standardiser(torch.from_numpy(rows))
    with torch.no_grad():
        values = [plain(team, 1, state(), A[i], A[5]) for i in range(5)]
    assert found.places[:2].tolist() == [5, int(np.argmax(values))]
    assert np.isnan(found.values[0])
    assert [sum(free) for free in asked] == [6, 5, 4]


def test_agents_that_explore_take_from_their_own_hand_too():
    asked, subjects = [], np.repeat(np.arange(4), 5)
    shown = Shown(subjects, np.array([0, 1, 2, 3])[subjects])

    def draw(m, mine):
        asked.append(subjects[np.flatnonzero(mine.numpy())].tolist())
        return int(np.flatnonzero(mine.numpy())[0])

    choose(a_team(3), replace(SOUND, hand=2), state(), candidates(20), 3, draw, np.random.default_rng(0), shown)
    assert [sorted(hand) for hand in asked[:2]] == [[0, 1], [0, 1]]
    assert sorted(asked[2]) in ([0, 1], [1, 2])  # 0 was taken twice, and is level with 2


def test_a_team_needs_its_standardisers():
    with pytest.raises(QueristError, match="before its standardiser was set"):
        choose(a_team(set_standardiser=False), SOUND, state(), candidates(3), 2)


@pytest.mark.parametrize("network", ["layers", "line"])
@pytest.mark.parametrize(("kind", "agents"), [("context", 20), ("no_context", 20), ("top", 1), ("single", 1)])
def test_how_many_agents_a_team_has(kind, agents, network):
    settings = replace(SOUND, team=kind, network=network)
    schema = Schema((Field("a", (4,)), Field("b")), (Field("s", (9,)),))
    with seeded(0):
        team = build_team(schema, replace(settings, parameters="own"), 20)
        shared = build_team(schema, settings, 20)
    assert (team.agents, shared.agents) == (agents, 1)
    each = 5 + 5 + 9 + 1  # slopes of image, of image times context and of the state, and a bias
    if network == "layers":  # z, and three layers over [z, a, s]
        each = 16 * 10 + 16 + 128 * (16 + 5 + 9) + 128 + 64 * 128 + 64 + 64 + 1
    assert sum(p.numel() for p in team.parameters()) == agents * each


def test_sharing_is_having_the_same_parameters():
    """A shared team chooses and learns as one does whose agents all have equal parameters."""
    schema = Schema((Field("a", (4,)),), (Field("s", (9,)),))
    shared_settings, own_settings = replace(SOUND, parameters="shared"), replace(SOUND, parameters="own")
    with seeded(0):
        shared = build_team(schema, shared_settings, 3)
        own = build_team(schema, own_settings, 3)
    with torch.no_grad():
        for one, many in zip(shared.parameters(), own.parameters(), strict=True):
            many.copy_(one.expand_as(many))
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    for team in (shared, own):
        team.set_standardiser(torch.zeros(2, 9), torch.from_numpy(rows))
    first, second = (
        choose(team, chosen, np.zeros(9, np.float32), rows, 3)
        for team, chosen in ((shared, shared_settings), (own, own_settings))
    )
    np.testing.assert_array_equal(first.places, second.places)
    np.testing.assert_allclose(first.values, second.values, rtol=1e-5)
    taken = torch.from_numpy(rows[first.places])[:, None]
    known = contexts(taken, SOUND)
    torch.testing.assert_close(shared(torch.zeros(1, 9), taken, known), own(torch.zeros(1, 9), taken, known))


@pytest.mark.parametrize(("hand", "held"), [(2, [2, 2, 2]), (12, [3, 3, 3]), (0, [3, 3, 3])])
def test_a_hand_holds_at_most_so_many(hand, held):
    deal, free = at_random(9, 3, hand, np.random.default_rng(5)), torch.ones(9, dtype=torch.bool)
    hands = torch.stack([deal(m, free) for m in range(3)])
    assert hands.sum(dim=1).tolist() == held
    found = choose(a_team(), replace(SOUND, hand=hand), state(), candidates(9), 3, rng=np.random.default_rng(5)).places
    assert [bool(hands[m, place]) for m, place in enumerate(found)] == [True] * 3


def test_a_team_chooses_within_the_subjects_it_is_dealt():
    """The best of all is an image of somebody who is known well."""
    team, rows = a_team(), candidates(9)
    chosen = replace(SOUND, deal="fewest_labels", hand=2)
    best = int(choose(team, chosen, state(), rows, 1).places[0])
    subjects = np.arange(9)
    people = Shown(subjects, np.where(subjects == best, 3, 0))
    found = choose(team, chosen, state(), rows, 3, rng=np.random.default_rng(1), shown=people).places
    assert best not in found
    assert len(set(found.tolist())) == 3


def test_candidates_are_dealt_out_and_each_agent_chooses_from_its_hand():
    team, rows = a_team(), candidates(9)
    dealt = replace(SOUND, offer="dealt")
    found = choose(team, dealt, state(), rows, 3, rng=np.random.default_rng(5)).places
    hands = np.random.default_rng(5).permutation(9) % 3
    assert hands[found].tolist() == [0, 1, 2]
    scores = team.scorer(torch.from_numpy(state()))
    standard = team.candidate_standardiser(torch.from_numpy(rows))
    mine = np.flatnonzero(hands == 0)
    worth = scores(0, standard, torch.zeros(standard.shape[1]))
    assert found[0] == mine[int(worth[mine].argmax())]
    everybody = choose(team, replace(dealt, offer="all"), state(), rows, 3, rng=np.random.default_rng(5)).places
    np.testing.assert_array_equal(everybody, choose(team, dealt, state(), rows, 3).places)
    few = choose(team, dealt, state(), rows[:2], 3, rng=np.random.default_rng(5)).places
    assert sorted(few.tolist()) == [0, 1]  # a hand for each, and nobody else has one
