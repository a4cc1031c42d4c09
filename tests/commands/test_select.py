import csv
import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from querist.commands.select import _say_of_fewer
from querist.core.card import PolicyCard
from querist.demo.scenes import write_scenes
from slow.segmentation import SplitNet, TinyNet, write_weights
from tiny_people import tiny_people, write_market


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """Six images that nobody has labelled, twice as large as the model sees them."""
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    write_scenes(tmp_path / "pool", {"train": 6}, 64, 96)
    shutil.rmtree(tmp_path / "pool" / "masks")
    return tmp_path / "pool"


@pytest.fixture
def weights(tmp_path):
    return write_weights(tmp_path / "mine.safetensors")


def batch(path):
    return json.loads(path.read_text())["units"]


def expected_entropies(folder, weights):
    """Unit -> mean entropy, by numpy; the images must have the size that the model sees."""
    from safetensors.torch import load_file

    net = TinyNet(9).eval()
    net.load_state_dict(load_file(weights))
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    found = {}
    for path in sorted((folder / "images" / "train").iterdir()):
        pixels = (np.asarray(Image.open(path)) / 255.0 - mean) / deviation
        with torch.no_grad():
            logits = net(torch.from_numpy(pixels.transpose(2, 0, 1)[None]).float())[0].double().numpy()
        chances = np.exp(logits) / np.exp(logits).sum(axis=0)
        entropy = -(chances * np.log(chances)).sum(axis=0)
        for row in range(2):
            for column in range(3):
                window = entropy[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
                found[f"train/{path.stem}@r{row}c{column}"] = window.mean()
    return found


def test_the_most_doubtful_regions_best_first(querist, played, tmp_path, weights, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    said = querist(
        *("select", played.recipe, "--data", played.data, "--checkpoint", weights),
        *("--count", 5, "--out", tmp_path / "first"),
    )
    assert said.code == 0, said.err
    assert f"5 units in {tmp_path / 'first.json'} and {tmp_path / 'first.csv'}" in said.out
    rows, expected = batch(tmp_path / "first.json"), expected_entropies(played.data, weights)
    best = sorted(expected, key=lambda unit: -expected[unit])[:5]
    assert [row["unit"] for row in rows] == best
    assert [row["score"] for row in rows] == pytest.approx([expected[unit] for unit in best], abs=1e-4)


def test_margins_are_sorted_best_first_too(querist, pool, played, weights, tmp_path):
    out = tmp_path / "batch"
    querist(
        *("select", played.recipe, "--data", pool, "--checkpoint", weights),
        *("--strategy", "margin/group", "--count", 4, "--out", out),
    )
    scores = [row["score"] for row in batch(out.with_suffix(".json"))]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    assert max(scores) < 0  # minus the margin


def test_boxes_are_in_the_pixels_of_the_file_and_masks_are_not_needed(querist, pool, played, weights, tmp_path):
    out = tmp_path / "all"
    said = querist(
        *("select", played.recipe, "--data", pool, "--checkpoint", weights, "--count", 1000, "--out", out),
    )
    assert said.code == 0, said.err
    rows = {row["unit"]: row for row in batch(out.with_suffix(".json"))}
    assert len(rows) == 6 * 6
    assert "Only 36 of 1000 units could be found: no more are left." in said.flat
    # 32 x 48 for the model, 64 x 96 in the file: a region of 16 x 16 covers 32 x 32 there
    row = rows["train/drive0000_03@r1c2"]
    assert row["box"] == [64, 32, 32, 32]
    assert row["image"] == str(pool / "images" / "train" / "drive0000_03.png")


def test_a_small_batch_is_told_why(capsys):
    _say_of_fewer(1, 5, "matal/faithful+team=single", most=1)
    _say_of_fewer(0, 5, "matal/faithful+team=single", most=1)
    assert capsys.readouterr().out.splitlines() == [
        "Only 1 of 5 units could be found: matal/faithful+team=single asks for 1 at a time.",
        "Only 0 of 5 units could be found: no more are left.",
    ]


def test_json_and_csv_say_the_same(querist, pool, played, tmp_path):
    querist("select", played.recipe, "--data", pool, "--strategy", "random", "--count", 3, "--out", tmp_path / "b.json")
    rows = batch(tmp_path / "b.json")
    with (tmp_path / "b.csv").open(newline="") as file:
        flat = list(csv.DictReader(file))
    assert list(flat[0]) == ["unit", "image", "box", "score"]
    assert [row["unit"] for row in flat] == [row["unit"] for row in rows]
    assert [[int(v) for v in row["box"].split()] for row in flat] == [row["box"] for row in rows]
    assert [float(row["score"]) for row in flat] == [row["score"] for row in rows]


def test_earlier_batches_are_left_out_until_nothing_is_left(querist, pool, played, tmp_path):
    seen = set()
    files = []
    for number in range(3):  # 36 regions
        out = tmp_path / f"batch{number}"
        said = querist(
            *("select", played.recipe, "--data", pool, "--strategy", "random", "--count", 12, "--out", out),
            *(["--exclude", *files] if files else []),
        )
        assert said.code == 0, said.err
        units = {row["unit"] for row in batch(out.with_suffix(".json"))}
        assert len(units) == 12
        assert not units & seen
        seen |= units
        files.append(out.with_suffix(".json" if number else ".csv"))
    said = querist("select", played.recipe, "--data", pool, "--strategy", "random", "--exclude", *files)
    assert said.code == 2
    assert "every unit of the data is labelled or left out" in said.err


@pytest.mark.parametrize("strategy", ["entropy/global", "margin/group", "strengthened_random"])
def test_without_a_checkpoint_only_random_will_do(querist, pool, played, tmp_path, strategy):
    said = querist("select", played.recipe, "--data", pool, "--strategy", strategy, "--out", tmp_path / "b")
    assert said.code == 2
    assert f"{strategy} goes by what a model predicts, and there is no model" in said.err
    assert "--checkpoint MODEL.safetensors" in said.err
    assert not (tmp_path / "b.json").exists()


def test_the_same_seed_selects_the_same_and_another_does_not(querist, pool, played, tmp_path):
    chosen = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / name
        querist("select", played.recipe, "--data", pool, "--strategy", "random", "--seed", seed, "--out", out)
        chosen.append([row["unit"] for row in batch(out.with_suffix(".json"))])
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(chosen[0]) == 2  # the recipe's batch


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--count", "0"], "--count 0: nothing to select"),
        (["--checkpoint", "/no/such.safetensors"], "/no/such.safetensors"),
        (["--checkpoint", "NOTES"], "notes.txt"),
        (["--exclude", "/no/such.json"], "--exclude /no/such.json cannot be read: No such file or directory"),
        (["--exclude", "NOTES"], "notes.txt, line 1: the pool has no unit 'buy milk'"),
        (["--exclude", "TABLE"], "table.csv: not a batch that 'querist select' wrote"),
        (["--exclude", "OTHER"], "other.json, units[0]: the pool has no image 'train/elsewhere'"),
    ],
)
def test_what_cannot_be_used_is_named(querist, pool, played, tmp_path, arguments, words):
    (tmp_path / "notes.txt").write_text("buy milk\n")
    (tmp_path / "table.csv").write_text("name\nmilk\n")
    (tmp_path / "other.json").write_text('{"units": [{"unit": "train/elsewhere@r0c0"}]}')
    places = {"NOTES": tmp_path / "notes.txt", "TABLE": tmp_path / "table.csv", "OTHER": tmp_path / "other.json"}
    said = querist(
        *("select", played.recipe, "--data", pool, "--strategy", "random", "--out", tmp_path / "b"),
        *[places.get(a, a) for a in arguments],
    )
    assert said.code == 2, said.flat
    assert words in said.err
    assert not (tmp_path / "b.json").exists()


