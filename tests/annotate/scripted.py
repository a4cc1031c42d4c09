"""A desk in memory that follows a script: for tests of the page, and nothing else."""

import io
import threading
import time
from dataclasses import replace

from PIL import Image as Pixels
from PIL import ImageDraw

from querist.annotate.desk import (
    AlreadyAnsweredError,
    Asked,
    Choice,
    Image,
    Neighbour,
    Nothing,
    Picture,
    Progress,
    Receipt,
    Undo,
    UnknownQuestionError,
)
from querist.annotate.leases import Leases
from querist.annotate.pace import Pace

CHOICES = (
    Choice("1", "Same", "same", "yes"),
    Choice("2", "Different", "different", "no"),
    Choice("3", "Can't tell", "unknown", "unsure"),
)


def scripted(count, **more):
    """Questions about pairs of people, eight to an anchor."""
    return [
        Asked(
            number,
            "Is this the same person?",
            CHOICES,
            (
                Picture(f"anchor-{number // 8}", f"the person asked about, number {number // 8}", "query"),
                Picture(f"crop-{number}", f"candidate {number}", f"camera {number % 6 + 1}"),
            ),
            context_title="Nearest neighbours of the query",
            **more,
        )
        for number in range(1, count + 1)
    ]


class ScriptedDesk:
    """Asks ``questions`` in order. ``ledger`` is what a disk would hold: appended to, and nothing else."""

    def __init__(self, questions, lease=60.0, clock=time.monotonic, draw=None):
        self.questions = {q.id: q for q in questions}
        self.ledger = []  # (browser, question, revision, choice)
        self.undone = set()  # (question, revision)
        self.waiting = False
        self.contradictions = []
        self.failing = None  # an exception for the next answer
        self.leases = Leases(lease, clock)
        self.pace = Pace(clock=clock)
        self.draw = draw or drawn
        self.lock = threading.Lock()

    def choice_of(self, question):
        """What the latest answer to a question is; None if it is open."""
        said = [(r, c) for _, q, r, c in self.ledger if q == question and (q, r) not in self.undone]
        return max(said)[1] if said else None

    def revision_of(self, question):
        return sum(q == question for q, _ in self.undone)

    def next(self, browser):
        with self.lock:
            if self.waiting:
                return Nothing("waiting", "The model is learning from your answers.")
            unanswered = [q for q in self.questions if self.choice_of(q) is None]
            if not unanswered:
                return Nothing("done")
            found = self.leases.take(browser, unanswered)
            return Nothing("waiting") if found is None else self._asked(found)

    def _asked(self, question):
        first = (question - 1) // 8 * 8 + 1
        tones = {c.value: c.tone for c in CHOICES} | {None: "open"}
        strip = [
            Neighbour(f"crop-{q}", f"neighbour {q}", "present" if q == question else tones[self.choice_of(q)])
            for q in range(first, first + 8)
            if q in self.questions
        ]
        return replace(self.questions[question], revision=self.revision_of(question), context=strip)

    def answer(self, browser, question, revision, choice):
        with self.lock:
            if self.failing:
                error, self.failing = self.failing, None
                raise error
            if question not in self.questions or choice not in [c.value for c in self.questions[question].choices]:
                raise UnknownQuestionError(f"there is no question {question} with that choice")
            said = [c for _, q, r, c in self.ledger if (q, r) == (question, revision)]
            if (said and said[0] != choice) or (not said and revision != self.revision_of(question)):
                raise AlreadyAnsweredError("This question was answered differently.", "take that answer back first")
            if not said:
                self.ledger.append((browser, question, revision, choice))
                self.pace.note()
            return Receipt(question, revision, choice, counted=not said)

    def undo(self, browser, question, revision):
        with self.lock:
            last = self._last(browser)
            told = [(said.question, said.revision) for c in self.contradictions for said in c.answers]
            if (question, revision) not in [*told, last and last[1:3]]:
                return None
            if (question, revision) not in self.undone:
                self.undone.add((question, revision))
                self.leases.release(browser)
                self.leases.take(browser, [question])
            return self._asked(question)

    def _last(self, browser):
        mine = [entry for entry in self.ledger if entry[0] == browser]
        return mine[-1] if mine else None

    def undoable(self, browser):
        with self.lock:
            last = self._last(browser)
            if last is None or last[1:3] in self.undone:
                return None
            label = next(c.label for c in CHOICES if c.value == last[3])
            return Undo(last[1], last[2], f"Undo “{label}”")

    def conflicts(self):
        return self.contradictions

    def progress(self):
        with self.lock:
            budget = len(self.questions)
            answered = sum(self.choice_of(q) is not None for q in self.questions)
            rest = budget - answered
            return Progress(answered, budget, rest, self.pace.per_minute(), not rest, "pairs")

    def picture(self, question, which):
        asked = self.questions.get(question)
        if asked is None:
            raise UnknownQuestionError("no such question")
        names = {p.name for p in asked.pictures} | {n.name for n in self._asked(question).context}
        if which not in names:
            raise UnknownQuestionError("no such picture")
        return self.draw(which)


def drawn(name):
    """A small picture that differs from name to name."""
    number = sum(map(ord, name))
    sheet = Pixels.new("RGB", (64, 128), (200, 204, 210))
    pen = ImageDraw.Draw(sheet)
    cloth = tuple(60 + number * step % 160 for step in (37, 71, 113))
    pen.ellipse((24, 10, 40, 30), fill=(214, 176, 150))
    pen.rectangle((18, 32, 46, 76), fill=cloth)
    pen.rectangle((20, 76, 44, 120), fill=tuple(c // 2 for c in cloth))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return Image(file.getvalue(), "image/png")
