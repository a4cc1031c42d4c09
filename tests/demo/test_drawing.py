import pytest

from querist.demo.drawing import Drawing
from querist.errors import QueristError


@pytest.mark.parametrize(
    ("drawing", "images"),
    [
        (Drawing("scenes", 2, 1, more={"val": 1, "height": 48, "width": 64}), 4),
        (Drawing("bodies", 2, 1), 3),
        (Drawing("hands", 2, 1), 3),
        (Drawing("people", 2, 2, more={"images": 4, "cameras": 2, "height": 32, "width": 16}), 8),
    ],
)
def test_everything_that_a_recipe_names_can_be_drawn(tmp_path, monkeypatch, drawing, images):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path))
    told = []
    folder = drawing.kept(lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] > 0
    found = [p for p in folder.rglob("*") if p.suffix in (".png", ".jpg") and "masks" not in p.parts]
    assert len(found) >= images  # of people there are distractors besides
    before = {p: p.stat().st_mtime_ns for p in found}
    assert drawing.kept(None) == folder  # not drawn again
    assert {p: p.stat().st_mtime_ns for p in found} == before


def test_two_that_draw_the_same_at_once_share_what_is_ready_first(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path))
    drawing, others = Drawing("hands", 2, 1), []

    def while_it_draws(done, of):
        if not others:
            others.append(drawing.kept())
            (others[0] / "mark").touch()

    assert drawing.kept(while_it_draws) == others[0]
    assert (others[0] / "mark").is_file()
    assert len(list(others[0].parent.iterdir())) == 1


def test_other_numbers_are_kept_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path))
    folders = [Drawing("bodies", 1, 1, seed=seed).kept() for seed in (0, 1)]
    assert folders[0] != folders[1]
    pictures = [sorted(f.rglob("*.png")) or sorted(f.rglob("*.jpg")) for f in folders]
    assert pictures[0][0].read_bytes() != pictures[1][0].read_bytes()


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(QueristError, match="'cats' is nothing that is drawn"):
        Drawing("cats", 1, 1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(QueristError, match="0 hands to learn from"):
        Drawing("hands", 0, 1)
    with pytest.raises(QueristError, match=r"compare 'more' with querist\.demo\.hands"):
        Drawing("hands", 1, 1, more={"fingers": 6}).draw(tmp_path / "hands")
