import json
import re
from pathlib import Path

import pytest

import querist.annotate
from annotate.client import HOST, TOKEN
from querist.annotate.desk import Conflict, Picture, Said, UnreadyError

STATIC = Path(querist.annotate.__file__).parent / "static"
FILES = ["/", "/conflicts.js", "/main.js", "/view.js", "/server.js", "/pictures.js", "/page.css", "/icon.svg"]


# What the page gets --------------------------------------------------------------------------------------------------


def test_a_question_comes_with_all_that_is_shown(world):
    state = world.browser().state()
    asked = state["asked"]
    assert (asked["id"], asked["revision"], asked["prompt"]) == (1, 0, "Is this the same person?")
    assert [c["value"] for c in asked["choices"]] == ["same", "different", "unknown"]
    assert [p["name"] for p in asked["pictures"]] == ["anchor-0", "crop-1"]
    assert [n["state"] for n in asked["context"]] == ["present", "open", "open", "open", "open"]
    assert state["nothing"] is state["undo"] is None
    assert state["title"] == "toy"
    assert state["progress"] == {
        "answered": 0,
        "budget": 5,
        "remaining": 5,
        "per_minute": None,
        "finished": False,
        "unit": "pairs",
    }


def test_an_answer_brings_the_next_question(world):
    browser = world.browser()
    browser.state()
    state = browser.answer(1, "same").json()
    assert state["receipt"] == {"question": 1, "revision": 0, "choice": "same", "counted": True}
    assert state["asked"]["id"] == 2
    assert state["asked"]["context"][0]["state"] == "yes"
    assert state["undo"] == {"question": 1, "revision": 0, "label": "Undo “Same”", "key": "u"}
    assert state["progress"]["answered"] == 1


def test_the_same_post_counts_once_and_another_answer_is_refused(world):
    browser = world.browser()
    browser.state()
    browser.answer(1, "same")
    again = browser.answer(1, "same")
    assert again.status_code == 200
    assert again.json()["receipt"]["counted"] is False
    assert again.json()["progress"]["answered"] == 1
    other = browser.answer(1, "different")
    assert other.status_code == 409
    assert other.json()["error"]["kind"] == "conflict"
    assert [entry[1:] for entry in world.desk.ledger] == [(1, 0, "same")]


def test_undo_opens_the_question_once_and_a_late_copy_of_the_answer_changes_nothing(world):
    browser = world.browser()
    browser.state()
    browser.answer(1, "same")
    state = browser.undo(1).json()
    assert state["undone"] is True
    assert (state["asked"]["id"], state["asked"]["revision"]) == (1, 1)
    assert state["undo"] is None
    assert browser.undo(1).json()["undone"] is True  # the same post again
    late = browser.answer(1, "same", revision=0)
    assert late.json()["receipt"]["counted"] is False
    assert late.json()["progress"]["answered"] == 0
    assert browser.answer(1, "different", revision=1).json()["progress"]["answered"] == 1
    assert browser.undo(1, 0).json()["undone"] is False
    assert [entry[1:] for entry in world.desk.ledger] == [(1, 0, "same"), (1, 1, "different")]


def test_answers_that_contradict_each_other_are_told_and_can_be_given_again(world):
    browser = world.browser()
    assert browser.state()["conflicts"] == []
    for number in (1, 2, 3):
        browser.answer(number, "same")
    said = [Said(number, 0, (number - 1, number % 3), "Same", "yes") for number in (1, 2, 3)]
    world.desk.contradictions = [Conflict("cannot be", [Picture(f"crop-{n}", "seen", "A") for n in (1, 2, 3)], said)]
    (told,) = browser.state()["conflicts"]
    assert told["title"] == "cannot be"
    assert [picture["name"] for picture in told["pictures"]] == ["crop-1", "crop-2", "crop-3"]
    assert told["answers"][1] == {"question": 2, "revision": 0, "about": [1, 2], "label": "Same", "tone": "yes"}
    state = browser.undo(1).json()
    assert state["undone"] is True
    assert (state["asked"]["id"], state["asked"]["revision"]) == (1, 1)


