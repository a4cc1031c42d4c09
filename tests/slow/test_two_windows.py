"""Two windows answer one run at once, in Debian's Chromium: each about another query, each with its own undo."""

import threading
import time
from dataclasses import replace

import pytest

from annotate.people_run import PLAN, SECRET, opened
from querist.annotate.serve import Address, Server
from slow.label_play import crowd
from slow.test_page import READY, chromium, press  # noqa: F401 (a fixture)
from tiny_people import tiny_task

pytestmark = pytest.mark.slow
LEASE = 3.0


class Served(threading.Thread):
    """A run with its page, played in a thread of its own until it is closed."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.links, self.ready, self.error = folder, [], threading.Event(), None

    def run(self):
        plan = replace(PLAN, marks=(60,), update_every=20, close_every=20)
        try:
            with opened(self.folder, plan=plan, lease=LEASE, people=2, make=lambda: tiny_task(crowd(8))) as parts:
                _, desk, self.oracle, sitting = parts
                server = Server(desk, Address(), secret=SECRET, title="two", told=self.links.append)
                page = threading.Thread(target=server.run)
                page.start()
                self.ready.set()
                try:
                    list(sitting.play())
                finally:
                    server.stop()
                    page.join(20)
        except Exception as error:
            self.error = error
        finally:
            self.ready.set()


@pytest.fixture
def served(tmp_path):
    run = Served(tmp_path / "run")
    run.start()
    assert run.ready.wait(60)
    yield run
    run.oracle.close()
    run.join(30)
    assert run.error is None
    assert not run.is_alive()


def test_each_has_a_query_of_its_own(served, chromium):  # noqa: F811
    one, two = (chromium.new_context().new_page() for _ in range(2))

    def asked(page):
        page.wait_for_selector(READY)
        found = page.evaluate("fetch('/api/state').then((reply) => reply.json())")["asked"]
        return found["id"], found["revision"], found["pictures"][0]["name"]

    for page in (one, two):
        page.goto(served.links[-1])
        page.wait_for_selector(READY)
    seen = {one: [], two: []}
    for _ in range(6):
        for page in (one, two):
            question, revision, anchor = asked(page)
            assert (question, anchor) not in [(q, a) for q, a in seen[one] + seen[two]]
            assert not revision
            seen[page].append((question, anchor))
            press(page, "d")
            page.wait_for_selector("#undo:not([data-none])")
            while asked(page)[0] == question:
                time.sleep(0.02)
        assert asked(one)[2] != asked(two)[2]
    for page in (one, two):  # the other has answered since
        mine = seen[page][-1][0]
        press(page, "u")
        page.wait_for_selector("text=You are correcting an answer. It was “Different”.")
        assert asked(page)[:2] == (mine, 1)
        press(page, "s")
        page.wait_for_selector("text=You are correcting an answer.", state="hidden")
    left = asked(two)
    two.context.close()
    until = time.monotonic() + 60
    while asked(one)[0] != left[0]:  # it goes to the one who is still there
        assert time.monotonic() < until
        press(one, "d")
        time.sleep(0.1)
    assert asked(one)[2] == left[2]
    one.context.close()
