from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from querist.agents.ralis.config import FAITHFUL, SOUND
from querist.agents.ralis.policy import RalisPolicy, featuriser, network
from querist.core.candidates import ClusterPools
from querist.core.card import PolicyCard
from querist.core.policy import Selection
from querist.errors import QueristError
from querist.nn.halved import to_tensors
from querist.nn.runtime import seeded
from seen import REGIONS, STATE, SeenTask, a_game, groups

OFFERED = groups([0, 5, 9], [3, 14], [1])
AWARE = replace(SOUND, features="class_aware")
PROFILES = {"sound": SOUND, "class-aware": AWARE, "faithful": FAITHFUL}
ROWS = len(STATE) * REGIONS


def look(task, profile, offered=OFFERED):
    return featuriser(task, profile, ROWS).observe(a_game(task, [2, 7]), offered, 0)


def a_network(profile, classes=3):
    """As after a training: standardised or with statistics of its own, and no weight at zero."""
    task = SeenTask(classes)
    seen = look(task, profile)
    with seeded(3):
        net = network(seen.schema, profile)
        for weights in net.parameters():
            weights.data += 0.1 * torch.randn_like(weights)
    inside = torch.from_numpy(seen.candidates[seen.groups.mask])
    if profile.standardise:
        net.set_standardiser(torch.from_numpy(seen.state), inside)
    with torch.no_grad():
        for _ in range(20):
            net.train()(torch.from_numpy(seen.state)[None], inside[None])
    return net.eval()


def a_card(profile=SOUND, classes=3, **changes):
    task = SeenTask(classes)
    card = PolicyCard(
        "ralis", "sound", featuriser(task, profile, ROWS).schema, asdict(profile), {}, (),
        to_tensors(a_network(profile, classes), "network"),
    )  # fmt: skip
    return replace(card, **changes)


def choose(policy, observation):
    return policy.select(observation, 1, np.random.default_rng(0))


# Choosing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_it_takes_the_best_of_each_pool(name):
    policy, task = RalisPolicy(a_card(PROFILES[name])), SeenTask()
    seen = look(task, PROFILES[name])
    found = choose(policy, seen)
    state = torch.from_numpy(seen.state)[None]
    for g, row in enumerate(OFFERED.mask):
        with torch.no_grad():  # one by one
            values = [policy.network(state, torch.from_numpy(c)[None, None]).item() for c in seen.candidates[g][row]]
        assert found.indices[g] == np.argmax(values)
        assert found.scores[g] == pytest.approx(max(values), rel=1e-4, abs=1e-5)
    assert len({float(score) for score in found.scores[:, 0]}) == 3


def test_an_empty_pool_gives_nothing():
    policy = RalisPolicy(a_card())
    found = choose(policy, look(SeenTask(), SOUND, groups([0, 5], [])))
    assert found.indices[:, 0].tolist()[1] == -1
    nobody = choose(policy, look(SeenTask(), SOUND, groups([], [])))
    assert isinstance(nobody, Selection)
    assert nobody.indices.tolist() == [[-1], [-1]]


def test_the_policys_stream_does_not_matter():
    policy, seen = RalisPolicy(a_card()), look(SeenTask(), SOUND)
    found = [policy.select(seen, 1, np.random.default_rng(seed)).indices.tolist() for seed in range(3)]
    assert found[0] == found[1] == found[2]


def test_its_pools_are_those_of_the_card_and_one_for_each_question():
    policy = RalisPolicy(a_card(replace(SOUND, pool_deploy=37)))
    for form in ("sound", "group", "global"):
        assert policy.own_candidates(form, 24) == ClusterPools(24, 37)
    assert policy.forms == ()


@pytest.mark.parametrize("name", PROFILES)
def test_it_brings_its_own_eyes(name):
    profile, task = PROFILES[name], SeenTask()
    policy = RalisPolicy(a_card(profile))
    eyes = policy.own_featuriser(task)
    assert eyes.schema.hash() == policy.schema.hash()
    seen = eyes.observe(a_game(task, [2, 7]), OFFERED, 0)
    np.testing.assert_array_equal(seen.candidates, look(task, profile).candidates)
    assert policy.keep_given is profile.keep_given


