import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from querist.core.observation import Field, Groups, Observation, Schema
from querist.errors import QueristError

FIELDS = (Field("entropy", (), 0.0, 2.0), Field("classes", (3,), 0.0, 1.0, per_class=True), Field("grid", (2, 2)))
SCHEMA = Schema(FIELDS, (Field("budget"),), ("road", "sky", "tree"))


def test_the_hash_is_stable_and_changes_with_everything():
    first = replace(FIELDS[0])
    changes = [
        replace(SCHEMA, candidates=(replace(first, name="margin"), *FIELDS[1:])),
        replace(SCHEMA, candidates=(replace(first, shape=(1,)), *FIELDS[1:])),
        replace(SCHEMA, candidates=(replace(first, low=-1.0), *FIELDS[1:])),
        replace(SCHEMA, candidates=(replace(first, low=-math.inf), *FIELDS[1:])),
        replace(SCHEMA, candidates=(replace(first, high=2.5), *FIELDS[1:])),
        replace(SCHEMA, candidates=(replace(first, high=math.inf), *FIELDS[1:])),
        replace(SCHEMA, candidates=(replace(first, per_class=True), *FIELDS[1:])),
        replace(SCHEMA, candidates=FIELDS[::-1]),
        replace(SCHEMA, candidates=FIELDS[:2]),
        replace(SCHEMA, candidates=(), state=FIELDS),
        replace(SCHEMA, state=()),
        replace(SCHEMA, state=FIELDS),
        replace(SCHEMA, classes=None),
        replace(SCHEMA, classes=("sky", "road", "tree")),
        replace(SCHEMA, classes=("road", "sky", "trees")),
    ]
    hashes = [s.hash() for s in (SCHEMA, *changes)]
    assert len(set(hashes)) == len(hashes)
    assert Schema(tuple(replace(f) for f in FIELDS), (Field("budget"),), ("road", "sky", "tree")).hash() == hashes[0]
    text = '{"candidates": [{"high": 1.0, "low": 0.0, "name": "x", "per_class": false, "shape": []}]'
    text += ', "classes": null, "state": []}'  # a policy card keeps the hash: its form must not drift
    assert Schema((Field("x", (), 0.0, 1.0),)).hash() == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_columns_lie_side_by_side_in_order():
    assert SCHEMA.width == 8
    assert [SCHEMA.columns(f.name) for f in FIELDS] == [slice(0, 1), slice(1, 4), slice(4, 8)]
    with pytest.raises(QueristError, match="no field 'margin', it has entropy, classes, grid"):
        SCHEMA.columns("margin")
    with pytest.raises(QueristError, match="it has nothing"):
        Schema(()).columns("entropy")


def test_fields_are_views_of_the_candidates():
    groups = Groups(np.arange(6).reshape(2, 3), np.ones((2, 3), dtype=bool))
    candidates = np.arange(48, dtype=np.float32).reshape(2, 3, 8)
    seen = Observation(groups, candidates, SCHEMA, np.zeros((2, 3, 1), dtype=np.int64))
    np.testing.assert_array_equal(seen.field("entropy"), candidates[:, :, 0])
    np.testing.assert_array_equal(seen.field("classes"), candidates[:, :, 1:4])
    assert seen.field("grid").shape == (2, 3, 4)
    assert seen.state.size == 0


def test_groups_are_flat_in_order_and_masked():
    groups = Groups(np.array([[5, 3, -1], [8, -1, -1]]), np.array([[True, True, False], [True, False, False]]))
    assert groups.flat.tolist() == [5, 3, 8]
    for units, mask in ((np.zeros((2, 3)), np.ones((3, 2), dtype=bool)), (np.zeros(3), np.ones(3, dtype=bool))):
        with pytest.raises(ValueError, match="must both be"):
            Groups(units, mask)


def test_the_digest_tells_who_was_offered_and_in_which_order():
    yes = np.ones((1, 4), dtype=bool)
    offers = [
        Groups(np.array([[1, 2, 3, 4]]), yes),
        Groups(np.array([[2, 1, 3, 4]]), yes),
        Groups(np.array([[1, 2, 3, 5]]), yes),
        Groups(np.array([[1, 2], [3, 4]]), yes.reshape(2, 2)),
        Groups(np.array([[1, 2, 3, 4]]), np.array([[True, True, True, False]])),
    ]
    assert len({offer.digest() for offer in offers}) == 5
    assert Groups(np.array([[1, 2, 3, 4]], dtype=np.int32), yes).digest() == offers[0].digest()
