"""Strategies by name: a policy and the form in which candidates are offered to it.

``entropy/global`` takes the best of the whole pool, ``entropy/group`` the best of each of K random pools, as the RALIS
paper lets its baselines choose. A name without a form is global. A user's own strategy is named by its class path:
``mypackage.mymodule.MyPolicy/group``.
"""

from dataclasses import dataclass

from querist.core.candidates import Candidates, ClusterPools, GlobalPool
from querist.core.featuriser import FieldFeaturiser
from querist.core.plugin import construct
from querist.core.policy import Policy
from querist.core.step import Featuriser
from querist.core.task import Task
from querist.errors import QueristError

CLASSES = {
    "random": "querist.acquisition.random.Random",
    "strengthened_random": "querist.acquisition.strengthened_random.StrengthenedRandom",
    "entropy": "querist.acquisition.entropy.Entropy",
    "margin": "querist.acquisition.margin.Margin",
    "bald": "querist.acquisition.bald.Bald",
    "core_set": "querist.acquisition.core_set.CoreSet",
    "badge": "querist.acquisition.badge.Badge",
    "typiclust": "querist.acquisition.typiclust.TypiClust",
    "prob_cover": "querist.acquisition.prob_cover.ProbCover",
    "expected_influence": "querist.acquisition.expected_influence.ExpectedInfluence",
    "true_gain": "querist.acquisition.true_gain.TrueGain",
}
FORMS = ("global", "group")
GLOBAL_ONLY = ("typiclust", "prob_cover")
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


def strategy(name: str, task: Task, groups: GroupForm | None = None) -> Strategy:
    """The strategy of a name, for a task.

    Args:
        name: see the module; ``groups`` the shape of the group form.
        task: its fields are checked here, before anything runs.

    Raises:
        QueristError: unknown name or form, or the task lacks what the strategy needs.
    """
    base, slash, form = name.partition("/")
    if base not in CLASSES and "." not in base:
        raise QueristError(f"there is no strategy {name!r}", f"choose among {', '.join(names())}, or a class path")
    if slash and form not in FORMS:
        raise QueristError(f"{name!r}: there is no form {form!r}", f"choose among {', '.join(FORMS)}")
    policy: Policy = construct(CLASSES.get(base, base), {}, expected=Policy)
    if (form or "global") not in policy.forms:
        raise QueristError(
            f"{base!r} has no {form or 'global'} form: how it chooses does not allow it",
            f"use {' or '.join(f'{base}/{other}' for other in policy.forms)}",
        )
    policy.check(task)
    shape = groups or GroupForm()
    usual = ClusterPools(shape.count, shape.size) if form == "group" else GlobalPool()
    candidates = policy.own_candidates(form or "global", shape.count) or usual
    return Strategy(name, policy, candidates, policy.own_featuriser(task) or FieldFeaturiser(task, policy.fields))


def names() -> list[str]:
    """All names that need no class path."""
    plain = ["random", "strengthened_random"]
    forms = {base: FORMS[:1] if base in GLOBAL_ONLY else FORMS for base in CLASSES if base not in plain}
    return plain + [f"{base}/{form}" for base in forms for form in forms[base]]
