"""The examples of the documentation are run as they stand."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)


def test_own_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("own-model.md")
    exec(compile(block, "own-model.md", "exec"), {"__name__": "example"})
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["start", *["step"] * 2, "mark", *["step"] * 2, "mark", "done"]
    values = [float(v) for line in printed if line.startswith("mark") for v in re.findall(r"'test': ([\d.]+)", line)]
    assert len(values) == 2
    assert values[-1] > 60  # two classes told apart clearly: guessing gives 33


def test_the_example_is_short():
    (block,) = blocks("own-model.md")
    own = block[block.index("torch.manual_seed") :]
    assert sum(bool(line.strip()) for line in own.splitlines()) <= 30
