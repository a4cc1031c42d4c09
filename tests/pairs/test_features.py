from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.pairs.features import (
    GRAPH,
    NODE,
    graph_features,
    matrix_features,
    matrix_schema,
    node_features,
    node_schema,
)
from toy_pairs import a_graph

SCHEMA = node_schema()


def column(graph, name):
    return node_features(graph)[:, SCHEMA.columns(name)][:, 0]


def value(graph, name):
    return dict(zip([f.name for f in GRAPH], graph_features(graph), strict=True))[name]


LINE = a_graph([0.0, 1.0, 3.0, 7.0], mutual=2, width=5)
"""The anchor at 0; typical distance 2, largest 49. Linked: anchor and 1 and 3 with one another, 7 with nobody."""


def test_before_any_answer():
    np.testing.assert_allclose(column(LINE, "rank"), [0, 1 / 5, 2 / 5])
    np.testing.assert_allclose(column(LINE, "distance"), [1 / 2, 4, 4])  # 9/2 and 49/2 are told as 4
    np.testing.assert_allclose(column(LINE, "similarity"), [48 / 49, 40 / 49, 0], rtol=1e-6)
    np.testing.assert_allclose(column(LINE, "similarity_start"), [48 / 49, 40 / 49, 0], rtol=1e-6)
    np.testing.assert_allclose(column(LINE, "standing"), [1, 0.5, 0])
    np.testing.assert_allclose(column(LINE, "degree"), [2 / 3, 2 / 3, 0])
    np.testing.assert_allclose(column(LINE, "strength"), [93 / 98, 85 / 98, 0], rtol=1e-6)
    assert not node_features(LINE)[:, SCHEMA.columns("to_same")].any()
    assert not node_features(LINE)[:, SCHEMA.columns("to_different")].any()
    np.testing.assert_allclose(column(LINE, "farthest_same"), [1 / 2, 4, 4])
    # Without negatives, the mean distance to the other neighbours: of the first, 4 / 2 and 36 / 2, told as 4
    np.testing.assert_allclose(column(LINE, "nearest_different"), [(2 + 4) / 2, (2 + 4) / 2, 4])
    assert not column(LINE, "asked_about").any()


def test_close_neighbours_have_distances_below_the_largest_told():
    near = a_graph([0.0, 0.5, 1.0, 2.0], width=3)
    np.testing.assert_allclose(column(near, "nearest_different"), np.array([2.5, 1.25, 3.25]) / 2 / 2)


def test_after_answers():
    told = LINE.after(0, True).after(2, False)
    features = node_features(told)
    assert not features[[0, 2]].any()  # who was asked about
    row = {f.name: features[1, SCHEMA.columns(f.name)] for f in NODE}
    np.testing.assert_allclose(row["to_same"], [45 / 49, 45 / 49], rtol=1e-6)
    np.testing.assert_allclose(row["to_different"], [33 / 49, 33 / 49], rtol=1e-6)
    np.testing.assert_allclose(row["farthest_same"], 4)  # of 9 to the anchor and 4 to the match, in twos: 4.5
    np.testing.assert_allclose(row["nearest_different"], 4)  # 16 / 2
    np.testing.assert_allclose(row["standing"], 0)  # nobody else is left
    np.testing.assert_allclose(row["similarity_start"], 40 / 49, rtol=1e-6)
    np.testing.assert_allclose(row["similarity"], (40 + 45) / 98, rtol=1e-6)


def test_of_the_whole_graph():
    told = LINE.after(0, True).after(2, None)
    shares = [value(told, name) for name in ("share_same", "share_different", "share_untold")]
    np.testing.assert_allclose(shares, [1 / 3, 0, 1 / 3])
    assert value(told, "turn") == pytest.approx(0.2)
    assert value(told, "extent") == 4
    assert value(told, "mean_distance") == 4  # (1 + 9 + 49) / 3 / 2
    assert value(told, "density") == pytest.approx(6 / 12)  # three links of six


def test_equal_similarities_share_their_standing():
    graph = a_graph([[0.0, 0], [1, 0], [-1, 0], [0, 5]], mutual=3)
    np.testing.assert_allclose(column(graph, "standing"), [0.75, 0.75, 0])


def test_counts_of_questions_are_logarithmic_and_end_at_a_hundred():
    graph = replace(LINE, about=np.array([0, 9, 400]), other_camera=np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(column(graph, "asked_about"), [0, np.log(10) / np.log(101), 1], rtol=1e-6)
    np.testing.assert_allclose(column(graph, "other_camera"), [0, 1, 0])


def test_the_matrix_is_padded_by_nodes_like_nobody():
    told = LINE.after(1, True)
    vector = matrix_features(told)
    assert vector.shape == (6 * 6 + 5,)
    matrix = vector[:36].reshape(6, 6)
    np.testing.assert_allclose(matrix[:4, :4], told.graph, rtol=1e-6)
    assert not matrix[4:].any()
    assert not matrix[:, 4:].any()
    assert vector[36:].tolist() == [0, 1, 0, 1, 1]


def test_schemas_have_the_printed_sizes():
    assert sum(f.size for f in matrix_schema(30).state) == 31**2 + 30
    assert matrix_schema(30).width == 0
    assert matrix_schema(30).hash() != matrix_schema(29).hash()
    assert SCHEMA.width == node_features(LINE).shape[1]
    assert sum(f.size for f in SCHEMA.state) == len(graph_features(LINE))


@given(
    st.integers(2, 12),
    st.integers(1, 12),
    st.lists(st.sampled_from([True, False, None]), max_size=11),
    st.sampled_from([0.01, 1.0, 50.0]),
    st.integers(0, 999),
)
def test_all_numbers_lie_in_the_ranges_of_the_schema(n, mutual, answers, scale, seed):
    rng = np.random.default_rng(seed)
    graph = a_graph((scale * rng.normal(size=(n, 2))).round(2), mutual)
    for place, answer in zip(rng.permutation(n - 1), answers, strict=False):
        graph = graph.after(int(place), answer)
    graph = replace(graph, about=rng.integers(0, 300, n - 1))
    features = node_features(graph)
    assert features.dtype == np.float32
    assert not features[~graph.free].any()
    for f in NODE:
        block = features[:, SCHEMA.columns(f.name)]
        assert ((block >= f.low) & (block <= np.float32(f.high))).all(), f.name
    for f, number in zip(GRAPH, graph_features(graph), strict=True):
        assert f.low <= number <= f.high, f.name
    vector = matrix_features(graph)
    assert ((vector >= 0) & (vector <= 1)).all()
