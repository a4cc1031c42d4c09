"""Lines of questions: people answer side by side, and what comes of it is the same however often it is played.

A *line* is a row of steps of which each goes on from the one before, such as the questions about one anchor after
another. Whoever answers alone has one line, and its steps are those of a run without people. With several lines, steps
are numbered as they are asked and take effect as they are answered, in the order of the ledger: what is learned from an
answer is what is seen just before it takes effect. So everything but the choice of a question follows from the answers
before it, and the choice stands in the ledger.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from querist.core.last_step import LastStep
from querist.core.observation import Observation
from querist.core.policy import Selection
from querist.core.questions import Question
from querist.core.standing import taught
from querist.core.step import Game, OpenStep, Outcome, apply, offer, open_step, reopen

Choose = Callable[[Game, int, Observation, int], Selection]


@dataclass(eq=False)
class _Standing:
    """A step that waits for answers.

    Args:
        step: its number; ``after`` the last question of its line, None if it begins one.
        questions: what was asked.
        opened: how it was offered, if it need not be offered again; ``heard``: with which answers known.
        answered: questions that have an answer.
    """

    step: int
    after: Question | None
    questions: list[Question]
    opened: OpenStep | None = None
    heard: int = -1
    answered: set[int] = field(default_factory=set)


class Lines:
    """The lines of one game that people answer.

    Args:
        game: as it was after the last closed step.
        last: keeps what it takes to take an answer back.
        choose: (game, step, observation, picks per group) -> selection.
    """

    def __init__(self, game: Game, last: LastStep, choose: Choose) -> None:
        self._game, self._last, self._choose = game, last, choose
        self._waiting: dict[int, _Standing] = {}  # by step, in the order in which they were asked
        self._ends: dict[int, Question] = {}  # by step, of lines that wait for nothing
        self._asked: dict[int, Question] = {}  # by their numbers
        self._unheard: deque[tuple[int, int]] = deque()  # (number of an answer, its question)
        self._read = game.view.heard
        self._next, self._followed = 0, set[int]()
        self._take_up()
        self._hear_of()
        # What was or may yet be taken back, so that a kill takes nobody's chance to.
        answers = Counter(question for _, question in self._unheard)
        self._worth = {question for question, count in answers.items() if count > 1 or question == [*answers][-1]}
        self._old = self._read

    def _take_up(self) -> None:
        """What stands in the ledger already."""
        game = self._game
        steps: dict[int, list[Question]] = {}
        for question in game.ledger.questions(game.id, game.pool):
            steps.setdefault(question.step, []).append(question)
            self._asked[question.id] = question
        noted = game.ledger.goes_on_from(game.id)
        over = {game.view.step_of(turn) for turn in range(game.view.turns)}
        for step, questions in steps.items():
            after = noted.get(step, step - 1)
            self._followed.add(after)
            self._ends.pop(after, None)
            if step in over:
                self._ends[step] = questions[-1]
            else:
                before = steps[after][-1] if after >= 0 else None
                self._waiting[step] = _Standing(step, before, questions)
        self._next = max(steps, default=-1) + 1

    @property
    def questions(self) -> list[Question]:
        """Those that wait for an answer, in the order in which they were asked."""
        return [q for standing in self._waiting.values() for q in standing.questions if q.id not in standing.answered]

    def question(self, number: int) -> Question:
        """The question of a number; KeyError if none has it. Nothing is read: it may be one of very many."""
        return self._asked[number]

    def after(self, question: Question) -> Question | None:
        """The one that goes on from a question, if it is waiting."""
        found = [s.questions[0] for s in self._waiting.values() if s.after is not None and s.after.id == question.id]
        return found[0] if found else None

    def begin(self) -> bool:
        """Ask on another line beside those there are; False if nothing is left for it."""
        return self._game.candidates.lines and self._open(None)

    def play(self) -> Outcome | None:
        """Let the next answer take effect, and ask what comes next.

        Returns:
            The step that is over; one without questions if nothing is left to ask; None: people must answer first.
        """
        while True:
            if not self._unheard:
                nothing = self._go_on()
                if nothing is not None:
                    return nothing
                self._collect()
            if not self._unheard:
                return None
            outcome = self._hear(*self._unheard.popleft())
            if outcome is not None:
                return outcome

    def correct(self) -> None:
        """Once nothing is left to ask: let what people take back, and what stands in the ledger of it, take effect."""
        self._collect()
        while self._unheard:
            self._hear(*self._unheard.popleft())

    # Asking -------------------------------------------------------------------------------------------------------

    def _go_on(self) -> Outcome | None:
        """Every line that waits for nothing asks its next question; what comes of it if no line can."""
        game = self._game
        ends = [self._ends[step] for step in sorted(self._ends)]
        stuck = set[int]()  # what they could ask is what others are about to; if those find nothing either, it is over
        for end in ends or ([] if self._waiting else [None]):
            if self._open(end, stuck) and end is not None:
                del self._ends[end.step]
            elif end is not None:
                stuck.add(end.step)
            opened = self._waiting[self._next - 1].opened if self._next - 1 in self._waiting else None
            if opened is not None and not opened.questions:
                del self._waiting[opened.step]
                return apply(game, opened, game.view.turns, game.view.heard)
        return None

    def _open(self, end: Question | None, stuck: Collection[int] = ()) -> bool:
        """Ask the next question of a line; False if there is none. The last one left asks even if it finds nothing."""
        game, others = self._game, self.questions
        beside = [e for step, e in self._ends.items() if e is not end and step not in stuck]
        game.view.last_question, game.view.elsewhere, game.view.beside = end, others, beside
        seen, step = None, self._next
        if others or beside:
            if game.view.spent + sum(q.cost for q in others) >= game.view.budget:
                return False
            seen = offer(game, step)
            if not seen.groups.mask.any():
                return False
        self._last.opening()
        opened = open_step(game, step, lambda seen, k: self._choose(game, step, seen, k), seen)
        self._waiting[step] = _Standing(step, end, opened.questions, opened, -1 if seen else game.view.heard)
        self._asked |= {q.id: q for q in opened.questions}
        self._followed.add(-1 if end is None else end.step)
        self._next = step + 1
        return True

    # Hearing ------------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Bring what people said into the ledger."""
        game = self._game
        game.oracle.submit(self.questions)
        for question, answer in game.oracle.collect():
            game.ledger.answer(question, answer)
        for question, answer, revision in game.oracle.corrections():
            game.ledger.answer(question, answer, revision)
        self._hear_of()

    def _hear_of(self) -> None:
        for number, question, _, _ in self._game.ledger.answers(self._game.id, self._read):
            self._unheard.append((number, question))
            self._read = number

    def _hear(self, number: int, question: int) -> Outcome | None:
        """Let one answer take effect; the step that it was the last one of, if it was."""
        for standing in self._waiting.values():
            if question in {q.id for q in standing.questions} - standing.answered:
                standing.answered.add(question)
                if number > self._old or question in self._worth:
                    self._last.hold()
                return self._settle(standing, number) if len(standing.answered) == len(standing.questions) else None
        self._game.view.refresh(number)
        if question in [q.id for q in self._last.questions]:
            self._last.relearn(self._game)
        return None  # a late correction: only what is learned from the labels themselves is set right

    def _settle(self, standing: _Standing, number: int) -> Outcome:
        game, step = self._game, standing.step
        turn = game.view.turns
        del self._waiting[step]
        opened = standing.opened
        if opened is None or standing.heard != game.view.heard:
            self._last.opening() if opened is None else self._last.reopen()
            game.view.last_question, game.view.elsewhere, game.view.beside = standing.after, (), ()
            opened = reopen(game, step, standing.questions)
        if step not in self._followed:
            self._ends[step] = standing.questions[-1]
        # Others go on answering while the model is late.
        return taught(apply(game, opened, turn, number, self._collect))