def test_two_browsers_get_different_questions(world):
    one, two = world.browser(), world.browser()
    assert one.state()["asked"]["id"] == 1
    assert two.state()["asked"]["id"] == 2
    assert one.state()["asked"]["id"] == 1


def test_waiting_and_done_have_reasons(world):
    browser = world.browser()
    world.desk.waiting = True
    assert browser.state()["nothing"] == {"reason": "waiting", "note": "The model is learning from your answers."}
    world.desk.waiting = False
    for number in range(1, 6):
        state = browser.answer(number, "unknown").json()
    assert state["asked"] is None
    assert state["nothing"] == {"reason": "done", "note": ""}
    assert state["progress"]["finished"] is True
    assert state["undo"]["question"] == 5


def test_pictures_come_by_question_and_name(world):
    browser = world.browser()
    reply = browser.get("/picture/1/crop-1")
    assert reply.headers["content-type"] == "image/png"
    assert reply.content.startswith(b"\x89PNG")
    assert browser.get("/picture/1/crop-2").status_code == 200  # one of the strip
    for path in ("/picture/1/crop-99", "/picture/77/crop-1", "/picture/x/crop-1", "/picture/1/", "/picture/1"):
        assert browser.get(path).status_code == 404


# Who may come in -----------------------------------------------------------------------------------------------------


def test_a_stranger_gets_the_empty_page_and_nothing_else(world):
    stranger = world.stranger()
    for path in FILES:
        assert stranger.get(path).status_code == 200
    assert stranger.get("/api/state").status_code == 401
    assert stranger.get("/picture/1/crop-1").status_code == 401
    assert stranger.answer(1, "same").status_code == 401
    assert stranger.undo(1).status_code == 401
    assert world.desk.ledger == []


def test_the_token_is_exchanged_once_for_a_cookie_that_scripts_cannot_read(world):
    browser = world.stranger()
    reply = browser.post("/api/enter", {"token": TOKEN})
    assert reply.status_code == 204
    cookie = reply.headers["set-cookie"]
    assert re.match(r"querist-[0-9a-f]{12}=[0-9a-f]{16}\.[0-9a-f]{64};", cookie)
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert browser.state()["asked"]["id"] == 1
    assert world.stranger().post("/api/enter", {"token": TOKEN}).status_code == 401
    assert world.links[-1] != TOKEN


def test_who_is_in_does_not_use_up_the_next_link(world):
    browser = world.browser()
    assert browser.post("/api/enter", {"token": world.links[-1]}).status_code == 204
    assert len(world.links) == 2
    assert world.browser().state()["asked"] is not None


def test_over_tls_the_cookie_stays_there(world):
    browser = world.stranger()
    reply = browser.request(
        "POST", f"https://{HOST}/api/enter", json={"token": TOKEN}, headers={"Origin": f"https://{HOST}"}
    )
    assert "Secure" in reply.headers["set-cookie"].split("; ")


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        "x",
        {"question": "1", "revision": 0, "choice": "same"},
        {"question": True, "revision": 0, "choice": "same"},
        {"question": 1.0, "revision": 0, "choice": "same"},
        {"question": -1, "revision": 0, "choice": "same"},
        {"question": 2**63, "revision": 0, "choice": "same"},
        {"question": 1, "revision": 0, "choice": 7},
        {"question": 1, "revision": 0, "choice": "same", "more": 1},
        {"question": 1, "choice": "same"},
    ],
)
def test_what_is_no_answer_is_refused(world, content):
    browser = world.browser()
    reply = browser.post("/api/answer", content)
    assert reply.status_code == 400
    assert reply.json()["error"]["kind"] == "malformed"
    assert world.desk.ledger == []


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"\xff", b"[" * 4000, b'{"question":' + b"1" * 4000 + b"}"])
def test_what_is_no_json_is_refused(world, raw):
    headers = {"Origin": f"http://{HOST}", "Content-Type": "application/json"}
    assert world.browser().request("POST", "/api/answer", content=raw, headers=headers).status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_of_another_site_could_send_is_refused(world, kind):
    body = b'{"question": 1, "revision": 0, "choice": "same"}'
    headers = {"Origin": f"http://{HOST}", "Content-Type": kind}
    assert world.browser().request("POST", "/api/answer", content=body, headers=headers).status_code == 415
    assert world.desk.ledger == []