# Cards ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_a_card_in_half_precision_plays_nearly_as_what_was_trained(name, tmp_path):
    card = a_card(PROFILES[name])
    card.save(tmp_path)
    policy = RalisPolicy(PolicyCard.load(tmp_path))
    trained = a_network(PROFILES[name])
    ours, theirs = policy.network.state_dict(), trained.state_dict()
    weights = {key for key, _ in trained.named_parameters()}
    assert {a.dtype for key, a in card.tensors.items() if key.removeprefix("network/") in weights} == {np.dtype("f2")}
    for key, value in theirs.items():
        assert ours[key].dtype == value.dtype
        assert torch.equal(ours[key], value.half().float() if key in weights else value)
    seen = look(SeenTask(), PROFILES[name])
    state, candidates = torch.from_numpy(seen.state)[None], torch.from_numpy(seen.candidates)
    mask = torch.from_numpy(OFFERED.mask)
    with torch.no_grad():
        after, before = (net(state, candidates, mask) for net in (policy.network, trained))
    torch.testing.assert_close(after[mask], before[mask], rtol=0.02, atol=0.02)
    assert not policy.network.training


def test_statistics_beyond_half_precision_survive(tmp_path):
    """The variance of raw counts passes 65,504, and the deviation of a seldom feature can be below 6e-8."""
    faithful = a_network(FAITHFUL)
    faithful.candidate[0][0].running_var[0] = 1.2e7
    sound = a_network(SOUND)
    sound.candidate_standardiser.deviation[0] = 1e-9
    for profile, net in ((FAITHFUL, faithful), (SOUND, sound)):
        policy = RalisPolicy(a_card(profile, tensors=to_tensors(net, "network")))
        for key, value in net.named_buffers():
            assert torch.equal(policy.network.get_buffer(key), value), key
        assert np.isfinite(choose(policy, look(SeenTask(), profile)).scores).all()


def test_a_policy_leaves_the_global_generator_alone():
    card = a_card()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    RalisPolicy(card)
    assert torch.equal(torch.rand(3), expected)


def test_a_card_in_full_precision_plays_too():
    trained = a_network(SOUND)
    full = {name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in to_tensors(trained, "network").items()}  # fmt: skip
    assert choose(RalisPolicy(a_card(tensors=full)), look(SeenTask(), SOUND)).indices.shape == (3, 1)


@pytest.mark.parametrize("damage", ["missing", "shape", "tree", "settings", "features"])
def test_weights_that_do_not_fit(damage):
    card = a_card()
    tensors, changed = dict(card.tensors), dict(card.settings)
    if damage == "missing":
        del tensors["network/last.weight"]
    elif damage == "shape":
        tensors["network/last.weight"] = np.zeros((1, 3), dtype=np.float16)
    elif damage == "tree":
        del tensors["network/#tree"]
    elif damage == "settings":
        changed["invented_later"] = 3
    else:
        changed["features"] = "class_aware"
    with pytest.raises(QueristError, match=r"ralis/sound do not fit") as caught:
        RalisPolicy(replace(card, tensors=tensors, settings=changed))
    assert "train the policy anew" in caught.value.fix


# Tasks that it can and cannot play ------------------------------------------------------------------------------------


def test_a_class_free_policy_plays_on_any_classes():
    policy = RalisPolicy(a_card(SOUND, classes=3))
    task = SeenTask(11)
    policy.check(task)
    seen = policy.own_featuriser(task).observe(a_game(task, [2], state=False), OFFERED, 0)
    assert choose(policy, seen).indices.shape == (3, 1)


@pytest.mark.parametrize("name", ["class-aware", "faithful"])
def test_a_class_aware_policy_is_refused_on_others_and_both_schemas_are_named(name):
    policy = RalisPolicy(a_card(PROFILES[name]))
    policy.check(SeenTask(3))
    with pytest.raises(QueristError) as caught:
        policy.check(SeenTask(4))
    other = featuriser(SeenTask(4), PROFILES[name], ROWS).schema
    for text in (policy.schema.hash(), other.hash(), "3 classes", "4 classes", "ralis/sound"):
        assert text in caught.value.what
    assert "class-free" in caught.value.fix
    with pytest.raises(QueristError, match="was trained on schema"):
        choose(policy, look(SeenTask(4), PROFILES[name]))


def test_a_task_that_lacks_a_field_is_refused():
    task = SeenTask()
    del task.fields["entropy_grid"]
    with pytest.raises(QueristError, match="needs the field 'entropy_grid'"):
        RalisPolicy(a_card()).check(task)


def test_the_class_aware_features_need_a_state_set():
    for rows in (None, 0):
        with pytest.raises(QueristError, match="needs a state set"):
            featuriser(SeenTask(), FAITHFUL, rows)
    assert featuriser(SeenTask(), SOUND, 0).schema.state
