import numpy as np
import pytest
import torch
from torch import nn

from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.nn.trainer import Trainer, finite

PLAIN = Optimiser("sgd", lr=0.1, momentum=0.0, weight_decay=0.0)


def line(weight=1.0):
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(weight)
    return model.eval()


def descend(trainer, steps, update, optimiser=PLAIN):
    """The losses of steps down w^2."""
    with trainer.training(optimiser, steps, update) as down:
        assert trainer.model.training
        return [down(trainer.model.weight.square().sum()) for _ in range(steps)]


def test_a_step_goes_down_the_gradient():
    trainer = Trainer(line(), Optimiser("sgd", lr=0.1))
    assert descend(trainer, 2, update=False) == pytest.approx([1.0, 0.64])  # w = 1, 1 - 0.1 * 2, ...
    assert trainer.model.weight.item() == pytest.approx(0.64)
    assert not trainer.model.training


def test_momentum_lives_between_updates_and_ends_with_another_training():
    update = Optimiser("sgd", lr=0.1, momentum=0.5, weight_decay=0.0, schedule="one_cycle")  # constant all the same
    trainer = Trainer(line(), update)
    descend(trainer, 1, True, update)
    assert trainer.model.weight.item() == pytest.approx(0.8)
    descend(trainer, 1, True, update)  # gradient 1.6 and half of the last step's 2
    assert trainer.model.weight.item() == pytest.approx(0.8 - 0.1 * (1.6 + 0.5 * 2))
    descend(trainer, 1, False)
    with torch.no_grad():
        trainer.model.weight.fill_(1.0)
    descend(trainer, 1, True, update)
    assert trainer.model.weight.item() == pytest.approx(0.8)


def test_what_stands_beside_the_model_is_learned_and_clipped_with_it():
    trainer, beside = Trainer(line(), Optimiser()), nn.Parameter(torch.tensor([1.0]))
    chosen = Optimiser("sgd", lr=1.0, momentum=0.0, weight_decay=0.0, clip_norm=1.0)
    with trainer.training(chosen, 1, update=False, beside=[beside]) as down:
        down(3 * trainer.model.weight.sum() + 4 * beside.sum())
    assert (trainer.model.weight.item(), beside.item()) == pytest.approx((1 - 0.6, 1 - 0.8))


def test_restored_it_goes_on_bit_by_bit(tmp_path):
    update = Optimiser("adamw", lr=0.05)
    first = Trainer(line(), update)
    descend(first, 3, True, update)
    kept = first.snapshot()
    descend(first, 3, True, update)
    other = Trainer(line(5.0), update)
    other.restore(kept)
    descend(other, 3, True, update)
    assert {name: a.tobytes() for name, a in other.snapshot().items()} == {
        name: a.tobytes() for name, a in first.snapshot().items()
    }
    first.save(tmp_path / "w.safetensors")
    third = Trainer(line(), update)
    third.load(tmp_path / "w.safetensors")
    assert torch.equal(third.model.weight, first.model.weight)


def test_another_models_snapshot_and_a_loss_that_is_no_number():
    with pytest.raises(QueristError, match="does not fit the model"):
        Trainer(nn.Linear(2, 1), Optimiser()).restore(Trainer(line(), Optimiser()).snapshot())
    with pytest.raises(QueristError, match="the loss became nan in the final training"):
        finite(float("nan"), "final")
    assert finite(2.0, "final") == 2.0


def test_after_an_error_the_model_stands_as_it_shall():
    trainer = Trainer(line(), Optimiser())
    with pytest.raises(ZeroDivisionError), trainer.training(Optimiser(), 1, update=True):
        raise ZeroDivisionError
    assert not trainer.model.training
    assert isinstance(trainer.snapshot()["model/weight"], np.ndarray)
