import threading
import time
from dataclasses import replace

import pytest

from annotate.people_run import PLAN, deploy, state
from querist.annotate.background import Background, StoppedError
from querist.core.loop import Deployment
from querist.core.plan import Plan
from querist.core.update import Updates
from querist.errors import QueristError
from toy import ABOUT, ToyTask, toy_deployment


def toy_run(folder, updates, plan):
    whole = toy_deployment(folder / "other", "random/group", plan)
    whole.close()
    return Deployment(folder, whole.parts, plan, ABOUT, updates=updates)


def final(run):
    events = [event.kind for event in run.play()]
    return events, state(run)["closings"], state(run)["models"]


@pytest.mark.parametrize("every", [1, 2])
def test_the_toy_ends_the_same_whether_it_learns_at_once_or_meanwhile(tmp_path, every):
    plan = Plan(seed=3, batch=4, marks=(8, 16, 24), start=5, update=3, final=20, update_every=every, update_lag=1)
    with toy_run(tmp_path / "here", Updates(), plan) as run:
        here = final(run)
    with toy_run(tmp_path / "there", Background(ToyTask), plan) as run:
        there = final(run)
    assert here[1:] == there[1:]
    assert sorted(here[0]) == sorted(there[0])  # marks may come later
    with toy_run(tmp_path / "at once", Updates(), replace(plan, update_lag=0)) as run:
        assert final(run)[1] != here[1]


@pytest.mark.parametrize(("name", "close_every"), [("dral", 7), ("qbc", 20)])
def test_re_identification_ends_the_same(tmp_path, name, close_every):
    plan = replace(PLAN, close_every=close_every)
    with deploy(tmp_path / "here", name, plan, updates=Updates()) as run:
        list(run.play())
        here = state(run)
    with deploy(tmp_path / "there", name, plan) as run:
        list(run.play())
        assert state(run) == here
    assert len(here["questions"]) == 40
    assert list(here["models"]) == ["labels-000040.safetensors"]


def test_with_a_lag_an_update_learns_what_was_known_a_window_before(tmp_path):
    plan = Plan(seed=3, batch=4, marks=(20,), start=5, update=3, final=20, update_lag=1)
    with toy_run(tmp_path, Updates(), plan) as run:
        list(run.play())
        assert [fit[1:] for fit in run.parts.task.fits if fit[0] == "step"] == [(4, 4), (8, 4), (12, 4), (16, 4)]


def test_stopped_within_a_window_it_begins_the_same_update_again(tmp_path):
    with deploy(tmp_path / "whole", plan=replace(PLAN, close_every=5)) as run:
        list(run.play())
        whole = state(run)
    for stop in (13, 22):
        with deploy(tmp_path / f"cut{stop}", plan=replace(PLAN, close_every=5)) as run:
            for event in run.play():
                if event.spent == stop:
                    break
        with deploy(tmp_path / f"cut{stop}", plan=replace(PLAN, close_every=5)) as run:
            list(run.play())
            assert state(run) == whole


class Slow(ToyTask):
    """Learns until it is told to stop."""

    def __init__(self):
        super().__init__()
        self.began = threading.Event()

    def fit(self, *args, phase, **rest):
        if phase == "step":
            self.began.set()
            while True:
                time.sleep(0.001)
        return super().fit(*args, phase=phase, **rest)


def test_closing_does_not_wait_for_a_training(tmp_path):
    plan = Plan(seed=3, batch=4, marks=(20,), start=5, update=3, final=20, update_every=2, update_lag=1)
    slow = Slow()
    with toy_run(tmp_path, Background(lambda: slow), plan) as run:
        for event in run.play():
            if event.spent == 12:
                break
        assert slow.began.wait(10)
        run._updates.close()
        with pytest.raises(StoppedError, match="closed while the model was learning"):
            run._updates._begun[3].result(0)


class Broken(ToyTask):
    def fit(self, *args, phase, **rest):
        if phase == "step":
            raise QueristError("the loss became nan", "lower the learning rate")
        return super().fit(*args, phase=phase, **rest)


def test_what_goes_wrong_meanwhile_is_told_where_questions_are_asked(tmp_path):
    plan = Plan(seed=3, batch=4, marks=(20,), start=5, update=3, final=20, update_lag=1)
    with toy_run(tmp_path, Background(Broken), plan) as run, pytest.raises(QueristError, match="loss became nan"):
        list(run.play())


def test_without_a_lag_there_is_no_meanwhile(tmp_path):
    plan = Plan(seed=3, batch=4, marks=(16,), start=5, update=3, final=20)
    task = ToyTask()
    with toy_run(tmp_path / "here", Updates(), plan) as run:
        here = final(run)[1]
    with toy_run(tmp_path / "there", Background(lambda: task), plan) as run:
        assert final(run)[1] == here
    assert [fit[0] for fit in task.fits] == ["final"]


def test_a_lag_of_two_windows_is_refused():
    with pytest.raises(QueristError, match="update lag of 2"):
        replace(PLAN, update_lag=2)


def test_the_lag_belongs_to_the_plan_that_a_run_resumes_with(tmp_path):
    assert "update_lag" not in replace(PLAN, update_lag=0).words()
    with deploy(tmp_path):
        pass
    with pytest.raises(QueristError, match="update_lag=1, not"):
        deploy(tmp_path, plan=replace(PLAN, update_lag=0))
