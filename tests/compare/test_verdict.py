import numpy as np
import pytest

from querist.compare.comparisons import all_tests
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


def test_a_learned_policy_without_controls_is_of_unknown_worth():
    verdict, _ = judge(ralis__sound=3.0)
    assert verdict["winner"] is None
    assert "was not compared with ralis/untrained and ralis/shuffled" in text(verdict)


def test_six_seeds_are_too_few_for_a_corrected_family_and_that_is_said():
    few = {name: np.full(6, gain) + NOISE[:6] for name, gain in LEARNED.items()}
    verdict, _ = judge(ralis__sound=3 + NOISE[2:], **few)
    assert "cannot pass its four corrected tests with so few seeds" in text(verdict)


def test_all_labels_ever_needed_are_mentioned_where_they_differ():
    verdict, _ = judge(entropy__global=1.0, labels_all={"entropy/global": 1500})
    assert "entropy/global cost up to 1,200 more than random" in text(verdict)
    assert "ever needed" not in text(judge(entropy__global=1.0)[0])


def test_missing_cells_are_mentioned():
    verdict, _ = judge(entropy__global=1.0, missing={"entropy/global": [3, 4]})
    assert "entropy/global (seed 3, 4)" in text(verdict)


@pytest.mark.parametrize(
    ("policies", "spread", "words"),
    [
        (1, None, "ralis/sound stands for a single trained policy: how much luck is in its training is unknown."),
        (3, 0.4142, "ralis/sound stands for 3 policies, whose AUBC differs by 0.41 (sd)."),
        (2, None, None),  # no seed in common
    ],
)
def test_the_spread_between_policies_is_told(policies, spread, words):
    _, summary = judge(ralis__sound=3.0)
    summary["strategies"]["ralis/sound"] |= {"policies": policies, "policy_spread": spread}
    told = text(decide(summary))
    assert words in told if words else "stands for" not in told


def test_what_looks_at_answers_is_a_ceiling_and_never_wins():
    verdict, summary = judge(true_gain__global=9.0, entropy__global=2.0)
    assert verdict["winner"] == "entropy/global"
    assert "true_gain/global looks at the answers: a ceiling, left out of the verdict." in verdict["sentences"]
    alone, _ = judge(true_gain__global=9.0)
    assert (alone["winner"], alone["helps"]) == (None, None)
    assert [t["p_family"] for t in summary["tests"] if t["a"] == "true_gain/global"] == [None]
