"""``querist label`` on a few drawn people, with a browser without a screen."""

import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest

from querist.annotate.place import Place, kept_place
from querist.commands import label
from querist.core.card import PolicyCard
from querist.core.ledger import Asking, Ledger
from querist.core.loop import Deployment
from querist.core.pool import PairPool
from querist.core.split import Role, Split
from querist.recipes.learned import find_card
from querist.recipes.recipe import load_recipe
from querist.tasks.reid.problem import ReidProblem
from tiny_people import tiny_people, tiny_task, write_market

RECIPE = """
problem:
  class_path: querist.tasks.reid.problem.ReidProblem
  init_args:
    image: [64, 32]
    layout: market
    start: 2
    model: {path: tiny_people.TinyEmbedder}
    schedule: {step: {batch: 12}, final: {batch: 12}}
budgets: [6, 12]
batch: 1
update_every: 4
close_every: 4
pairs: {neighbours: 6, mutual: 3, per_anchor: 4}
steps: {start: 1, update: 1, final: 1}
"""


class Browser(threading.Thread):
    """Answers so many questions once there is a link, then presses Ctrl-C; or goes on to the end."""

    def __init__(self, links, count=None, cookies=None):
        super().__init__()
        self.links, self.count, self.seen, self.error = links, count, [], None
        self.cookies = cookies

    def run(self):
        try:
            self._answer()
        except Exception as error:
            self.error = error
        if self.count is not None:
            os.kill(os.getpid(), signal.SIGINT)

    def _answer(self):
        while not self.links:
            time.sleep(0.01)
        base, _, token = self.links[-1].partition("/#")
        with httpx.Client(base_url=base, headers={"Origin": base}, cookies=self.cookies, timeout=30) as http:
            if self.cookies is None:
                assert http.post("/api/enter", json={"token": token}).status_code == 204
            state = http.get("/api/state").json()
            while self.count is None or len(self.seen) < self.count:
                if state["nothing"] is not None:
                    if state["nothing"]["reason"] == "done":
                        return
                    state = http.get("/api/state").json()
                    continue
                asked = state["asked"]
                assert http.get(f"/picture/{asked['id']}/{asked['pictures'][0]['name']}").content[:2] == b"\xff\xd8"
                post = {"question": asked["id"], "revision": 0, "choice": "same" if asked["id"] % 3 else "different"}
                state = http.post("/api/answer", json=post).json()
                assert state["receipt"]["counted"]
                self.seen.append(asked["id"])
            self.cookies = dict(http.cookies)


class Desk:
    """A labelled folder of crops, a recipe, and the links that are printed."""

    def __init__(self, folder, querist, monkeypatch):
        monkeypatch.setenv("QUERIST_CACHE", str(folder / "cache"))
        monkeypatch.setattr(label, "_FAREWELL", 0.3)
        self.links, self.querist, self.out = [], querist, folder / "run"
        monkeypatch.setattr(label, "_invite", self.links.append)
        self.data = write_market(folder / "people", tiny_people())
        self.recipe = folder / "few.yaml"
        self.recipe.write_text(RECIPE)

    def label(self, *more, count=None, cookies=None, verb="label"):
        """How the command ended, and what the browser saw."""
        where = [self.recipe, "--data", self.data, "--out", self.out, "--port", 0] if verb == "label" else [self.out]
        self.links.clear()
        browser = Browser(self.links, count, cookies)
        browser.start()
        try:
            said = self.querist(verb, *where, *more)
        finally:
            if not self.links:
                self.links.append("http://127.0.0.1:9/#none")
            browser.join(20)
        return said, browser

    def refused(self, *more):
        said = self.querist("label", self.recipe, "--data", self.data, "--out", self.out, "--port", 0, *more)
        assert said.code == 2
        return said.flat


