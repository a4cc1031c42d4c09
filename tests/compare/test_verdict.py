import numpy as np
import pytest

from querist.compare.comparisons import all_tests, controls
from querist.compare.verdict import decide

NOISE = np.array([0.3, -0.2, 0.1, -0.4, 0.25, 0.05, -0.15, 0.2])


def judge(larger=True, missing=None, labels_all=None, **gains):
    """The verdict on strategies that lie `gain` (per seed, or on average with noise) above a wavy random."""
    seeds = max((len(np.atleast_1d(g)) for g in gains.values() if np.ndim(g)), default=8)
    base = 50 + np.sin(np.arange(seeds))
    strategies = {}
    for name, gain in ({"random": np.zeros(seeds)} | gains).items():
        name = name.replace("__", "/")
        values = base + (np.asarray(gain) if np.ndim(gain) else gain + NOISE[:seeds])
        area = {str(s): float(v) if larger else -float(v) for s, v in enumerate(values)}
        all_labels = (labels_all or {}).get(name, 300)
        strategies[name] = {"aubc": area, "curve": {"100": area, "200": area}, "labels_all": all_labels}
    summary = {
        "strategies": strategies,
        "tests": all_tests(strategies, [100, 200], larger),
        "metric": {"name": "mIoU", "unit": "%", "larger_is_better": larger},
        "budgets": [100, 200],
        "missing": missing,
    }
    return decide(summary), summary


def text(verdict):
    return " ".join([verdict["headline"], *verdict["sentences"]])


def test_a_strategy_that_beats_random_wins():
    verdict, _ = judge(entropy__global=2.0)
    assert (verdict["winner"], verdict["helps"]) == ("entropy/global", True)
    assert verdict["headline"] == "entropy/global wins: +2.02 points of AUBC over random."
    assert "by +2.02 points of AUBC (95 % interval 1." in verdict["sentences"][0]
    assert "p = 0.0078" in verdict["sentences"][0]
    assert "at the end (200 labels) the difference is +2.02 points" in verdict["sentences"][0]


def test_the_direction_of_an_error_metric():
    verdict, _ = judge(larger=False, entropy__global=2.0)
    assert (verdict["winner"], verdict["helps"]) == ("entropy/global", True)


def test_two_that_cannot_be_told_apart_have_no_winner_but_help():
    verdict, _ = judge(entropy__global=2 + NOISE, margin__global=2 - NOISE)
    assert (verdict["winner"], verdict["helps"]) == (None, True)
    assert "2 of 2 strategies beat random" in verdict["headline"]
    assert "cannot be told apart" in text(verdict)


def test_the_better_of_two_wins_when_it_also_beats_the_other():
    verdict, _ = judge(entropy__global=2 + NOISE, margin__global=1 - NOISE)
    assert verdict["winner"] == "entropy/global"
    assert "also ahead of the next best, margin/global" in text(verdict)


def test_active_learning_does_not_help():
    verdict, _ = judge(entropy__global=NOISE - 0.1, margin__global=-NOISE)
    assert (verdict["winner"], verdict["helps"]) == (None, False)
    assert verdict["headline"] == "Active learning does not help here: no strategy beats random."
    assert "Not told apart from random: entropy/global and margin/global." in verdict["sentences"]
    assert "The largest gain that the intervals still allow is +0." in text(verdict)


def test_worse_than_random_is_said():
    verdict, _ = judge(entropy__global=-2.0)
    assert verdict["helps"] is False
    assert "entropy/global is worse than random: −1.98 points" in text(verdict)
    assert "Not told apart" not in text(verdict)


@pytest.mark.parametrize(("seeds", "smallest"), [(1, "1.00"), (3, "0.25"), (5, "0.062")])
def test_too_few_seeds(seeds, smallest):
    verdict, _ = judge(entropy__global=np.linspace(4, 5, seeds))
    assert (verdict["winner"], verdict["helps"]) == (None, None)
    assert verdict["headline"].startswith("Too few seeds to tell")
    assert verdict["headline"].endswith(f"p = {smallest}.")
    assert "entropy/global is furthest ahead" in text(verdict)


def test_too_few_seeds_and_nothing_ahead():
    verdict, _ = judge(entropy__global=np.full(3, -1.0))
    assert "no strategy is ahead of random" in text(verdict)


