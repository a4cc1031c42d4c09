import numpy as np

from querist.core.digests import arrays_digest


def test_names_contents_types_and_shapes_count():
    rows = np.arange(6, dtype=np.int32).reshape(2, 3)
    first = arrays_digest("ab", rows)
    assert first == arrays_digest(("a", "b"), np.asfortranarray(rows))
    others = [
        ("ac", rows),
        ("ab", rows + 1),
        ("ab", rows.astype(np.int64)),
        ("ab", rows.reshape(3, 2)),
        ("ab", rows, rows),
    ]
    assert len({first, *(arrays_digest(names, *arrays) for names, *arrays in others)}) == 6
