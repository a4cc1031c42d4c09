"""Reading and writing weights: safetensors files and torchvision's official sets. Never pickle."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch
from torch import Tensor, nn
from torchvision.models import get_weight

from querist.core.snapshots import sync_folder
from querist.errors import QueristError

FOLDER_VARIABLE = "QUERIST_WEIGHTS"
"""Environment variable that names a folder of .safetensors files; it has no default."""

_KEY = "problem.model.arguments.weights"
"""Where a recipe says the weights of its backbone."""
_OFFICIAL = re.compile(r"\w+_Weights\.\w+")
_OLD_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)")
_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")
_SHOWN = 3


def load_backbone_weights(model: nn.Module, weights: str | None, optional: Sequence[str] = ()) -> None:
    """Loads pretrained weights into a model, or refuses and leaves it as it was.

    Args:
        model: what to load into; keeps its device and precision.
        weights: None leaves the model alone; the full name of an official torchvision set, such as
            ``ResNet50_Weights.IMAGENET1K_V2``, is downloaded once and checked by its hash; anything else is the
            path of a ``.safetensors`` file, which is also looked for in the folder ``QUERIST_WEIGHTS``.
        optional: layers that the weights may lack or have in excess, by the start of their names: those that
            the caller does not use.

    Raises:
        QueristError: no such weights, a download that failed, or weights of another model.
    """
    if weights is None:
        return
    if _OFFICIAL.fullmatch(weights):
        state = _official(weights)
    else:
        state = _read(find_weights(weights))
    own = model.state_dict()
    _check_fit(own, state, f"weights {weights}", (*optional, *_batch_counters(own)))
    model.load_state_dict({name: tensor for name, tensor in state.items() if name in own}, strict=False)


def find_weights(name: str) -> Path:
    """Finds a weights file as given or, for a relative path, in the folder ``QUERIST_WEIGHTS``.

    Raises:
        QueristError: not a ``.safetensors`` file, or not found; says where it was looked for.
    """
    given = Path(name)
    if given.suffix != ".safetensors":
        raise QueristError(
            f"weights {name!r} are neither a .safetensors file nor an official torchvision set",
            "give a path that ends in .safetensors, or a name such as ResNet50_Weights.IMAGENET1K_V2",
        )
    folder = os.environ.get(FOLDER_VARIABLE)
    places = [given, *([Path(folder) / given] if folder and not given.is_absolute() else [])]
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    raise QueristError(
        f"weights file not found: looked for {looked}",
        f"correct the path, or set {FOLDER_VARIABLE} to the folder that holds it; --set {_KEY}=null for random ones",
    )


def save_model(module: nn.Module, path: Path | str) -> None:
    """Writes a module's parameters and buffers to a safetensors file, whole or not at all.

    Tied weights are stored once.

    Args:
        module: what to save.
        path: the file; replaced if it exists. Its folder must exist.

    Raises:
        QueristError: the file cannot be written, such as on a full disk; an older file is left untouched.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        safetensors_torch.save_model(module, str(partial))
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise QueristError(f"cannot write {path}: {error}", "free space or choose another folder") from error


def load_model(module: nn.Module, path: Path | str) -> None:
    """Reads what :func:`save_model` wrote into a module of the same architecture.

    Args:
        module: what to load into; keeps its device, precision and memory format.
        path: the file.

    Raises:
        QueristError: no such file, a damaged one, or one of another architecture; the module is left as it was.
    """
    path = Path(path)
    state = _read(path)
    own = module.state_dict()
    tied = _tied(own)
    for names in tied:
        known = next((name for name in names if name in state), None)
        if known is not None:
            state.update({name: state[known] for name in names if name not in state})
    _check_fit(own, state, f"weights file {path}", ())
    module.load_state_dict(state)


def _official(name: str) -> dict[str, Tensor]:
    try:
        entry = get_weight(name)
    except (ValueError, AttributeError, KeyError):
        raise QueristError(f"torchvision has no weights {name}", "see torchvision.models.list_models") from None
    try:
        state = entry.get_state_dict(progress=True, check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError) as error:  # URLError is an OSError, a wrong hash a RuntimeError
        raise QueristError(
            f"weights {name} could not be downloaded from {entry.url}: {error}",
            f"without a network: --set {_KEY}=FILE.safetensors (below {FOLDER_VARIABLE}), or =null for random weights",
        ) from error
    # The DenseNet files date from before torchvision renamed its layers.
    return {_OLD_DENSE_LAYER.sub(r"\1", key): tensor for key, tensor in state.items()}


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix in _PICKLES and path.is_file():
        raise QueristError(
            f"weights file {path} is a pickle, which may run any code, and is not opened",
            f"if you trust it, turn it into safetensors:\n{shlex.join(_turning(path))}\n"
            "where the weights stand under a key of the file, such as state_dict, put [KEY] behind the loading",
        )
    try:
        return safetensors_torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise QueristError(f"cannot read weights file {path}: {error}", "check the path and the file") from error


def _turning(pickle: Path) -> list[str]:
    """The command that turns a file of weights only; names are arguments, so that no name can be read as code."""
    code = (
        "import sys, torch, safetensors.torch as s; "
        "s.save_file(torch.load(sys.argv[1], map_location='cpu', weights_only=True), sys.argv[2])"
    )
    return ["python", "-c", code, str(pickle), str(pickle.with_suffix(".safetensors"))]


def _check_fit(own: Mapping[str, Tensor], state: Mapping[str, Tensor], what: str, optional: Sequence[str]) -> None:
    def needed(name: str) -> bool:
        return not any(name == layer or name.startswith(f"{layer}.") for layer in optional)

    missing = [name for name in own if name not in state and needed(name)]
    excess = [name for name in state if name not in own and needed(name)]
    unequal = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    kinds = {"missing": missing, "not in the model": excess, "of another shape": unequal}
    found = [f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names]
    if found:
        raise QueristError(
            f"{what} cannot be loaded into the model: {'; '.join(found)}", "use weights of this very model"
        )
    broken = [name for name in own if name in state and not bool(torch.isfinite(state[name]).all())]
    if broken:
        raise QueristError(
            f"{what} hold numbers that are not finite in {_some(broken)}", "take a model from before its loss diverged"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _batch_counters(own: Mapping[str, Tensor]) -> list[str]:
    """Counters that only batch norm without momentum reads; old files lack them."""
    return [name for name in own if name.endswith(".num_batches_tracked")]


def _tied(own: Mapping[str, Tensor]) -> list[list[str]]:
    """Groups of names that stand for one and the same tensor."""
    groups: dict[tuple[int, torch.Size, tuple[int, ...]], list[str]] = {}
    for name, tensor in own.items():
        if tensor.numel():
            groups.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride()), []).append(name)
    return [names for names in groups.values() if len(names) > 1]
