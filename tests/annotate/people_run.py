"""A run about six people in two colours that somebody answers: for tests."""

import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from querist.acquisition.registry import strategy
from querist.agents.dral.agent import AGENT
from querist.annotate.background import Background
from querist.annotate.conflicts import PairConflicts
from querist.annotate.desk import Asked, Nothing
from querist.annotate.oracle import PeopleOracle
from querist.annotate.pair_cards import VALUES, PairCards
from querist.annotate.run_desk import RunDesk
from querist.annotate.sitting import Sitting
from querist.core.ledger import Ledger
from querist.core.loop import Deployment
from querist.core.oracle import SimulatedOracle
from querist.core.plan import Parts, Plan
from querist.core.rehearsal import Stage
from querist.core.split import Role, Split
from querist.pairs.settings import PairSettings
from tiny_people import tiny_people, tiny_task

SETTINGS = {"neighbours": 6, "mutual": 3, "per_anchor": 4}
PLAN = Plan(3, 1, (40,), 0, 2, 2, 10, True, 20, update_lag=1)
SECRET = b"s" * 32
BROWSER = "b"


def whole_split(task):
    """Everybody of ``train`` is asked about; nobody is known."""
    roles = np.where(task.data.split_of == "train", Role.POOL, Role.UNUSED)
    return Split(roles.astype(np.int8))


def a_strategy(name, task, split):
    """(policy, candidates, featuriser) of a name."""
    if name == "dral":
        changes = SETTINGS | {"batch": 4, "width": 8, "target_every": 3, "episodes": 0, "check_games": 0}
        card = AGENT.train("sound", changes, Stage(Path(), task.pool, split, (), 1, 1, 0), 0)
        policy = AGENT.policy(card)
        return policy, policy.own_candidates("sound", 1), policy.own_featuriser(task)
    chosen = strategy(name, task, pairs=PairSettings(**SETTINGS))
    return chosen.policy, chosen.candidates, chosen.featuriser


def deploy(folder, name="dral", plan=PLAN, oracle=None, updates=None, make=tiny_task):
    """With an oracle of people, or simulated; ``make`` makes the task."""
    task = make()
    split = whole_split(task)
    parts = Parts(task.pool, split, task, *a_strategy(name, task, split), oracle or SimulatedOracle(task), 1)
    people = isinstance(oracle, PeopleOracle)
    return Deployment(folder, parts, plan, {"strategy": name}, people=people, updates=updates or Background(make))


@contextmanager
def opened(folder, name="dral", plan=PLAN, lease=60.0, people=1, clock=time.monotonic, **more):
    """(run, desk, oracle, sitting) of a folder, in the thread that calls; so many ``people`` may answer at once."""
    oracle = PeopleOracle(patience=20)
    with deploy(folder, name, plan, oracle, **more) as run:
        cards = PairCards(run.parts.task, SECRET)
        desk = RunDesk(oracle, VALUES, cards.draw, "pairs", lease, patience=10, clock=clock, people=people)
        yield run, desk, oracle, Sitting(run, oracle, desk, cards.card, PairConflicts(cards))


def truth(data, run, question):
    """What a person says who knows everybody, and cannot tell every seventh time."""
    if question % 7 == 0:
        return "unknown"
    one, other = data.persons[run.parts.pool.sources(np.array([run.lines.question(question).unit]))[0]]
    return "same" if one == other else "different"


class Person(threading.Thread):
    """Answers what is shown, ``count`` times or until nothing is left, then closes the oracle.

    Args:
        say: (question's number, revision) -> the choice; may call the desk.
    """

    def __init__(self, desk, oracle, say, count=10**6):
        super().__init__()
        self.desk, self.oracle, self.say, self.count = desk, oracle, say, count
        self.receipts, self.error = [], None

    def run(self):
        try:
            while len(self.receipts) < self.count:
                found = self.desk.next(BROWSER)
                if isinstance(found, Nothing):
                    if found.reason == "done":
                        return
                    continue
                assert isinstance(found, Asked)
                choice = self.say(found)
                self.receipts.append(self.desk.answer(BROWSER, found.id, found.revision, choice))
        except Exception as error:
            self.error = error
        finally:
            self.oracle.close()


def answer_all(folder, name="dral", plan=PLAN, count=10**6, say=None, **more):
    """A sitting of a person who says the truth; its receipts and how the run stands."""
    with opened(folder, name, plan, **more) as (run, desk, oracle, sitting):
        data = tiny_people()
        person = Person(desk, oracle, say or (lambda asked: truth(data, run, asked.id)), count)
        person.start()
        try:
            events = [event.kind for event in sitting.play()]
        finally:
            oracle.close()
            person.join(20)
        if person.error:
            raise person.error
        return person.receipts, events, state(run)


def state(run):
    """All questions, the latest answers, the model in use, what the policy has become, and the last models."""
    game, ledger = run.ledger.game()["id"], run.ledger
    answers = {question: blob for _, question, _, blob in ledger.answers(game)}
    questions = [(q.id, q.unit, q.score, q.context, answers.get(q.id)) for q in ledger.questions(game, run.parts.pool)]
    models = {path.name: path.read_bytes() for path in sorted((run.folder / "models").glob("*"))}
    return {
        "questions": questions,
        "closings": [(step, digest) for step, digest, _ in ledger.closings(game)],
        "policy": {name: array.tobytes() for name, array in run.parts.policy.snapshot().items()},
        "models": models,
    }


def replay(folder):
    """A folder in which nothing is known of a run but its questions and answers, in their order."""
    again = folder.with_name(f"{folder.name}-again")
    again.mkdir()
    first = Ledger.read(folder / "ledger.sqlite")
    Ledger.create(again / "ledger.sqlite", first.about).close()
    first.close()
    db = sqlite3.connect(again / "ledger.sqlite")
    db.execute("ATTACH ? AS first", (str(folder / "ledger.sqlite"),))
    for table in ("splits", "roles"):
        db.execute(f"INSERT INTO {table} SELECT * FROM first.{table}")
    db.execute("INSERT INTO games SELECT id, kind, episode, parent, split, budget, 0 FROM first.games")
    for table in ("given", "steps", "questions", "blobs", "answers"):
        db.execute(f"INSERT INTO {table} SELECT * FROM first.{table}")
    db.commit()
    db.close()
    return again
