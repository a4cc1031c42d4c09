from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.agents.ralis.config import FAITHFUL, SOUND
from querist.agents.ralis.features import BINS, STATE_IMAGES, ClassAware, LabelledSide, state_row_count, state_units
from querist.core.pool import ColumnarPool
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.tasks.segmentation.grid import Grid
from seen import PIXELS, REGIONS, START, STATE, SeenTask, a_game, groups

ROWS = len(STATE) * REGIONS
AWARE = replace(SOUND, features="class_aware")
"""The class-aware features with all corrections."""
OFFERED = groups([0, 5, 9], [3, 14])


def look(task, profile, offered=OFFERED, step=0, **game):
    return ClassAware(task, profile, ROWS).observe(a_game(task, **game), offered, step)


def with_floor(shares):
    shares = np.where(shares > 0, shares, 1e-7)
    return shares / shares.sum(axis=-1, keepdims=True)


def predicted(task, units, pixels=1):
    return with_floor(np.pad(task.tables["classes"][units] * pixels, ((0, 0), (0, 1))))


def true_shares(task, unit):
    """(C + 1,), the last one void."""
    C = len(task.parts)
    return np.bincount(np.minimum(task.masks[unit].ravel(), C), minlength=C + 1) / PIXELS


def labelled(task, units):
    rows = [
        np.bincount(np.minimum(task.masks[u].ravel(), len(task.parts)), minlength=len(task.parts) + 1) for u in units
    ]
    return with_floor(np.array(rows) / PIXELS)


def straightforward(p, references, fixed):
    """One histogram, sum by sum."""
    scores = [max(0.0, float(np.sum(p * np.log(p / q)))) for q in references]
    span = (0.0, np.log(1e7)) if fixed else None
    counts, _ = np.histogram(np.clip(scores, 0, np.log(1e7) - 1e-9) if fixed else scores, BINS, span)
    return counts / counts.sum()


def given_units(sources=START):
    return [u for s in sources for u in range(REGIONS * s, REGIONS * (s + 1))]


# Sizes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "row", "candidate"), [(11, 204, 268), (19, 212, 276)])
@pytest.mark.parametrize("profile", [FAITHFUL, AWARE], ids=["faithful", "sound"])
def test_sizes_of_the_released_features(classes, row, candidate, profile):
    """ALGORITHMS 10."""
    task = SeenTask(classes)
    seen = look(task, profile)
    assert seen.candidates.shape == (2, 3, candidate)
    assert seen.state.shape == (ROWS, row)
    assert seen.schema.width == candidate
    assert seen.schema.state[0].shape == (ROWS, row)
    assert seen.schema.classes == task.parts
    assert seen.candidates.dtype == seen.state.dtype == np.float32


def test_the_schema_says_what_the_policy_is_tied_to():
    def schema(classes=3, rows=ROWS, profile=AWARE):
        return ClassAware(SeenTask(classes), profile, rows).schema.hash()

    raw = replace(AWARE, normalise_counts=False)
    assert len({schema(), schema(classes=4), schema(rows=ROWS + 4), schema(profile=raw)}) == 4
    assert schema() == schema()


@given(seed=st.integers(0, 1000), classes=st.integers(2, 6), sound=st.booleans())
@settings(max_examples=15)
def test_every_number_lies_where_the_schema_says(seed, classes, sound):
    seen = look(SeenTask(classes, seed), AWARE if sound else FAITHFUL, bought=[1, 2])
    inside = seen.candidates[seen.groups.mask]
    for field in seen.schema.candidates:
        block = inside[:, seen.schema.columns(field.name)]
        assert np.isfinite(block).all()
        assert block.min() >= field.low, field.name
        assert block.max() <= field.high * (1 + 1e-6), field.name


# Counts and grids -----------------------------------------------------------------------------------------------------


def hand_made():
    """Region 5 holds 60 pixels of class 0 and 20 of class 2."""
    task = SeenTask()
    task.tables["classes"][5] = [0.75, 0.0, 0.25]
    return task


def test_raw_counts_have_the_floor_and_the_void_bin():
    seen = look(hand_made(), FAITHFUL)
    np.testing.assert_array_equal(seen.candidates[0, 1, :4], np.float32([60, 1e-7, 20, 1e-7]))
    assert (seen.state[:, 3] == np.float32(1e-7)).all()
    assert np.allclose(seen.state[:, :4].sum(axis=1), PIXELS)


def test_normalised_counts_are_shares():
    seen = look(hand_made(), AWARE)
    np.testing.assert_array_equal(seen.field("class_counts")[0, 1], np.float32([0.75, 0, 0.25, 0]))
    assert (seen.state[:, 3] == 0).all()
    assert np.allclose(seen.state[:, :4].sum(axis=1), 1)


