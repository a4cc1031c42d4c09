import pytest
import torch

from querist.errors import QueristError
from querist.tasks.pose.deep_prior import DeepPrior
from querist.tasks.pose.heat_map_network import HeatMapNetwork
from querist.tasks.pose.hourglass import StackedHourglass
from querist.tasks.pose.network import last_stage


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return HeatMapNetwork(14, width=16)


def test_heat_maps_are_of_stride_four(small):
    net = small.eval()
    seen = net.look(torch.randn(2, 3, 96, 96))
    assert seen.last.shape == (2, 16, 24, 24)
    assert [tuple(level.shape[1:]) for level in seen.levels] == [(24, 24, 24), (48, 12, 12), (96, 6, 6), (192, 3, 3)]
    assert net.head(seen.last).shape == (2, 14, 24, 24)
    assert seen.appearance.shape == (2, net.appearance_width) == (2, 192)
    torch.testing.assert_close(seen.appearance, seen.levels[-1].flatten(2).mean(dim=2))


def test_every_parameter_learns(small):
    for net, channels in (
        (small, 3), (StackedHourglass(5, width=8), 3), (DeepPrior(5, prior=7, size=64, hidden=16), 1),
        (DeepPrior(5, size=64, hidden=16, doubt=True), 1),
    ):  # fmt: skip
        net.train()(torch.randn(2, channels, 64, 64)).square().sum().backward()
        assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize(("size", "channels", "width"), [(128, 8, 128), (112, 8, 128), (128, 12, 192), (96, 8, 72)])
def test_the_appearance_of_a_hand_has_the_papers_length(size, channels, width):
    """ALGORITHMS 2.2: C (⌊(s - 5) / 3⌋ + 1)², 128 for 8 channels and s of 14 to 16."""
    net = DeepPrior(21, channels=channels, size=size).eval()
    seen = net.look(torch.zeros(1, 1, size, size))
    assert net.appearance_width == width == seen.appearance.shape[1]
    assert seen.levels[-1].shape[-1] == size // 8
    assert net.head(seen.last).shape == (1, 21, 3)


def test_a_prior_is_a_narrow_linear_layer():
    widths = [m.out_features for m in DeepPrior(21, prior=30).head if isinstance(m, torch.nn.Linear)]
    assert widths == [1024, 1024, 30, 63]
    widths = [m.out_features for m in DeepPrior(14).head if isinstance(m, torch.nn.Linear)]
    assert widths == [1024, 1024, 42]


def test_the_bayesian_variant_drops_in_training_and_in_passes_only():
    x = torch.randn(2, 1, 64, 64)
    torch.manual_seed(0)
    net = DeepPrior(3, size=64, hidden=16, dropout=0.3)
    assert not torch.equal(net(x), net(x))
    net.eval()
    torch.testing.assert_close(net(x), net(x))
    seen = net.look(x)
    passes = [list(net.sample(seen, 3, torch.Generator().manual_seed(s))) for s in (0, 0, 1)]
    assert all(torch.equal(a, b) for a, b in zip(passes[0], passes[1], strict=True))
    assert not torch.equal(passes[0][0], passes[0][1])
    assert not torch.equal(passes[0][0], passes[2][0])
    plain = DeepPrior(3, size=64, hidden=16).eval()
    for found in plain.sample(plain.look(x), 2):
        torch.testing.assert_close(found, plain(x))


@pytest.mark.parametrize("prior", [None, 7])
def test_doubt_speaks_in_training_alone_and_changes_no_weight(prior):
    nets = []
    for doubt in (False, True):
        torch.manual_seed(0)
        nets.append(DeepPrior(3, size=64, hidden=16, prior=prior, doubt=doubt))
    plain, doubting = nets
    x = torch.randn(2, 1, 64, 64)
    both = doubting(x)
    assert both.shape == (2, 3, 6)
    torch.testing.assert_close(both[..., :3], plain(x))
    torch.testing.assert_close(both[..., :3], doubting.eval()(x))
    assert doubting(x).shape == (2, 3, 3)
    assert set(doubting.state_dict()) - set(plain.state_dict()) == {"scale.0.weight", "scale.0.bias"}


@torch.inference_mode()
def test_the_mean_of_many_passes_is_near_the_output(small):
    seen = small.eval().look(torch.randn(1, 3, 64, 64))
    passes = torch.stack(list(small.sample(seen, 1000, torch.Generator().manual_seed(0))))
    error = (passes.mean(dim=0) - small.head(seen.last)).abs()
    assert bool((error <= 5 * passes.std(dim=0) / 1000**0.5).all())
    assert float(passes.std(dim=0).min()) > 0


def test_an_hourglass_supervises_every_stage():
    net = StackedHourglass(16, stacks=2, width=8).eval()
    seen = net.look(torch.randn(2, 3, 128, 128))
    output = net(torch.randn(2, 3, 128, 128))
    assert output.shape == (2, 2, 16, 32, 32)
    assert last_stage(output).shape == (2, 16, 32, 32)
    assert seen.levels[-1].shape == (2, 8, 2, 2)  # four times halved
    assert seen.appearance.shape == (2, net.appearance_width)
    with pytest.raises(QueristError, match="multiple of 64"):
        net(torch.zeros(1, 3, 96, 96))


def test_the_papers_hourglass_has_two_stacks_of_256_channels():
    with torch.device("meta"):
        net = StackedHourglass(16)
    assert net.appearance_width == 256
    count = sum(p.numel() for p in net.parameters())
    assert 6.0e6 < count < 7.5e6  # 6.7 million for two stacks in the literature


def test_what_cannot_be_built_is_refused():
    makers = [
        lambda: HeatMapNetwork(3, width=0), lambda: HeatMapNetwork(3, dropout=1.0), lambda: StackedHourglass(3, 0),
        lambda: StackedHourglass(3, width=6), lambda: DeepPrior(3, size=32), lambda: DeepPrior(3, hidden=0),
    ]  # fmt: skip
    for maker in makers:
        with pytest.raises(QueristError):
            maker()
