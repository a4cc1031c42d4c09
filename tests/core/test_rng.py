import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core import rng

BASE = {"seed": 1, "name": "fit", "game": 0, "step": 4}
OTHERS = [{"seed": 2}, {"seed": -1}, {"name": "policy"}, {"game": 1}, {"step": 5}, {"step": -1}]


def by_hand(unit: int, salt: tuple[int, int]) -> int:
    """The same mixing with Python's unbounded integers."""
    word = 2**64
    z = ((unit + 1) * 0x9E3779B97F4A7C15 + salt[0]) % word
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % word
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB % word) ^ salt[1]
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % word
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % word
    return z ^ (z >> 31)


def test_a_stream_is_a_function_of_its_four_arguments():
    first = rng.generator(**BASE).random(8)
    np.testing.assert_array_equal(rng.generator(**BASE).random(8), first)
    for other in OTHERS:
        assert not np.isclose(rng.generator(**{**BASE, **other}).random(8), first).any()


def test_keys_are_the_documented_mixing():
    digest = rng._digest(3, "candidates", 0, 7)
    salt = (int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little"))
    units = [0, 1, 2, 255, 2**31, 2**40 + 5, 2**62]
    assert rng.keys(np.array(units), 3, "candidates", 0, 7).tolist() == [by_hand(u, salt) for u in units]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=30, unique=True), st.data())
def test_a_key_does_not_depend_on_who_else_is_there(units, data):
    everyone = np.array(units)
    keys = rng.keys(everyone, 5, "candidates", 1, 2)
    some = np.array(data.draw(st.lists(st.integers(0, len(units) - 1), min_size=1)))
    np.testing.assert_array_equal(rng.keys(everyone[some], 5, "candidates", 1, 2), keys[some])
    assert len(set(keys.tolist())) == len(units)  # the mixing is a bijection


def test_keys_keep_shape_and_take_no_units():
    assert rng.keys(np.arange(6).reshape(2, 3), 0, "x").shape == (2, 3)
    assert rng.keys(np.zeros(0, dtype=np.int64), 0, "x").dtype == np.uint64


@pytest.mark.parametrize("units", [np.arange(100_000), np.arange(100_000) * 1_000_003], ids=["dense", "strided"])
def test_keys_are_uniform_in_every_bit_and_byte(units):
    keys = rng.keys(units, 11, "candidates", 0, 3)
    n = len(units)
    for bit in range(64):
        share = ((keys >> np.uint64(bit)) & np.uint64(1)).mean()
        assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(n), bit
    for shift in (0, 28, 56):
        counts = np.bincount(((keys >> np.uint64(shift)) & np.uint64(255)).astype(int), minlength=256)
        chi_square = np.square(counts - n / 256).sum() / (n / 256)
        assert abs(chi_square - 255) < 6 * np.sqrt(2 * 255)  # mean and deviation of chi square with 255 degrees


def test_neighbours_and_other_streams_are_uncorrelated():
    units = np.arange(50_000)
    bound = 5 / np.sqrt(len(units))
    first = rng.uniforms(units, **BASE)
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < bound
    for other in OTHERS:
        second = rng.uniforms(units, **{**BASE, **other})
        assert abs(np.corrcoef(first, second)[0, 1]) < bound
        assert abs(np.corrcoef(first[1:], second[:-1])[0, 1]) < bound  # nor is it the same stream, shifted


def test_every_order_of_four_units_is_equally_likely():
    orders = [tuple(np.argsort(rng.keys(np.arange(4), seed, "images", 0, 0))) for seed in range(4800)]
    counts = [orders.count(order) for order in itertools.permutations(range(4))]
    assert max(abs(c - 200) for c in counts) < 5 * np.sqrt(200)


def test_uniforms_lie_strictly_between_zero_and_one(monkeypatch):
    ends = np.array([0, 2**64 - 1, 2**63], dtype=np.uint64)
    monkeypatch.setattr(rng, "keys", lambda *_: ends)
    low, high, middle = rng.uniforms(np.arange(3), 0, "x")
    assert 0.0 < low < 1e-15
    assert 1.0 - 1e-15 < high < 1.0
    assert middle == pytest.approx(0.5)
    assert low == 1.0 - high  # symmetric
