import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from querist import cli
from querist.errors import QueristError

VERBS = ["demo", "compare", "train", "run", "resume", "status", "label", "select", "report"]
HEAVY = ["torch", "torchvision", "matplotlib", "scipy", "PIL", "gymnasium"]

WATCH = """
import contextlib, io, json, sys
from querist.cli import main
found = {}
for arguments in json.loads(sys.argv[1]):
    printed, code = io.StringIO(), 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
    heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
    found[" ".join(arguments)] = [code, printed.getvalue(), heavy]
print(json.dumps(found))
"""


def watched(*commands):
    """Runs commands one after another in one new process; for each: exit code, output, heavy modules by then."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps(commands), json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_help_is_there_for_every_verb_and_imports_nothing_heavy():
    found = watched(["--help"], ["--version"], *[[verb, "--help"] for verb in VERBS])
    for command, (code, printed, heavy) in found.items():
        assert code == 0, command
        assert heavy == [], command
        assert "Traceback" not in printed
    for verb in VERBS:
        assert verb in found["--help"][1]
        assert found[f"{verb} --help"][1].startswith(f"usage: querist [options] {verb}")
    assert version("querist") in found["--version"][1]


def test_every_module_of_a_verb_is_a_verb():
    from pkgutil import iter_modules

    from querist import commands

    assert sorted(m.name for m in iter_modules(commands.__path__) if m.name != "show") == sorted(VERBS)


def test_wrong_usage_and_wrong_names_import_nothing_heavy_either(tmp_path):
    found = watched(
        [],
        ["lable"],
        ["run"],
        ["run", "demo", "--sead", "3"],
        ["run", "demo", "--seed", "three"],
        ["status", str(tmp_path)],
        ["resume", str(tmp_path)],
    )
    words = ["verb", "lable", "recipe", "--sead", "three", str(tmp_path), str(tmp_path)]
    for word, (command, (code, printed, heavy)) in zip(words, found.items(), strict=True):
        assert code == 2, command
        assert word in printed.lower(), command
        assert "Traceback" not in printed
        assert heavy == [], command


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_user_can_put_right_ends_with_code_2_and_two_lines(verb, monkeypatch, capsys):
    def fail(**options):
        raise QueristError("the cat sits on the disk", "feed it")

    monkeypatch.setattr(f"querist.commands.{verb}.main", fail)
    assert cli.main([verb, *(["x"] if verb != "demo" else [])]) == 2
    printed = capsys.readouterr()
    assert printed.err == f"querist {verb}: the cat sits on the disk\n  fix: feed it\n"
    assert printed.out == ""


def test_an_interruption_ends_with_code_130_and_without_a_traceback(monkeypatch, capsys):
    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr("querist.commands.run.main", interrupted)
    assert cli.main(["run", "x"]) == 130
    assert "querist run: stopped" in capsys.readouterr().err


def test_a_defect_of_ours_is_not_hidden(monkeypatch):
    def broken(**options):
        raise AssertionError("a defect")

    monkeypatch.setattr("querist.commands.run.main", broken)
    with pytest.raises(AssertionError, match="a defect"):
        cli.main(["run", "x"])


def test_options_reach_the_verb_as_they_were_given(monkeypatch):
    seen = {}
    monkeypatch.setattr("querist.commands.compare.main", lambda **options: seen.update(options))
    arguments = (
        "compare mine.yaml --data d --seeds 3 1 --strategies random margin/group"
        " --policy default a --policy b"
        " --set batch=4 --set problem.start=5 --workers 2 --pictures false"
    )
    assert cli.main(arguments.split()) == 0
    assert seen == {
        "recipe": "mine.yaml",
        "data": "d",
        "out": None,
        "seeds": [3, 1],
        "strategies": ["random", "margin/group"],
        "policy": ["default", "a", "b"],
        "set": ["batch=4", "problem.start=5"],
        "workers": 2,
        "pictures": False,
    }
