from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from querist.agents.dral.config import FAITHFUL, SOUND
from querist.agents.dral.policy import WEIGHTS, DralPolicy, featuriser, network
from querist.core.card import PolicyCard
from querist.core.loop import Deployment
from querist.core.plan import Parts, Plan
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.nn.runtime import seeded, state_to_arrays
from querist.pairs.anchors import AnchorNeighbours
from toy import ToyTask
from toy_pairs import Shy, ToyPairs, pair_game, play

SHAPE = {"neighbours": 5, "mutual": 3, "per_anchor": 4, "batch": 4, "width": 8, "target_every": 3}
PROFILES = {"sound": replace(SOUND, **SHAPE), "faithful": replace(FAITHFUL, **SHAPE)}
PROFILES["shuffled"] = replace(PROFILES["sound"], online="shuffled", flush=False, episodes=0)
PROFILES["untrained"] = replace(PROFILES["sound"], online="off", episodes=0)


def a_card(settings, profile="sound"):
    schema = featuriser(settings).schema
    with seeded(5):
        tensors = state_to_arrays(network(schema, settings), WEIGHTS)
    return PolicyCard("dral", profile, schema, asdict(settings), {}, (), tensors)


# Deployments ----------------------------------------------------------------------------------------------------------


def deploy(folder, card, close_every=1, marks=(9, 17)):
    """Twelve images of six people begin, the rest are asked about; questions 3, 6, 9, ... nobody can answer."""
    task, policy = ToyPairs(people=8, each=3), DralPolicy(card)
    split = Split(np.r_[np.full(6, Role.START), np.full(15, Role.POOL), np.full(3, Role.TEST)].astype(np.int8))
    policy.check(task, split)
    parts = Parts(
        task.pool, split, task, policy, policy.own_candidates("sound", 1), policy.own_featuriser(task), Shy(task)
    )
    plan = Plan(3, 1, marks, 1, 1, 1, 6, policy.keep_given, close_every)
    return Deployment(folder, parts, plan, {"seed": "3", "policy": card.hash})


def everything(run):
    """All questions with their scores and anchors, and what the policy has become."""
    game = run.ledger.game()["id"]
    questions = [(q.unit, q.step, q.score, q.context) for q in run.ledger.questions(game, run.parts.pool)]
    return questions, {name: array.tobytes() for name, array in run.parts.policy.snapshot().items()}


@pytest.mark.parametrize("name", PROFILES)
def test_stopped_anywhere_it_ends_with_the_bits_of_one_never_stopped(tmp_path, name):
    """In a new process, as it were: policy, task and candidates are made anew, the ledger is reopened."""
    card = a_card(PROFILES[name])
    with deploy(tmp_path / "whole", card, 100) as run:
        list(run.play())
        questions, policy = whole = everything(run)
    assert len(questions) == 17
    assert len({unit for unit, *_ in questions}) == 17
    assert bool(policy) == (name != "untrained")
    for close_every, stops in ((1, (3,)), (5, (2, 9))):
        folder = tmp_path / f"cut{close_every}"
        for stop in stops:
            with deploy(folder, card, close_every) as run:
                events = run.play()
                for _ in range(stop):
                    next(events)
                events.close()
        with deploy(folder, card, close_every) as run:
            list(run.play())
            assert everything(run) == whole


def test_answers_come_late_and_nothing_changes(tmp_path):
    """People answer: the run waits in the middle of a visit, and is taken up by another process."""
    card = a_card(PROFILES["faithful"])
    with deploy(tmp_path / "whole", card, 100, (8,)) as run:
        list(run.play())
        whole = everything(run)
    for step in range(8):
        with deploy(tmp_path / "late", card, marks=(8,)) as run:
            run.parts.oracle.collect = lambda: iter(())
            events = list(run.play())
            assert events[-1].kind == "waiting"
            question = run.ledger.questions(1, run.parts.pool, step)[0]
            answer = None if question.id % 3 == 0 else run.parts.task.truth(np.array([question.unit]))[0]
            run.ledger.answer(question.id, answer)
    with deploy(tmp_path / "late", card, marks=(8,)) as run:
        list(run.play())
        assert everything(run) == whole


