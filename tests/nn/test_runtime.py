import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from querist.errors import QueristError
from querist.nn.runtime import (
    arrays_to_state,
    deterministic,
    resolve_device,
    seeded,
    state_to_arrays,
    torch_generator,
)


def test_auto_takes_a_gpu_only_if_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")


@pytest.mark.parametrize(("name", "gpus"), [("cuda", 0), ("cuda:1", 1), ("abacus", 1), ("meta", 1)])
def test_a_device_that_is_not_there_is_refused_by_name(monkeypatch, name, gpus):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(QueristError, match=f"'{name}'"):
        resolve_device(name)


def test_named_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("cuda:1") == torch.device("cuda:1")


@pytest.fixture
def _restore_torch(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)
    torch.utils.deterministic.fill_uninitialized_memory = fill
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@pytest.mark.usefixtures("_restore_torch")
def test_deterministic_sets_every_switch():
    deterministic(1)
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.usefixtures("_restore_torch")
def test_deterministic_needs_a_thread():
    with pytest.raises(QueristError, match="threads is 0"):
        deterministic(0)


def test_generators_of_one_seed_agree_and_leave_the_global_one_alone():
    before = torch.get_rng_state()
    draws = [torch.rand(3, generator=torch_generator(seed)) for seed in (5, 5, 6)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_fixes_the_block_and_restores_the_stream_around_it():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with seeded(2**63 + 5):
        first = torch.rand(4)
    assert torch.equal(torch.rand(2), expected)
    with seeded(2**63 + 5):
        assert torch.equal(torch.rand(4), first)


def test_seeded_restores_after_an_error():
    def fail():
        with seeded(3):
            torch.rand(1)
            raise RuntimeError("inside")

    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.equal(torch.get_rng_state(), before)


def through_a_file(arrays, folder):
    np.savez(folder / "snapshot.npz", **arrays)
    with np.load(folder / "snapshot.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def same(a, b):
    """Equal in structure, type and bits."""
    if isinstance(a, torch.Tensor):
        raw = [t.contiguous().flatten().view(torch.uint8) for t in (a, b)]
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*raw)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def trained(optimiser_class, **options):
    with seeded(0):
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
        net.to(memory_format=torch.channels_last)
        optimiser = optimiser_class(net.parameters(), lr=0.1, **options)
        for _ in range(2):
            net(torch.randn(2, 3, 5, 5)).square().mean().backward()
            optimiser.step()
    return net, optimiser


@pytest.mark.parametrize(
    ("kind", "options"),
    [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.SGD, {}), (torch.optim.AdamW, {"fused": True})],
)
def test_modules_and_optimisers_survive_a_file_bit_by_bit(tmp_path, kind, options):
    net, optimiser = trained(kind, **options)
    arrays = state_to_arrays(net, "model") | state_to_arrays(optimiser, "optimiser")
    restored = through_a_file(arrays, tmp_path)
    assert same(dict(net.state_dict()), arrays_to_state(restored, "model"))
    assert same(optimiser.state_dict(), arrays_to_state(restored, "optimiser"))
    assert arrays["model/1.num_batches_tracked"].shape == ()
    assert arrays["model/1.num_batches_tracked"] == 2
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    other.load_state_dict(arrays_to_state(restored, "model"))
    assert torch.equal(other[0].weight, net[0].weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.bool, torch.float8_e4m3fn])
def test_types_with_and_without_a_numpy_name(tmp_path, dtype):
    state = {"scalar": torch.tensor(1.5).to(dtype), "matrix": torch.randn(2, 3).to(dtype)}
    assert same(state, arrays_to_state(through_a_file(state_to_arrays(state, "s"), tmp_path), "s"))


def test_structure_and_plain_values_come_back_as_they_were():
    state = {
        0: [1, 2.5, None, True, "text"],
        "nested": {"betas": (0.9, 1e-300), 7: {}},
        "tensors": [torch.tensor(3), (torch.zeros(0, 2),)],
        "limit": float("inf"),
    }
    assert same(state, arrays_to_state(state_to_arrays(state, "s"), "s"))


@settings(max_examples=30)
@given(arrays_of.arrays(np.uint32, arrays_of.array_shapes(max_dims=3, max_side=4), elements=st.integers(0, 2**32 - 1)))
def test_any_bit_pattern_survives(bits):
    """Every float, signalling NaNs and negative zero among them."""
    state = {"x": torch.from_numpy(bits.view(np.float32))}
    back = arrays_to_state(state_to_arrays(state, "s"), "s")["x"]
    assert np.array_equal(back.numpy().view(np.uint32), bits)


def test_a_snapshot_shares_no_memory_in_either_direction():
    tensor = torch.zeros(3)
    arrays = state_to_arrays({"x": tensor}, "s")
    tensor += 1
    assert arrays["s/x"].tolist() == [0, 0, 0]
    arrays_to_state(arrays, "s")["x"].add_(5)
    assert arrays["s/x"].tolist() == [0, 0, 0]


def test_what_a_snapshot_cannot_hold_is_named():
    with pytest.raises(TypeError, match="s/a is a set"):
        state_to_arrays({"a": {1}}, "s")
    with pytest.raises(TypeError, match="keys"):
        state_to_arrays({(1, 2): 3}, "s")
    with pytest.raises(ValueError, match="s/a/b"):
        state_to_arrays({"a": {"b": torch.zeros(1)}, "a/b": torch.zeros(1)}, "s")


def test_a_missing_state_is_a_key_error():
    arrays = state_to_arrays({"x": torch.zeros(1)}, "s")
    with pytest.raises(KeyError):
        arrays_to_state(arrays, "other")
    del arrays["s/x"]
    with pytest.raises(KeyError):
        arrays_to_state(arrays, "s")
