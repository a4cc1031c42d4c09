import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.agents.ralis.class_free import TOP, ClassFree, rarity, standings
from querist.agents.ralis.config import SOUND
from querist.core.split import Role, Split
from seen import REGIONS, START, STATE, SeenTask, a_game, groups

OFFERED = groups([0, 5, 9], [3, 14], [1])
ALWAYS = replace(SOUND, hide_labelled=0.0)


def look(task, offered=OFFERED, profile=ALWAYS, **game):
    return ClassFree(task, profile).observe(a_game(task, **game), offered, 0)


def numbers(seen):
    """(n, F) of all that is offered."""
    return seen.candidates[seen.groups.mask]


def permuted(task, order):
    """The same predictions and labels under other names of the classes."""
    other = SeenTask(len(order))
    other.tables = dict(task.tables) | {name: task.tables[name][:, order] for name in ("classes", "class_counts")}
    new_id = np.arange(256, dtype=np.uint8)
    new_id[order] = np.arange(len(order))
    other.masks = new_id[task.masks]
    return other


@given(seed=st.integers(0, 1000), order=st.integers(2, 12).flatmap(lambda n: st.permutations(range(n))))
@settings(max_examples=25, derandomize=True)  # rounding may move a divergence that lies on a bin's edge
def test_the_names_of_classes_do_not_matter(seed, order):
    task = SeenTask(len(order), seed)
    seen, other = look(task, bought=[2, 7]), look(permuted(task, list(order)), bought=[2, 7])
    np.testing.assert_allclose(other.candidates, seen.candidates, atol=1e-6)
    np.testing.assert_allclose(other.state, seen.state, atol=1e-6)


def test_one_schema_for_all_data_sets_and_state_sets():
    schemas = [ClassFree(SeenTask(classes), ALWAYS).schema for classes in (2, 11, 19)]
    assert len({schema.hash() for schema in schemas}) == 1
    assert schemas[0].classes is None
    assert not any(field.per_class for field in (*schemas[0].candidates, *schemas[0].state))
    seen = look(SeenTask(11))
    assert seen.candidates.shape == (3, 3, schemas[0].width)
    assert seen.state.shape == (len(STATE) * REGIONS, sum(field.size for field in schemas[0].state))
    assert look(SeenTask(11), state=False).state.shape[1] == seen.state.shape[1]
    assert seen.candidates.dtype == seen.state.dtype == np.float32


# Field by field -------------------------------------------------------------------------------------------------------


def test_entropies_are_shares_of_the_largest_there_can_be():
    task = SeenTask(5)
    task.tables["entropy"][5] = math.log(5)
    seen = look(task)
    assert seen.field("entropy")[0, 1] == pytest.approx(1)
    assert seen.field("entropy")[0, 0] == pytest.approx(task.tables["entropy"][0] / math.log(5))
    assert seen.field("margin")[0, 0] == pytest.approx(task.tables["margin"][0])


def test_what_the_grids_say():
    """Means 0, 1, ..., 63 sixty-fourths of the largest entropy; least and largest around them."""
    task = SeenTask()
    mean = np.arange(64.0).reshape(8, 8) / 64
    task.tables["entropy_grid"][5] = np.stack([mean / 2, mean, (mean + 1) / 2]) * math.log(3)
    seen = look(task)
    np.testing.assert_allclose(
        seen.field("entropy_quartiles")[0, 1], np.array([0, 15.75, 31.5, 47.25, 63]) / 64, atol=1e-6
    )
    np.testing.assert_allclose(seen.field("entropy_extremes")[0, 1], [0, 127 / 128], atol=1e-6)
    assert seen.field("entropy_contrast")[0, 1] == pytest.approx(0.5)


@pytest.mark.parametrize("classes", [3, 8, 11])
def test_shares_are_sorted_and_few_classes_are_filled_up(classes):
    task = SeenTask(classes)
    shares = look(task).field("shares_sorted")[0, 1]
    expected = sorted(task.tables["classes"][5], reverse=True)[:TOP]
    np.testing.assert_allclose(shares, expected + [0] * (TOP - len(expected)), atol=1e-6)


def test_rarity_by_hand():
    np.testing.assert_allclose(rarity(np.array([1.0, 0.1, 1e-2, 1e-3, 1e-6, 0.0])), [0, 1 / 3, 2 / 3, 1, 1, 1])


