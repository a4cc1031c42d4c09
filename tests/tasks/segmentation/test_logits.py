import numpy as np
import pytest
import torch
from torch import nn

from querist.errors import QueristError
from querist.tasks.segmentation.logits import check_finite, logits_of
from tiny import tiny_data, tiny_task

IMAGES = torch.zeros(2, 3, 8, 12)


class Gives(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.weight, self._what = nn.Parameter(torch.zeros(1)), what

    def forward(self, images):
        return self._what(images)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (lambda x: {"out": x}, r"gives a dict and no tensor\n.*logits \(2, 5, 8, 12\).*its \['out'\]"),
        (lambda x: (x,), "gives a tuple and no tensor"),
        (lambda x: torch.zeros(len(x), 5, 2, 3), r"gives torch.float32 \(2, 5, 2, 3\)\n.*enlarge the map"),
        (lambda x: torch.zeros(len(x), 21, 8, 12), r"\(2, 21, 8, 12\)\n.*the classes are those of the data"),
        (lambda x: torch.zeros(len(x), 8, 12), r"\(2, 8, 12\)\n"),
        (lambda x: torch.zeros(len(x), 5, 8, 12, dtype=torch.int64), r"gives torch.int64 \(2, 5, 8, 12\)"),
    ],
)
def test_what_is_no_logits_is_named(what, says):
    with pytest.raises(QueristError, match=f"(?s)Gives {says}|{says}"):
        logits_of(Gives(what), IMAGES, 5)


def test_logits_pass_as_they_are():
    given = torch.randn(2, 5, 8, 12)
    model = Gives(lambda x: given)
    assert check_finite(model, logits_of(model, IMAGES, 5)) is given
    given[1, 2, 3, 4] = torch.nan
    with pytest.raises(QueristError, match="not finite"):
        check_finite(model, logits_of(model, IMAGES, 5))


def everything(task):
    yield lambda: task.describe(np.arange(2), ("entropy",), np.random.default_rng(0))
    yield lambda: list(task.predict(np.array([0])))
    yield lambda: task.evaluate(np.array([0]))


@pytest.mark.parametrize("use", range(3))
def test_a_task_says_so_whatever_it_is_asked(use):
    wrong = len(tiny_data().classes) + 1
    task = tiny_task(model=Gives(lambda x: torch.zeros(len(x), wrong, *x.shape[2:])))
    with pytest.raises(QueristError, match="the classes are those of the data"):
        list(everything(task))[use]()