def test_grids_follow_as_they_are_least_mean_largest():
    task = SeenTask()
    seen = look(task, FAITHFUL)
    expected = task.tables["entropy_grid"][5].astype(np.float32).ravel()  # row by row, grid by grid
    np.testing.assert_array_equal(seen.candidates[0, 1, 4 : 4 + 192], expected)
    assert (expected[:64] <= expected[64:128]).all()
    assert (expected[64:128] <= expected[128:]).all()


def test_who_is_not_offered_is_zero_and_everybody_is_described_once():
    task = SeenTask()
    seen = look(task, AWARE, groups([6, 25], [24]))  # 24 and 25 are of a state image as well
    assert not seen.candidates[1, 1].any()
    assert seen.candidates[seen.groups.mask].any(axis=1).all()
    assert task.described == [[6, *range(24, 32)]]
    np.testing.assert_array_equal(seen.sources[:, 0, 0], [1, 6])
    np.testing.assert_array_equal(seen.candidates[1, 0, : 4 + 192], seen.state[0])


def test_nobody_offered():
    seen = look(SeenTask(), AWARE, groups([], []))
    assert seen.candidates.shape == (2, 0, 4 + 192 + 64)
    assert seen.state.shape == (ROWS, 4 + 192)


# Divergences ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [FAITHFUL, AWARE], ids=["per candidate", "fixed"])
@pytest.mark.parametrize("seed", range(4))
def test_histograms_of_divergences(profile, seed):
    task = SeenTask(seed=seed)
    bought = [1, 2, 7]
    seen = look(task, profile, bought=bought)
    units = OFFERED.flat
    p = predicted(task, units, 1 if profile.normalise_counts else PIXELS)  # the released floor is under counts
    known = labelled(task, (given_units() if profile.keep_given else []) + bought)
    fixed = profile.fixed_histograms
    for n, (g, i) in enumerate(np.argwhere(OFFERED.mask)):
        against = straightforward(p[n], known, fixed)
        np.testing.assert_allclose(seen.field("divergence_labelled")[g, i], against, atol=1e-6)
        among = straightforward(p[n], p, fixed)  # itself included
        np.testing.assert_allclose(seen.field("divergence_candidates")[g, i], among, atol=1e-6)