def test_rarity_among_what_is_predicted():
    """Two candidates: class 0 is predicted in three quarters of all, class 1 in a quarter, class 2 nowhere."""
    task = SeenTask()
    task.tables["classes"][0], task.tables["classes"][5] = [1, 0, 0], [0.5, 0.5, 0]
    found = look(task, groups([0, 5])).field("rarity_predicted")[0]
    often, seldom = (math.log(f) / math.log(1e-3) for f in (0.75, 0.25))
    np.testing.assert_allclose(found, [[often, often], [(often + seldom) / 2, seldom]], atol=1e-6)


def test_rarity_among_what_is_labelled_and_a_few_stray_pixels():
    """One region is labelled: a half class 0, a half void. A class with 2 % of a candidate or less is not in it."""
    task = SeenTask()
    task.masks[1] = 0
    task.masks[1][:5] = 255
    task.tables["classes"][0], task.tables["classes"][5] = [0.98, 0.02, 0], [0.9, 0.1, 0]
    found = look(task, groups([0, 5]), bought=[1], given=()).field("rarity_labelled")[0]
    half = math.log(0.5) / math.log(1e-3)
    np.testing.assert_allclose(found, [[0.98 * half + 0.02, half], [0.9 * half + 0.1, 1]], atol=1e-6)


def test_difficulty_is_how_unsure_the_model_is_where_it_says_so():
    """Class 0: entropies 0.2 and 0.8 with weights 1 and 1/2, so 0.4; class 1 only the second, 0.8."""
    task = SeenTask()
    task.tables["classes"][0], task.tables["classes"][5] = [1, 0, 0], [0.5, 0.5, 0]
    task.tables["entropy"][[0, 5]] = np.array([0.2, 0.8]) * math.log(3)
    np.testing.assert_allclose(look(task, groups([0, 5])).field("difficulty")[0], [0.4, 0.6], atol=1e-6)


def test_asked_is_the_share_of_the_image_that_was_asked_about():
    np.testing.assert_allclose(look(SeenTask(), bought=[1, 2, 6]).field("asked")[0], [0.5, 0.25, 0])


def test_above_the_mean_of_those_offered_from_the_same_image():
    task = SeenTask()
    task.tables["entropy"][[0, 1, 3, 5]] = np.array([0.1, 0.2, 0.6, 0.9]) * math.log(3)
    found = look(task, groups([0, 5], [3, 1])).field("above_image")
    np.testing.assert_allclose(found, [[-0.2, 0.0], [0.3, -0.1]], atol=1e-6)


def test_standings_by_hand():
    np.testing.assert_allclose(standings(np.array([3.0, 1.0, 2.0, 2.0])), [1, 0, 0.5, 0.5])
    np.testing.assert_allclose(standings(np.array([7.0, 7.0])), [0.5, 0.5])
    np.testing.assert_allclose(standings(np.array([5.0])), [0.5])
    assert standings(np.zeros(0)).shape == (0,)


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=30))
def test_standings_are_shares_of_the_others(values):
    values = np.array(values, dtype=np.float64)
    others = [(np.sum(values < v) + (np.sum(values == v) - 1) / 2) / (len(values) - 1) for v in values]
    np.testing.assert_allclose(standings(values), others)


def test_standings_are_among_all_that_a_step_offers():
    task = SeenTask()
    found = look(task).field("standing")[OFFERED.mask]
    units = OFFERED.flat
    assert found.shape == (6, 5)
    np.testing.assert_allclose(found[:, 0], standings(task.tables["entropy"][units]))
    np.testing.assert_allclose(found[:, 1], 1 - standings(task.tables["margin"][units]))
    for column, name in ((2, "rarity_predicted"), (3, "rarity_labelled"), (4, "difficulty")):
        values = numbers(look(task))[:, look(task).schema.columns(name)][:, 0]
        np.testing.assert_allclose(found[:, column], standings(values), err_msg=name)


def test_candidates_and_state_rows_are_looked_at_alike():
    seen = look(SeenTask(), groups([24]))
    np.testing.assert_array_equal(seen.candidates[0, 0, : seen.state.shape[1]], seen.state[0])


# Hidden and missing things --------------------------------------------------------------------------------------------


