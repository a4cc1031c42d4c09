from dataclasses import replace

import numpy as np
import pytest

from querist.core.candidates import GlobalPool
from querist.core.ledger import Ledger
from querist.core.observation import Groups
from querist.errors import QueristError
from toy import ABOUT, PLAN


def everything(run):
    game = run.ledger.game()["id"]
    questions = [(q.unit, q.step, q.position) for q in run.ledger.questions(game, run.parts.pool)]
    closed = [(step, digest) for step, digest, _ in run.ledger.closings(game)]
    values = [(e["labels"], e["part"], e["value"]) for e in run.ledger.evaluations(game)]
    return questions, closed, values


def test_a_run_spends_its_budget_and_measures_at_every_mark(deploy):
    with deploy() as run:
        kinds = [event.kind for event in run.play()]
        assert kinds == ["start", "step", "step", "mark", "step", "step", "mark", "done"]
        game = run.ledger.game()
        assert (game["spent"], game["budget"]) == (16, 16)
        assert {(e["labels"], e["part"]) for e in run.ledger.evaluations(game["id"])} == {
            (m, p) for m in (8, 16) for p in ("reward", "test", "account")
        }
        bought = [e["details"]["bought"] for e in run.ledger.evaluations(game["id"]) if e["part"] == "account"]
        assert [sum(b) for b in bought] == [8, 16]
        assert run.ledger.given(game["id"]) == {"start": 8, "reward": 8, "test": 16}


@pytest.mark.parametrize("name", ["random", "random/group"])
def test_stopped_after_any_event_it_ends_the_same(deploy, name):
    with deploy(name, folder="whole") as run:
        list(run.play())
        whole = everything(run)
    for stop in range(1, 8):
        folder = f"cut{stop}"
        with deploy(name, folder=folder) as run:
            events = run.play()
            for _ in range(stop):
                next(events)
            events.close()
        with deploy(name, folder=folder) as run:
            list(run.play())
            assert everything(run) == whole


@pytest.mark.parametrize("close_every", [2, 3, 100])
def test_steps_left_open_are_played_again(deploy, close_every):
    """Snapshots may be rarer than steps: what they do not hold comes back from the ledger, wherever a run stops."""
    with deploy("random/group", folder="each") as run:
        list(run.play())
        questions, _, values = everything(run)
    plan = replace(PLAN, close_every=close_every)
    for stop in range(1, 9):
        with deploy("random/group", plan=plan, folder=f"cut{stop}") as run:
            events = run.play()
            for _ in range(stop):
                next(events)
            events.close()
        with deploy("random/group", plan=plan, folder=f"cut{stop}") as run:
            list(run.play())
            assert everything(run)[::2] == (questions, values)
            closed = [step for step, _, _ in run.ledger.closings(1)]
            assert closed == sorted({-1, 1, 3} | {s for s in range(4) if (s + 1) % close_every == 0})  # marks close


def test_a_game_that_runs_dry_closes_what_stands_open(deploy, monkeypatch):
    build = GlobalPool.build
    nothing = Groups(np.zeros((1, 0), dtype=np.int64), np.zeros((1, 0), dtype=bool))
    monkeypatch.setattr(GlobalPool, "build", lambda self, game, step: build(self, game, step) if step < 3 else nothing)
    with deploy(plan=replace(PLAN, close_every=100)) as run:
        events = [event.kind for event in run.play()]
        assert events == ["start", "step", "step", "mark", "step", "mark", "done"]
        assert [step for step, _, _ in run.ledger.closings(1)] == [-1, 1, 2]


def test_a_step_that_was_asked_but_not_answered_is_taken_up(deploy):
    with deploy(folder="whole") as run:
        list(run.play())
        whole = everything(run)
    with deploy() as run:
        run.parts.oracle.collect = lambda: iter(())
        events = list(run.play())
        assert events[-1].kind == "waiting"
        assert run.ledger.counts(1) == {"questions": 4, "answers": 0}
    with deploy() as run:
        first = run.ledger.questions(1, run.parts.pool)[0]
        run.ledger.answer(first.id, run.parts.task.truth(np.array([first.unit]))[0])
        list(run.play())
        assert everything(run) == whole


def test_another_selection_on_resuming_is_an_error(deploy):
    with deploy() as run:
        run.parts.oracle.collect = lambda: iter(())
        list(run.play())
    with deploy("random/group") as run, pytest.raises(QueristError, match="would be asked"):
        list(run.play())


def test_final_trainings_never_feed_back(deploy):
    with deploy(plan=PLAN, folder="measured") as run:
        list(run.play())
        measured = everything(run)[1]
    with deploy(plan=type(PLAN)(**{**vars(PLAN), "marks": (16,)}), folder="once") as run:
        list(run.play())
        assert everything(run)[1] == measured


def test_a_foreign_run_is_refused(deploy, tmp_path):
    with deploy() as run:
        list(run.play())
    ledger = Ledger.read(tmp_path / "run" / "ledger.sqlite")
    assert ledger.about["seed"] == "3"
    ledger.close()
    with pytest.raises(QueristError, match="recipe_hash toy, not another"):
        deploy(about={**ABOUT, "recipe_hash": "another"})


