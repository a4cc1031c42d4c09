"""People, networks and time do what they like; no acknowledged answer may be lost and none counted twice."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from annotate.conftest import World
from querist.annotate.desk import UnreadyError

LEASE = 10.0
RUNNER = asyncio.Runner()
VALUES = st.sampled_from(["same", "different", "unknown"])
WHO = st.integers(0, 1)


class Answering(RuleBasedStateMachine):
    """Its own book: what was acknowledged and what was taken back, from the replies alone."""

    total = 6  # questions

    def made(self):
        """The world that is tried, in which seconds pass by hand."""
        return World(RUNNER, count=self.total, lease=LEASE, clock=lambda: self.now)

    @initialize()
    def begin(self):
        self.now = 0.0
        self.world = self.made()
        self.browsers = [self.world.browser(), self.world.browser()]
        self.showing = [None, None]  # (question, revision) on the screens
        self.until = [0.0, 0.0]  # when the leases run out
        self.posts = []  # (who, question, revision, choice), also those whose reply was lost
        self.receipts = {}
        self.undone = set()
        self.last = [None, None]

    def told(self, who, state):
        """A reply arrived: it shows a question, and renews the lease."""
        asked = state["asked"]
        self.showing[who] = asked and (asked["id"], asked["revision"])
        self.until[who] = self.now + LEASE
        other = 1 - who
        if asked and self.showing[other] and self.until[other] > self.now:
            assert asked["id"] != self.showing[other][0], "two browsers hold the same question"
        assert state["progress"]["answered"] == self.counted()
        assert state["progress"]["remaining"] == self.total - self.counted()
        assert (asked is None) >= (self.counted() == self.total)

    def counted(self):
        """How many answers are in force."""
        return len([key for key in self.receipts if key not in self.undone])

    def post(self, who, question, revision, choice):
        reply = self.browsers[who].answer(question, choice, revision)
        key, known = (question, revision), self.receipts.get((question, revision))
        if reply.status_code == 200:
            receipt = reply.json()["receipt"]
            assert receipt["choice"] == choice
            assert receipt["counted"] == (known is None)
            assert known in (None, choice)
            if known is None:
                self.receipts[key] = choice
                self.last[who] = key
            self.told(who, reply.json())
        else:
            assert reply.status_code == 409
            assert known != choice

    @rule(who=WHO)
    def look(self, who):
        self.told(who, self.browsers[who].state())

    @precondition(lambda self: any(self.showing))
    @rule(who=WHO, choice=VALUES)
    def answer(self, who, choice):
        if self.showing[who]:
            self.posts.append((who, *self.showing[who], choice))
            self.post(*self.posts[-1])

    @precondition(lambda self: self.posts)
    @rule(data=st.data())
    def repeat(self, data):
        """Of any post that was ever made, a copy arrives now."""
        self.post(*data.draw(st.sampled_from(self.posts)))

    @precondition(lambda self: any(self.showing))
    @rule(who=WHO, choice=VALUES, kept=st.booleans())
    def lose(self, who, choice, kept):
        """The request is lost on its way, or cannot be kept: there is no receipt."""
        if self.showing[who]:
            self.posts.append((who, *self.showing[who], choice))
            if kept:
                self.world.desk.failing = UnreadyError("not now")
                assert self.browsers[who].answer(self.showing[who][0], choice, self.showing[who][1]).status_code == 503

    @precondition(lambda self: any(self.last))
    @rule(who=WHO, times=st.integers(1, 2))
    def undo(self, who, times):
        if self.last[who] is None:
            return
        question, revision = self.last[who]
        for _ in range(times):
            state = self.browsers[who].undo(question, revision).json()
            assert state["undone"]
            self.undone.add((question, revision))
            self.told(who, state)

    @rule(who=WHO, question=st.integers(1, 6), revision=st.integers(0, 2))
    def undo_something_else(self, who, question, revision):
        if (question, revision) != self.last[who]:
            state = self.browsers[who].undo(question, revision).json()
            assert not state["undone"]
            self.told(who, state)

    @rule(seconds=st.sampled_from([1.0, 6.0, 11.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @invariant()
    def nothing_is_lost_and_nothing_counts_twice(self):
        if hasattr(self, "world"):
            kept = self.kept()
            assert len(kept) == len({key for key, _ in kept})
            assert dict(kept) == self.receipts

    def kept(self):
        """((question, revision), choice) of everything that is safe."""
        return [((question, revision), choice) for _, question, revision, choice in self.world.desk.ledger]


Answering.TestCase.settings = settings(max_examples=12, stateful_step_count=20)
TestAnswering = Answering.TestCase