def test_what_is_hidden_looks_like_nothing_labelled():
    task = SeenTask()
    hidden = look(task, profile=replace(SOUND, hide_labelled=1.0), bought=[2], episode=3)
    assert not hidden.field("rarity_labelled").any()
    assert not hidden.field("divergence_labelled").any()
    assert (hidden.field("standing")[OFFERED.mask][:, 3] == 0.5).all()
    told = look(task, bought=[2])
    assert told.field("rarity_labelled")[OFFERED.mask].all()
    others = [f.name for f in told.schema.candidates if f.name not in ("rarity_labelled", "divergence_labelled")]
    for name in others:
        theirs, ours = hidden.field(name), told.field(name)
        if name == "standing":
            theirs, ours = np.delete(theirs, 3, axis=2), np.delete(ours, 3, axis=2)
        np.testing.assert_array_equal(theirs, ours)


class TellingTask(SeenTask):
    """Knows what labels are worth."""

    def influence(self, units, answers, sources):
        return np.asarray(units, dtype=np.float32)


def test_what_is_labelled_is_told_only_with_what_labels_are_worth():
    """A policy whose games hid both together has met neither alone."""
    task = TellingTask()
    told = look(task, profile=SOUND, bought=[2])
    assert told.field("divergence_labelled").any()
    assert (told.field("influence")[OFFERED.mask][:, 2] == 1).all()
    for mute in (SeenTask(), task):
        game = a_game(mute, bought=[2])
        if mute is task:
            game.split = Split(np.where(game.split.roles == Role.REWARD, Role.UNUSED, game.split.roles))
        seen = ClassFree(mute, SOUND).observe(game, OFFERED, 0)
        assert not seen.field("divergence_labelled").any()
        assert not seen.field("rarity_labelled").any()
        np.testing.assert_array_equal(seen.field("influence")[OFFERED.mask], [[0.0, 0.5, 0.0]] * 6)
    assert look(SeenTask(), profile=ALWAYS, bought=[2]).field("divergence_labelled").any()


def test_what_labels_are_worth_in_thirds_of_a_deviation_and_by_standing():
    seen = look(TellingTask(), profile=SOUND)
    worth = OFFERED.flat.astype(float)  # as the task tells it: the number of the unit
    found = seen.field("influence")[OFFERED.mask]
    np.testing.assert_allclose(found[:, 0], (worth - worth.mean()) / (3 * worth.std()), atol=1e-6)
    np.testing.assert_allclose(found[:, 1], standings(worth), atol=1e-6)
    assert found[worth.argmax()].tolist() == [found[:, 0].max(), found[:, 1].max(), 1.0]


def inside_its_ranges(seen):
    for table, fields in ((numbers(seen), seen.schema.candidates), (seen.state, seen.schema.state)):
        assert np.isfinite(table).all()
        start = 0
        for field in fields:
            block = table[:, start : start + field.size]
            assert block.min() >= field.low - 1e-6, field.name
            assert block.max() <= field.high + 1e-6, field.name
            start += field.size
        assert start == table.shape[1]


@given(
    seed=st.integers(0, 1000),
    classes=st.integers(2, 20),
    bought=st.sets(st.integers(0, 15), max_size=12),
    kept=st.booleans(),
)
@settings(max_examples=30)
def test_every_number_lies_where_the_schema_says(seed, classes, bought, kept):
    free = sorted(set(range(16)) - bought)[:6]
    inside_its_ranges(look(SeenTask(classes, seed), groups(free), bought=sorted(bought), given=START if kept else ()))


@pytest.mark.parametrize("offered", [[0], [0, 5]], ids=["one", "two"])
@pytest.mark.parametrize("labelled", ["nothing", "void", "a class"])
@pytest.mark.parametrize("entropy", [0.0, 1.0])
def test_extreme_predictions_and_labels(offered, labelled, entropy):
    task = SeenTask(4)
    task.tables["classes"][:] = [0, 0, 1, 0]
    for name in ("entropy", "entropy_grid"):
        task.tables[name][:] = entropy * math.log(4)
    task.tables["margin"][:] = 1 - entropy
    task.masks[:] = 255 if labelled == "void" else 2
    bought, given = ((), ()) if labelled == "nothing" else ([9], START)
    seen = look(task, groups(offered), bought=bought, given=given)
    inside_its_ranges(seen)
    assert (seen.field("standing") == 0.5).all()
    assert (seen.field("rarity_predicted") == 0).all()
    # Void was labelled only: every class is as rare as can be.
    assert (seen.field("rarity_labelled") == (1 if labelled == "void" else 0)).all()
