import copy
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from querist.compare.summary import summarise
from querist.errors import QueristError
from querist.report import render_report

VOID = {"meta", "img", "input", "br", "wbr", "link"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$\\frac{",
    "{{ 7*7 }}",
    "随机/global",
    "a&b's",
)


class Page(HTMLParser):
    """Reads a page strictly: every tag closes, and what it refers to is known."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.references, self.words = [], Counter(), Counter(), [], []
        self.attributes = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs, closed=False):
        self.tags[tag] += 1
        if tag not in VOID and not closed:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value))
            if name == "id":
                self.ids[value] += 1
            elif name in ("href", "src", "for", "aria-labelledby"):
                self.references += [(name, part) for part in value.split()]
            for found in re.findall(r"url\(([^)]*)\)", value or ""):
                self.references.append(("url", found))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs, closed=True)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def text_of(page):
    return " ".join(" ".join(page.words).split())


@pytest.fixture(scope="module")
def page(large, pictures_of):
    cells, summary = large
    html = render_report(summary, cells, pictures_of(["random", "ralis/sound"], 3))
    return html, Page(html), summary


def test_the_page_is_complete_in_itself(page):
    html, parsed, _ = page
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert parsed.tags["script"] == parsed.tags["link"] == parsed.tags["iframe"] == 0
    for name, target in parsed.references:
        if name in ("for", "aria-labelledby"):
            assert parsed.ids[target] == 1, target
        elif target.startswith("#"):
            assert parsed.ids[target[1:]] == 1, target
        else:
            assert target.startswith("data:image/")


def test_ids_are_unique_so_that_no_drawing_borrows_from_another(page):
    assert [key for key, n in page[1].ids.items() if n > 1] == []


def test_every_strategy_and_the_verdict_appear(page):
    html, parsed, summary = page
    shown = text_of(parsed).replace("\u00a0", " ")
    for name in summary["strategies"]:
        assert name in shown
    assert summary["verdict"]["headline"] in shown
    for sentence in summary["verdict"]["sentences"]:
        assert sentence in shown
    for fact in (summary["recipe_hash"], summary["data_hash"], "2.15.0", "0, 1, 2, 3, 4, 5, 6, 7"):
        assert fact in shown
    assert html.count("confirmatory") >= 4


def test_drawings_have_names_and_pictures_have_words(page):
    _, parsed, _ = page
    labelled = [v for tag, name, v in parsed.attributes if (tag, name) == ("svg", "aria-labelledby")]
    assert len(labelled) == 8  # three views of the curves and the differences, each wide and narrow
    alts = [v for tag, name, v in parsed.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == parsed.tags["img"] == 6
    assert all(alts)
    assert parsed.tags["caption"] == parsed.tags["table"] == 6


def test_the_page_is_small(page):
    pictures = sum(len(v) for _, name, v in page[1].attributes if name == "src")
    assert 100_000 < len(page[0].encode()) - pictures < 1_000_000


def test_colours_come_from_the_page_so_that_dark_works(page):
    drawings = re.findall(r"<svg viewBox[^>]*role=\"img\".*?</svg>", page[0], flags=re.DOTALL)
    assert len(drawings) == 8
    for drawing in drawings:
        assert "var(--soft)" in drawing
        assert re.findall(r"(?:fill|stroke): #(?!ffffff)[0-9a-f]{6}", drawing) == []


def test_two_strategies_and_two_seeds(cells_of):
    cells = cells_of(("random", "entropy/global"), 2)
    shown = text_of(Page(render_report(summarise(cells), cells)))
    assert "Too few seeds to tell" in shown
    assert "without pictures" in shown


@pytest.mark.parametrize(("task", "part"), [("region", "class"), ("pose", "joint"), ("reid", "measure")])
def test_parts_are_called_what_they_are(cells_of, task, part):
    cells = [cell | {"task": task} for cell in cells_of(("random", "entropy/global"), 2)]
    shown = text_of(Page(render_report(summarise(cells), cells)))
    assert f"By {part}" in shown
    assert f"Gain of each {part}" in shown
    assert ("holds none of it" in shown) == (task != "reid")


def test_a_single_seed_and_no_references(cells_of):
    cells = [c for c in cells_of(("random", "entropy/global"), 1) if not c["strategy"].startswith("_")]
    for cell in cells:
        cell.update(seconds_select=None, peak_mb=None, bought=[], parts=[], accounts={}, ledger={})
        cell["points"] = [{**point, "parts": None} for point in cell["points"]]
    summary = summarise(cells)
    shown = text_of(Page(render_report(summary, cells)))
    assert summary["start"] is None
    assert "full supervision 6" not in shown
    assert "Gain of each" not in shown
    assert "None" not in shown
    assert "nan" not in shown


def test_one_strategy_alone(cells_of):
    cells = cells_of(("entropy/global",), 2)
    html = render_report(summarise(cells), [])
    assert render_report(summarise(cells), []) == html  # the same every time
    shown = text_of(Page(html))
    assert "No verdict: nothing was compared with random." in shown
    assert "Nothing was compared with random on common seeds." in shown
    assert "cells were not at hand" in shown


def test_references_alone_make_a_page(cells_of):
    cells = cells_of((), 1)
    assert "No verdict" in text_of(Page(render_report(summarise(cells), cells)))


def test_hostile_names_stay_names(cells_of, pictures_of):
    cells = cells_of(("random", *HOSTILE), 1)
    for cell in cells:
        cell["recipe"] = HOSTILE[0]
        cell["parts"] = [HOSTILE[i % len(HOSTILE)] + str(i) for i in range(len(cell["parts"]))]
        cell["metric"] = {"name": HOSTILE[1] + HOSTILE[2], "unit": HOSTILE[2], "larger_is_better": True}
        cell["bought_unit"] = HOSTILE[1]
        cell["environment"]["platform"] = HOSTILE[1]
        cell["accounts"] = {HOSTILE[1]: 7}
    pictures = {HOSTILE[1]: [(HOSTILE[1], pictures_of(["x"], 1)["x"][0][1])]}
    html = render_report(summarise(cells, {HOSTILE[0]: HOSTILE[1]}), cells, pictures)
    page = Page(html)
    assert page.tags["script"] == 0
    assert page.tags["img"] == 1
    assert [a for a in page.attributes if a[1].startswith("on")] == []
    shown = text_of(page)
    for name in HOSTILE:
        assert name in shown


def test_the_command_that_plays_it_again_can_be_pasted_whatever_strategies_are_called(cells_of):
    cells = cells_of(("random", "egl/global"), 2)
    for cell in cells:
        cell["strategy"] = cell["strategy"].replace("egl/global", "a b; ls")
    named = "--data DIR --out DIR --strategies 'a b; ls' random --seeds 0 1"
    shown = text_of(Page(render_report(summarise(cells, {"seeds": 2}), cells)))
    assert f"querist compare recipe.yaml {named}" in shown
    without = text_of(Page(render_report(summarise(cells), cells)))
    assert f"querist compare camvid-small {named}" in without
    assert "lies beside this page" in shown
    assert "lies beside this page" not in without


def test_a_picture_that_is_none_is_an_error(cells_of):
    cells = cells_of((), 1)
    with pytest.raises(QueristError, match="random: step 0"):
        render_report(summarise(cells), cells, {"random": [("step 0", b"GIF89a")]})


def test_an_error_metric_in_small_numbers(cells_of):
    cells = cells_of(("random", "entropy/global"), 2)
    for cell in cells:
        cell["metric"] = {"name": "NME", "unit": "", "larger_is_better": False}
        cell["points"] = [{**p, "test": 0.1 - p["test"] / 1000} for p in copy.deepcopy(cell["points"])]
    summary = summarise(cells)
    shown = text_of(Page(render_report(summary, cells)))
    difference = next(t["difference"] for t in summary["tests"])
    assert difference > 0
    assert f"+{difference:.5f}" in shown


@pytest.mark.parametrize("cost", [0, 2880])
def test_what_policies_cost_is_said(cells_of, cost):
    cells = cells_of(("random", "ralis/sound"), 2)
    for cell in cells:
        cell["accounts"] = {"start": 100} | ({"policy": cost} if cost and cell["strategy"] == "ralis/sound" else {})
    shown = text_of(Page(render_report(summarise(cells), cells)))
    assert ("no label was added for them" in shown) == (cost == 0)
    assert "with the mean of its policies" in shown
    assert "3 policies, sd between them" in shown
    plain = [cell for cell in cells if cell["strategy"] != "ralis/sound"]
    shown = text_of(Page(render_report(summarise(plain), plain)))
    assert "policies" not in shown.lower()


def test_cells_that_do_not_count_are_in_no_table(cells_of):
    cells = [c for c in cells_of(("random", "ralis/sound"), 2) if c["seed"] == 0 or c["policy"] == 0]
    for cell in cells:  # of seed 1 a single policy
        cell["accounts"] = {"start": 77777 if cell["seed"] else 11}
    summary = summarise(cells)
    shown = text_of(Page(render_report(summary, cells)))
    assert summary["strategies"]["ralis/sound"]["cells"] == 3
    assert "5 cells" in shown
    assert "policies 1 and 2 on seed 1" in shown
    account = shown[shown.index("Labels per run") : shown.index("How to read")]
    row = account[account.index("ralis/ sound") :]
    assert row.split()[2:5] == ["960", "11", "971"]
