"""The answer page in a real browser: Debian's Chromium, driven by Playwright."""

import shutil
import threading
import time
from dataclasses import replace

import pytest

from annotate.people_run import PLAN, opened
from annotate.scripted import CHOICES, ScriptedDesk, drawn, scripted
from querist.annotate.desk import Asked, Choice, Conflict, Neighbour, Picture, Said, UnknownQuestionError
from querist.annotate.serve import Address, Server

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
READY = '#choices button[aria-disabled="false"]'


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Site:
    """A desk that is served, stopped and served again, and windows that look at it."""

    def __init__(self, chromium, questions, **more):
        self.chromium, self.desk = chromium, ScriptedDesk(questions, **more)
        self.links, self.contexts, self.problems = [], [], []
        self.thread = None
        self.port = 0
        self.start()

    def start(self):
        address = Address(port=self.port)
        self.server = Server(self.desk, address, secret=b"s" * 32, title="toy", told=self.links.append)
        self.port = address.port
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def stop(self):
        if self.thread is not None:
            self.server.stop()
            self.thread.join(20)
            assert not self.thread.is_alive()
        self.thread = None

    def window(self, ready=True, link=None, **more):
        context = self.chromium.new_context(**more)
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._inside(request.url))
        page.goto(link or self.links[-1])
        if ready:
            page.wait_for_selector(READY)
        return page

    def _inside(self, url):
        if not url.startswith((f"http://127.0.0.1:{self.port}/", "blob:")):
            self.problems.append(f"asked for {url}")

    def close(self):
        for context in self.contexts:
            context.close()
        self.stop()

    @property
    def said(self):
        return [entry[1:] for entry in self.desk.ledger]


