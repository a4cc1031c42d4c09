import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from querist.core.card import CARD, FORMAT, TENSORS, PolicyCard
from querist.core.observation import Field, Schema
from querist.core.snapshots import encode_arrays
from querist.errors import QueristError

FREE = Schema((Field("entropy", (), 0.0, 1.0), Field("histogram", (3,))), (Field("rows", (2, 4)),))
AWARE = Schema((Field("classes", (2,), 0.0, 1.0, per_class=True),), (), ("road", "sky"))
TENSORS_OF_A_CARD = {
    "network/half": np.array([[1.5, -0.25], [3e-4, 65504.0]], dtype=np.float16),
    "network/full": np.array([1e-30, np.pi], dtype=np.float32),
    "network/known": np.array(True),
    "network/#tree": np.frombuffer(b'{"map": []}', dtype=np.uint8),
}


def a_card(**changes):
    card = PolicyCard(
        "ralis",
        "sound",
        FREE,
        {"gamma": 0.999, "episodes": 3, "bootstrap": False, "loss": "huber"},
        {"recipe": "toy", "labels": {"start": 8, "reward": 4}, "number": 1},
        ({"episode": 1, "return": 0.1, "rewards": [0.25, -0.15]}, {"episode": 2, "return": 1 / 3, "rewards": []}),
        TENSORS_OF_A_CARD,
        check={"policy": [1.0], "random": [0.5], "standard_error": None},
    )
    return replace(card, **changes)


def reason(folder):
    """Why a card is refused; it must name its folder and say what to do."""
    with pytest.raises(QueristError) as caught:
        PolicyCard.load(folder)
    assert str(folder) in caught.value.what
    assert caught.value.fix
    return caught.value.what


def rewrite(folder, **changes):
    document = json.loads((folder / CARD).read_text()) | changes
    (folder / CARD).write_text(json.dumps(document))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schema": AWARE, "control": "shuffled", "variant": "gamma=0.5"},
        {"curve": (), "check": {}},
        {"compared": {"recipe": "mine", "seeds": 8, "said": "It beats its controls."}},
    ],
)
def test_round_trip(tmp_path, changes):
    card = a_card(**changes)
    assert card.save(tmp_path / "new" / "card") == tmp_path / "new" / "card"
    found = PolicyCard.load(tmp_path / "new" / "card")
    for name in (
        "agent",
        "profile",
        "schema",
        "settings",
        "training",
        "curve",
        "control",
        "variant",
        "check",
        "compared",
    ):
        assert getattr(found, name) == getattr(card, name), name
    assert found.hash == card.hash
    assert found.tensors.keys() == card.tensors.keys()
    for name, tensor in card.tensors.items():  # half precision stays half, nothing is rounded
        assert found.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found.tensors[name], tensor)


def test_two_files_and_a_card_that_people_can_read(tmp_path):
    a_card().save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CARD, TENSORS]
    document = json.loads((tmp_path / CARD).read_text())
    assert document["classes"] == "class-free"
    assert document["schema"] == json.loads(json.dumps(asdict(FREE)))
    assert document["tensors_sha256"] == hashlib.sha256((tmp_path / TENSORS).read_bytes()).hexdigest()
    a_card(schema=AWARE).save(tmp_path)  # a card may be written over
    assert json.loads((tmp_path / CARD).read_text())["classes"] == "class-aware"


def test_new_words_leave_weights_as_they_lie(tmp_path):
    """Another program may lay the same tensors out in another way."""
    a_card().save(tmp_path)
    save_file(dict(TENSORS_OF_A_CARD), tmp_path / TENSORS, metadata={"format": "pt"})
    data = (tmp_path / TENSORS).read_bytes()
    document = json.loads((tmp_path / CARD).read_text()) | {"tensors_sha256": hashlib.sha256(data).hexdigest()}
    (tmp_path / CARD).write_text(json.dumps(document))
    replace(PolicyCard.load(tmp_path), compared={"said": "it learned"}).save_words(tmp_path)
    assert (tmp_path / TENSORS).read_bytes() == data
    assert PolicyCard.load(tmp_path).compared == {"said": "it learned"}


def test_nothing_is_pickled(tmp_path):
    a_card().save(tmp_path)
    # No pickle protocol, no zip of torch: JSON, and a safetensors file, which begins with its JSON header's length.
    data = (tmp_path / TENSORS).read_bytes()
    assert json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).keys() >= TENSORS_OF_A_CARD.keys()
    with pytest.raises(Exception, match=r"dtype|object|<O"):
        a_card(tensors={"network/object": np.array([{}], dtype=object)}).save(tmp_path / "other")
    assert not (tmp_path / "other" / CARD).exists()


