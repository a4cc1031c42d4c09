"""Every strategy of ours that is not about poses alone plays the segmentation task in each of its forms."""

import numpy as np
import pytest
import torch

from querist.acquisition.registry import GroupForm, names
from querist.acquisition.simulate import simulate
from querist.core.plan import Plan
from querist.core.split import Role, Split
from tiny import SplitNet, tiny_task

PLAN = Plan(seed=1, batch=2, marks=(4,), start=1, update=1, final=1)
ROLES = np.array([Role.POOL, Role.POOL, Role.UNUSED, Role.START, Role.REWARD, Role.TEST], dtype=np.int8)


ABOUT_POSES = ("mcd_cke", "learning_loss", "learning_loss++", "egl++", "multi_peak_entropy")


@pytest.mark.parametrize("name", [name for name in names() if name.partition("/")[0] not in ABOUT_POSES])
def test_it_plays_and_repeats_itself(name, tmp_path):
    asked = []
    for turn in ("first", "again"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            task = tiny_task(model=SplitNet(3))
        with simulate(tmp_path / turn, task, Split(ROLES), name, PLAN, GroupForm(2, 4)) as run:
            kinds = [event.kind for event in run.play()]
            assert kinds == ["start", "step", "step", "mark", "done"]
            units = [q.unit for q in run.ledger.questions(1, task.pool)]
        assert len(set(units)) == 4
        assert max(units) < 18  # the pool's images
        asked.append(units)
    assert asked[0] == asked[1]