def test_a_candidate_meets_itself():
    """Alone it has one divergence, zero: in the first bin of a fixed range, in the middle of its own."""
    for profile, place in ((AWARE, 0), (FAITHFUL, BINS // 2)):
        seen = look(SeenTask(), profile, groups([5]))
        np.testing.assert_array_equal(seen.field("divergence_candidates")[0, 0], np.eye(BINS)[place])


@pytest.mark.parametrize("profile", [FAITHFUL, AWARE], ids=["faithful", "sound"])
def test_without_labels_the_first_histogram_is_zero(profile):
    seen = look(SeenTask(), profile, given=())
    assert not seen.field("divergence_labelled").any()
    assert seen.field("divergence_candidates").any(axis=2)[OFFERED.mask].all()


def test_void_is_a_class_of_what_is_labelled():
    """A region of void alone: certain to be nothing that can be predicted, so as far away as can be."""
    task = SeenTask()
    task.masks[1] = 255
    task.tables["classes"][5] = [1, 0, 0]
    seen = look(task, AWARE, groups([5]), bought=[1], given=())
    np.testing.assert_array_equal(seen.field("divergence_labelled")[0, 0], np.eye(BINS)[-1])


def test_a_range_of_its_own_makes_bins_of_two_candidates_mean_different_things():
    task = SeenTask()
    task.tables["classes"][0], task.tables["classes"][5] = [0.5, 0.5, 0], [0.6, 0.4, 0]
    for fixed in (True, False):
        seen = look(task, replace(AWARE, fixed_histograms=fixed), groups([0, 5]), given=())
        among = seen.field("divergence_candidates")[0]
        # 0.02 nats apart: nothing on a range up to 16, everything on their own.
        expected = np.eye(BINS)[[0, 0]] if fixed else np.tile((np.eye(BINS)[0] + np.eye(BINS)[-1]) / 2, (2, 1))
        np.testing.assert_allclose(among, expected)


# What is labelled -----------------------------------------------------------------------------------------------------


def test_labelled_are_the_regions_of_given_images_and_what_was_bought():
    task = SeenTask()
    found = LabelledSide(3).fractions(a_game(task, bought=[1, 13]))
    exact = [true_shares(task, u) for u in [*given_units(), 1, 13]]
    np.testing.assert_allclose(found, exact)


def test_what_is_not_kept_is_not_compared_with():
    task = SeenTask()
    kept, dropped = (look(task, replace(AWARE, keep_given=k), bought=[1, 2]) for k in (True, False))
    nothing_given = look(task, AWARE, bought=[1, 2], given=())
    np.testing.assert_array_equal(dropped.candidates, nothing_given.candidates)
    assert not np.array_equal(kept.candidates, dropped.candidates)
    assert not look(task, replace(AWARE, keep_given=False)).field("divergence_labelled").any()


def test_given_images_are_counted_once_and_anew_where_others_are_given():
    task = SeenTask()
    side = LabelledSide(3)
    for bought in ([], [1], [1, 2]):
        assert len(side.fractions(a_game(task, bought))) == 8 + len(bought)
    assert task.told == [given_units()]
    assert len(side.fractions(a_game(task, [1], given=[4]))) == REGIONS + 1
    assert len(side.fractions(a_game(task, [1], given=[]))) == 1
    np.testing.assert_array_equal(side.fractions(a_game(task, [1])), LabelledSide(3).fractions(a_game(task, [1])))


def test_a_task_that_cannot_count_answers_has_nothing_labelled():
    game = a_game(SeenTask(), [1])
    game.task = object()
    assert LabelledSide(3).fractions(game).shape == (0, 4)


# State ----------------------------------------------------------------------------------------------------------------


def test_state_rows_are_the_regions_of_the_state_images_in_order():
    task = SeenTask()
    first, second = look(task, AWARE), look(task, AWARE, groups([31, 24, 1]), step=5)
    expected = np.concatenate(
        [np.pad(task.tables["classes"][24:32], ((0, 0), (0, 1))), task.tables["entropy_grid"][24:32].reshape(8, -1)], 1
    )
    np.testing.assert_array_equal(first.state, expected.astype(np.float32))
    np.testing.assert_array_equal(second.state, first.state)


def test_without_a_state_set_some_images_of_the_pool_serve():
    task = SeenTask()
    game = a_game(task, state=False)
    assert state_units(game).tolist() == list(range(16))  # there are only four
    game.pool = ColumnarPool([f"{s}" for s in range(40)], ["@0", "@1"])
    game.split = Split(np.where(np.arange(40) < 30, Role.POOL, Role.TEST).astype(np.int8))
    chosen = []
    for seed in (0, 0, 1):
        game.seed = seed
        units = state_units(game)
        assert (np.diff(units) > 0).all()
        assert len(units) == 2 * STATE_IMAGES
        assert units.max() < 60
        chosen.append(units.tolist())
    assert chosen[0] == chosen[1] != chosen[2]
    assert task.told == []


@pytest.mark.parametrize(("size", "region", "rows"), [((360, 480), (90, 80), 240), ((1024, 2048), (128, 128), 1_280)])
def test_state_rows_of_camvid_and_cityscapes(size, region, rows):
    """ALGORITHMS 10: ten images of the state set, of 24 and of 128 regions."""
    pool = ColumnarPool([f"i{s}" for s in range(30)], [f"@{r}" for r in range(len(Grid.of(size, region)))])
    found = np.full(30, Role.POOL, dtype=np.int8)
    assert state_row_count(Split(found), pool) == rows  # so many of the pool, where there is no state set
    found[:STATE_IMAGES] = Role.STATE
    assert state_row_count(Split(found), pool) == rows


# Hidden episodes ------------------------------------------------------------------------------------------------------


def hidden(profile, episode, seed=0):
    task = SeenTask()
    game = {"bought": [1, 2], "episode": episode, "seed": seed}
    return not look(task, profile, **game).field("divergence_labelled").any()


def test_some_episodes_hide_what_is_labelled_and_a_deployment_never_does():
    profile = replace(AWARE, hide_labelled=0.25)
    found = [hidden(profile, episode) for episode in range(1, 41)]
    assert 4 <= sum(found) <= 17
    assert found == [hidden(profile, episode) for episode in range(1, 41)]
    assert found != [hidden(profile, episode, seed=1) for episode in range(1, 41)]
    always = replace(AWARE, hide_labelled=1.0)
    assert all(hidden(always, episode) for episode in range(1, 5))
    assert not hidden(always, 0)
    assert not any(hidden(replace(AWARE, hide_labelled=0.0), episode) for episode in range(5))


def test_an_episode_hides_at_every_step_or_at_none():
    task = SeenTask()
    for episode in range(1, 9):
        eyes = ClassAware(task, replace(AWARE, hide_labelled=0.5), ROWS)
        game = a_game(task, bought=[1], episode=episode)
        seen = [eyes.observe(game, OFFERED, step).field("divergence_labelled").any() for step in range(4)]
        assert len(set(seen)) == 1


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["entropy_grid", "classes", "class_counts"])
def test_a_task_that_lacks_a_field_is_refused(field):
    task = SeenTask()
    del task.fields[field]
    with pytest.raises(QueristError, match=f"ralis needs the field '{field}'; SeenTask offers entropy") as caught:
        ClassAware(task, AWARE, ROWS)
    if field == "entropy_grid":
        assert "at least 8 pixels" in caught.value.fix
