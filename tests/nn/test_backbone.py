import copy
import os
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from querist.errors import QueristError
from querist.nn import backbone as backbone_module
from querist.nn.backbone import Backbone
from querist.nn.runtime import seeded

SHUFFLENET = "shufflenet_v2_x0_5"


def whole_shufflenet():
    with seeded(1):
        return torchvision.models.shufflenet_v2_x0_5(weights=None).eval()


@pytest.fixture(scope="module")
def partial_weights(tmp_path_factory):
    """A file as it is published for machines without a network: no conv5, no classifier."""
    path = tmp_path_factory.mktemp("weights") / "partial.safetensors"
    state = whole_shufflenet().state_dict()
    save_file({k: v for k, v in state.items() if not k.startswith(("conv5.", "fc."))}, path)
    return path


def test_shufflenet_gives_the_outputs_of_its_stages(partial_weights):
    backbone = Backbone(SHUFFLENET, str(partial_weights)).eval()
    whole = whole_shufflenet()
    x = torch.randn(2, 3, 90, 120, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = backbone(x)
        expected = [whole.maxpool(whole.conv1(x))]
        for stage in (whole.stage2, whole.stage3, whole.stage4):
            expected.append(stage(expected[-1]))
    assert backbone.channels == (24, 48, 96, 192)
    assert [tuple(m.shape[2:]) for m in maps] == [(23, 30), (12, 15), (6, 8), (3, 4)]
    for actual, stage in zip(maps, expected, strict=True):
        torch.testing.assert_close(actual, stage)


def test_layers_behind_the_last_map_are_left_out(partial_weights):
    names = {name.split(".")[1] for name, _ in Backbone(SHUFFLENET).named_parameters()}
    assert names == {"conv1", "stage2", "stage3", "stage4"}


def test_the_dry_run_finds_the_stages_of_a_residual_network():
    """Not the last node of a stride: that lies on one of two branches of the next stage's first block."""
    with seeded(2):
        backbone = Backbone("resnet18").eval()
    assert backbone.channels == (64, 128, 256, 512)
    with seeded(2):
        whole = torchvision.models.resnet18(weights=None).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        stage = whole.maxpool(whole.relu(whole.bn1(whole.conv1(x))))
        for actual, layer in zip(backbone(x), (whole.layer1, whole.layer2, whole.layer3, whole.layer4), strict=True):
            stage = layer(stage)
            torch.testing.assert_close(actual, stage)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "regnet_y_400mf", "efficientnet_b0"])
def test_other_families(name):
    backbone = Backbone(name)
    maps = backbone.eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [
        (1, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.channels, (4, 8, 16, 32), strict=True)
    ]


def test_training_mode_updates_statistics_and_the_dry_run_does_not():
    backbone = Backbone(SHUFFLENET)
    counter = backbone.get_buffer("body.conv1.1.num_batches_tracked")
    assert backbone.training
    assert counter == 0
    backbone(torch.randn(2, 3, 64, 64))
    assert counter == 1


def test_copies_are_independent():
    backbone = Backbone(SHUFFLENET).eval()
    twin = copy.deepcopy(backbone)
    x = torch.randn(1, 3, 64, 64)
    before = backbone(x)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, backbone(x), strict=True))


def test_layers_can_be_named():
    backbone = Backbone("resnet18", layers=("layer1.0", "layer2", "layer3", "layer4"))
    assert backbone.channels == (64, 128, 256, 512)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (("layer2", "layer2", "layer3", "layer4"), r"strides \(8, 8, 16, 32\)"),
        (("layer1", "layer2", "layer3", "avgpool"), r"strides \(4, 8, 16, None\)"),
        (("layer1", "layer2", "layer3", "layer9"), "no layers"),
    ],
)
def test_layers_of_other_strides_are_refused(layers, message):
    with pytest.raises(QueristError, match=message):
        Backbone("resnet18", layers=layers)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", "did you mean resnet"),
        ("squeezenet1_1", r"strides \[\]"),
        ("vit_b_16", "cannot serve as a backbone"),
    ],
)
def test_networks_without_the_strides_are_refused(monkeypatch, capsys, name, message):
    if name == "vit_b_16":  # a small one will do, and is built in a tenth of the time
        small = torchvision.models.VisionTransformer(224, 32, 1, 2, 16, 16)
        monkeypatch.setattr(backbone_module, "_build", lambda _: small)
    with pytest.raises(QueristError, match=message):
        Backbone(name)
    assert capsys.readouterr().err == ""


def test_weights_that_lack_a_used_layer_are_refused(tmp_path):
    state = whole_shufflenet().state_dict()
    save_file({k: v for k, v in state.items() if not k.startswith("stage4.")}, tmp_path / "w.safetensors")
    with pytest.raises(QueristError, match=r"missing \(stage4\.0"):
        Backbone(SHUFFLENET, str(tmp_path / "w.safetensors"))


def test_the_published_weights_where_they_are_there():
    folder = os.environ.get("QUERIST_WEIGHTS")
    if not folder or not (Path(folder) / f"{SHUFFLENET}.safetensors").exists():
        pytest.skip("QUERIST_WEIGHTS does not hold the file")
    backbone = Backbone(SHUFFLENET, f"{SHUFFLENET}.safetensors")
    assert backbone.get_buffer("body.stage4.3.branch2.1.num_batches_tracked") > 0
