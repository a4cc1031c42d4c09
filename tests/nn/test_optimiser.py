import math

import pytest
import torch
from torch import nn

from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.nn.runtime import arrays_to_state, seeded, state_to_arrays


def network():
    with seeded(0):
        return nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 2, 3)).to(memory_format=torch.channels_last)


def step(net, optimiser, schedule, seed):
    with seeded(seed):
        optimiser.zero_grad()
        net(torch.randn(2, 4, 8, 8)).square().mean().backward()
        optimiser.step()
        if schedule is not None:
            schedule.step()


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("kind", ["constant", "one_cycle"])
def test_a_restored_run_ends_with_the_bits_of_one_never_stopped(name, kind):
    recipe = Optimiser(name=name, lr=0.05, schedule=kind)
    net = network()
    optimiser, schedule = recipe.build(net.parameters(), 6)
    for seed in range(3):
        step(net, optimiser, schedule, seed)
    saved = state_to_arrays(net, "model") | state_to_arrays(optimiser, "optimiser")
    saved |= state_to_arrays(schedule.state_dict() if schedule else {}, "schedule")
    for seed in range(3, 6):
        step(net, optimiser, schedule, seed)

    again = network()
    optimiser, schedule = recipe.build(again.parameters(), 6)
    again.load_state_dict(arrays_to_state(saved, "model"))
    optimiser.load_state_dict(arrays_to_state(saved, "optimiser"))
    if schedule is not None:
        schedule.load_state_dict(arrays_to_state(saved, "schedule"))
    for seed in range(3, 6):
        step(again, optimiser, schedule, seed)
    for name, value in net.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_sgd_by_hand():
    weight = nn.Parameter(torch.tensor([2.0]))
    optimiser, schedule = Optimiser("sgd", lr=0.5, momentum=0.5, weight_decay=0.25).build([weight], 2)
    assert schedule is None
    for _ in range(2):
        weight.grad = torch.tensor([1.0])
        optimiser.step()
    # velocity 1 + 0.25 * 2 = 1.5, weight 1.25; velocity 0.5 * 1.5 + 1 + 0.25 * 1.25 = 2.0625, weight 0.21875
    assert weight.item() == pytest.approx(0.21875)


def test_first_step_of_adamw_moves_by_the_learning_rate():
    weight = nn.Parameter(torch.tensor([2.0, -1.0]))
    optimiser, _ = Optimiser("adamw", lr=0.1, weight_decay=0.5).build([weight], 1)
    weight.grad = torch.tensor([7.0, -0.01])
    optimiser.step()
    assert weight.tolist() == pytest.approx([2 * 0.95 - 0.1, -1 * 0.95 + 0.1], abs=1e-5)


@pytest.mark.filterwarnings("ignore:Detected call of")
def test_one_cycle_rises_to_lr_and_falls_without_touching_momentum():
    weight = nn.Parameter(torch.zeros(1))
    optimiser, schedule = Optimiser("sgd", lr=0.2, momentum=0.8, schedule="one_cycle").build([weight], 20)
    rates = []
    for _ in range(20):
        rates.append(optimiser.param_groups[0]["lr"])
        assert optimiser.param_groups[0]["momentum"] == 0.8
        if len(rates) < 20:
            schedule.step()
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(0.2)
    assert top == 5  # 30 % of 20 steps, counted from nought
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_over_very_few_steps_stays_finite(steps):
    net = network()
    optimiser, schedule = Optimiser(lr=0.1, schedule="one_cycle").build(net.parameters(), steps)
    for seed in range(steps):
        assert math.isfinite(optimiser.param_groups[0]["lr"])
        assert 0 < optimiser.param_groups[0]["lr"] <= 0.1
        step(net, optimiser, schedule if seed + 1 < steps else None, seed)


def test_clip_shortens_long_gradients_only():
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    Optimiser(clip_norm=None).clip([weight])
    Optimiser(clip_norm=5.5).clip([weight])
    assert weight.grad.tolist() == [3.0, 4.0]
    Optimiser(clip_norm=1.0).clip([weight])
    assert weight.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "adam"},
        {"schedule": "cosine"},
        {"lr": 0.0},
        {"momentum": 1.0},
        {"weight_decay": -1e-4},
        {"clip_norm": 0.0},
    ],
)
def test_numbers_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(QueristError, match=f"{next(iter(wrong))} must"):
        Optimiser(**wrong)


def test_one_cycle_needs_a_step():
    with pytest.raises(QueristError, match="0 steps"):
        Optimiser(schedule="one_cycle").build([nn.Parameter(torch.zeros(1))], 0)
