import pytest

from querist.compare.summary import summarise
from querist.report.account import account_table
from querist.report.dot_plot import differences
from querist.report.heat import bought_table, gains_table
from querist.report.page import render_report
from querist.report.pictures import data_uri, strips
from querist.report.style import looks
from querist.report.tables import key_figures, p_shown, shares_reached, strategy_rows


def tiny(random=None, entropy=None):
    """Two strategies over one budget, with what was bought and gained by class."""
    base = {"aubc": {"0": 50.0, "1": 54.0}, "curve": {"100": {"0": 50.0, "1": 54.0}}}
    return {
        "metric": {"name": "mIoU", "unit": "%", "larger_is_better": True},
        "budgets": [100],
        "seeds": [0, 1, 2],
        "parts": ["sky", "pole"],
        "start": 40.0,
        "full_supervision": 60.0,
        "verdict": {"winner": None},
        "labels_to": {"random": {"90": [80.0, 70.0, None], "95": None}, "entropy": {"90": None, "95": None}},
        "tests": [],
        "strategies": {
            "random": {**base, **(random or {})},
            "entropy": {**base, "aubc": {"1": 55.0, "2": 60.0}, **(entropy or {})},
        },
    }


def test_rows_hold_what_the_summary_says():
    rows = {row["name"]: row for row in strategy_rows(tiny({"gap_closed": {"100": 0.625}}), looks(tiny()))}
    assert (rows["random"]["aubc"], rows["random"]["sd"], rows["random"]["gap"]) == ("52.00", "± 2.83", "62 %")
    assert rows["random"]["labels_to"] == [{"labels": "80", "interval": "70 to …"}]
    assert rows["entropy"]["labels_to"] == [{"labels": "–", "interval": ""}]
    assert rows["entropy"]["difference"] == "–"


def test_shares_that_nobody_reaches_get_no_column():
    assert shares_reached(tiny()) == (["90"], ["95"])
    assert shares_reached({**tiny(), "full_supervision": None}) == ([], [])  # nothing is said of what is not known


def test_the_p_shown_is_the_most_corrected_one():
    assert p_shown({"p": 0.01, "p_holm": None, "p_family": 0.03}) == 0.03
    assert p_shown({"p": 0.01, "p_holm": 0.04, "p_family": 0.03}) == 0.04


def test_differences_use_common_seeds():
    summary = tiny()
    assert differences(summary, "entropy") == [1.0]
    summary["metric"]["larger_is_better"] = False
    assert differences(summary, "entropy") == [-1.0]


def test_gains_over_the_start_and_beyond_random():
    summary = tiny(
        {"part_gains": {"100": {"sky": 2.0, "pole": None}}}, {"part_gains": {"100": {"sky": 1.0, "pole": 4.0}}}
    )
    rows = dict(gains_table(summary, ["entropy", "random"], beyond_random=False)["rows"])
    assert [cell["text"] for cell in rows["entropy"]] == ["+1.0", "+4.0"]
    assert [cell["side"] for cell in rows["random"]] == ["up", ""]
    assert rows["entropy"][1]["strength"] == pytest.approx(4 * rows["entropy"][0]["strength"], abs=0.002)
    beyond = gains_table(summary, ["entropy", "random"], beyond_random=True)["rows"]
    assert [(name, [c["text"] for c in cells]) for name, cells in beyond] == [("entropy", ["−1.0", "–"])]
    assert beyond[0][1][0]["side"] == "down"
    assert gains_table(tiny(), ["entropy"], beyond_random=False) is None


def test_bought_shares_are_multiples_of_those_of_random():
    summary = tiny({"bought": {"100": {"sky": 75, "pole": 25}}}, {"bought": {"100": {"sky": 30, "pole": 30}}})
    table = bought_table(summary, ["entropy", "random"])
    assert [(name, [c["text"] for c in cells]) for name, cells in table["rows"]] == [
        ("random", ["75.0 %", "25.0 %"]),
        ("entropy", ["×0.67", "×2.00"]),
    ]
    assert [c["side"] for c in table["rows"][1][1]] == ["down", "up"]
    assert bought_table(tiny(), ["entropy"]) is None


def test_bought_without_random_or_with_a_class_random_never_bought():
    summary = tiny({"bought": {"100": {"sky": 1, "pole": 0}}}, {"bought": {"100": {"sky": 1, "pole": 1}}})
    assert [c["text"] for c in bought_table(summary, ["entropy", "random"])["rows"][1][1]] == ["×0.50", "new"]
    alone = bought_table(summary, ["entropy"])
    assert (alone["relative"], [c["text"] for c in alone["rows"][0][1]]) == (False, ["50.0 %", "50.0 %"])


def test_the_account_adds_up():
    def cell(policy):
        return {
            "strategy": "ralis/sound",
            "points": [{"labels": 100}, {"labels": 200}],
            "accounts": {"start": 50, "policy": policy, "audit": 10},
            "ledger": {"questions": 210, "answers": 200},
        }

    table = account_table([cell(0), cell(240)], ["ralis/sound", "absent"])
    assert [key for key, _ in table["kinds"]] == ["bought", "start", "policy", "audit"]
    (row,) = table["rows"]
    assert (row["amounts"], row["total"]) == (["200", "50", "120", "10"], "380")
    assert sum(row["widths"]) == pytest.approx(100, abs=0.05)
    assert row["counts"] == ["210", "200", "–"]
    assert account_table([], ["ralis/sound"]) is None


def test_pictures_become_addresses():
    assert data_uri(b"\xff\xd8\xff", "x") == "data:image/jpeg;base64,/9j/"
    assert data_uri(b"\x89PNG\r\n\x1a\n", "x").startswith("data:image/png;base64,iVBOR")
    assert strips({"random": [], "entropy": [("step 0", b"\xff\xd8\xff")]})[0][0] == "entropy"
    assert strips(None) == []


def test_learned_strategies_say_how_many_policies_stand_behind_them(cells_of):
    rows = {policies: rows_of(cells_of(("random", "ralis/sound"), 2, policies)) for policies in (1, 3)}
    assert rows[1]["ralis/sound"]["note"] == "1 policy"
    assert rows[3]["ralis/sound"]["note"].startswith("3 policies, sd between them 0.")
    assert rows[1]["random"]["note"] == rows[3]["random"]["note"] == ""


def test_strategies_with_fewer_seeds_say_so(cells_of):
    every = cells_of(("random", "entropy/global"), 3)
    cells = [c for c in every if c["seed"] == 0 or c["strategy"] == "random"]
    summary = summarise(cells)
    rows = rows_of(cells)
    assert rows["entropy/global"]["note"] == "1 of 3 seeds"
    assert rows["random"]["note"] == ""
    label = key_figures(summary, looks(summary), cells)[-1]["label"]
    assert label.startswith("2 strategies on 1 to 3 seeds, paired by seed")
    page = render_report(summary, cells)
    assert "Mean over the seeds that a strategy has" in page
    assert "best AUBC first (by the difference to random, as seeds differ too)" in page


def rows_of(cells):
    summary = summarise(cells)
    return {row["name"]: row for row in strategy_rows(summary, looks(summary))}
