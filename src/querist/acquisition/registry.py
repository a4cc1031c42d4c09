"""Strategies by name: a policy and the form in which candidates are offered to it.

``entropy/global`` takes the best of the whole pool, ``entropy/group`` the best of each of K random pools, as the RALIS
paper lets its baselines choose. A name without a form is global. A user's own strategy is named by its class path:
``mypackage.mymodule.MyPolicy/group``. What its class takes is changed behind a plus: ``egl++/global+scope=all``; and
any global form can be offered a uniform subset of the pool: ``core_set/global+limit=10000``. Where units are pairs,
candidates are the neighbours of one image after another, and there are no forms.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from querist.core.candidates import Candidates, ClusterPools, GlobalPool
from querist.core.capabilities import HasSkeleton
from querist.core.changes import changes
from querist.core.featuriser import FieldFeaturiser
from querist.core.plugin import construct, load_class
from querist.core.policy import Policy
from querist.core.pool import PairPool
from querist.core.step import Featuriser
from querist.core.task import Task
from querist.errors import QueristError
from querist.pairs.settings import PairSettings

CLASSES = {
    "random": "querist.acquisition.random.Random",
    "strengthened_random": "querist.acquisition.strengthened_random.StrengthenedRandom",
    "entropy": "querist.acquisition.entropy.Entropy",
    "margin": "querist.acquisition.margin.Margin",
    "bald": "querist.acquisition.bald.Bald",
    "core_set": "querist.acquisition.core_set.CoreSet",
    "core_set_by_subject": "querist.acquisition.core_set_by_subject.CoreSetBySubject",
    "badge": "querist.acquisition.badge.Badge",
    "typiclust": "querist.acquisition.typiclust.TypiClust",
    "prob_cover": "querist.acquisition.prob_cover.ProbCover",
    "transductive_design": "querist.acquisition.transductive_design.TransductiveDesign",
    "expected_influence": "querist.acquisition.expected_influence.ExpectedInfluence",
    "uncertain_gcn": "querist.acquisition.uncertain_gcn.UncertainGcn",
    "core_gcn": "querist.acquisition.core_gcn.CoreGcn",
    "mcd_cke": "querist.acquisition.mcd_cke.McdCke",
    "learning_loss": "querist.acquisition.learning_loss.LearningLoss",
    "learning_loss++": "querist.acquisition.learning_loss_plus.LearningLossPlus",
    "egl++": "querist.acquisition.egl.ExpectedGradientLength",
    "multi_peak_entropy": "querist.acquisition.multi_peak_entropy.MultiPeakEntropy",
    "true_gain": "querist.acquisition.true_gain.TrueGain",
}
PAIRS = {
    "strengthened_random": "querist.acquisition.strengthened_random_pairs.StrengthenedRandomPairs",
    "nearest_first": "querist.acquisition.nearest_first.NearestFirst",
    "qiu": "querist.acquisition.qiu.QueryInstanceUncertainty",
    "qbc": "querist.acquisition.qbc.QueryByCommittee",
    "graph_density": "querist.acquisition.graph_density.GraphDensity",
}
"""Strategies about pairs of images; where units are pairs, these names come first."""
POSES = {"strengthened_random": "querist.acquisition.strengthened_random_poses.StrengthenedRandomPoses"}
"""Strategies for tasks with a skeleton, whose predictions have no classes; there these names come first."""
FORMS = ("global", "group")
GLOBAL_ONLY = (
    "core_set_by_subject", "typiclust", "prob_cover", "transductive_design", "uncertain_gcn", "core_gcn", "mcd_cke",
)  # fmt: skip
"""What their classes say in ``forms``, known here too: listing names must not import torch."""


@dataclass(frozen=True)
class GroupForm:
    """The shape of the candidate groups: ``count`` pools of ``size`` units, one question each."""

    count: int = 24
    size: int = 10

    def __post_init__(self) -> None:
        if self.count < 1 or self.size < 1:
            raise QueristError(f"{self.count} groups of {self.size} candidates", "offer at least one of one")


@dataclass(frozen=True, eq=False)
class Strategy:
    """A strategy ready to play."""

    name: str
    policy: Policy
    candidates: Candidates
    featuriser: Featuriser


def strategy(name: str, task: Task, groups: GroupForm | None = None, pairs: PairSettings | None = None) -> Strategy:
    """The strategy of a name, for a task.

    Args:
        name: see the module; ``groups`` the shape of the group form, ``pairs`` of questions about pairs.
        task: its fields are checked here, before anything runs.

    Raises:
        QueristError: unknown name or form, or the task lacks what the strategy needs.
    """
    check_name(name)
    base, slash, rest = name.partition("/")
    form, plus, changed = rest.partition("+")
    if slash and form not in FORMS:
        raise QueristError(f"{name!r}: there is no form {form!r}", f"choose among {', '.join(FORMS)}")
    about_pairs = isinstance(task.pool, PairPool)
    if base in PAIRS and base not in CLASSES and not about_pairs:
        raise QueristError(f"{base} asks about pairs of images", "use it with a task about pairs: re-identification")
    path = PAIRS.get(base) if about_pairs else None
    path = path or (POSES.get(base) if task.can(HasSkeleton) else None)
    arguments = changes(name, changed) if plus else {}
    policy, limit = _policy(path or CLASSES.get(base, base), arguments)
    if (form or "global") not in policy.forms:
        raise QueristError(
            f"{base!r} has no {form or 'global'} form: how it chooses does not allow it",
            f"use {' or '.join(f'{base}/{other}' for other in policy.forms)}",
        )
    policy.check(task)
    shape = groups or GroupForm()
    candidates = policy.own_candidates(form or "global", shape.count)
    if candidates is None and about_pairs:
        if slash:
            raise QueristError(f"{name!r}: questions about pairs have no forms", f"write {base!r}")
        candidates = neighbours(pairs)
    elif candidates is None:
        candidates = ClusterPools(shape.count, shape.size) if form == "group" else GlobalPool()
    if limit is not None:
        if not isinstance(candidates, GlobalPool) or not isinstance(limit, int) or limit < 1:
            raise QueristError(
                f"{name!r}: {limit!r} candidates", "a global form can have a limit of at least one; groups have a size"
            )
        candidates = GlobalPool(limit)
    return Strategy(name, policy, candidates, policy.own_featuriser(task) or FieldFeaturiser(task, policy.fields))


def check_name(name: str) -> None:
    """Raise unless a name is that of a strategy, or a class path: what can be said before any data are read."""
    base = name.partition("/")[0]
    if base in CLASSES or base in PAIRS:
        return
    plain = max((known for known in CLASSES if base.startswith(f"{known}+")), key=len, default=None)  # egl++ has two
    if plain is not None:
        fix = f"write {plain}/global{name.removeprefix(plain)}"
        raise QueristError(f"{name!r} changes a form that it does not name", fix)
    if "." in base:
        return
    raise QueristError(
        f"there is no strategy {name!r}",
        f"choose among {', '.join(dict.fromkeys(names() + pair_names()))}, or a class path",
    )


def _policy(path: str, arguments: Mapping[str, Any]) -> tuple[Policy, Any]:
    """The policy of a class, and a limit of candidates that it does not take itself."""
    takes = inspect.signature(load_class(path, Policy)).parameters
    own = {key: value for key, value in arguments.items() if key != "limit" or key in takes}
    return construct(path, own, expected=Policy), None if len(own) == len(arguments) else arguments["limit"]


def neighbours(pairs: PairSettings | None) -> Candidates:
    """How pairs are offered; imported when it is used, because it needs torch."""
    from querist.pairs.anchors import AnchorNeighbours
    from querist.pairs.space import PairSpace

    return AnchorNeighbours(PairSpace(pairs))


def names() -> list[str]:
    """All names of strategies for other pools than those of pairs that need no class path."""
    plain = ["random", "strengthened_random"]
    forms = {base: FORMS[:1] if base in GLOBAL_ONLY else FORMS for base in CLASSES if base not in plain}
    return plain + [f"{base}/{form}" for base in forms for form in forms[base]]


def pair_names() -> list[str]:
    """All names of strategies for pools of pairs that need no class path."""
    return ["random", *PAIRS]
