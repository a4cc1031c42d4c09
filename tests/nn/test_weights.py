import shlex
import subprocess
import sys
import urllib.error

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import DenseNet121_Weights, ResNet18_Weights

from querist.errors import QueristError
from querist.nn import weights as weights_module
from querist.nn.weights import find_weights, load_backbone_weights, load_model, save_model


class Small(nn.Module):
    """A body that is used, a classifier that is not, and batch norm with its counter."""

    def __init__(self, inner=3):
        super().__init__()
        self.body = nn.Linear(2, inner)
        self.norm = nn.BatchNorm1d(inner)
        self.fc = nn.Linear(inner, 5)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(4, 4, bias=False)
        self.decode = nn.Linear(4, 4, bias=False)
        self.decode.weight = self.encode.weight


def state_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_no_weights_leave_the_model_alone():
    model = Small()
    before = state_of(model)
    load_backbone_weights(model, None)
    assert equal(before, state_of(model))


def test_a_file_is_loaded_and_optional_layers_may_lack_or_exceed(tmp_path):
    source, target = Small(), Small()
    state = state_of(source)
    state = {name: state[name] for name in state if not name.startswith("fc.")}
    save_file(state | {"head.weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    own_classifier = target.fc.weight.clone()
    load_backbone_weights(target, str(tmp_path / "w.safetensors"), optional=("fc", "head"))
    assert torch.equal(target.body.weight, source.body.weight)
    assert torch.equal(target.fc.weight, own_classifier)


def test_old_files_may_lack_batch_counters(tmp_path):
    state = {name: t for name, t in state_of(Small()).items() if not name.endswith("num_batches_tracked")}
    save_file(state, tmp_path / "w.safetensors")
    target = Small()
    load_backbone_weights(target, str(tmp_path / "w.safetensors"))
    assert torch.equal(target.norm.weight, state["norm.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("body.weight"), r"1 missing \(body.weight\)"),
        (lambda s: s.update({f"x{i}": torch.zeros(1) for i in range(5)}), r"5 not in the model \(x0, x1, x2, \.\.\.\)"),
        (lambda s: s.update({"body.bias": torch.zeros(7)}), r"body.bias \(7,\) instead of \(3,\)"),
        (lambda s: s.pop("fc.bias"), r"1 missing \(fc.bias\)"),
    ],
)
def test_weights_of_another_model_are_refused_and_nothing_changes(tmp_path, change, message):
    state = state_of(Small())
    change(state)
    save_file(state, tmp_path / "w.safetensors")
    model = Small()
    before = state_of(model)
    with pytest.raises(QueristError, match=message):
        load_backbone_weights(model, str(tmp_path / "w.safetensors"), optional=("f",))  # not a prefix of letters
    assert equal(before, state_of(model))


def test_relative_names_are_looked_up_in_the_folder_of_weights(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "store").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("QUERIST_WEIGHTS", str(tmp_path / "store"))
    (tmp_path / "store" / "w.safetensors").write_bytes(b"store")
    assert find_weights("w.safetensors") == tmp_path / "store" / "w.safetensors"
    (tmp_path / "here" / "w.safetensors").write_bytes(b"here")
    assert find_weights("w.safetensors").read_bytes() == b"here"


def test_a_missing_file_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_WEIGHTS", str(tmp_path))
    with pytest.raises(QueristError) as caught:
        find_weights("gone.safetensors")
    assert str(tmp_path / "gone.safetensors") in caught.value.what
    monkeypatch.delenv("QUERIST_WEIGHTS")
    with pytest.raises(QueristError, match="set QUERIST_WEIGHTS"):
        find_weights("gone.safetensors")


def test_other_file_types_are_refused():
    with pytest.raises(QueristError, match=r"model\.pth"):
        load_backbone_weights(Small(), "model.pth")


@pytest.mark.parametrize("name", ["mine", "it's $(touch ran) `touch ran` \"; x"])
def test_a_pickle_is_not_opened_and_the_command_that_turns_it_works_with_any_name(tmp_path, name):
    torch.save(Small().state_dict(), tmp_path / f"{name}.pth")
    with pytest.raises(QueristError, match="is a pickle") as told:
        load_model(Small(), tmp_path / f"{name}.pth")
    command = next(line for line in told.value.fix.splitlines() if line.startswith("python -c"))
    command = command.replace("python", shlex.quote(sys.executable), 1)
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path, timeout=300)
    fresh = Small()
    load_model(fresh, tmp_path / f"{name}.safetensors")
    assert not (tmp_path / "ran").exists()


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(QueristError, match=r"bad\.safetensors"):
        load_backbone_weights(Small(), str(tmp_path / "bad.safetensors"))


@pytest.mark.parametrize("name", ["ResNet18_Weights.NEVER", "NoNet_Weights.IMAGENET1K_V1"])
def test_an_unknown_official_set_is_refused(name):
    with pytest.raises(QueristError, match=name):
        load_backbone_weights(Small(), name)


@pytest.mark.parametrize("error", [urllib.error.URLError("no network"), RuntimeError("invalid hash value")])
def test_a_failed_download_advises_a_file(monkeypatch, error):
    def fail(self, **options):
        assert options["weights_only"]
        assert options["check_hash"]
        raise error

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(QueristError) as caught:
        load_backbone_weights(Small(), "ResNet18_Weights.IMAGENET1K_V1")
    assert ".safetensors" in caught.value.fix


def test_names_of_old_dense_layers_are_translated(monkeypatch):
    model = nn.ModuleDict({"denselayer1": nn.ModuleDict({"norm1": nn.LayerNorm(2), "conv2": nn.Linear(1, 1)})})
    old = {
        "denselayer1.norm.1.weight": torch.tensor([3.0, 4.0]),
        "denselayer1.norm.1.bias": torch.tensor([5.0, 6.0]),
        "denselayer1.conv.2.weight": torch.tensor([[7.0]]),
        "denselayer1.conv.2.bias": torch.tensor([8.0]),
    }
    monkeypatch.setattr(DenseNet121_Weights, "get_state_dict", lambda self, **_: old)
    load_backbone_weights(model, "DenseNet121_Weights.IMAGENET1K_V1")
    assert [value.flatten().tolist() for value in model.state_dict().values()] == [[3, 4], [5, 6], [7], [8]]


def test_save_and_load_round_trip(tmp_path):
    source, target = Small(), Small()
    with torch.no_grad():
        source.norm.num_batches_tracked += 4
    save_model(source, tmp_path / "m.safetensors")
    load_model(target, tmp_path / "m.safetensors")
    assert equal(state_of(source), state_of(target))
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_channels_last_weights_keep_values_and_layout(tmp_path):
    source, target = (nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last) for _ in range(2))
    save_model(source, tmp_path / "m.safetensors")
    load_model(target, tmp_path / "m.safetensors")
    assert torch.equal(source.weight, target.weight)
    assert target.weight.is_contiguous(memory_format=torch.channels_last)


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path):
    source, target = Tied(), Tied()
    save_model(source, tmp_path / "m.safetensors")
    assert len(load_file(tmp_path / "m.safetensors")) == 1
    load_model(target, tmp_path / "m.safetensors")
    assert torch.equal(target.decode.weight, source.encode.weight)
    assert target.decode.weight is target.encode.weight


