"""Every strategy that poses allow plays the pose task, beside the others, and repeats itself."""

import numpy as np
import pytest

from querist.acquisition.simulate import simulate
from querist.core.plan import Plan
from querist.core.split import Role, Split
from tiny_pose_task import GIVEN, POOL, TEST, tiny_task

PLAN = Plan(seed=1, batch=2, marks=(4,), start=2, update=1, final=1)
NAMES = (
    "random", "strengthened_random", "core_set/global", "core_set_by_subject/global", "mcd_cke/global",
    "uncertain_gcn/global", "core_gcn/global", "learning_loss/global", "learning_loss++/global", "egl++/global",
    "multi_peak_entropy/global",
)  # fmt: skip


def roles():
    found = np.full(26, Role.POOL, dtype=np.int8)
    found[GIVEN], found[TEST] = Role.START, Role.TEST
    return Split(found)


def play(folder, name):
    """Who was asked, and the model's state once the start was learned."""
    task = tiny_task()
    with simulate(folder, task, roles(), name, PLAN) as run:
        states = [task.snapshot() for event in run.play() if event.kind in ("start", "step")]
        return [q.unit for q in run.ledger.questions(1, task.pool)], states


@pytest.mark.parametrize("name", NAMES)
def test_it_plays_and_repeats_itself(name, tmp_path):
    (asked, states), (again, _) = (play(tmp_path / turn, name) for turn in ("first", "again"))
    assert asked == again
    assert len(set(asked)) == 4
    assert set(asked) <= set(POOL.tolist())
    assert len(states) == 3


def test_looking_for_images_does_not_change_how_the_model_learns(tmp_path):
    """All strategies begin with the same model; what they look at leaves it as it was."""
    plain = play(tmp_path / "random", "random")[1][0]
    for number, name in enumerate(("learning_loss/global", "learning_loss++/global", "egl++/global")):
        first = play(tmp_path / str(number), name)[1][0]
        assert first.keys() == plain.keys()
        assert all(np.array_equal(first[key], plain[key]) for key in plain)