@pytest.fixture
def site(chromium):
    made = []

    def make(questions=4, **more):
        made.append(Site(chromium, scripted(questions) if isinstance(questions, int) else questions, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert one.problems == []


def press(page, key):
    """A key, as a person presses it: after having seen the question."""
    page.wait_for_selector(READY)
    time.sleep(0.3)
    page.keyboard.press(key)


def shows(page, number):
    page.wait_for_selector(f'#pictures img[alt="candidate {number}"]')


def loaded(page, pictures):
    """Waits until all of some pictures are there; asked again and again, for the page lets nobody evaluate strings."""
    until = time.monotonic() + 10
    while not page.evaluate(f"[...document.querySelectorAll('{pictures}')].every((i) => i.naturalWidth)"):
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.1)


def test_a_session_by_keys(site):
    place = site()
    page = place.window()
    assert "#" not in page.url
    for number, key in enumerate("1233", start=1):
        shows(page, number)
        press(page, key)
    page.wait_for_selector("text=All done")
    assert place.said == [(1, 0, "same"), (2, 0, "different"), (3, 0, "unknown"), (4, 0, "unknown")]
    assert page.inner_text("#answered") == "4"
    assert "4 of 4 pairs answered" in page.inner_text("#said")
    page.keyboard.press("u")
    shows(page, 4)
    press(page, "1")
    page.wait_for_selector("text=All done")
    assert place.said[-1] == (4, 1, "same")


class Labelling(threading.Thread):
    """A run of five questions behind a page, in the thread that it belongs to."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.links, self.said, self.seen = folder, [], [], threading.Event()

    def run(self):
        with opened(self.folder, plan=replace(PLAN, marks=(5,))) as (run, desk, oracle, sitting):
            server = Server(desk, Address(), secret=b"s" * 32, told=self.links.append)
            page = threading.Thread(target=server.run)
            page.start()
            try:
                for _ in sitting.play():
                    pass
                self.said = [(q, b and bool(run.ledger.decode(b))) for _, q, _, b in run.ledger.answers(1)]
                self.seen.wait(20)
            finally:
                oracle.close()
                server.stop()
                page.join(20)


def test_the_last_answers_of_a_run_are_taken_back_while_somebody_looks(chromium, tmp_path):
    place = Labelling(tmp_path)
    place.start()
    context = chromium.new_context()
    try:
        while not place.links:
            time.sleep(0.01)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(place.links[0])
        for number in range(1, 6):
            page.wait_for_selector(f"#answered:text-is('{number - 1}')", state="attached")
            press(page, "s")
        page.wait_for_selector("text=All done")
        time.sleep(3)  # the page says that somebody looks
        assert place.said == []
        page.keyboard.press("u")
        page.wait_for_selector("text=It was “Same”.")
        press(page, "d")
        page.wait_for_selector("text=All done")
        page.wait_for_selector("#undo:not([data-none])", state="attached")
        page.keyboard.press("u")
        page.wait_for_selector("text=It was “Different”.")
        page.keyboard.press("u")  # and the one before
        page.wait_for_selector("text=It was “Same”.")
        press(page, "d")
        page.wait_for_selector("text=All done")
        page.goto("about:blank")
        until = time.monotonic() + 20
        while not place.said and time.monotonic() < until:
            time.sleep(0.05)
        assert place.said == [*((q, True) for q in range(1, 6)), (5, False), (4, False)]
        assert [path.name for path in (tmp_path / "models").iterdir()] == ["labels-000005.safetensors"]
    finally:
        place.seen.set()
        context.close()
        place.join(20)


def test_a_link_works_once_and_two_windows_get_different_questions(site):
    place = site()
    first = place.links[0]
    one, two = place.window(), place.window()
    shows(one, 1)
    shows(two, 2)
    refused = place.window(ready=False, link=first)
    refused.wait_for_selector("text=Please open a new link")
    assert "#" not in refused.url
    one.reload()
    shows(one, 1)


def test_what_a_closed_window_held_goes_to_another(site):
    now = [0.0]
    place = site(2, clock=lambda: now[0])
    one, two = place.window(), place.window()
    shows(one, 1)
    shows(two, 2)
    one.close()
    press(two, "1")
    two.wait_for_selector("text=One moment")
    now[0] = 61.0
    shows(two, 1)  # by itself
    assert place.said == [(2, 0, "same")]
    press(two, "2")
    two.wait_for_selector("text=All done")
    assert place.said[1:] == [(1, 0, "different")]


def test_a_wait_ends_by_itself(site):
    place = site()
    page = place.window()
    place.desk.waiting = True
    press(page, "2")
    page.wait_for_selector("text=The model is learning")
    assert page.locator(READY).count() == 0
    place.desk.waiting = False
    shows(page, 2)
    assert place.said == [(1, 0, "different")]


def test_two_quick_presses_do_not_answer_a_question_that_nobody_saw(site):
    place = site()
    page = place.window()
    time.sleep(0.2)
    for _ in range(4):
        page.keyboard.press("1")
    shows(page, 2)
    time.sleep(0.3)
    assert place.said == [(1, 0, "same")]
    page.evaluate("dispatchEvent(new KeyboardEvent('keydown', {key: '1', repeat: true, bubbles: true}))")
    page.evaluate("dispatchEvent(new KeyboardEvent('keydown', {key: '1', ctrlKey: true, bubbles: true}))")
    time.sleep(0.3)
    assert len(place.said) == 1


def test_the_server_dies_with_an_answer_under_way_and_comes_back(site):
    place = site()
    page = place.window()
    shows(page, 1)
    place.stop()
    press(page, "2")
    page.wait_for_selector("text=Your answer “Different” is kept here and will be sent.")
    assert page.locator(READY).count() == 0
    place.start()
    page.evaluate("document.querySelector('#retry').click()")
    shows(page, 2)
    page.wait_for_selector("#banner", state="hidden")
    assert place.said == [(1, 0, "different")]


def test_a_lost_receipt_is_asked_for_again_and_the_answer_counts_once(site):
    place = site()
    page = place.window()
    lost = []

    def lose(route):
        if len(lost) < 2:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/api/answer", lose)
    press(page, "1")
    shows(page, 2)
    assert lost == [200, 200]
    assert place.said == [(1, 0, "same")]
    assert page.inner_text("#answered") == "1"


def test_an_unsent_answer_outlives_the_page(site):
    place = site()
    page = place.window()
    page.route("**/api/answer", lambda route: route.abort())
    press(page, "2")
    page.wait_for_selector("#banner:not([hidden])")
    page.unroute("**/api/answer")
    page.reload()
    shows(page, 2)
    assert place.said == [(1, 0, "different")]
    assert page.evaluate("localStorage.length") == 0


def test_an_answer_that_another_window_gave_first_is_said(site):
    place = site()
    page = place.window()
    place.desk.answer("another", 1, 0, "same")
    press(page, "2")
    page.wait_for_selector("text=This question was answered differently.")
    shows(page, 2)
    assert place.said == [(1, 0, "same")]


def test_words_stay_words(site):
    nasty = "<img src=x onerror=\"document.title='x'\"><script>document.title='x'</script>"
    asked = Asked(1, nasty, (Choice("1", nasty, "a"),), (Picture("p", nasty, nasty),), note=nasty, context_title=nasty)
    place = site([asked], draw=None)
    page = place.window()
    assert page.inner_text("#prompt") == nasty
    assert page.inner_text("figcaption") == nasty
    assert page.locator("#question script, #choices img, figcaption img").count() == 0
    assert page.title() != "x"


def test_of_a_picture_that_cannot_be_had_only_can_t_tell_can_be_said(site):
    def draw(name):
        raise UnknownQuestionError("the file is gone")

    place = site(draw=draw)
    page = place.window()
    page.wait_for_selector("text=This picture cannot be shown.")
    press(page, "1")
    time.sleep(0.2)
    assert place.said == []
    press(page, "3")
    page.wait_for_selector("#answered:text('1')")
    assert place.said == [(1, 0, "unknown")]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (390, 664), (320, 568), (844, 390), (1280, 800)])
def test_everything_is_in_reach_on_every_screen(site, width, height):
    place = site(12)
    page = place.window(viewport={"width": width, "height": height}, has_touch=True, is_mobile=width < 900)
    time.sleep(0.2)
    page.tap("#choices button:nth-child(1)")
    shows(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = [button.bounding_box() for button in page.locator("#choices button, #undo").all()]
    assert all(box["height"] >= 44 and box["width"] >= 44 for box in boxes)
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert all(box["y"] + box["height"] <= height for box in boxes)
    pictures = [image.bounding_box() for image in page.locator("#pictures img").all()]
    assert len(pictures) == 2
    for box in pictures:
        assert box["height"] == pytest.approx(2 * box["width"], rel=0.02)  # its own proportions
        assert box["height"] >= 100
        assert box["y"] + box["height"] <= min(b["y"] for b in boxes)


def test_by_tab_and_enter_with_a_focus_that_is_seen_and_stays(site):
    place = site()
    page = place.window()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.parentElement?.id") != "choices":
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    focused = page.evaluate("document.activeElement.textContent")
    press(page, "Enter")
    shows(page, 2)
    assert page.evaluate("document.activeElement.textContent") == focused
    assert len(place.said) == 1


def test_a_key_that_is_held_on_a_button_answers_once(site):
    place = site()
    page = place.window()
    page.get_by_role("button", name="Same").focus()
    time.sleep(0.3)
    for _ in range(4):
        page.keyboard.down("Enter")  # the second and later ones are repeats
        time.sleep(0.4)
    page.keyboard.up("Enter")
    shows(page, 2)
    assert place.said == [(1, 0, "same")]
    press(page, "Enter")
    shows(page, 3)


def test_keys_can_be_switched_off_and_stay_off(site):
    place = site()
    page = place.window()
    page.get_by_role("button", name="Answer without keys").click()
    page.reload()
    press(page, "1")
    time.sleep(0.3)
    assert place.said == []
    assert page.locator("[aria-keyshortcuts]").count() == 0
    page.get_by_role("button", name="Same").press("Enter")  # who tabs to a button presses it
    shows(page, 2)
    page.get_by_role("button", name="Answer with keys").click()
    press(page, "2")
    shows(page, 3)
    assert place.said == [(1, 0, "same"), (2, 0, "different")]
    assert page.get_by_role("button", name="Same").get_attribute("aria-keyshortcuts") == "1"


def test_what_was_not_sent_to_another_run_at_this_address_is_kept(site):
    place = site()
    page = place.window()
    page.evaluate("localStorage.setItem('querist-unsent', JSON.stringify({another: {run: 'another', label: 'Same'}}))")
    page.reload()
    press(page, "2")
    shows(page, 2)
    assert place.said == [(1, 0, "different")]
    assert page.evaluate("Object.keys(JSON.parse(localStorage.getItem('querist-unsent')))") == ["another"]


def test_names_for_those_who_cannot_see(site):
    page = site().window()
    assert [image.get_attribute("alt") for image in page.locator("#pictures img").all()] == [
        "the person asked about, number 0",
        "candidate 1",
    ]
    assert page.locator("#neighbours img").first.get_attribute("alt") == "neighbour 1, asked now"
    assert page.get_by_role("button", name="Same").get_attribute("aria-keyshortcuts") == "1"
    assert page.get_by_role("progressbar", name="0 of 4 pairs answered, 4 remain").count() == 1
    assert page.get_by_role("group", name="Is this the same person?").count() == 1
    assert page.get_attribute("#said", "aria-live") == "polite"
    assert page.get_attribute("html", "lang") == "en"


def test_dark_and_without_motion(site):
    place = site()
    ground = {}
    for scheme in ("light", "dark"):
        page = place.window(color_scheme=scheme, reduced_motion="reduce")
        ground[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.evaluate("getComputedStyle(document.querySelector('figure')).animationName") == "none"
    assert ground["light"] != ground["dark"]


@pytest.mark.parametrize("count", [1, 2, 9])
def test_other_questions_fit_too(site, count):
    """One wide picture and classes to choose from: nothing on the page is about pairs."""
    choices = tuple(Choice(str(i + 1), f"class {i + 1}", f"c{i}") for i in range(count))
    asked = replace(scripted(1)[0], prompt="What is in the frame?", choices=choices, pictures=(Picture("crop-1", "a"),))
    place = site([asked])
    page = place.window(viewport={"width": 390, "height": 844}) if count == 9 else place.window()
    assert page.locator("#choices button").count() == count != len(CHOICES)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def contradictory(place):
    """Three answers, and the word of the desk that they cannot all be true."""
    said = [Said(1, 0, (0, 1), "Same", "yes"), Said(2, 0, (1, 2), "Same", "yes"), Said(3, 0, (0, 2), "Different", "no")]
    people = [Picture(f"crop-{n}", f"person {letter}", f"{letter}, camera {n}") for n, letter in enumerate("ABC", 1)]
    place.desk.contradictions = [Conflict("These answers cannot all be true.", people, said)]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800), (844, 390)])
def test_answers_that_contradict_each_other_side_by_side(site, width, height):
    place = site(12)
    page = place.window(viewport={"width": width, "height": height}, has_touch=True)
    for number, key in enumerate("112", start=1):
        shows(page, number)
        press(page, key)
    shows(page, 4)
    assert page.is_hidden("#torn")
    contradictory(place)
    press(page, "1")
    page.wait_for_selector("#torn:not([hidden])")
    shows(page, 5)
    page.get_by_role("button", name="Look").click()
    dialog = page.get_by_role("dialog", name="These answers cannot all be true.")
    dialog.wait_for()
    loaded(page, "#conflict-pictures img")
    boxes = [image.bounding_box() for image in dialog.get_by_role("img").all()]
    assert len({box["y"] for box in boxes}) == 1  # side by side
    assert all(box["height"] == pytest.approx(2 * box["width"], rel=0.02) for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [row.inner_text().split() for row in dialog.get_by_role("listitem").all()] == [
        ["A", "–", "B", "Same", "Answer", "again"],
        ["B", "–", "C", "Same", "Answer", "again"],
        ["A", "–", "C", "Different", "Answer", "again"],
    ]
    page.keyboard.press("1")  # answers nothing behind it
    time.sleep(0.3)
    assert len(place.said) == 4
    page.keyboard.press("Escape")
    assert dialog.count() == 0
    assert page.evaluate("document.activeElement.id") == "look"
    page.get_by_role("button", name="Look").click()
    page.get_by_role("button", name="A and C: Different. Answer again").click()
    shows(page, 3)
    assert page.is_hidden("#torn")
    place.desk.contradictions = []
    press(page, "1")
    shows(page, 5)
    assert place.said[-1] == (3, 1, "same")
    assert page.is_hidden("#torn")


def test_contradictions_can_be_left_as_they_are(site):
    place = site(12)
    contradictory(place)
    page = place.window()
    page.get_by_role("button", name="Look").click()
    page.get_by_role("button", name="Leave as they are").click()
    assert page.is_hidden("#torn")
    assert page.is_hidden("#conflict")
    press(page, "1")
    shows(page, 2)
    assert page.is_hidden("#torn")


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_the_strip_scrolls_to_the_picture_that_is_asked_about(site, width):
    """Also where pictures come late and push it aside."""
    place = site(3)

    def asked(question):
        present = 26 - 12 * question  # 14, then 2
        strip = [Neighbour(f"crop-{n}", f"n {n}", "present" if n == present else "open") for n in range(1, 31)]
        return replace(place.desk.questions[question], context=strip, revision=0)

    place.desk._asked = asked
    place.desk.draw = lambda name: time.sleep(0.02) or drawn(name)
    page = place.window(viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)
    middle = """() => {
      const box = document.querySelector("[data-state=present]").getBoundingClientRect();
      return box.left + box.width / 2;
    }"""
    loaded(page, "#neighbours img")
    assert page.evaluate(middle) == pytest.approx(width / 2, abs=3)
    press(page, "1")
    shows(page, 2)
    loaded(page, "#neighbours img")
    assert 0 < page.evaluate(middle) <= width / 2 + 3  # the second of all: as far as it goes
