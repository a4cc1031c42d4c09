"""Learning Loss++: Learning Loss with a smooth objective (ALGORITHMS 2.6)."""

from querist.acquisition.learning_loss import LearningLoss
from querist.acquisition.loss_prediction import Ranking


class LearningLossPlus(LearningLoss):
    """The largest predicted loss first, learned from shares of a pair's loss and not its order (Shukla et al. 2021).

    Otherwise it is :class:`~querist.acquisition.learning_loss.LearningLoss`, with the same predictor.
    """

    ranking: Ranking = "share"
