"""Devices, determinism, seeding, and training state as plain arrays for snapshots."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from querist.errors import QueristError

_TREE = "#tree"
_STANDS_IN = {1: torch.uint8, 2: torch.int16}
"""Integer types, by bytes an element, that carry the bits of types numpy has no name for."""


def resolve_device(name: str) -> torch.device:
    """Turns a device name into a device that is there.

    Args:
        name: ``auto`` (a CUDA GPU if there is one, otherwise the CPU), ``cpu``, ``cuda``, ``cuda:1``, ...

    Raises:
        QueristError: no such device, or none on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise QueristError(f"device {name!r} is not known", "use auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise QueristError(f"device {name!r} is not there: torch sees {there} CUDA GPUs", "use auto or cpu")
    if device.type not in ("cpu", "cuda"):
        raise QueristError(f"device {name!r} is not supported", "use auto, cpu, cuda or cuda:N")
    return device


def deterministic(threads: int) -> None:
    """Makes torch give the same bits again, on the same machine, versions and number of threads.

    To be called once, before the first CUDA call of the process: cuBLAS reads its workspace setting only then. An
    operation of a user's model or loss that has no deterministic form on a GPU warns, and is used all the same.

    Args:
        threads: number of threads for torch's CPU kernels; sums are split by it, so it belongs to a recipe.

    Raises:
        QueristError: fewer than one thread.
    """
    if threads < 1:
        raise QueristError(f"threads is {threads}", "give at least one thread")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # Filling every fresh buffer with NaN is a debugging aid; it costs a pass over each and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def torch_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own, seeded; to be derived anew for each use, never carried."""
    return torch.Generator(device=device).manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds torch's global generators inside the block and puts their states back after it, also on an error.

    For what takes no generator, such as the initialisation of layers and dropout in training.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def state_to_arrays(state: nn.Module | torch.optim.Optimizer | Mapping[Any, Any], prefix: str) -> dict[str, np.ndarray]:
    """Flattens training state into arrays that share no memory with it, for a snapshot.

    Bit exact. Types unknown to numpy, such as bfloat16, travel as integers of their size. What is not a tensor
    (learning rates, step counts, the shape of the nesting) goes into one more array, JSON in bytes.

    Args:
        state: a module or optimiser, of which the ``state_dict`` is taken, or such a dictionary: mappings with
            string or integer keys, lists, tuples, tensors, numbers, strings, booleans and None, nested at will.
        prefix: put before each name, with a slash; keeps several states apart in one snapshot.

    Returns:
        Arrays by name, such as ``model/conv1.weight`` or ``optimiser/state/0/momentum_buffer``.

    Raises:
        TypeError: state that holds anything else.
        ValueError: two tensors would get one name.
    """
    if isinstance(state, nn.Module | torch.optim.Optimizer):
        state = state.state_dict()
    arrays: dict[str, np.ndarray] = {}
    tree = _encode(state, prefix, arrays)
    arrays[f"{prefix}/{_TREE}"] = np.frombuffer(json.dumps(tree).encode(), dtype=np.uint8).copy()
    return arrays


def arrays_to_state(arrays: Mapping[str, np.ndarray], prefix: str) -> Any:
    """The state that :func:`state_to_arrays` flattened, with tensors on the CPU, ready for ``load_state_dict``.

    Args:
        arrays: a snapshot; names under other prefixes are ignored.
        prefix: the prefix the state was flattened under.

    Raises:
        KeyError: the snapshot holds no such state, or lacks one of its arrays.
    """
    return _decode(json.loads(arrays[f"{prefix}/{_TREE}"].tobytes()), arrays)


def _encode(value: Any, name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    if isinstance(value, Tensor):
        if name in arrays:
            raise ValueError(f"two tensors of the state are called {name}")
        arrays[name] = _to_array(value)
        return {"tensor": name, "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, Mapping):
        if not all(type(key) in (str, int) for key in value):
            raise TypeError(f"{name} has keys that are neither strings nor integers")
        return {"map": [[key, _encode(item, f"{name}/{key}", arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(item, f"{name}/{i}", arrays) for i, item in enumerate(value)]}
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    raise TypeError(f"{name} is a {type(value).__name__}, which a snapshot cannot hold")


def _decode(node: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    if "tensor" in node:
        tensor = torch.from_numpy(np.array(arrays[node["tensor"]], order="C"))
        dtype = getattr(torch, node["dtype"])
        return tensor if tensor.dtype == dtype else tensor.view(dtype)
    if "map" in node:
        return {key: _decode(item, arrays) for key, item in node["map"]}
    if "list" in node:
        return [_decode(item, arrays) for item in node["list"]]
    if "tuple" in node:
        return tuple(_decode(item, arrays) for item in node["tuple"])
    return node["value"]


def _to_array(tensor: Tensor) -> np.ndarray:
    plain = tensor.detach().cpu().contiguous()
    try:
        array = plain.numpy()
    except TypeError:
        array = plain.view(_STANDS_IN[plain.element_size()]).numpy()
    return np.array(array, order="C")
