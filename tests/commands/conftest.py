"""The command line on a segmentation run of a second, in this process."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from querist.cli import main
from slow.segmentation import write_tiny


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def flat(self) -> str:
        """All of it as one line, for the terminal's width breaks lines anywhere."""
        return " ".join(f"{self.out} {self.err}".split())


@pytest.fixture
def querist(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs ``querist ARGUMENTS``."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as end:  # of the parser
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run


@dataclass(frozen=True)
class Tiny:
    """Where things lie: ``half`` was interrupted after six of ten labels, ``whole`` never was."""

    data: Path
    recipe: Path
    half: Path
    whole: Path


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A whole run and a half one, made once; not to be changed."""
    folder = tmp_path_factory.mktemp("played")
    patch = pytest.MonkeyPatch()
    patch.setenv("QUERIST_CACHE", str(folder / "cache"))
    data, recipe = write_tiny(folder)
    arguments = ["run", str(recipe), "--data", str(data), "--out"]
    assert main([*arguments, str(folder / "whole")]) == 0
    interrupt_after(patch, labels=6)
    assert main([*arguments, str(folder / "half")]) == 130
    patch.undo()
    return Tiny(data, recipe, folder / "half", folder / "whole")


@dataclass(frozen=True)
class Taught:
    """A recipe whose strategies learn, and cards of two of them."""

    data: Path
    recipe: Path
    card: Path
    faithful: Path


@pytest.fixture(scope="session")
def taught(played: Tiny) -> Taught:
    """Policies of three games, trained once; not to be changed."""
    patch = pytest.MonkeyPatch()
    folder = played.data.parent
    patch.setenv("QUERIST_CACHE", str(folder / "cache"))
    data, recipe = write_tiny(folder, learned=True)
    for name in ("sound", "faithful"):
        arguments = ["--strategy", f"ralis/{name}", "--out", str(folder / name)]
        assert main(["train", str(recipe), "--data", str(data), *arguments]) == 0
    patch.undo()
    return Taught(data, recipe, folder / "sound", folder / "faithful")


def interrupt_after(patch: pytest.MonkeyPatch, labels: int) -> None:
    """From now on whoever plays a deployment presses Ctrl-C once so many labels were bought."""
    from querist.core.loop import Deployment

    plain = Deployment.play

    def play(self):
        for event in plain(self):
            yield event
            if event.spent >= labels:
                raise KeyboardInterrupt

    patch.setattr(Deployment, "play", play)


@pytest.fixture
def tiny(played: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Copies of the data and of both runs, to be broken at will."""
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    for path in (played.data, played.half, played.whole):
        shutil.copytree(path, tmp_path / path.name)
    return Tiny(tmp_path / "data", played.recipe, tmp_path / "half", tmp_path / "whole")


@pytest.fixture(scope="session")
def learned(taught: Taught, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of random with two policies and a control, on two seeds; not to be changed."""
    out = tmp_path_factory.mktemp("learned") / "out"
    patch = pytest.MonkeyPatch()
    patch.setenv("QUERIST_CACHE", str(taught.data.parent / "cache"))
    where = ["--data", str(taught.data), "--out", str(out), "--workers", "1", "--pictures", "false"]
    assert main(["compare", str(taught.recipe), *where]) == 0
    patch.undo()
    return out


@pytest.fixture(scope="session")
def compared(played: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of two strategies on two seeds; whoever changes it puts it back."""
    out = tmp_path_factory.mktemp("compared") / "out"
    patch = pytest.MonkeyPatch()
    patch.setenv("QUERIST_CACHE", str(out.parent / "cache"))
    assert main(["compare", str(played.recipe), "--data", str(played.data), "--out", str(out), "--workers", "1"]) == 0
    patch.undo()
    return out