def test_error_bars_alone_declare_nothing():
    # 4 of the 64 sign assignments sum up to at least |4.95|: p = 0.0625, while the interval clears zero.
    verdict, summary = judge(entropy__global=np.array([1.0, 1.0, 1.0, 1.0, 1.0, -0.05]))
    (test,) = summary["tests"]
    assert test["interval"][0] > 0
    assert test["p"] == 0.0625
    assert (verdict["winner"], verdict["helps"]) == (None, None)
    assert verdict["headline"].startswith("Undecided: entropy/global looks better")


def test_a_finding_must_survive_the_look_at_all_strategies():
    # Alone it passes with p = 0.023; among 16 strategies a p that small comes up by chance.
    gains = np.array([2.0, 2.1, 1.9, 2.0, 2.2, 1.8, 0.4, -0.5])
    alone, summary = judge(entropy__global=gains)
    assert summary["tests"][0]["p"] == pytest.approx(0.0234375)
    assert alone["helps"] is True
    up_and_down = np.array([1.0, -1.0, 1.1, -0.9, -1.0, 1.0, -1.1, 0.9])
    others = {f"b{i}": np.roll(np.roll(up_and_down, i) * up_and_down, i) for i in range(1, 8)}
    others |= {f"c{i}": np.roll(up_and_down, i) for i in range(8)}
    among, summary = judge(entropy__global=gains, **others)
    assert summary["tests"][0]["p_family"] >= 0.05 > summary["tests"][0]["p"]
    assert among["helps"] is None


def test_nothing_to_compare_with():
    _, summary = judge(entropy__global=1.0)
    del summary["strategies"]["random"]
    summary["tests"] = []
    verdict = decide(summary)
    assert verdict["headline"] == "No verdict: nothing was compared with random."
    assert (verdict["winner"], verdict["helps"]) == (None, None)


LEARNED = {"strengthened_random": 0.1, "ralis__untrained": 0.0, "ralis__shuffled": 0.2}


def test_a_learned_policy_that_beats_its_whole_family_wins():
    verdict, _ = judge(ralis__sound=3 + NOISE[::-1], **LEARNED)
    assert (verdict["winner"], verdict["helps"]) == ("ralis/sound", True)
    assert "ralis/sound beats its controls" in text(verdict)
    assert "ralis/untrained: +3.00 points, p = 0.031" in text(verdict)


def test_a_learned_policy_that_does_not_beat_its_controls_has_learned_nothing():
    controls = LEARNED | {"ralis__shuffled": 3 - NOISE}
    verdict, _ = judge(ralis__sound=3 + NOISE[::-1], **controls)
    assert verdict["helps"] is True
    assert verdict["winner"] is None
    assert "ralis/sound does not beat its controls" in text(verdict)
    assert "it has learned nothing" in text(verdict)


def test_a_control_is_never_the_winner():
    verdict, _ = judge(ralis__sound=NOISE[::-1], **(LEARNED | {"ralis__untrained": 3.0}))
    assert verdict["winner"] is None
    assert "it is a control" in text(verdict)


def test_controls_are_counted_neither_among_those_that_help_nor_among_those_tried():
    verdict = named({"ralis/untrained": 3.0, "entropy/global": 2.0, "margin/global": 1.0, "badge/global": 0.0})
    assert verdict["headline"].startswith("Active learning helps here: 2 of 3 strategies beat random, entropy/global")
    assert verdict["helps"] is True


def named(gains):
    """Gains by the names that comparisons use; a keyword cannot hold `/`, `+` or `=`."""
    return judge(**{name.replace("/", "__"): gain for name, gain in gains.items()})[0]


VARIANT = "+games=still,reward=metric"


@pytest.mark.parametrize("name", ["ralis/untrained", f"ralis/shuffled{VARIANT}", "dral/shuffled+gamma=0.9"])
def test_no_control_ever_wins_whatever_its_settings(name):
    verdict = named({name: 3.0, "entropy/global": 0.0})
    assert (verdict["winner"], verdict["helps"]) == (None, None)
    assert verdict["headline"].startswith(f"Undecided: what beats random is a control, {name} (")
    assert f"{name} gains most of all, and it is a control" in text(verdict)
    assert f"{name} was not compared" not in text(verdict)