def test_loading_another_architecture_is_refused_and_nothing_changes(tmp_path):
    save_model(Small(inner=4), tmp_path / "m.safetensors")
    model = Small()
    before = state_of(model)
    with pytest.raises(QueristError, match=r"m\.safetensors.*of another shape"):
        load_model(model, tmp_path / "m.safetensors")
    assert equal(before, state_of(model))


def test_a_write_that_fails_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    first = Small()
    save_model(first, path)

    def disk_full(model, filename):
        (tmp_path / filename).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights_module.safetensors_torch, "save_model", disk_full)
    with pytest.raises(QueristError, match="No space left"):
        save_model(Small(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    target = Small()
    load_model(target, path)
    assert equal(state_of(first), state_of(target))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(QueristError, match="cannot write"):
        save_model(Small(), tmp_path / "none" / "m.safetensors")
    with pytest.raises(QueristError, match="cannot read"):
        load_model(Small(), tmp_path / "none" / "m.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_and_nothing_changes(tmp_path, value):
    broken, fresh = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    with torch.no_grad():
        broken.bias[1] = value
    save_model(broken, tmp_path / "broken.safetensors")
    before = fresh.weight.clone()
    with pytest.raises(QueristError, match=r"broken\.safetensors hold numbers that are not finite in bias"):
        load_model(fresh, tmp_path / "broken.safetensors")
    assert torch.equal(fresh.weight, before)