@pytest.fixture
def place(tmp_path, querist, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to it
    yield Desk(tmp_path, querist, monkeypatch)
    signal.signal(signal.SIGINT, before)


def test_people_answer_and_come_back_another_day(place):
    said, browser = place.label(count=5)
    assert browser.error is None
    assert said.code == 130
    assert "what was answered and measured is kept" in said.err
    said, later = place.label(cookies=browser.cookies)  # still signed in
    assert later.error is None
    assert said.code == 0
    assert browser.seen + later.seen == list(range(1, 13))
    assert "12 pairs: the network trained on them" in said.flat
    assert "All 12 questions are answered" in said.flat
    assert sorted(p.name for p in (place.out / "models").glob("*")) == [
        "labels-000006.safetensors", "labels-000012.safetensors"
    ]  # fmt: skip
    assert (place.out / label.SECRET).stat().st_mode & 0o777 == 0o600
    ledger = Ledger.read(place.out / "ledger.sqlite")
    about, units = ledger.about, {unit for _, _, unit, _ in ledger.answers(1)}
    ledger.close()
    assert (about["answers"], about["strategy"]) == ("people", "dral/sound")
    assert about["policy"] == find_card("default", ReidProblem()).hash  # the trained one that comes along
    assert about["plan"].endswith("update_lag=1")
    assert len(units) == 12
    found = place.querist("status", place.out)
    assert "12 of 12 labels bought" in found.out
    assert "finished" in found.out
    assert "labels that were there before: none" in found.out


def test_resume_goes_on_where_the_page_was(place):
    said, browser = place.label("--people", 3, "--names", "labels.local", count=3)
    said, later = place.label(verb="resume", count=2, cookies=browser.cookies)  # any free port, as before
    assert later.error is None
    assert said.code == 130
    assert browser.seen + later.seen == [1, 2, 3, 4, 5]
    assert kept_place(place.out) == Place("127.0.0.1", 0, ["labels.local"], 3)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said, _ = place.label("--port", port, verb="resume")
        assert f"cannot listen on port {port}" in said.flat
        assert f"cannot listen on port {port}" in place.refused("--port", port)
    assert kept_place(place.out).port == 0
    said, last = place.label("--people", 1, verb="resume", count=1, cookies=browser.cookies)
    assert last.seen == [6]
    assert kept_place(place.out) == Place("127.0.0.1", 0, ["labels.local"], 1)


def test_from_a_checkpoint_with_a_classical_strategy(place, tmp_path):
    task = tiny_task()
    task.save(tmp_path / "model.safetensors")
    said, browser = place.label("--strategy", "qbc", "--checkpoint", tmp_path / "model.safetensors", count=2)
    assert browser.error is None
    assert said.code == 130
    ledger = Ledger.read(place.out / "ledger.sqlite")
    assert ledger.about["strategy"] == "qbc"
    assert len(ledger.about["checkpoint"]) == 16
    ledger.close()
    assert "holds a run with strategy qbc, not random" in place.refused("--strategy", "random")
    assert "holds a run with recipe hash" in place.refused("--set", "update_every=8")
    assert "holds a run with seed 0, not 1" in place.refused("--seed", 1)
    assert "holds a run with answers from None, not /another" in place.refused("--answers-from", "/another")
    assert "cannot be read (No such file" in place.refused("--checkpoint", tmp_path / "gone.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"another")
    assert "checkpoint" in place.refused("--checkpoint", tmp_path / "model.safetensors")


def test_a_checkpoint_outlives_a_kill_before_the_first_snapshot(place, tmp_path, monkeypatch):
    task = tiny_task()
    task.save(tmp_path / "model.safetensors")
    begun = []

    def start(run):
        begun.append(run.parts.task.snapshot())
        raise KeyboardInterrupt

    monkeypatch.setattr(Deployment, "start", start)
    command = ["label", place.recipe, "--data", place.data, "--port", 0, "--strategy", "random", "--out"]
    assert place.querist(*command, tmp_path / "plain").code == 130
    assert place.querist(*command, place.out, "--checkpoint", tmp_path / "model.safetensors").code == 130
    (tmp_path / "model.safetensors").unlink()
    assert place.querist(*command, place.out).code == 130
    assert place.querist("resume", place.out).code == 130
    plain, *others = ([array.tobytes() for array in weights.values()] for weights in begun)
    assert others[0] == others[1] == others[2] != plain
    (place.out / label.CHECKPOINT).write_bytes(b"another")
    assert "is not the checkpoint that the run began with" in place.refused()


def test_answers_of_a_run_that_cannot_learn_go_into_one_that_can(place, tmp_path):
    said, _ = place.label("--set", "problem.schedule.step.optimiser={name: sgd, lr: 1.0e+30}")
    assert said.code == 2
    assert f"--answers-from {place.out} --out NEW" in said.flat
    failed, place.out = place.out, tmp_path / "another"
    said, later = place.label("--answers-from", failed, count=2)
    assert later.error is None
    assert "8 questions were answered in" in said.flat
    assert later.seen == [9, 10]
    (failed / "ledger.sqlite").unlink()
    said, last = place.label(cookies=later.cookies)
    assert last.seen == [11, 12]
    assert said.code == 0
    with closing(Ledger.read(place.out / "ledger.sqlite")) as ledger:
        told = {question: bool(ledger.decode(blob)) for _, question, _, blob in ledger.answers(1)}
        assert ledger.money(1) == (12, 12)
    assert told == {question: bool(question % 3) for question in range(1, 13)}


ROOT = Path(__file__).parents[2]
FEW = ["--set", "budgets=[20]", "--set", "threads=1"]  # of which a handful of crops has enough


def test_the_command_of_the_readme_asks_its_first_question(place):
    """Without pretrained weights, which nobody here can download."""
    line = next(x for x in (ROOT / "README.md").read_text().splitlines() if x.startswith("querist label "))
    verb, place.recipe, *where = shlex.split(line, comments=True)[1:]
    assert (verb, where) == ("label", ["--data", "DIR"])
    said, browser = place.label(*FEW, "--set", "problem.model.arguments.weights=null", count=1)
    assert browser.error is None, said.flat
    assert browser.seen == [1]


@pytest.mark.parametrize("recipe", ["market", "duke"])
def test_a_recipe_at_the_scale_of_the_paper_begins_without_a_gpu(place, recipe, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    place.recipe = recipe
    tiny = ["--set", "problem.model={path: tiny_people.TinyEmbedder}", "--set", "problem.image=[64, 32]"]
    said, browser = place.label(*FEW, *tiny, count=1)
    assert browser.error is None, said.flat
    assert browser.seen == [1]
    assert "There is no CUDA GPU here: the network learns on the CPU." in said.flat


@pytest.mark.parametrize(
    ("recipe", "words", "fix"),
    [
        ("market-small", "weights file not found", "set QUERIST_WEIGHTS to the folder that holds it; --set {}=null"),
        ("market", "could not be downloaded", "--set {}=FILE.safetensors (below QUERIST_WEIGHTS)"),
    ],
)
def test_weights_that_cannot_be_had_say_what_to_do(place, monkeypatch, recipe, words, fix):
    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.delenv("QUERIST_WEIGHTS", raising=False)
    monkeypatch.setattr("torchvision.models.WeightsEnum.get_state_dict", no_network)
    place.recipe = recipe
    said = place.refused(*FEW)
    assert words in said
    assert fix.format("problem.model.arguments.weights") in said


@pytest.mark.parametrize("recipe", ["market", "duke", "cuhk03", "market-small"])
def test_comparisons_of_the_recipes_about_people_have_their_controls(recipe):
    loaded = load_recipe(recipe).recipe
    assert loaded.device == "auto"
    assert {"random", "strengthened_random", "dral/sound", "dral/untrained", "dral/shuffled"} <= {*loaded.strategies}


def test_an_agent_may_begin_untrained(place):
    said, browser = place.label("--strategy", "dral/sound", count=2)
    assert browser.error is None
    assert said.code == 130
    card = PolicyCard.load(place.out / "policy")
    assert (card.strategy, card.settings["episodes"]) == ("dral/sound", 0)


def test_what_needs_a_policy_says_so(place):
    assert "ralis/sound is learned before it is used" in place.refused("--strategy", "ralis/sound")


def test_a_run_that_answers_itself_is_left_alone(place, tiny):
    place.out = tiny.half
    assert "holds a run that answers itself" in place.refused()


def test_a_task_that_cannot_be_shown(tiny, querist, tmp_path):
    said = querist(
        "label", tiny.recipe, "--data", tiny.data, "--out", tmp_path / "new", "--strategy", "random", "--port", 0
    )
    assert said.code == 2
    assert "no questions that the answer page can show" in said.flat


def test_a_taken_port_is_found_before_anything_is_read(place, monkeypatch):
    monkeypatch.setattr(label, "set_up", lambda *_, **__: pytest.fail("the data were read"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = place.querist(
            "label", place.recipe, "--data", place.data, "--out", place.out, "--port", other.getsockname()[1]
        )
    assert said.code == 2
    assert "cannot listen on port" in said.flat
    assert "choose another --port" in said.flat
    assert not place.out.exists()


def test_nobody_at_all(place):
    assert "let at least 1 do so" in place.refused("--people", 0)


def test_without_the_extra_it_is_named(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "querist.annotate.serve", raising=False)
    monkeypatch.delattr("querist.annotate.serve", raising=False)
    assert 'pip install "querist[web]"' in place.refused()


def test_contradictions_are_named(querist, tmp_path):
    """a = b, b = c, but a is not c; d is somebody else, and of e nobody knows."""
    pool = PairPool([f"train/{name}" for name in "abcde"])
    said = {("a", "b"): True, ("b", "c"): True, ("a", "c"): False, ("c", "d"): False, ("d", "e"): None}
    with closing(Ledger.create(tmp_path / "ledger.sqlite", {"answers": "people", "recipe": "few"})) as ledger:
        game = ledger.start_game(pool, Split(np.full(5, Role.POOL, dtype=np.int8)), 10)
        units = [pool.unit(f"train/{one}~train/{other}") for one, other in said]
        for question, answer in zip(
            ledger.ask(game, 0, pool, [Asking(unit) for unit in units], {}), said.values(), strict=True
        ):
            ledger.answer(question.id, None if answer is None else np.array(answer))
        ledger.answer(4, np.array(True), revision=1)  # d is c after all
        ledger.answer(4, np.array(False), revision=2)
    found = querist("status", tmp_path)
    assert "1 answers contradict others, such as:" in found.out
    assert "train/a and train/c are different, but train/a = train/b = train/c\n" in found.out
    document = json.loads(querist("status", tmp_path, "--json").out)
    assert [len(one["chain"]) for one in document["contradictions"]] == [3]
