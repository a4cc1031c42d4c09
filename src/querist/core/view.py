"""A running view of one game's ledger, so that a step costs what is new and not what is old."""

from collections.abc import Iterable, Sequence

import numpy as np

from querist.core.answers import Labels
from querist.core.ledger import Ledger, Question
from querist.core.pool import ColumnarPool, Pool
from querist.core.split import Role, Split


class GameView:
    """What a game knows from the ledger: who was asked, who is labelled, who may still be asked.

    It holds nothing of its own: built anew from the file it is the same.

    Args:
        ledger: the run's ledger.
        game: the game's number.
        pool: the units.
        split: their sources' roles.
        given: sources that count as labelled from the start.
        before: leave out what this step and later ones asked: they are about to be played again.
        by_answers: ``before`` counts steps as they were answered and not as they were asked, and no answer is known
            that came after the last of them: people answer side by side (see :mod:`querist.core.lines`).
    """

    def __init__(
        self,
        ledger: Ledger,
        game: int,
        pool: Pool,
        split: Split,
        given: np.ndarray,
        before: int | None = None,
        by_answers: bool = False,
    ) -> None:
        self._ledger, self._game, self.pool, self.split = ledger, game, pool, split
        self._given = given
        _, self.budget = ledger.money(game)
        """What the game may spend."""
        self.heard = 0
        """The number of the newest answer that is known."""
        self._order: list[int] = []  # questions in the order of their first answer
        self._answers: dict[int, tuple[int, np.ndarray | None]] = {}
        self._revised: dict[int, list[tuple[int, np.ndarray | None]]] = {}  # all answers of those that have several
        self._numbers: dict[int, int] = {}  # of the latest answers
        self._asked: set[int] = set()
        self._early: list[tuple[int, int, str, str | None]] = []  # answers to questions that are not noted yet
        self._about: dict[int, int] = {}  # unit -> its question
        self.last_question: Question | None = None
        """The question that the next step goes on from: the last one, or the last of its line."""
        self.elsewhere: Sequence[Question] = ()
        """Questions of other lines that wait for their answers while a step is offered."""
        self.beside: Sequence[Question] = ()
        """The last questions of other lines that have their answers and are about to go on."""
        self._spent = 0
        self._paid: dict[int, int] = {}  # what had been spent once a question was asked
        self._spent_after: dict[int, int] = {}  # and once a step was
        self._heard_at: dict[int, int] = {}  # the newest answer when so much had been spent
        self._turns: list[int] = []  # steps, in the order in which they were answered
        self._per_source = np.zeros(pool.source_count, dtype=np.int64)
        self._free: np.ndarray | None = None
        if isinstance(pool, ColumnarPool):
            self._free = np.repeat(split.roles == Role.POOL, len(pool.parts))
        if by_answers:
            self._note_turns(ledger.turns(game)[:before])
            return
        known = [q for q in ledger.questions(game, pool) if before is None or q.step < before]
        for question in known:
            self.note_asked(question)
        self.refresh()

    def _note_turns(self, turns: list[tuple[int, int]]) -> None:
        steps: dict[int, list[Question]] = {}
        for question in self._ledger.questions(self._game, self.pool) if turns else []:
            steps.setdefault(question.step, []).append(question)
        for step, last in turns:
            for question in steps[step]:
                self.note_asked(question)
            self._heard_at[self._spent] = last
        self.refresh(turns[-1][1] if turns else 0)

    def note_asked(self, question: Question) -> None:
        """A question now stands in the ledger; in the order in which they were asked."""
        unit = question.unit
        if not self._turns or self._turns[-1] != question.step:
            self._turns.append(question.step)
        self._asked.add(unit)
        self._about[unit] = question.id
        self.last_question = question
        self._spent += question.cost
        self._paid[question.id] = self._spent_after[question.step] = self._spent
        self._per_source[self.pool.sources(np.array([unit]))[0]] += 1
        if self._free is not None:
            self._free[unit] = False

    def refresh(self, until: int | None = None) -> None:
        """Read the answers that came since the last time; a correction replaces what it corrects.

        Answers to questions that are not noted yet wait until they are: a step that is played again must not see what
        was answered after it.

        Args:
            until: nor any answer that is newer than this one.
        """
        new = self._early + list(self._ledger.answers(self._game, self.heard, until))
        self._early = []
        for number, question, name, blob in new:
            self.heard = max(self.heard, number)
            if question not in self._paid:
                self._early.append((number, question, name, blob))
                continue
            if question not in self._answers:
                self._order.append(question)
            answer = None if blob is None else self._ledger.decode(blob)
            if question in self._answers:
                first = self._numbers[question], self._answers[question][1]
                self._revised.setdefault(question, [first]).append((number, answer))
            self._answers[question], self._numbers[question] = (self.pool.unit(name), answer), number
        self._heard_at.setdefault(self._spent, self.heard)

    def answered(self, question: int) -> bool:
        """Whether a question has an answer, be it "cannot tell"."""
        return question in self._answers

    def answer(self, question: int) -> np.ndarray | None:
        """The latest answer to a question; None: cannot tell. KeyError if there is none yet."""
        return self._answers[question][1]

    def answer_about(self, unit: int) -> np.ndarray | None:
        """What is known of a unit; None if it was not asked about, has no answer yet, or nobody could tell."""
        question = self._about.get(int(unit))
        return None if question is None or question not in self._answers else self._answers[question][1]

    @property
    def spent(self) -> int:
        """What the questions cost so far."""
        return self._spent

    def spent_after(self, step: int) -> int:
        """What had been spent once a step was asked that asked something; KeyError if none did."""
        return self._spent_after[step]

    def step_of(self, turn: int) -> int:
        """The step that was answered after ``turn`` others; IndexError if it is still to come."""
        return self._turns[turn]

    @property
    def turns(self) -> int:
        """How many steps were answered."""
        return len(self._turns)

    @property
    def asked(self) -> int:
        """How many units were asked about."""
        return len(self._asked)

    def asked_per_source(self) -> np.ndarray:
        """How often each source was asked about: (sources,) int64."""
        return self._per_source.copy()

    def was_asked(self, units: np.ndarray) -> np.ndarray:
        """Which units were asked about: (n,) -> bool (n,)."""
        return np.array([unit in self._asked for unit in units.tolist()], dtype=bool)

    def free_units(self) -> np.ndarray:
        """All units that may still be asked, ascending: int64. Only for pools that can be listed.

        Raises:
            TypeError: the pool is implicit, such as all pairs.
        """
        if self._free is None:
            raise TypeError("the units of an implicit pool cannot be listed; ask its candidates for some")
        return np.flatnonzero(self._free)

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to ask, as far as this can be known without listing the pool."""
        return self._free is not None and not self._free.any()

    def labels(self, spent: int | None = None) -> Labels:
        """Everything labelled, in the order of the answers; "cannot tell" teaches nothing and is left out.

        Args:
            spent: only what the first so much of the budget bought, and as it was known then: without the corrections
                that came later.
        """
        known = [q for q in self._order if spent is None or self._paid[q] <= spent]
        return self._labels(known, self._given, spent)

    def unlabelled(self, spent: int | None = None) -> np.ndarray | None:
        """The sources of which something may still be asked, ascending; None where the pool cannot be listed.

        Args:
            spent: as it was when so much of the budget was spent.
        """
        if self._free is None:
            return None
        free = self._free
        if spent is not None:
            free = free.copy()
            free[[unit for unit, question in self._about.items() if self._paid[question] > spent]] = True
        return np.unique(self.pool.sources(np.flatnonzero(free))[:, 0])

    def bought(self, questions: Iterable[int], spent: int | None = None) -> Labels:
        """The labels that these questions bought, in the order of the answers, and nothing given.

        Args:
            questions: which.
            spent: as it was known when so much of the budget was spent.
        """
        wanted = set(questions)
        return self._labels([q for q in self._order if q in wanted], self._given[:0], spent)

    def _labels(self, questions: list[int], given: np.ndarray, spent: int | None) -> Labels:
        said = self._answers
        if spent is not None and self._revised:
            until = next((heard for at, heard in self._heard_at.items() if at >= spent), self.heard)
            said = said | {q: (said[q][0], _as_of(told, until)) for q, told in self._revised.items()}
        known = [said[q] for q in questions if said[q][1] is not None]
        units = np.array([unit for unit, _ in known], dtype=np.int64)
        return Labels(units, tuple(answer for _, answer in known if answer is not None), given)


def _as_of(told: list[tuple[int, np.ndarray | None]], until: int) -> np.ndarray | None:
    """The answer that was in force; the first one where all are newer."""
    return next((answer for number, answer in reversed(told) if number <= until), told[0][1])