def test_a_learned_policy_without_controls_is_of_unknown_worth():
    verdict = named({"ralis/sound": 3.0})
    rivals = "strengthened_random, ralis/untrained and ralis/shuffled"
    assert verdict["winner"] is None
    assert f"ralis/sound gains most of all, but is not shown to beat {rivals}: no winner." in verdict["sentences"]
    assert f"ralis/sound was not compared with {rivals}: whether it learned is unknown." in verdict["sentences"]


def test_the_controls_of_sound_do_for_no_variant_and_no_other_profile():
    others = {name.replace("__", "/"): gain for name, gain in LEARNED.items()}
    verdict = named({f"ralis/sound{VARIANT}": 3.0, **others})
    own = f"ralis/untrained{VARIANT} and ralis/shuffled{VARIANT}"
    assert verdict["winner"] is None
    assert f"ralis/sound{VARIANT} was not compared with {own}: whether it learned is unknown." in verdict["sentences"]
    verdict = named({"ralis/faithful": 3.0, **others})
    assert verdict["winner"] is None
    assert "ralis/faithful gains most of all, but has no controls: no winner." in verdict["sentences"]
    assert "ralis/faithful has no controls: whether it learned is unknown." in verdict["sentences"]


def test_a_variant_that_beats_its_own_family_wins():
    own = {f"ralis/{control}+reward=metric,games=still": 0.1 * NOISE for control in ("untrained", "shuffled")}
    verdict = named({f"ralis/sound{VARIANT}": 3 + NOISE[::-1], "strengthened_random": 0.1, **own})
    assert verdict["winner"] == f"ralis/sound{VARIANT}"
    assert "beats its controls (ralis/untrained+reward=metric,games=still: +3.0" in text(verdict)


@pytest.mark.parametrize("absent", ["strengthened_random", "ralis__untrained", "ralis__shuffled"])
def test_all_four_tests_are_needed(absent):
    rivals = {name: gain for name, gain in LEARNED.items() if name != absent}
    verdict, _ = judge(ralis__sound=3 + NOISE[::-1], **rivals)
    assert verdict["winner"] is None
    told = f"ralis/sound was not compared with {absent.replace('__', '/')}"
    assert any(sentence.startswith(told) for sentence in verdict["sentences"])


def test_controls_are_those_with_the_same_settings():
    assert controls("dral/sound", []) == ["dral/untrained", "dral/shuffled"]
    assert controls("dral/sound+a=1", ["dral/shuffled", "matal/shuffled+a=1"]) == [
        "dral/untrained+a=1",
        "dral/shuffled+a=1",
    ]
    assert controls("dral/sound+a=1,b=2", ["dral/shuffled+b=2,a=1"])[1] == "dral/shuffled+b=2,a=1"
    assert [controls(name, []) for name in ("dral/faithful", "dral/shuffled", "random", "core-set/sound")] == [[]] * 4


@pytest.mark.parametrize(
    ("untrained", "shuffled", "told"),
    [
        (1, 1, "Each control stands for a single policy."),
        (3, 1, "ralis/shuffled stands for a single policy."),
        (3, 3, None),
    ],
)
@pytest.mark.parametrize("gain", [3.0, 0.0])
def test_controls_of_a_single_policy_are_told_once_whoever_beats_them(untrained, shuffled, told, gain):
    _, summary = judge(ralis__sound=gain + NOISE[::-1], **LEARNED)
    for name, policies in {"ralis/untrained": untrained, "ralis/shuffled": shuffled}.items():
        summary["strategies"][name]["policies"] = policies
    sentences = decide(summary)["sentences"]
    assert [s for s in sentences if "for a single policy" in s] == ([told] if told else [])


@pytest.mark.parametrize(
    ("spread", "told"),
    [
        (0.5, "0.58 (p = 0.012): clear of what trainings differ by."),  # root of (0.25 + 0.75) / 3
        (3.0, "1.80 (p = 0.22): not clear of what trainings differ by."),  # root of (9 + 0.75) / 3
    ],
)
def test_a_lead_is_held_against_what_trainings_differ_by(spread, told):
    _, summary = judge(ralis__sound=3 + NOISE[::-1], **LEARNED)
    for name, sd in {"ralis/sound": spread, "ralis/untrained": np.sqrt(0.75), "ralis/shuffled": None}.items():
        summary["strategies"][name] |= {"policies": 3 if sd else 1, "policy_spread": sd}
    between = [s for s in decide(summary)["sentences"] if s.startswith("Between trainings")]
    start = "Between trainings (3 of ralis/sound, 3 of ralis/untrained) the lead has a standard error of "
    assert between == [start + told]
    summary["strategies"]["ralis/untrained"]["policy_spread"] = None
    assert "Between trainings" not in text(decide(summary))