def test_weights_of_another_network_are_refused(querist, pool, played, tmp_path):
    other = write_weights(tmp_path / "other.safetensors", classes=4)
    said = querist("select", played.recipe, "--data", pool, "--checkpoint", other, "--out", tmp_path / "b")
    assert said.code == 2
    assert str(other) in said.err


def test_pairs_are_left_out_one_after_another(querist, tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    data = write_market(tmp_path / "market", tiny_people())
    arguments = {"image": [32, 32], "layout": "market", "model": {"path": "tiny_people.TinyEmbedder"}}
    problem = {"class_path": "querist.tasks.reid.problem.ReidProblem", "init_args": arguments}
    recipe = {"problem": problem, "budgets": [4], "batch": 1, "device": "cpu", "pairs": {"neighbours": 6, "mutual": 3}}
    (tmp_path / "pairs.yaml").write_text(yaml.safe_dump(recipe))
    asked, place = [], ["select", tmp_path / "pairs.yaml", "--data", data, "--strategy", "random"]
    for turn in range(3):
        before = ["--exclude", *(tmp_path / f"pair{i}.json" for i in range(turn))] if turn else []
        said = querist(*place, "--out", tmp_path / f"pair{turn}", *before)
        assert said.code == 0, said.err
        asked += [row["unit"] for row in batch(tmp_path / f"pair{turn}.json")]
    assert len(set(asked)) == 3


# Learned policies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def select(querist, taught, pool, tmp_path):
    """``querist select`` of a policy on images without masks, with weights of its model."""
    weights = write_weights(tmp_path / "split.safetensors", model=SplitNet)

    def run(*arguments, out=tmp_path / "batch", checkpoint=weights):
        given = ["--checkpoint", checkpoint] if checkpoint else []
        return querist("select", taught.recipe, "--data", pool, "--out", out, *given, *arguments)

    return run


def test_a_policy_selects_for_people_from_images_without_masks(select, taught, tmp_path):
    said = select("--policy", taught.card, "--count", 5)
    assert said.code == 0, said.err
    written = json.loads((tmp_path / "batch.json").read_text())
    assert (written["strategy"], written["policy"]) == ("ralis/sound", PolicyCard.load(taught.card).hash)
    scores = [row["score"] for row in written["units"]]
    assert len({row["unit"] for row in written["units"]}) == 5
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 1
    said = select("--policy", taught.card, "--count", 31, "--exclude", tmp_path / "batch.json", out=tmp_path / "rest")
    assert said.code == 0, said.err
    rest = {row["unit"] for row in batch(tmp_path / "rest.json")}
    assert len(rest) == 31
    assert not rest & {row["unit"] for row in written["units"]}  # 36 regions are in the pool


def test_the_policy_that_comes_along_selects_with_a_model_and_classes_it_never_met(select, tmp_path):
    said = select("--policy", "default", "--count", 3)
    assert said.code == 0, said.err
    assert "Of this policy camvid-small says (8 seeds): ralis/sound does not beat its controls" in said.out
    written = json.loads((tmp_path / "batch.json").read_text())
    assert written["strategy"] == "ralis/sound"
    assert len({row["unit"] for row in written["units"]}) == 3
    assert len({row["score"] for row in written["units"]}) > 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategy", "ralis/sound"], "ralis/sound is learned: it needs a policy"),
        (["--strategy", "ralis/shuffled"], "ralis/shuffled is learned: it needs a policy"),
        (["--policy", "CARD", "--strategy", "random"], "--strategy random, but the policy is of ralis/sound"),
        (["--policy", "/no/such/card"], "/no/such/card: not a policy card"),
        (["--policy", "FAITHFUL"], "ralis/faithful was trained on schema"),
        (["--strategy", "true_gain/global"], "true_gain/global looks at the answers, and nobody has given them"),
    ],
)
def test_who_cannot_select_is_named(select, taught, tmp_path, pool, arguments, words):
    classes = pool / "classes.yaml"
    classes.write_text(classes.read_text().replace("sky", "heaven"))
    places = {"CARD": taught.card, "FAITHFUL": taught.faithful}
    said = select(*[places.get(a, a) for a in arguments])
    assert said.code == 2, said.flat
    assert words in said.err
    assert "fix: " in said.err
    assert not (tmp_path / "batch.json").exists()


def test_a_policy_needs_a_model_to_look_at(select, taught, tmp_path):
    said = select("--policy", taught.card, checkpoint=None)
    assert said.code == 2
    assert "ralis/sound goes by what a model predicts, and there is no model" in said.err
