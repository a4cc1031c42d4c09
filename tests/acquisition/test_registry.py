import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from querist.acquisition.core_gcn import CoreGcn
from querist.acquisition.entropy import Entropy
from querist.acquisition.learning_loss_plus import LearningLossPlus
from querist.acquisition.random import Random
from querist.acquisition.registry import (
    CLASSES,
    FORMS,
    GLOBAL_ONLY,
    PAIRS,
    POSES,
    GroupForm,
    names,
    pair_names,
    strategy,
)
from querist.acquisition.strengthened_random_poses import StrengthenedRandomPoses
from querist.core.candidates import ClusterPools, GlobalPool
from querist.core.capabilities import Embeds, EmbedsSources, EstimatesInfluence, ExpectsGradients, TellsLosses
from querist.core.observation import Field
from querist.core.plugin import load_class
from querist.core.policy import Acquisition, Policy
from querist.errors import QueristError
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.settings import PairSettings
from toy import ToyTask
from toy_pairs import ToyPairs
from toy_poses import ToyPoses

LIMITS = dict.fromkeys(
    ("egl++/global", "transductive_design/global", "uncertain_gcn/global", "core_gcn/global"), 10_000
)


class Blind(ToyPairs):
    """Pairs of images that no model describes."""

    def can(self, protocol: type) -> bool:
        return protocol is not EmbedsSources and super().can(protocol)


class Whole(ToyTask):
    """Offers every field and capability that a strategy of ours wants."""

    fields: ClassVar = {
        "entropy": Field("entropy"),
        "margin": Field("margin"),
        "mutual_information": Field("mutual_information"),
        "classes": Field("classes", (2,), 0.0, 1.0, per_class=True),
        "probabilities": Field("probabilities", (2,), 0.0, 1.0, per_class=True),
        "pose_mean": Field("pose_mean", (4,)),
        "pose_spread": Field("pose_spread", (4,)),
        "levels": Field("levels", (2,)),
        "multi_peak_entropy": Field("multi_peak_entropy"),
    }

    def embedding_width(self):
        return 3

    def embed(self, units):
        return np.zeros((len(units), 3), dtype=np.float32)

    def influence(self, units, answers, sources):
        return np.zeros(len(units), dtype=np.float32)

    level_widths = (1, 1)

    def losses(self, units, answers):
        return np.zeros(len(units), dtype=np.float32)

    def expected_gradients(self, units, references, answers, nearest, weights, scope):
        return np.zeros(len(units), dtype=np.float32)


class Widest(Acquisition):
    fields = ("spread",)

    def score(self, observation, rng):
        return observation.field("spread")


def test_every_name_makes_a_strategy():
    assert names() == [
        "random", "strengthened_random", "entropy/global", "entropy/group", "margin/global", "margin/group",
        "bald/global", "bald/group", "core_set/global", "core_set/group",
        "core_set_by_subject/global", "badge/global", "badge/group",
        "typiclust/global", "prob_cover/global", "transductive_design/global",
        "expected_influence/global", "expected_influence/group",
        "uncertain_gcn/global", "core_gcn/global", "mcd_cke/global", "learning_loss/global", "learning_loss/group",
        "learning_loss++/global", "learning_loss++/group", "egl++/global", "egl++/group",
        "multi_peak_entropy/global", "multi_peak_entropy/group", "true_gain/global", "true_gain/group",
    ]  # fmt: skip
    for name in names():
        found = strategy(name, Whole(), GroupForm(3, 5))
        assert found.name == name
        assert isinstance(found.policy, load_class(CLASSES[name.split("/")[0]], Policy))
        form = ClusterPools(3, 5) if name.endswith("/group") else GlobalPool(LIMITS.get(name))
        assert found.candidates == form
        own = {
            Embeds: ("embedding",), EstimatesInfluence: ("expected_influence",), TellsLosses: ("predicted_loss",),
            ExpectsGradients: ("expected_gradient",),
        }  # fmt: skip
        if ExpectsGradients in found.policy.needs:
            own[Embeds] = ()  # it looks at them itself
        fields = sum((own.get(need, ()) for need in found.policy.needs), ()) + found.policy.fields
        shown = tuple(f.name for f in found.featuriser.schema.candidates)
        assert shown == (("pose_mean",) if name == "mcd_cke/global" else fields)  # which shrinks one by the other


def test_a_task_with_a_skeleton_has_strengthened_random_of_its_own():
    found = strategy("strengthened_random", ToyPoses())
    assert isinstance(found.policy, StrengthenedRandomPoses)
    assert found.candidates == GlobalPool(10_000)
    assert isinstance(strategy("strengthened_random/group", ToyPoses(), GroupForm(2, 3)).candidates, ClusterPools)
    assert POSES.keys() <= CLASSES.keys()
    assert type(strategy("random", ToyPoses()).policy) is Random


def test_the_forms_known_by_name_are_those_of_the_classes():
    for base, path in CLASSES.items():
        assert load_class(path).forms == (("global",) if base in GLOBAL_ONLY else FORMS)