def test_nothing_is_said_of_trainings_where_a_control_is_not_beaten():
    _, summary = judge(ralis__sound=NOISE[::-1], **LEARNED)
    for name in ("ralis/sound", "ralis/untrained"):
        summary["strategies"][name] |= {"policies": 3, "policy_spread": 0.1}
    assert "Between trainings" not in text(decide(summary))


def test_six_seeds_are_too_few_for_a_corrected_family_and_that_is_said():
    few = {name: np.full(6, gain) + NOISE[:6] for name, gain in LEARNED.items()}
    verdict, _ = judge(ralis__sound=3 + NOISE[2:], **few)
    assert "cannot pass its four corrected tests with so few seeds" in text(verdict)


def test_all_labels_ever_needed_are_mentioned_where_they_differ():
    verdict, _ = judge(entropy__global=1.0, labels_all={"entropy/global": 1500})
    assert "entropy/global cost up to 1,200 more than random" in text(verdict)
    assert "ever needed" not in text(judge(entropy__global=1.0)[0])


def test_missing_cells_are_mentioned_by_seed_and_policy():
    verdict, _ = judge(entropy__global=1.0, missing={"entropy/global": {"3": None, "4": None}, "random": {"7": None}})
    said = "Cells are missing: entropy/global (seeds 3 and 4); random (seed 7). "
    assert said + "Every test uses the seeds that both sides have." in verdict["sentences"]
    later, gap = {"3": None, "4": None, "5": None}, {"3": None, "5": None, "6": None}
    verdict, _ = judge(entropy__global=1.0, missing={"entropy/global": later, "margin/global": gap, "random": later})
    said = "Cells are missing: entropy/global and random (seeds 3 to 5); margin/global (seeds 3, 5 and 6). "
    assert said in text(verdict)
    lacks = {"4": [1, 2], "5": [1, 2], "6": [0], "7": None}
    verdict, _ = judge(ralis__sound=1.0, missing={"ralis/sound": lacks})
    assert "ralis/sound (seed 7; policy 0 on seed 6; policies 1 and 2 on seeds 4 and 5)" in text(verdict)
    assert "A seed counts for a strategy only with all its policies; every test" in text(verdict)
    assert "Left out" not in text(verdict)
    verdict, _ = judge(entropy__global=1.0, missing={"ralis/sound": {"0": [1], "1": [0]}})
    assert "Left out, as no seed has all their policies: ralis/sound." in verdict["sentences"]


@pytest.mark.parametrize(
    ("policies", "spread", "words"),
    [
        (1, None, "ralis/sound stands for a single trained policy: how much luck is in a training is unknown."),
        (3, 0.4142, "ralis/sound stands for 3 policies, whose AUBC differs by 0.41 (sd)."),
        (2, None, None),  # no seed in common
    ],
)
def test_the_spread_between_policies_is_told(policies, spread, words):
    _, summary = judge(ralis__sound=3.0)
    summary["strategies"]["ralis/sound"] |= {"policies": policies, "policy_spread": spread}
    told = text(decide(summary))
    assert words in told if words else "stands for" not in told


def test_what_is_alike_of_several_policies_is_told_once():
    _, summary = judge(ralis__faithful=1.0, dral__faithful=1.0)
    for name in ("ralis/faithful", "dral/faithful"):
        summary["strategies"][name]["policies"] = 1
    who = "ralis/faithful and dral/faithful"
    sentences = decide(summary)["sentences"]
    assert f"{who} have no controls: whether they learned is unknown." in sentences
    assert f"{who} stand for a single trained policy each: how much luck is in a training is unknown." in sentences


def test_what_looks_at_answers_is_a_ceiling_and_never_wins():
    verdict, summary = judge(true_gain__global=9.0, entropy__global=2.0)
    assert verdict["winner"] == "entropy/global"
    assert "true_gain/global looks at the answers: a ceiling, left out of the verdict." in verdict["sentences"]
    alone, _ = judge(true_gain__global=9.0)
    assert (alone["winner"], alone["helps"]) == (None, None)
    assert [t["p_family"] for t in summary["tests"] if t["a"] == "true_gain/global"] == [None]
