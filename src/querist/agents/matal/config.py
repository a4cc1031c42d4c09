"""What a MATAL team is made of and how it is trained: two profiles, and every number of theirs as a field."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from querist.core.profiles import changed, keep_rules

_OF_THE_STATE = ("global_gap", "part_gaps", "appearance_gap", "spent")


@dataclass(frozen=True)
class Matal:
    """The numbers of one way to train and to play (ALGORITHMS 2.2 to 2.5 and 2.10).

    Args:
        reward_share: how much of the starting set the games are paid by; ``labelled_share`` how much of it is labelled
            when they begin. The rest is their pool. Printed is 3:6:1. What an image is worth changes with what is
            known: in the games of a tenth, images like many others are worth most, whereas deployments begin where
            these are known already.
        reward_set: shows ``other_subjects`` than are asked about, or ``any``: printed is image by image.
        labelled_side: whose poses stand for what is labelled in the novelties: the labeller's, or the model's
            ``estimated`` ones.
        gap: how the discrepancies of the state are computed: ``exact``, quadratic in the pool, or with
            ``random_features``, linear and off by a few hundredths of themselves.
        frequencies: of the random features.
        landmarks: unlabelled images against which the histograms of cosines are taken; all, if there are fewer.
        bins: of these histograms; ``edges`` ``fixed`` in equal steps from -1 to 1, or at ``quantiles`` of the cosines
            of the starting set, which crowd near 1.
        appearance: whether a candidate's appearance is ``seen``, as printed. A few hundred labelled images are told
            apart by it, and then learned by heart; ``unseen`` leaves it out.
        density: whether these histograms are ``seen``, as printed. They are most of a candidate's numbers and say
            next to nothing of what an image is worth, but what a team learns of them by accident drowns the rest.
        familiarity: whether it is ``seen`` how far a candidate's appearance is from the nearest labelled one, and how
            many images of its subject are labelled. Not in the paper, whose novelties and densities do not foretell
            what an image is worth (docs/matal-trials.md).
        without: leave one more group of numbers out of state or candidates, as in the paper's Table 1. Its rows without
            appearance or density are ``sound`` itself, to be compared with ``sound+appearance=seen`` or
            ``sound+density=seen``. What belongs to the state moves all values of a ``line`` alike, and no choice: its
            rows need ``network: layers``.
        team: ``context``: N agents, each seeing the mean of the earlier ones' choices. ``no_context``: they do not see
            it. ``top``: one agent, whose N best of all candidates are asked, even where hands are dealt. ``single``:
            one agent that asks one image per step. The paper compares them (Fig. 3 e-f) where agents think apart and
            choose from the same images: its teams with and without context need ``parameters: own`` and ``offer: all``,
            which change nothing for one agent. Agents that share both choose like ``top``, if they do not see the
            context.
        parameters: each agent has its ``own``, as printed, and learns from its own images alone; or they are ``shared``
            and learned from the images of all, and the context tells agents apart.
        network: the paper's ``layers``; or a ``line`` through an image's features, whose slope follows the context.
        first_width: of the layers, hidden units behind the 16 of the context; ``second_width`` those of the next layer.
        reward: ``metric``: a step's rise of the metric, which the team is paid together, as printed; it drowns in the
            noise of the reward set, and says nothing about one image of twenty. ``influence``: each agent is paid what
            the label of its own image is worth on the reward set (see
            :class:`~querist.core.capabilities.EstimatesInfluence`). No bootstrap with it.
        worth: with ``influence``, an agent is paid the ``amount``; or the ``rank`` of its image among all that were
            offered, evenly from worst to best with deviation 1. A few images are worth more than all others together,
            and who learns amounts learns these by heart.
        learn_from: with ``influence``, a team learns from the images ``taken`` alone; or from all that were
            ``offered``, since in a game every label is known: those not taken form teams at random, and each is told
            what it would have been paid.
        reduction: the team's value is the ``sum`` of its agents' values, or their ``mean``, which keeps its scale
            whatever N is.
        offer: ``all``: every agent chooses from all candidates, so that those who think alike choose alike. ``dealt``:
            candidates are dealt out anew in every step, and each agent chooses from its own hand, as each question of
            RALIS has a pool of its own.
        deal: hands are dealt at ``random``; or each holds one image of each of the subjects with ``fewest_labels``,
            those of this step counted. Where each image is a subject of its own, that is chance, too.
        hand: at most so many candidates are dealt to an agent, others to nobody; 0: all are dealt. Some, so that a team
            that learned to choose one of a dozen need not choose one of hundreds, where the largest value is that of
            the oddest image; a line is led astray less easily than layers, and does better with fifty than with twelve.
        candidates: at most so many images are offered per step of a deployment, a uniform subset of the pool; 0: all.
        episodes: games of the ordinary training, or of the adaptation behind meta-learning.
        steps: questions of N images in a game (T); who asks one image a step has N times as many.
        warm_up: first games, of random choices; their observations give the standardiser.
        gamma: discount per step; 0 learns from a step's own gain alone.
        selector: who chooses the next images, which the older copy judges: the team that learns (``online``), as in
            double DQN, or that copy itself (``max``).
        standardise_returns: learn how much better than usual a gain is, in its partition and at its step, in deviations
            (see :class:`~querist.rl.standard_returns.StandardReturns`); needs ``gamma`` 0.
        update: learn after each ``episode`` or after each ``step``.
        updates: gradient steps for each step played.
        batch: steps per gradient step.
        replay: steps that are remembered, with those that were not taken (``learn_from``); 0: those of the episode
            alone that were taken.
        learning_rate: of Adam, with decay of the weights if ``weight_decay`` is positive; ``clip`` the longest
            gradient.
        target_every: episodes between copies to the target team.
        epsilon_first: share of random choices at first, of each agent by itself; it falls in a straight line to
            ``epsilon_last`` over the first half of the training.
        exploration: ``uniform``: each exploring agent takes any image. ``coherent``: those of a step follow one random
            direction in feature space, so that the step's gain says something about the direction.
        meta: ``none``, or ``fomaml``: learn an initialisation that adapts fast, each partition of the labels being a
            task (first-order MAML, Finn et al. 2017), before the ordinary training.
        meta_episodes: games for that, half of them support, half query.
        meta_games: support games of a task, followed by as many query games.
        meta_rate: alpha, of the inner steps; ``meta_steps`` how many of them.
        meta_updates: outer steps for each task, with ``learning_rate``.
        retrain: train again whenever the labelled set has doubled, where the deployment can play games on the labels
            bought (:mod:`querist.agents.matal.retraining`).
        retrain_share: of ``episodes``, so many are played then, starting from the initialisation.
        check_games: games played at the end against chance, for the card.
    """

    reward_share: float = 0.3
    labelled_share: float = 0.3
    reward_set: Literal["other_subjects", "any"] = "other_subjects"
    labelled_side: Literal["truth", "estimated"] = "truth"
    gap: Literal["exact", "random_features"] = "random_features"
    frequencies: int = 1024
    landmarks: int = 2048
    bins: int = 10
    edges: Literal["fixed", "quantiles"] = "quantiles"
    appearance: Literal["seen", "unseen"] = "unseen"
    density: Literal["seen", "unseen"] = "unseen"
    familiarity: Literal["seen", "unseen"] = "seen"
    without: Literal[
        "nothing",
        "global_gap",
        "part_gaps",
        "appearance_gap",
        "spent",
        "novelty",
        "density",
        "familiarity",
        "appearance",
    ] = "nothing"
    team: Literal["context", "no_context", "top", "single"] = "context"
    parameters: Literal["own", "shared"] = "shared"
    network: Literal["layers", "line"] = "line"
    first_width: int = 128
    second_width: int = 64
    reward: Literal["metric", "influence"] = "influence"
    worth: Literal["amount", "rank"] = "rank"
    learn_from: Literal["taken", "offered"] = "offered"
    reduction: Literal["sum", "mean"] = "mean"
    offer: Literal["all", "dealt"] = "dealt"
    deal: Literal["random", "fewest_labels"] = "fewest_labels"
    hand: int = 50
    candidates: int = 10_000
    episodes: int = 200
    steps: int = 4
    warm_up: int = 16
    gamma: float = 0.0
    selector: Literal["online", "max"] = "online"
    standardise_returns: bool = True
    update: Literal["episode", "step"] = "episode"
    updates: int = 4
    batch: int = 16
    replay: int = 8000
    learning_rate: float = 1e-3
    weight_decay: float = 1.0
    clip: float = 10.0
    target_every: int = 5
    epsilon_first: float = 0.9
    epsilon_last: float = 0.05
    exploration: Literal["uniform", "coherent"] = "coherent"
    meta: Literal["none", "fomaml"] = "fomaml"
    meta_episodes: int = 40
    meta_games: int = 1
    meta_rate: float = 1e-3
    meta_steps: int = 1
    meta_updates: int = 8
    retrain: bool = True
    retrain_share: float = 0.5
    check_games: int = 8

    def __post_init__(self) -> None:
        rules = {
            f"{name} is at least 1": getattr(self, name) >= 1
            for name in (
                *("frequencies", "landmarks", "bins", "first_width", "second_width", "episodes", "steps", "warm_up"),
                *("updates", "batch", "target_every", "meta_games", "meta_steps", "meta_updates"),
            )
        }
        rules |= {
            "hand, candidates, replay, meta_episodes and check_games are not negative": min(
                self.hand, self.candidates, self.replay, self.meta_episodes, self.check_games
            )
            >= 0,
            "without leaves out what is seen; where a number is unseen, compare with it seen": (
                getattr(self, self.without, "seen") == "seen"
            ),
            f"without: {self.without} changes no choice of a line, all of whose values the state moves alike; "
            "with network: layers it may": (self.network == "layers" or self.without not in _OF_THE_STATE),
            "team: no_context needs parameters: own, or offer: dealt; with neither it is team: top": (
                self.team != "no_context" or self.parameters == "own" or self.offer == "dealt"
            ),
            "reward_share and labelled_share are positive and leave something to ask about": (
                min(self.reward_share, self.labelled_share) > 0 and self.reward_share + self.labelled_share < 1
            ),
            "gamma is in [0, 1]": 0 <= self.gamma <= 1,
            "the influence pays each agent by itself, with gamma 0": self.reward == "metric" or self.gamma == 0,
            "offer: dealt needs gamma 0: what follows is valued among all images, and not in hands": (
                self.offer == "all" or self.team in ("top", "single") or self.gamma == 0
            ),
            "standardise_returns needs gamma 0": not self.standardise_returns or self.gamma == 0,
            "replay is 0 or holds at least a batch": self.replay == 0 or self.replay >= self.batch,
            "learning_rate, clip and meta_rate are positive": min(self.learning_rate, self.clip, self.meta_rate) > 0,
            "weight_decay is not negative": self.weight_decay >= 0,
            "epsilon falls from epsilon_first to epsilon_last, both in [0, 1]": (
                0 <= self.epsilon_last <= self.epsilon_first <= 1
            ),
            "meta_episodes are enough for one task: support and query games": self.meta == "none"
            or self.meta_episodes >= 2 * self.meta_games,
            "retrain_share is in (0, 1]": 0 < self.retrain_share <= 1,
        }
        keep_rules("matal", self, rules)

    @property
    def tasks(self) -> int:
        """How many partitions the meta-learning meets one after another."""
        return 0 if self.meta == "none" else self.meta_episodes // (2 * self.meta_games)

    @property
    def apart(self) -> bool:
        """Whether rewards are measured on other subjects than are asked about."""
        return self.reward_set == "other_subjects"

    def alone(self, images: int) -> "Matal":
        """What an agent that asks one image a step learns with: batches and memory of as many images as a team's.

        Args:
            images: of a team's step.
        """
        if self.team != "single":
            return self
        return replace(self, batch=self.batch * images, replay=self.replay * images)

    @property
    def games(self) -> int:
        """How many games the whole training plays, without those against chance at its end."""
        return self.warm_up + 2 * self.meta_games * self.tasks + self.episodes


SOUND = Matal()

FAITHFUL = Matal(
    labelled_share=0.1,
    reward_set="any",
    gap="exact",
    edges="fixed",
    appearance="seen",
    density="seen",
    familiarity="unseen",
    parameters="own",
    network="layers",
    offer="all",
    reduction="sum",
    candidates=0,
    episodes=100,
    steps=8,
    warm_up=1,
    gamma=0.9,
    standardise_returns=False,
    updates=1,
    batch=1,
    replay=0,
    learning_rate=1e-4,
    weight_decay=0.0,
    reward="metric",
    exploration="uniform",
    meta_updates=1,
    check_games=0,
)
"""As printed, with the defaults of ALGORITHMS 2 where nothing is: one update for each step, after the episode."""

PROFILES: Mapping[str, Matal] = {"sound": SOUND, "faithful": FAITHFUL}


def settings(profile: str, changes: Mapping[str, Any] | None = None) -> Matal:
    """A profile with some of its numbers changed.

    Raises:
        QueristError: no such profile or number, or a value of another kind.
    """
    return changed("matal", PROFILES, profile, changes)


def kept(card_settings: Mapping[str, Any]) -> Matal:
    """The numbers in a card's settings.

    Args:
        card_settings: field -> value. Older cards have no ``appearance`` of its own: what they left out stands in
            ``without`` alone. Nor have they ``density``, ``network`` and ``familiarity``: what they have is the
            paper's. Those without ``deal`` dealt at random.

    Raises:
        TypeError: it has a setting that a team does not have.
        QueristError: the numbers break a rule.
    """
    before = {"appearance": "seen", "density": "seen", "network": "layers", "familiarity": "unseen", "deal": "random"}
    return Matal(**{**before, **card_settings})