@pytest.mark.parametrize("choice", ["maybe", "", "\ud800", "<b>", "x" * 3000])
def test_unknown_choices_and_questions(world, choice):
    browser = world.browser()
    body = json.dumps({"question": 1, "revision": 0, "choice": choice})  # half a surrogate pair goes as an escape
    headers = {"Origin": f"http://{HOST}", "Content-Type": "application/json"}
    reply = browser.request("POST", "/api/answer", content=body.encode(), headers=headers)
    assert reply.status_code == 404
    assert browser.answer(99, "same").status_code == 404
    assert world.desk.ledger == []


def test_an_answer_that_cannot_be_kept_yet_is_to_be_sent_again(world):
    browser = world.browser()
    world.desk.failing = UnreadyError("the disk is full", "make room")
    reply = browser.answer(1, "same")
    assert reply.status_code == 503
    assert reply.json()["error"] == {"kind": "unready", "what": "the disk is full", "fix": "make room"}
    assert browser.answer(1, "same").json()["receipt"]["counted"] is True


def test_a_defect_tells_the_browser_nothing_and_the_log_everything(world, caplog):
    browser = world.browser()
    world.desk.failing = RuntimeError("/home/someone/secret.txt")
    reply = browser.answer(1, "same")
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    assert reply.headers["content-security-policy"]
    assert "/home/someone/secret.txt" in caplog.text
    assert browser.answer(1, "same").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/picture/1/..%2f..%2fpyproject.toml",
        "/picture/1/..",
        "/picture/1/%2e%2e%2fdesk.py",
        "/picture/..%2f1/crop-1",
        "/picture/1/.env",
        "/picture/1/crop-1%00.png",
        "/picture/" + "1" * 5000 + "/crop-1",
        "/picture/²/crop-1",
        "/../desk.py",
        "/%2e%2e/desk.py",
        "/static/main.js",
        "/main.js/",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_out(world, path):
    reply = world.browser().get(path)
    assert reply.status_code == 404
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("call", ["POST /api/state", "GET /api/answer", "PUT /api/answer", "DELETE /", "POST /main.js"])
def test_other_methods_are_refused(world, call):
    reply = world.browser().request(*call.split(), headers={"Origin": f"http://{HOST}"})
    assert reply.status_code == 405


# The files of the page -----------------------------------------------------------------------------------------------


def test_the_page_refers_to_nothing_outside_and_runs_nothing_inline():
    html = (STATIC / "index.html").read_text()
    assert re.findall(r"https?:|//[a-z]", html) == []
    assert re.findall(r"<script(?![^>]*src=)|<style|\son[a-z]+=|\sstyle=", html) == []
    for name in re.findall(r'(?:href|src)="([^"]*)"', html):
        assert name in FILES
    for file in STATIC.glob("*.js"):
        code = file.read_text()
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert sink not in code, f"{file.name} uses {sink}"
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", code) == []
    assert re.findall(r"url\(|@import", (STATIC / "page.css").read_text()) == []


def test_every_file_is_served_as_what_it_is(world):
    kinds = {"": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in FILES:
        reply = world.stranger().get(path)
        assert reply.headers["content-type"].startswith(kinds[Path(path).suffix])
        assert reply.content == (STATIC / (path[1:] or "index.html")).read_bytes()
    assert {f"/{p.name}" for p in STATIC.iterdir()} - {"/index.html"} == set(FILES) - {"/"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme):
    """WCAG 2.2 AA, 1.4.3: 4.5 to 1, for every colour of text on every ground it stands on."""
    css = (STATIC / "page.css").read_text()
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)
    )
    colours = light | (dark if scheme == "dark" else {})
    pairs = [("ink", "ground"), ("ink", "paper"), ("soft", "ground"), ("soft", "mat"), ("accent", "ground")]
    pairs += [(tone, f"{tone}-ground") for tone in ("yes", "no", "unsure")]
    pairs += [("ground", tone) for tone in ("yes", "no", "unsure", "ink")]  # a button that was pressed
    for one, other in pairs:
        assert contrast(colours[one], colours[other]) >= 4.5, (one, other)
    assert contrast(colours["focus"], colours["ground"]) >= 3.0


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
