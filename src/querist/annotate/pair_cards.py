"""Questions about pairs of images, as cards for the desk."""

import hmac
from collections.abc import Mapping

import numpy as np

from querist.annotate.desk import Asked, Choice, Conflict, Neighbour, Picture, Said, State, Tone
from querist.annotate.no_page import no_page
from querist.annotate.run_desk import Card
from querist.core.capabilities import ShowsSources
from querist.core.pool import PairPool
from querist.core.questions import Question
from querist.core.step import Game
from querist.core.task import Task
from querist.pairs.anchors import AnchorNeighbours
from querist.tasks.reid.verified import Contradiction

CHOICES = (
    Choice("s", "Same", "same", "yes"),
    Choice("d", "Different", "different", "no"),
    Choice("c", "Can't tell", "unknown", "unsure"),
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LONGEST = 6
"""Pictures of a contradiction that can be looked at side by side."""
VALUES: Mapping[str, np.ndarray | None] = {"same": np.array(True), "different": np.array(False), "unknown": None}
_TONES: Mapping[bool | None, Tone] = {True: "yes", False: "no", None: "unsure"}


class PairCards:
    """Makes cards: the anchor on the left, the image it is compared with on the right, its neighbours in the strip.

    Pictures are named by a keyed hash of their source: file names often tell who is seen, and their order does too.

    Args:
        task: shows its images.
        secret: the key; names stay the same as long as it does.

    Raises:
        QueristError: the task is not about pairs of images that can be shown.
    """

    def __init__(self, task: Task, secret: bytes) -> None:
        if not isinstance(task.pool, PairPool) or not isinstance(task, ShowsSources):
            raise no_page(type(task).__name__)
        self._pool, self._shows, self._secret = task.pool, task, secret

    def draw(self, source: int) -> bytes:
        """The picture of a source."""
        return self._shows.source_picture(source)

    def card(self, game: Game, question: Question) -> Card:
        """The card of a question, as it is asked for the first time."""
        ends = self._pool.sources(np.array([question.unit]))[0].tolist()
        anchor = ends[0] if question.context is None else self._pool.source(question.context)
        other = ends[1] if ends[0] == anchor else ends[0]
        strip = self._strip(game, anchor, question.unit)
        sources = {self._name(source): source for source in (anchor, other, *(s for s, _ in strip))}
        asked = Asked(
            question.id,
            self._shows.prompt,
            CHOICES,
            (self._picture(anchor, "query"), self._picture(other, "candidate")),
            context=[
                Neighbour(self._name(s), self._told(f"neighbour {i + 1}", s), state)
                for i, (s, state) in enumerate(strip)
            ],
            context_title="The images most like the query, the nearest first" if strip else "",
        )
        return Card(asked, self._name(anchor), sources)

    def conflict(self, torn: Contradiction, said: Mapping[tuple[int, int], tuple[int, int]]) -> Conflict:
        """Answers that contradict each other, as the page shows them.

        Args:
            torn: which.
            said: (smaller source, larger source) -> (question, revision) of its answer.
        """
        chain = torn.chain
        pictures = [self._picture(source, _LETTERS[i]) for i, source in enumerate(chain)]
        pairs = [*zip(range(len(chain)), range(1, len(chain)), strict=False), (0, len(chain) - 1)]
        answers = []
        for one, other in pairs:
            low, high = sorted((chain[one], chain[other]))
            choice = CHOICES[0] if other == one + 1 else CHOICES[1]  # along the chain they are the same
            answers.append(Said(*said[low, high], (one, other), choice.label, choice.tone))
        return Conflict("These answers cannot all be true.", pictures, answers)

    def ends(self, unit: int) -> tuple[int, int]:
        """The two sources of a pair, the smaller one first."""
        low, high = sorted(self._pool.sources(np.array([unit]))[0].tolist())
        return low, high

    def _strip(self, game: Game, anchor: int, unit: int) -> list[tuple[int, State]]:
        if not isinstance(game.candidates, AnchorNeighbours):
            return []
        offered = game.candidates.space.offered(game, anchor)
        strip: list[tuple[int, State]] = []
        for source, pair, asked in zip(offered.nodes.tolist(), offered.units.tolist(), offered.asked, strict=True):
            answer = game.view.answer_about(pair)
            told = _TONES[None if answer is None else bool(answer)]
            strip.append((source, "present" if pair == unit else told if asked else "open"))
        return strip

    def _picture(self, source: int, part: str) -> Picture:
        return Picture(self._name(source), self._told(part, source), self._told(part.capitalize(), source))

    def _told(self, part: str, source: int) -> str:
        return ", ".join(filter(None, (part, self._shows.source_words(source))))

    def _name(self, source: int) -> str:
        return hmac.new(self._secret, b"picture%d" % source, "sha256").hexdigest()[:20]
