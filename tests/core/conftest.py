from collections.abc import Callable
from pathlib import Path

import pytest

from querist.core.loop import Deployment
from querist.core.plan import Plan
from toy import ABOUT, PLAN, toy_deployment


@pytest.fixture
def deploy(tmp_path: Path) -> Callable[..., Deployment]:
    """A deployment of the toy in a folder of its own."""

    def make(name: str = "random", plan: Plan = PLAN, folder: str = "run", about: dict = ABOUT) -> Deployment:
        return toy_deployment(tmp_path / folder, name, plan, about)

    return make
