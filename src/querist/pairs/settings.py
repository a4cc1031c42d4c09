"""How pair questions are offered: the numbers that every strategy shares."""

from dataclasses import dataclass

from querist.errors import QueristError


@dataclass(frozen=True)
class PairSettings:
    """The neighbourhood of a query image, called the anchor (ALGORITHMS 5.2, 5.3).

    Args:
        neighbours: n_s, images offered beside an anchor.
        mutual: k of the k-reciprocal rule.
        per_anchor: K_max, questions about an anchor before the next one's turn.
        shells: when all n_s nearest were asked about, the next n_s are offered, and so on, so many times in all.
        shrinkage: ρ of the covariance behind the Mahalanobis distance.
    """

    neighbours: int = 30
    mutual: int = 15
    per_anchor: int = 10
    shells: int = 2
    shrinkage: float = 0.1

    def __post_init__(self) -> None:
        least = min(self.neighbours, self.mutual, self.per_anchor, self.shells)
        if least < 1 or not 0 <= self.shrinkage <= 1:
            raise QueristError(
                f"pair questions with {self}",
                "neighbours, mutual, per_anchor and shells are at least 1, shrinkage is in [0, 1]",
            )
