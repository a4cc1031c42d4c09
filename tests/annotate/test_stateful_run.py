"""The same with a run behind the page: two people at once, and what the ledger on the disk says of them."""

import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from hypothesis import settings

from annotate.client import TOKEN, Client
from annotate.people_run import PLAN, opened
from annotate.test_stateful import LEASE, RUNNER, Answering
from querist.annotate.application import application
from querist.annotate.oracle import digest
from querist.annotate.pair_cards import VALUES
from querist.core.ledger import Ledger

CHOICES = {digest(answer): choice for choice, answer in VALUES.items()}


class RunWorld:
    """A run in a thread of its own; its desk fails once when it is told to."""

    def __init__(self, plan, clock):
        self.kept, self.links, self.failing, ready = tempfile.TemporaryDirectory(), [TOKEN], None, threading.Event()
        self.folder, self.desk = Path(self.kept.name), self

        def play():
            with opened(self.folder, "nearest_first", plan, LEASE, people=2, clock=clock) as (_, desk, oracle, sitting):
                sitting._conflicts = None  # anybody may take those back
                self.real, self.oracle = desk, oracle
                for event in sitting.play():
                    if event.kind == "waiting":  # for the answer to the first question
                        ready.set()

        self.thread = threading.Thread(target=play)
        self.thread.start()
        assert ready.wait(60)
        self.app = application(self, TOKEN, ["127.0.0.1:8765"], secret=b"s" * 32, invite=self.links.append)

    def __getattr__(self, name):
        return getattr(self.real, name)

    def answer(self, *told):
        if self.failing:
            error, self.failing = self.failing, None
            raise error
        return self.real.answer(*told)

    def browser(self):
        return Client(self.app, RUNNER, enter=self.links[-1])

    def close(self):
        self.oracle.close()
        self.thread.join(20)
        self.kept.cleanup()


class AnsweringRun(Answering):
    """More questions than can be answered here, so that it is never over."""

    total = 40

    def made(self):
        return RunWorld(replace(PLAN, marks=(self.total,), update_every=100, close_every=5), lambda: self.now)

    def counted(self):
        """An answer that is taken back stays in force until there is another."""
        return len({question for question, _ in self.receipts})

    def kept(self):
        ledger, found = Ledger.read(self.world.folder / "ledger.sqlite"), []
        for _, question, _, blob in ledger.answers(1):
            revision = sum(question == known for (known, _), _ in found)
            found.append(((question, revision), CHOICES[blob]))
        ledger.close()
        return found

    def teardown(self):
        self.world.close()


AnsweringRun.TestCase.settings = settings(max_examples=6, stateful_step_count=15)
TestAnsweringRun = AnsweringRun.TestCase
