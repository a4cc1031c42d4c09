import pytest
import torch
from torch.nn import functional

from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.nn.runtime import seeded
from querist.tasks.segmentation.fpn import FPN


@pytest.fixture(scope="module")
def net():
    with seeded(0):
        return FPN(11, width=16, head=8).eval()


def image(height, width, batch=1):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize(("height", "width"), [(180, 240), (360, 480), (33, 47)])
def test_sizes_that_no_stride_divides(net, height, width):
    with torch.inference_mode():
        features = net.features(image(height, width))
        logits = net.classify(features, (height, width))
    assert features.shape == (1, 32, -(-height // 4), -(-width // 4))
    assert logits.shape == (1, 11, height, width)
    assert logits.isfinite().all()


def test_equals_the_pyramid_written_out(net):
    """The forward pass spelled out level by level, from the parameters alone."""
    p = {name: value for name, value in net.state_dict().items() if not name.startswith("backbone.")}

    def conv(x, name, padding=1):
        return functional.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], padding=padding)

    def grow(x, like):
        return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)

    x = image(90, 70, batch=2)
    with torch.inference_mode():
        c2, c3, c4, c5 = net.backbone(x)
        p5 = conv(c5, "lateral.3", 0)
        p4 = conv(c4, "lateral.2", 0) + grow(p5, c4)
        p3 = conv(c3, "lateral.1", 0) + grow(p4, c3)
        p2 = conv(c2, "lateral.0", 0) + grow(p3, c2)
        heads = [
            conv(conv(level, f"levels.{i}.0").relu(), f"levels.{i}.2").relu()
            for i, level in enumerate((p2, p3, p4, p5))
        ]
        joined = [heads[0]] + [conv(grow(heads[i], c2), f"smooth.{i - 1}") for i in (1, 2, 3)]
        logits = grow(conv(torch.cat(joined, dim=1), "classifier"), x)
        torch.testing.assert_close(net(x), logits, atol=1e-5, rtol=1e-4)


def test_parameters_at_the_scale_of_the_paper():
    net = FPN(11)
    own = sum(p.numel() for name, p in net.named_parameters() if not name.startswith("backbone."))
    lateral = sum(channels * 256 + 256 for channels in (24, 48, 96, 192))
    levels = 4 * ((256 * 9 * 256 + 256) + (256 * 9 * 128 + 128))
    smooth = 3 * (128 * 9 * 128 + 128)
    assert own == lateral + levels + smooth + (512 * 9 * 11 + 11)


def test_dropout_passes_repeat_only_the_classifier(net):
    calls = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
        for name, module in net.named_children()
        if name in ("backbone", "classifier")
    ]
    with torch.inference_mode():
        passes = list(net.classify_dropout(net.features(image(64, 64)), (64, 64), passes=5))
    for hook in hooks:
        hook.remove()
    assert calls == ["backbone"] + ["classifier"] * 5
    assert all(logits.shape == (1, 11, 64, 64) for logits in passes)


def test_dropout_is_fixed_by_its_generator_and_differs_between_passes(net):
    def passes(seed):
        generator = torch.Generator().manual_seed(seed)
        return list(net.classify_dropout(features, (32, 32), 2, generator))

    with torch.inference_mode():
        features = net.features(image(32, 32))
        before = features.clone()
        first, again, other = passes(1), passes(1), passes(2)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(features, before)


def test_dropout_passes_average_to_the_plain_scores(net):
    """The classifier is linear, so passes scaled by 1 / (1 - p) are unbiased; checked within six standard errors."""
    generator = torch.Generator().manual_seed(3)
    with torch.inference_mode():
        features = net.features(image(32, 32))
        passes = torch.stack(list(net.classify_dropout(features, (8, 8), 400, generator)))
        plain = net.classify(features, (8, 8))
    error = passes.std(dim=0) / 400**0.5
    assert (error > 0).all()
    assert ((passes.mean(dim=0) - plain).abs() < 6 * error).all()


def test_dropout_drops_its_share_and_rescales_the_rest():
    with seeded(0):
        net = FPN(4, width=8, head=4, dropout=0.75)
    with torch.no_grad():  # a classifier that copies features 0..3
        net.classifier.weight.zero_()
        net.classifier.bias.zero_()
        for i in range(4):
            net.classifier.weight[i, i, 1, 1] = 1
        (logits,) = net.classify_dropout(torch.ones(1, 16, 50, 50), (50, 50), 1, torch.Generator().manual_seed(0))
    assert sorted(logits.unique().tolist()) == [0.0, 4.0]
    assert (logits == 0).float().mean().item() == pytest.approx(0.75, abs=0.02)  # five standard errors of 10,000


def test_without_dropout_the_passes_are_the_plain_scores(net):
    plain = FPN(11, width=16, head=8, dropout=0.0).eval()
    with torch.inference_mode():
        features = plain.features(image(32, 32))
        (logits,) = plain.classify_dropout(features, (32, 32), 1)
        assert torch.equal(logits, plain.classify(features, (32, 32)))


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_out_of_range_is_refused(dropout):
    with pytest.raises(QueristError, match="dropout"):
        FPN(2, dropout=dropout)


def train(seed):
    with seeded(seed):
        net = FPN(3, width=8, head=4)
        optimiser, _ = Optimiser(lr=1e-2).build(net.parameters(), 8)
        x, y = torch.randn(2, 3, 64, 64), torch.randint(0, 3, (2, 64, 64))
        losses = []
        for _ in range(8):
            optimiser.zero_grad()
            loss = functional.cross_entropy(net(x), y)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return net, losses


def test_training_lowers_the_loss_reaches_every_parameter_and_repeats_bit_by_bit():
    net, losses = train(0)
    assert losses[-1] < losses[0]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.classifier.parameters())
    assert all(p.grad is not None for p in net.parameters())
    twin, again = train(0)
    assert losses == again
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), twin.state_dict().values(), strict=True))
