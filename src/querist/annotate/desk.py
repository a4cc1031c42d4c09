"""What the answer page asks of whoever has the questions. The page knows this and nothing of agents, tasks or units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from querist.annotate.images import Image, check_name
from querist.errors import QueristError

Tone = Literal["yes", "no", "unsure", "plain"]
"""How an answer looks: in which colour and with which sign. It says nothing of what the answer means."""
State = Literal["open", "present"] | Tone
"""Of what else belongs to a question: not asked about, asked about now, or how its answer looks."""


class DeskError(QueristError):
    """The desk does not do what a browser asked; the person reads why, so it names no file and no path."""


class UnknownQuestionError(DeskError):
    """There is no such question, picture or choice."""


class AlreadyAnsweredError(DeskError):
    """The question has another answer already: by another window, or before it was taken back."""


class UnreadyError(DeskError):
    """Not now: the answer could not be kept yet. Nothing is lost if it is sent again."""


@dataclass(frozen=True)
class Choice:
    """One answer that can be given.

    Args:
        key: the keyboard's key, as browsers name it: ``1``, ``s``, ``ArrowLeft``; letters in either case.
        label: what the button says.
        value: what is posted.
        tone: how it looks.
    """

    key: str
    label: str
    value: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Picture:
    """One picture of a question.

    Args:
        name: stands for its bytes while the page is open: the same name is loaded once, whichever question shows it.
            It is no path: letters, digits and ``_ . @ ~ -``, at most 128, no leading dot.
        alt: what is to be seen, for those who cannot.
        caption: shown below it.
    """

    name: str
    alt: str
    caption: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)


@dataclass(frozen=True)
class Neighbour:
    """A small picture of the strip: what else belongs to this question, and what was said of it.

    Args:
        name: of the picture, as in :class:`Picture`.
        alt: what is to be seen.
        state: ``open``, ``present`` (the question is about it) or the tone of the answer it got.
    """

    name: str
    alt: str
    state: State = "open"

    def __post_init__(self) -> None:
        check_name(self.name)


@dataclass(frozen=True)
class Asked:
    """One question for one browser.

    Args:
        id: its number; answers are idempotent by it.
        prompt: the question in words.
        choices: the answers, in the order of the buttons.
        pictures: what it is about.
        revision: 0, or how often its answer was taken back: an answer belongs to a question *and* its revision, so
            that a post that was delayed on the way cannot answer a question that was taken back since.
        context: the strip; ``context_title`` says of what.
        note: anything else a person should know.

    Raises:
        ValueError: no choices, or two with the same key or value; two pictures of the same name.
    """

    id: int
    prompt: str
    choices: Sequence[Choice]
    pictures: Sequence[Picture]
    revision: int = 0
    context: Sequence[Neighbour] = ()
    context_title: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _check_different("choice", [choice.key.casefold() for choice in self.choices])
        _check_different("choice", [choice.value for choice in self.choices])
        _check_different("picture", [picture.name for picture in self.pictures])
        if not self.choices:
            raise ValueError(f"question {self.id} has no choices")


@dataclass(frozen=True)
class Said:
    """One of the answers that contradict each other.

    Args:
        question: its number; ``revision`` as in :class:`Asked`, of the answer.
        about: places of the pictures that it is about, among those of the :class:`Conflict`.
        label: the words of its button; ``tone`` how it looks.
    """

    question: int
    revision: int
    about: tuple[int, ...]
    label: str
    tone: Tone


@dataclass(frozen=True)
class Conflict:
    """Answers that cannot all be true. Which of them is wrong, nobody can tell from them.

    Args:
        title: what is wrong, in words.
        pictures: what the answers are about, each once.
        answers: any of them may be taken back, by :meth:`Desk.undo`.
    """

    title: str
    pictures: Sequence[Picture]
    answers: Sequence[Said]


@dataclass(frozen=True)
class Nothing:
    """There is no question for a browser.

    Args:
        reason: ``waiting`` (one will come: the model is being updated, or others hold all that are open), or ``done``.
        note: the reason in words; empty for the page's own.
    """

    reason: Literal["waiting", "done"]
    note: str = ""


@dataclass(frozen=True)
class Receipt:
    """An answer is kept: it survives whatever happens next.

    Args:
        question: its number; ``revision`` as in :class:`Asked`.
        choice: the value that was kept.
        counted: False where this post repeats one that had been counted.
    """

    question: int
    revision: int
    choice: str
    counted: bool


@dataclass(frozen=True)
class Undo:
    """The answer that a browser may still take back, and the button for it.

    Args:
        question: its number; ``revision`` as in :class:`Asked`.
        label: what the button says; ``key`` the keyboard's key.
    """

    question: int
    revision: int
    label: str = "Undo"
    key: str = "u"


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Args:
        answered: questions answered, of ``budget`` that will be asked at most.
        remaining: how many are still to come.
        per_minute: answers in a minute of work; None until there are enough to tell.
        finished: nothing will ever be asked again.
        unit: what is counted, in the plural.
    """

    answered: int
    budget: int
    remaining: int
    per_minute: float | None
    finished: bool
    unit: str = "questions"


class Desk(Protocol):
    """Hands out questions and takes answers. Called from several threads at once.

    A *browser* is a name that the page gives to whoever signed in; it stays the same while it is signed in.
    """

    def next(self, browser: str) -> Asked | Nothing:
        """The question for this browser, the same until it is answered.

        Calling it keeps the browser's lease: no two browsers hold the same question, and that of a browser which is
        gone goes to another. It may wait a moment for a question that is about to come.
        """
        ...

    def answer(self, browser: str, question: int, revision: int, choice: str) -> Receipt:
        """Keep an answer; it is committed when this returns, and the same post again changes nothing.

        Raises:
            UnknownQuestionError: no such question, or it has no such choice.
            AlreadyAnsweredError: it was answered differently; only :meth:`undo` opens it again.
            UnreadyError: it could not be committed in time; to be sent again.
        """
        ...

    def undo(self, browser: str, question: int, revision: int) -> Asked | None:
        """Take back what :meth:`undoable` names, or one of :meth:`conflicts`: the question, in its next revision.

        Named by question and revision; None if it is no such answer or was corrected meanwhile. The same post again
        changes nothing. The ledger keeps what was taken back.
        """
        ...

    def undoable(self, browser: str) -> Undo | None:
        """The last answer of this browser; while it gives one anew, the answer before that one."""
        ...

    def conflicts(self) -> Sequence[Conflict]:
        """Answers that contradict each other; a few, if there are many."""
        ...

    def progress(self) -> Progress:
        """How far it is."""
        ...

    def picture(self, question: int, which: str) -> Image:
        """A picture that belongs to a question: one of its pictures or its strip.

        Raises:
            UnknownQuestionError: the question has no picture of this name.
        """
        ...


def _check_different(kind: str, names: Sequence[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"more than one {kind} is called {', '.join(sorted(twice))}")
