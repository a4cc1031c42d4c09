"""Which questions the answer page cannot show."""

from querist.core.problem import Problem
from querist.errors import QueristError


def no_page(kind: str) -> QueristError:
    """What is said where a task's questions cannot be shown."""
    return QueristError(
        f"{kind} has no questions that the answer page can show",
        "the page asks about pairs of images, as in re-identification; for other tasks 'querist select' writes batches",
    )


def check_page(problem: Problem) -> None:
    """Raise, before any data are read, if people cannot answer a problem's questions on the page."""
    if problem.asks_on_page is False:
        raise no_page(type(problem).__name__)
