import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.evaluation import paired_difference
from querist.errors import QueristError
from querist.kernels.distances import squared_distance_blocks
from querist.tasks.reid.metric import PARTS, retrieval


def measured(queries, gallery):
    """Each crop is (place on a line, person, camera)."""

    def columns(crops):
        place, person, camera = (np.array(column) for column in zip(*crops, strict=True))
        return place.astype(np.float32)[:, None], person, camera

    q, q_person, q_camera = columns(queries)
    g, g_person, g_camera = columns(gallery)
    return retrieval(10 + np.arange(len(q)), q, g, q_person, g_person, q_camera, g_camera)


def by_sorting(queries, gallery):
    """The protocol in its plainest form: sort, throw out, walk down the list."""
    rows = []
    for place, person, camera in queries:
        ranking = sorted(range(len(gallery)), key=lambda j: ((gallery[j][0] - place) ** 2, j))
        kept = [gallery[j] for j in ranking if gallery[j][1] != -1]
        kept = [crop for crop in kept if not (crop[1] == person and crop[2] == camera)]
        hits, precisions, first = 0, [], None
        for rank, crop in enumerate(kept, start=1):
            if crop[1] == person:
                hits += 1
                precisions.append(hits / rank)
                first = first or rank
        if first is None:
            rows.append([0.0] * 5)
        else:
            rows.append([1.0, sum(precisions) / hits, *(float(first <= k) for k in (1, 5, 10))])
    return np.array(rows)


def test_average_precision_and_ranks_by_hand():
    # Query of person 1, camera 1, at 0. Ranking: 2 (0.1), [own camera], [junk], 1 (0.4), distractor, 1 (0.6).
    gallery = [(0.6, 1, 3), (0.4, 1, 2), (0.1, 2, 1), (0.2, 1, 1), (0.3, -1, 2), (0.5, 0, 2)]
    got = measured([(0.0, 1, 1)], gallery)
    # The correct images are at ranks 2 and 4: AP = (1/2 + 2/4) / 2.
    assert got.statistics.tolist() == [[1.0, 0.5, 0.0, 1.0, 1.0]]
    assert got.value == pytest.approx(50.0)
    assert got.part_values == [0.0, 100.0, 100.0]
    assert PARTS == ("rank-1", "rank-5", "rank-10")


def test_queries_are_averaged_and_those_without_a_match_left_out():
    gallery = [(0.0, 1, 2), (1.0, 2, 2), (1.1, 3, 2), (2.0, 4, 5)]
    queries = [(0.0, 1, 1), (1.2, 2, 1), (2.0, 4, 5), (9.0, 7, 1)]
    got = measured(queries, gallery)  # person 4 is there by the same camera only, person 7 not at all
    assert got.statistics[:, 0].tolist() == [1, 1, 0, 0]
    assert got.left_out == 2
    assert got.value == pytest.approx(100 * (1 + 1 / 2) / 2)
    assert got.part_values == [50.0, 100.0, 100.0]
    assert got.sources.tolist() == [10, 11, 12, 13]


def test_a_first_match_at_rank_6_counts_for_rank_10_alone():
    gallery = [(float(j), 9, 2) for j in range(1, 6)] + [(6.0, 1, 2)]
    got = measured([(0.0, 1, 1)], gallery)
    assert got.statistics[0].tolist() == [1.0, pytest.approx(1 / 6), 0.0, 0.0, 1.0]


@pytest.mark.parametrize(("gallery_first", "average_precision"), [(True, 1.0), (False, 0.5)])
def test_ties_go_by_the_order_of_the_gallery(gallery_first, average_precision):
    gallery = [(1.0, 1, 2), (-1.0, 2, 2)]
    got = measured([(0.0, 1, 1)], gallery if gallery_first else gallery[::-1])
    assert got.value == pytest.approx(100 * average_precision)


def test_distractors_are_nobody_even_to_a_query_without_a_person():
    got = measured([(0.0, 0, 1), (0.0, 1, 1)], [(0.0, 0, 2), (1.0, 1, 2)])
    assert got.statistics[:, :2].tolist() == [[0, 0], [1, 0.5]]


CROP = st.tuples(st.integers(0, 3), st.integers(-1, 3), st.integers(1, 2))
QUERY = st.tuples(st.integers(-3, 0), st.integers(1, 4), st.integers(1, 2))


@given(st.lists(QUERY, min_size=1, max_size=5), st.lists(CROP, min_size=1, max_size=30))
def test_as_by_sorting(queries, gallery):
    # Queries lie on one side of the gallery: only crops at the same place tie, which rounding cannot part.
    got = measured(queries, gallery)
    np.testing.assert_allclose(got.statistics, by_sorting(queries, gallery), rtol=1e-12)
    assert np.all(np.diff(got.statistics[:, 2:], axis=1) >= 0)  # CMC never falls with the rank


def test_many_dimensions_and_blocks_agree_with_sorting(monkeypatch):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 8)).astype(np.float32)
    persons = {side: rng.integers(1, 12, count) for side, count in (("q", 40), ("g", 200))}
    cameras = {side: rng.integers(1, 4, len(own)) for side, own in persons.items()}
    vectors = {side: centres[own] + rng.normal(size=(len(own), 8)).astype(np.float32) for side, own in persons.items()}
    whole = retrieval(np.arange(40), vectors["q"], vectors["g"], persons["q"], persons["g"], cameras["q"], cameras["g"])
    distances = ((vectors["q"][:, None].astype(np.float64) - vectors["g"]) ** 2).sum(-1)
    for i in range(40):
        # On a line: the query at 0, the gallery at its distances.
        gallery = list(zip(np.sqrt(distances[i]), persons["g"], cameras["g"], strict=True))
        expected = by_sorting([(0.0, persons["q"][i], cameras["q"][i])], gallery)[0]
        np.testing.assert_allclose(whole.statistics[i], expected, rtol=1e-12)
    monkeypatch.setattr(
        "querist.tasks.reid.metric.squared_distance_blocks",
        lambda rows, columns: squared_distance_blocks(rows, columns, cells=3 * len(columns)),
    )
    blocked = retrieval(
        np.arange(40), vectors["q"], vectors["g"], persons["q"], persons["g"], cameras["q"], cameras["g"]
    )
    np.testing.assert_allclose(blocked.statistics, whole.statistics, rtol=1e-12)


def test_resampling_counts_queries_and_pairs_models():
    gallery = [(0.0, 1, 2), (1.0, 2, 2)]
    worse, better = (measured([(0.0, 1, 1), (where, 2, 1)], gallery) for where in (0.0, 1.0))
    assert worse.resampled(np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 3.0]])) == pytest.approx([75.0, 100.0, 50.0])
    gain, error = paired_difference(worse, better, np.random.default_rng(0))
    assert gain == pytest.approx(25.0)
    assert error > 0


def test_no_query_that_counts_gives_no_number():
    got = measured([(0.0, 1, 1)], [(0.0, 2, 2)])
    assert np.isnan(got.value)
    assert got.part_values == [None, None, None]
    assert got.left_out == 1


def test_what_cannot_be_ranked_is_named():
    one, people = np.zeros((1, 2), dtype=np.float32), np.array([1])
    with pytest.raises(QueristError, match="there is no gallery image"):
        retrieval(people, one, one[:0], people, people[:0], people, people[:0])
    with pytest.raises(QueristError, match="query image 0 is not finite"):
        retrieval(people, one * np.nan, one, people, people, people, people)
    with pytest.raises(ValueError, match="gallery embeddings"):
        retrieval(people, one, one, people, np.array([1, 2]), people, people)