def test_two_writers(deploy):
    with deploy(), pytest.raises(QueristError, match="another process"):
        deploy()


def test_a_damaged_snapshot_is_named(deploy, tmp_path):
    with deploy() as run:
        events = run.play()
        for _ in range(2):
            next(events)
        events.close()
        last = run.ledger.closings(1)[-1][1]
    path = tmp_path / "run" / "snapshots" / f"{last}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with deploy() as run, pytest.raises(QueristError, match="damaged"):
        list(run.play())


def test_a_budget_beyond_the_pool_is_refused(deploy):
    with pytest.raises(QueristError, match="the whole pool costs 48"):  # 12 pool sources of 4 units
        deploy(plan=type(PLAN)(**{**vars(PLAN), "marks": (8, 49)}))


def test_a_game_with_nothing_left_to_offer_ends_and_measures_what_was_spent(deploy, tmp_path, monkeypatch):
    """As an implicit pool does, whose size says nothing of what its candidates still offer."""
    build = GlobalPool.build
    nothing = Groups(np.zeros((1, 0), dtype=np.int64), np.zeros((1, 0), dtype=bool))
    monkeypatch.setattr(GlobalPool, "build", lambda self, game, step: build(self, game, step) if step < 3 else nothing)
    plan = replace(PLAN, marks=(8, 28, 40))
    with deploy(plan=plan) as run:
        events = list(run.play())
        assert (events[-1].kind, events[-1].spent, events[-1].details) == ("done", 12, {"exhausted": True})
        assert run.ledger.money(1) == (12, 40)
        assert [e.spent for e in events if e.kind == "mark"] == [8, 12]
        assert {row["labels"] for row in run.ledger.evaluations(1)} == {8, 12}
        accounts = [e["details"] for e in run.ledger.evaluations(1) if e["part"] == "account"]
        assert [sum(details["bought"]) for details in accounts if "bought" in details] == [8, 12]
        assert [e["labels"] for e in run.ledger.evaluations(1) if e["model"] == "end"] == [12]
    models = sorted(path.name for path in (tmp_path / "run" / "models").iterdir())
    assert models == ["labels-000008.safetensors", "labels-000012.safetensors"]
    with deploy(plan=plan) as run:
        assert [event.kind for event in run.play()] == ["done"]


def test_a_game_that_ends_at_a_mark_measures_it_once(deploy, monkeypatch):
    build = GlobalPool.build
    nothing = Groups(np.zeros((1, 0), dtype=np.int64), np.zeros((1, 0), dtype=bool))
    monkeypatch.setattr(GlobalPool, "build", lambda self, game, step: build(self, game, step) if step < 2 else nothing)
    with deploy() as run:
        events = list(run.play())
        assert [(e.kind, e.spent) for e in events[-3:]] == [("step", 8), ("mark", 8), ("done", 8)]
        assert [e["labels"] for e in run.ledger.evaluations(1) if e["model"] == "end"] == [8]


@pytest.mark.parametrize("change", [{"final": 21}, {"marks": (8, 16, 24)}, {"seed": 4}])
def test_another_plan_is_refused_on_resuming(deploy, change):
    with deploy() as run:
        next(run.play())
    with pytest.raises(QueristError, match="this run has plan"):
        deploy(plan=type(PLAN)(**{**vars(PLAN), **change}))


def test_with_rarer_updates_new_is_everything_since_the_last_one(deploy):
    plan = type(PLAN)(**{**vars(PLAN), "update_every": 2, "marks": (16,)})
    with deploy(plan=plan) as run:
        list(run.play())
        assert [fit for fit in run.parts.task.fits if fit[0] == "step"] == [("step", 8, 8), ("step", 16, 8)]


@pytest.mark.parametrize("keep_given", [True, False])
def test_the_starting_set_serves_the_start_and_afterwards_only_if_it_is_kept(deploy, monkeypatch, keep_given):
    learned = []
    with deploy(plan=type(PLAN)(**{**vars(PLAN), "keep_given": keep_given})) as run:
        fit = run.parts.task.fit

        def spy(labels, **rest):
            learned.append((rest["phase"], labels.given.tolist(), len(labels.units), rest["new"].given.tolist()))
            return fit(labels, **rest)

        monkeypatch.setattr(run.parts.task, "fit", spy)
        list(run.play())
        assert run.ledger.given(1)["start"] == 8  # it is paid for either way
    kept = [12, 13] if keep_given else []
    assert learned == [
        ("start", [12, 13], 0, [12, 13]),
        ("step", kept, 4, []),
        ("step", kept, 8, []),
        ("final", kept, 8, kept),
        ("step", kept, 12, []),
        ("step", kept, 16, []),
        ("final", kept, 16, kept),
    ]


def test_whether_the_start_is_kept_belongs_to_the_plan_that_a_run_resumes_with(deploy):
    with deploy() as run:
        next(run.play())
    with pytest.raises(QueristError, match="this run has plan"):
        deploy(plan=type(PLAN)(**{**vars(PLAN), "keep_given": False}))