@pytest.mark.parametrize("name", ["typiclust/group", "prob_cover/group", "transductive_design/group"])
def test_a_form_that_a_strategy_does_not_have_is_refused(name):
    base = name.split("/")[0]
    with pytest.raises(QueristError, match=f"'{base}' has no group form") as caught:
        strategy(name, Whole())
    assert f"{base}/global" in caught.value.fix


def test_names_are_listed_without_torch():
    code = "import sys; from querist.acquisition.registry import names; names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["core_set", "badge", "typiclust", "prob_cover", "transductive_design"])
def test_a_task_without_embeddings_is_refused_before_the_run(name):
    with pytest.raises(QueristError, match="needs a task that Embeds, and ToyTask does not"):
        strategy(name, ToyTask())


def test_a_name_without_a_form_is_global():
    assert strategy("entropy", Whole()).candidates == GlobalPool()
    assert isinstance(strategy("entropy", Whole()).policy, Entropy)
    assert isinstance(strategy("random/group", Whole()).policy, Random)
    assert strategy("random/group", Whole()).candidates == ClusterPools(24, 10)


def test_a_name_may_change_what_the_class_takes_and_how_many_are_offered():
    found = strategy("core_gcn/global+steps=7,limit=20", Whole())
    assert found.name == "core_gcn/global+steps=7,limit=20"
    assert vars(found.policy) == vars(CoreGcn(steps=7, limit=20))
    assert found.candidates == GlobalPool(20)
    assert strategy("core_set/global+limit=20", Whole()).candidates == GlobalPool(20)
    plain = strategy("learning_loss++/global+steps=7", Whole())
    assert (vars(plain.policy), plain.candidates) == (vars(LearningLossPlus(7)), GlobalPool())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("core_set/group+limit=20", "groups have a size"),
        ("core_set/global+limit=0", "0 candidates"),
        ("core_set/global+limit=many", "'many' candidates"),
        ("core_set/global+reach=3", "reach"),
        ("core_set/global+", "'' changes no setting"),
        ("core_set+share=0.5", "changes a form that it does not name\n  fix: write core_set/global+share=0.5"),
        ("egl+++path=a/b.c", "changes a form that it does not name\n  fix: write egl++/global+path=a/b.c"),
        ("core_gcn/global+steps=7,steps=8", "'steps=8' changes no setting"),
        ("core_gcn/global+steps=[", "no value"),
    ],
)
def test_a_change_that_cannot_be_is_refused(name, words):
    with pytest.raises(QueristError) as caught:
        strategy(name, Whole())
    assert words in f"{caught.value} {caught.value.fix}"


def test_a_users_policy_is_a_strategy_by_its_class_path(monkeypatch):
    path = f"{Widest.__module__}.Widest"
    monkeypatch.setitem(sys.modules, Widest.__module__, __import__("types").SimpleNamespace(Widest=Widest))
    found = strategy(f"{path}/group", ToyTask(), GroupForm(2, 4))
    assert isinstance(found.policy, Widest)
    assert found.candidates == ClusterPools(2, 4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("entrpy", "no strategy 'entrpy'"),
        ("", "no strategy ''"),
        ("entropy/batch", "no form 'batch'"),
        ("entropy/", "no form ''"),
        ("entropy/group/x", "no form 'group/x'"),
        ("nowhere.at.All", "cannot be imported"),
        ("toy.ToyTask", "is not a Policy"),
        ("querist.core.policy.Acquisition", "is only a base"),
    ],
)
def test_a_wrong_name_is_refused_with_what_there_is(name, words):
    with pytest.raises(QueristError, match=words) as caught:
        strategy(name, Whole())
    assert caught.value.fix


def test_a_task_that_lacks_a_field_is_refused_before_the_run():
    with pytest.raises(QueristError, match="Entropy needs the field 'entropy'; ToyTask offers spread, both"):
        strategy("entropy/global", ToyTask())


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (-1, 2)])
def test_groups_have_a_size(shape):
    with pytest.raises(QueristError, match="groups of"):
        GroupForm(*shape)


def test_every_name_for_pairs_makes_a_strategy_on_one_kind_of_candidates():
    settings = PairSettings(neighbours=3, mutual=2, per_anchor=2)
    task = ToyPairs()
    for name in pair_names():
        found = strategy(name, task, pairs=settings)
        assert isinstance(found.candidates, AnchorNeighbours)
        assert found.candidates.space.settings == settings
        assert isinstance(found.policy, load_class(PAIRS.get(name, CLASSES["random"]), Policy))


def test_pairs_have_no_forms():
    with pytest.raises(QueristError, match="'random/group': questions about pairs have no forms"):
        strategy("random/group", ToyPairs())


@pytest.mark.parametrize("name", [name for name in pair_names() if name not in ("random", "strengthened_random")])
def test_strategies_for_pairs_want_pairs_and_embedded_sources(name):
    with pytest.raises(QueristError, match=f"{name} asks about pairs of images"):
        strategy(name, Whole())
    with pytest.raises(QueristError, match="EmbedsSources"):
        strategy(name, Blind())


def test_strategies_for_regions_want_fields_that_pairs_lack():
    with pytest.raises(QueristError, match="entropy"):
        strategy("entropy", ToyPairs())