# What it brings -------------------------------------------------------------------------------------------------------


def test_a_network_of_nodes_takes_any_number_of_neighbours_and_one_of_a_matrix_its_own():
    nodes, matrix = (a_card(PROFILES[name], name) for name in ("sound", "faithful"))
    policy = DralPolicy(replace(nodes, settings={**nodes.settings, "neighbours": 4}))
    policy.check(ToyPairs())
    assert policy.own_candidates("sound", 1).space.settings.neighbours == 4
    with pytest.raises(QueristError, match=r"dral/faithful was trained on schema .*\[6, 6\].*\[5, 5\]"):
        DralPolicy(replace(matrix, settings={**matrix.settings, "neighbours": 4}))


@pytest.mark.parametrize("name", ["sound", "faithful"])
def test_it_brings_its_own_candidates_and_eyes(name, tmp_path):
    settings = PROFILES[name]
    policy, task = DralPolicy(a_card(settings, name)), ToyPairs()
    candidates = policy.own_candidates(name, 1)
    assert isinstance(candidates, AnchorNeighbours)
    assert candidates.space.settings == settings.pairs
    assert policy.own_featuriser(task).schema.hash() == policy.schema.hash()
    assert policy.keep_given is settings.keep_given
    game = pair_game(tmp_path, task, candidates, policy.own_featuriser(task))
    outcomes = play(game, policy.select, steps=9, learn=policy.learn)
    assert len(outcomes) == 9
    assert len(policy.learner._replay) == 9


def test_exploration_goes_on_where_the_training_left_it():
    assert DralPolicy(a_card(PROFILES["sound"])).learner.epsilon == SOUND.epsilon_floor
    assert DralPolicy(a_card(PROFILES["faithful"])).learner.epsilon == 1.0  # it has not learned anything yet
    assert DralPolicy(a_card(PROFILES["untrained"])).learner.epsilon == SOUND.epsilon_floor


def test_two_policies_of_a_card_share_nothing(tmp_path):
    card = a_card(PROFILES["sound"])
    before = {name: array.copy() for name, array in card.tensors.items()}
    one, other, task = DralPolicy(card), DralPolicy(card), ToyPairs()
    game = pair_game(tmp_path, task, one.own_candidates("sound", 1), one.own_featuriser(task))
    play(game, one.select, steps=9, learn=one.learn)
    weight = next(one.learner.network.parameters())
    assert not torch.equal(weight, next(other.learner.network.parameters()))
    for name, array in card.tensors.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_saved_card_plays_the_same(tmp_path):
    card = a_card(PROFILES["faithful"], "faithful")
    card.save(tmp_path)
    again = PolicyCard.load(tmp_path)
    assert again.hash == card.hash
    ours, theirs = (DralPolicy(c).learner.network.state_dict() for c in (card, again))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_making_a_policy_leaves_the_global_generator_alone():
    card = a_card(PROFILES["sound"])
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    DralPolicy(card)
    assert torch.equal(torch.rand(3), expected)


# What it refuses ------------------------------------------------------------------------------------------------------


def test_a_task_without_vectors_is_refused():
    with pytest.raises(QueristError, match="EmbedsSources"):
        DralPolicy(a_card(PROFILES["sound"])).check(ToyTask())


def test_a_card_of_another_version_is_refused():
    card = a_card(PROFILES["sound"])
    with pytest.raises(QueristError, match="was trained on schema"):
        DralPolicy(replace(card, schema=replace(card.schema, candidates=card.schema.candidates[::-1]))).check(
            ToyPairs()
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"settings": {"neighbours": 5, "colour": "red"}},
        {"tensors": {}},
        {"settings": asdict(replace(PROFILES["sound"], width=9))},
        {"settings": asdict(PROFILES["faithful"])},
    ],
)
def test_a_card_whose_parts_do_not_fit_is_refused(wrong):
    with pytest.raises(QueristError, match=r"do not fit together|was trained on schema"):
        DralPolicy(replace(a_card(PROFILES["sound"]), **wrong))
