import hashlib
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from querist.core.answers import Decoder, Labels, decode, encode
from querist.errors import QueristError

DTYPES = st.sampled_from([np.uint8, np.int64, np.float32, np.float64, np.bool_])
ANSWERS = DTYPES.flatmap(
    lambda d: arrays.arrays(d, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
)


@settings(max_examples=40)
@given(ANSWERS)
def test_an_answer_comes_back_bit_by_bit(answer):
    digest, data = encode(answer)
    back = decode(digest, data)
    assert (back.dtype, back.shape, back.tobytes()) == (answer.dtype, answer.shape, answer.tobytes())
    assert digest == hashlib.sha256(zlib.decompress(data)).hexdigest()


def test_small_answers_are_read_once_and_large_ones_each_time():
    reads = []
    decoder = Decoder()
    small, large = encode(np.array(True)), encode(np.arange(9))
    for digest, data in (small, large) * 3:
        decoder(digest, lambda found=(digest, data): reads.append(found[0]) or found[1])
    assert sorted(reads) == sorted([small[0], *[large[0]] * 3])
    others = [encode(np.array(number)) for number in range(600)]
    for number, (digest, data) in enumerate(others * 2):
        assert decoder(digest, lambda found=data: found) == number % 600  # more than it remembers


def test_the_digest_is_of_the_content_and_not_of_the_layout():
    answer = np.arange(12, dtype=np.uint8).reshape(3, 4)
    same = [answer.copy(order="F"), np.repeat(answer, 2, axis=1)[:, ::2], answer.T.copy().T]
    assert {encode(a)[0] for a in same} == {encode(answer)[0]}
    others = [answer.astype(np.int16), answer.reshape(4, 3), answer + 1, answer.T]
    assert len({encode(a)[0] for a in [answer, *others]}) == 5


def test_objects_never_get_in():
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        encode(np.array([{"a": 1}], dtype=object))


@pytest.mark.parametrize("harm", ["garbage", "cut", "other", "empty"])
def test_damage_is_noticed(harm):
    digest, data = encode(np.arange(100))
    harmed = {"garbage": b"no zlib", "cut": data[:-3], "other": encode(np.arange(99))[1], "empty": b""}[harm]
    with pytest.raises(QueristError, match=f"answer {digest[:12]} in the run file is damaged"):
        decode(digest, harmed)


def test_labels_are_as_many_as_their_answers():
    with pytest.raises(ValueError, match="2 units but 1 answers"):
        Labels(np.array([1, 2]), (np.zeros(1),), np.zeros(0, dtype=np.int64))
