from dataclasses import replace

import numpy as np
import pytest

from querist.core.answers import Labels
from querist.errors import QueristError
from querist.tasks.reid.batches import Batches, answered
from querist.tasks.reid.training import Schedule, Training
from tiny_people import GIVEN, about, tiny_task

# People 4 (sources 12..15), 5 (16..19) and 6 (20..23).
PAIRS = [(12, 13), (13, 14), (12, 16), (16, 17), (12, 20), (18, 14)]


@pytest.fixture(scope="module")
def task():
    return tiny_task()


def batches(task, training, pairs=PAIRS, given=GIVEN, phase="final", new=(), steps=20):
    labels = about(task, pairs, given)
    rng = np.random.default_rng(0)
    args = (task.data, task.pairs, labels, about(task, new), training, phase, steps, task.embed_sources, rng)
    made = Batches(*args)
    return made, [made[step] for step in range(steps)]


def true_of(task, batch):
    persons = task.data.persons[batch.sources]
    return persons[:, None] == persons


@pytest.mark.parametrize("closure", [False, True])
def test_shares_and_truth(task, closure):
    training = Training(batch=24, per_person=4, replay=0.5, closure=closure)
    _, made = batches(task, training)
    for batch in made:
        known = batch.people >= 0
        assert known.sum() == 12
        assert np.isin(batch.sources[known], GIVEN).all()
        assert not np.isin(batch.sources[~known], GIVEN).any()
        alike = true_of(task, batch)
        assert not (batch.same & ~alike).any()
        assert not (batch.different & alike).any()
        # Nobody compared given people with the others.
        assert not (batch.same | batch.different)[known][:, ~known].any()
        assert not (batch.same | batch.different)[~known][:, known].any()
        np.testing.assert_array_equal((batch.same | batch.different)[known][:, known], True)


def test_listed_triplets_teach_nothing_but_themselves(task):
    _, made = batches(task, Training(batch=12, per_person=4))
    for batch in made:
        assert len(batch.sources) == 12
        expected = np.zeros((2, 12, 12), dtype=bool)
        expected[0, [0, 3, 6, 9], [1, 4, 7, 10]] = expected[1, [0, 3, 6, 9], [2, 5, 8, 11]] = True
        np.testing.assert_array_equal([batch.same, batch.different], expected)
        assert (batch.groups == -1).all()
        assert (batch.people == -1).all()


def test_with_closure_groups_are_shown_as_people_are(task):
    made, shown = batches(task, Training(batch=12, per_person=4, closure=True))
    assert [i.tolist() for i in made.groups.images] == [[12, 13, 14], [16, 17]]
    seen = set()
    for batch in shown:
        seen |= set(batch.groups.tolist())
        for number, group in enumerate(([12, 13, 14], [16, 17])):
            assert np.isin(batch.sources[batch.groups == number], group).all()
        assert set(batch.sources[batch.groups == -1].tolist()) <= {18, 20}  # told apart, but in no group
        here = np.isin(batch.sources, [12, 13, 14])
        there = np.isin(batch.sources, [16, 17, 18, 20])
        np.testing.assert_array_equal(batch.different[here][:, there], True)
    assert seen == {-1, 0, 1}


def test_the_start_shows_given_people_alone(task):
    made, shown = batches(task, Training(batch=8), phase="start")
    assert all(np.isin(batch.sources, GIVEN).all() for batch in shown)
    assert len(made.groups) == 0


def test_where_there_is_only_one_kind_a_batch_is_all_of_it(task):
    mixed = Training(batch=24, replay=0.5)
    assert {len(b.sources) for b in batches(task, mixed, given=[])[1]} == {24}
    for pairs in ([], [(12, 13)]):  # of one match alone no triplet can be made
        made, shown = batches(task, mixed, pairs=pairs)
        assert {len(b.sources) for b in shown} == {12}  # there are but three people
        assert all((b.people >= 0).all() for b in shown)
        assert not made.empty
    assert batches(task, mixed, pairs=[], given=[], steps=0)[0].empty
    assert batches(task, replace(mixed, replay=0.0), phase="step", given=[])[0].empty is False


def test_new_answers_come_first(task):
    for closure, expected in ((False, {12, 20}), (True, {12, 13, 14})):
        training = Training(batch=6, per_person=2, closure=closure)
        _, shown = batches(task, training, new=[(12, 20)], steps=1)
        anchors = shown[0].sources[::3] if not closure else shown[0].sources[shown[0].groups == 0]
        assert set(anchors.tolist()) <= expected


def test_answers_must_be_booleans(task):
    labels = about(task, PAIRS)
    assert answered(task.pairs, labels)[1].tolist() == [True, True, False, True, False, False]
    for wrong in (np.array(1), np.array([True, False])):
        broken = Labels(labels.units[:1], (wrong,), labels.given)
        with pytest.raises(QueristError, match="the answer about train/012~train/013 is"):
            answered(task.pairs, broken)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"batch": 2, "per_person": 2}, "3 images"),
        ({"batch": 3, "per_person": 2}, "3 images"),
        ({"batch": 4, "per_person": 2, "replay": 0.5}, "room for a triplet"),
        ({"batch": 12, "replay": 0.9}, "room for a triplet"),
        ({"batch": 12, "replay": 0.9, "closure": True}, "room for a triplet"),
        ({"replay": float("nan")}, r"replay must lie in \[0, 1\]"),
        ({"margin": -0.1}, "margin"),
        ({"per_person": 1}, "per_person"),
        ({"per_person": 65}, "per_person"),
        ({"identity": -1}, "identity"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"replay": 1.1}, "replay"),
        ({"triplets_per_anchor": 0}, "triplets_per_anchor"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, words):
    with pytest.raises(QueristError, match=words):
        Training(**wrong)


@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize(
    "sizes", [{"batch": 3, "per_person": 3}, {"batch": 5, "per_person": 2}, {"batch": 7, "replay": 0.4}]
)
def test_the_smallest_batches_that_are_taken_show_what_was_answered(task, sizes, closure):
    _, shown = batches(task, Training(closure=closure, **sizes), steps=1)
    assert (shown[0].people < 0).any()


def test_updates_between_questions_have_no_classifier():
    with pytest.raises(QueristError, match=r"step\.identity"):
        Schedule(step=Training(identity=1.0))