def test_the_name_of_the_strategy():
    assert a_card().strategy == "ralis/sound"
    assert a_card(profile="faithful").strategy == "ralis/faithful"
    assert a_card(control="untrained").strategy == "ralis/untrained"


def test_the_hash_changes_with_all_that_choices_depend_on_and_nothing_else():
    weights = {name: tensor.copy() for name, tensor in TENSORS_OF_A_CARD.items()}
    weights["network/full"][0] = 2e-30
    others = [
        a_card(tensors=weights),
        a_card(tensors={**TENSORS_OF_A_CARD, "network/more": np.zeros(1)}),
        a_card(settings={**a_card().settings, "gamma": 0.99}),
        a_card(schema=replace(FREE, candidates=FREE.candidates[:1])),
        a_card(schema=replace(FREE, candidates=(replace(FREE.candidates[0], high=2.0), FREE.candidates[1]))),
        a_card(profile="faithful"),
    ]
    assert len({a_card().hash, *(card.hash for card in others)}) == 7
    assert len(a_card().hash) == 16
    same = [a_card(curve=(), check={}, training={}), a_card(settings=dict(reversed(a_card().settings.items())))]
    assert {card.hash for card in same} == {a_card().hash}


@pytest.mark.parametrize("name", [CARD, TENSORS])
def test_a_missing_file(tmp_path, name):
    a_card().save(tmp_path)
    (tmp_path / name).unlink()
    assert name in reason(tmp_path)


def test_no_folder_at_all(tmp_path):
    assert CARD in reason(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"[]", b"7", b'"card"', b"null", b"{}", b"\xff\xfe\x00", b'{"format": 1, "schema": []}']
)
def test_a_card_that_is_no_card(tmp_path, garbage):
    a_card().save(tmp_path)
    (tmp_path / CARD).write_bytes(garbage)
    assert "not a policy card" in reason(tmp_path)


@pytest.mark.parametrize("key", ["format", "agent", "schema", "schema_hash", "settings", "check"])
def test_a_card_without_one_of_its_parts(tmp_path, key):
    a_card().save(tmp_path)
    document = json.loads((tmp_path / CARD).read_text())
    del document[key]
    (tmp_path / CARD).write_text(json.dumps(document))
    assert key in reason(tmp_path)


def test_tensors_of_another_card(tmp_path):
    a_card().save(tmp_path / "one")
    a_card(tensors={"network/half": np.zeros((2, 2), dtype=np.float16)}).save(tmp_path / "two")
    (tmp_path / "two" / TENSORS).replace(tmp_path / "one" / TENSORS)
    assert "not the one that was written with it" in reason(tmp_path / "one")


def test_a_tensor_file_that_was_cut(tmp_path):
    a_card().save(tmp_path)
    data = (tmp_path / TENSORS).read_bytes()
    (tmp_path / TENSORS).write_bytes(data[:-1])
    assert "not the one that was written with it" in reason(tmp_path)
    # Even if somebody makes the card agree with it.
    rewrite(tmp_path, tensors_sha256=hashlib.sha256(data[:-1]).hexdigest())
    assert "safetensors" in reason(tmp_path)


def test_another_format_is_said_to_be_one_before_anything_else_is_read(tmp_path):
    a_card().save(tmp_path)
    rewrite(tmp_path, format=FORMAT + 1, schema={"of": "the future"})
    assert "another version" in reason(tmp_path)


@pytest.mark.parametrize("change", ["width", "class"])
def test_a_schema_that_was_changed_by_hand(tmp_path, change):
    a_card(schema=AWARE).save(tmp_path)
    schema = json.loads(json.dumps(asdict(AWARE)))
    if change == "width":
        schema["candidates"][0]["shape"] = [3]
    else:
        schema["classes"][0] = "lawn"
    rewrite(tmp_path, schema=schema)
    assert "by hand" in reason(tmp_path)


@pytest.mark.parametrize("broken", [{"settings": [1, 2]}, {"training": 3}, {"check": None}, {"curve": 3}, {"agent": 7}])
def test_parts_of_another_kind(tmp_path, broken):
    a_card().save(tmp_path)
    rewrite(tmp_path, **broken)
    assert next(iter(broken)) in reason(tmp_path)


def test_the_bytes_do_not_depend_on_the_order_of_tensors():
    backwards = dict(reversed(TENSORS_OF_A_CARD.items()))
    assert encode_arrays(backwards) == encode_arrays(TENSORS_OF_A_CARD)
    assert a_card(tensors=backwards).hash == a_card().hash


def test_a_card_from_before_there_were_variants(tmp_path):
    folder = a_card().save(tmp_path)
    document = json.loads((folder / CARD).read_text())
    del document["variant"], document["compared"]
    (folder / CARD).write_text(json.dumps(document))
    assert PolicyCard.load(folder).strategy == "ralis/sound"
    assert PolicyCard.load(folder).compared == {}
