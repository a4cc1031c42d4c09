import asyncio

import pytest

from annotate.client import TOKEN, Client
from annotate.scripted import ScriptedDesk, scripted
from querist.annotate.application import application


@pytest.fixture(scope="session")
def runner():
    with asyncio.Runner() as runner:
        yield runner


class World:
    """A desk, its application, and browsers that come in one after another by the links that are handed out."""

    def __init__(self, runner, count=5, **more):
        self.runner, self.links = runner, [TOKEN]
        self.desk = ScriptedDesk(scripted(count), **more)
        self.app = application(
            self.desk, TOKEN, ["127.0.0.1:8765"], secret=b"s" * 32, title="toy", invite=self.links.append
        )

    def stranger(self):
        return Client(self.app, self.runner)

    def browser(self):
        return Client(self.app, self.runner, enter=self.links[-1])


@pytest.fixture
def world(runner):
    return World(runner)
